//! A backend for tests: every service with two instances where there are two, on 127.0.0.1:0.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use squall_fault_layer::Faults;

use crate::platform::discovery::place::Place;
use crate::platform::host::Host;
use crate::serve::serve_on;
use crate::service::{ServiceConfig, ServiceKind};
use crate::settings::Settings;

/// No step of a test takes longer unless something hangs.
pub(super) const HANG: Duration = Duration::from_secs(60);

/// One running instance.
pub(super) struct Running {
    pub(super) host: Arc<Host>,
    thread: JoinHandle<()>,
    // Dropping either ends the instance too, so a failed test leaves none behind.
    stop: oneshot::Sender<()>,
    kill: oneshot::Sender<()>,
}

/// The backend.
pub(super) struct Backend {
    pub(super) instances: HashMap<String, Running>,
    pub(super) http: reqwest::Client,
    directory: tempfile::TempDir,
    registry: SocketAddr,
    settings: Settings,
}

/// One instance of each service, two of what must survive the loss of one.
const TOPOLOGY: [(ServiceKind, usize); 10] = [
    (ServiceKind::Discovery, 1),
    (ServiceKind::Gateway, 1),
    (ServiceKind::Recommendations, 2),
    (ServiceKind::Catalog, 2),
    (ServiceKind::Playback, 2),
    (ServiceKind::User, 2),
    (ServiceKind::Edge, 2),
    (ServiceKind::Origin, 1),
    (ServiceKind::Cache, 2),
    (ServiceKind::Store, 1),
];

impl Backend {
    /// Starts everything at once, users first and what they need last, and waits until all of it
    /// is ready.
    pub(super) async fn start(settings: Settings) -> Self {
        let backend = Self::with(settings, |_| true).await;
        backend
            .until("everyone is ready and knows everyone", |backend| {
                let others = backend.instances.len() - 1;
                backend.instances.values().all(|running| {
                    let listing = running.host.directory.listing();
                    let known: usize = listing.services.values().map(Vec::len).sum();
                    let is_registry = running.host.config.kind == ServiceKind::Discovery;
                    running.host.is_ready() && (is_registry || known == others)
                })
            })
            .await;
        backend
    }

    /// Starts these services, and waits for nothing. [`add`](Self::add) starts more.
    pub(super) async fn with(settings: Settings, wanted: impl Fn(ServiceKind) -> bool) -> Self {
        let discovery = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut backend = Self {
            instances: HashMap::new(),
            http: reqwest::Client::new(),
            directory: tempfile::tempdir().unwrap(),
            registry: discovery.local_addr().unwrap(),
            settings,
        };
        backend.run(
            backend.config(ServiceKind::Discovery, 0, backend.registry),
            discovery,
        );
        for (kind, _) in TOPOLOGY {
            if kind != ServiceKind::Discovery && wanted(kind) {
                backend.add(kind).await;
            }
        }
        backend
    }

    /// Starts all instances of a service, and waits for nothing.
    pub(super) async fn add(&mut self, kind: ServiceKind) {
        let count = TOPOLOGY.iter().find(|(of, _)| *of == kind).unwrap().1;
        for n in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let config = self.config(kind, n, listener.local_addr().unwrap());
            self.run(config, listener);
        }
    }

    fn config(&self, kind: ServiceKind, n: usize, address: SocketAddr) -> ServiceConfig {
        ServiceConfig {
            kind,
            instance: format!("{kind}-{n}"),
            listen: address,
            advertise: address,
            discovery: self.discovery_of(kind),
            data_dir: self.directory.path().join("data"),
            cache_dir: shared_dataset().to_path_buf(),
            cache_authority: None,
            seed: 42,
            settings: self.settings.clone(),
        }
    }

    /// Gateways look discovery up, the others know its address.
    fn discovery_of(&self, kind: ServiceKind) -> Option<Place> {
        match kind {
            ServiceKind::Discovery => None,
            ServiceKind::Gateway => Some(
                format!("localhost:{}", self.registry.port())
                    .parse()
                    .unwrap(),
            ),
            _ => Some(self.registry.into()),
        }
    }

    /// Runs an instance on a runtime of its own, like a process: when it ends, so does all it has
    /// begun.
    fn run(&mut self, config: ServiceConfig, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel();
        let (kill, killed) = oneshot::channel();
        let name = config.instance.clone();
        let host = Host::new(config, Faults::default());
        let running = Arc::clone(&host);
        let listener = listener.into_std().unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let serving = serve_on(running, listener, async {
                    let _ = stopped.await;
                });
                tokio::select! {
                    served = serving => served.unwrap(),
                    _ = killed => {}
                }
            });
        });
        let instance = Running {
            host,
            thread,
            stop,
            kill,
        };
        self.instances.insert(name, instance);
    }

    /// The host of an instance.
    pub(super) fn host(&self, instance: &str) -> &Arc<Host> {
        &self.instances[instance].host
    }

    /// Ends an instance as `kill -9` would: it neither drains nor says goodbye.
    pub(super) async fn kill(&mut self, instance: &str) {
        let Running {
            thread, stop, kill, ..
        } = self.instances.remove(instance).unwrap();
        kill.send(()).unwrap();
        ended(thread).await;
        drop(stop);
    }

    /// Ends an instance in good order.
    pub(super) async fn stop(&mut self, instance: &str) {
        let Running {
            thread, stop, kill, ..
        } = self.instances.remove(instance).unwrap();
        stop.send(()).unwrap();
        ended(thread).await;
        drop(kill);
    }

    /// Starts an instance again at the address it had.
    pub(super) async fn restart(&mut self, config: ServiceConfig) {
        let listener = TcpListener::bind(config.listen).await.unwrap();
        self.run(config, listener);
    }

    /// Answers of the gateway.
    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        self.get_from("gateway-0", path).await
    }

    /// Answers of any instance.
    pub(super) async fn get_from(&self, instance: &str, path: &str) -> reqwest::Response {
        let address = self.host(instance).config.listen;
        let sent = self.http.get(format!("http://{address}{path}")).send();
        tokio::time::timeout(HANG, sent).await.unwrap().unwrap()
    }

    /// The licence of a preview of this title, as a player gets it.
    pub(super) async fn licence(&self, title: u64) -> String {
        let response = self.get(&format!("/play/{title}")).await;
        assert_eq!(response.status(), 200, "play {title}");
        let manifest: serde_json::Value = response.json().await.unwrap();
        manifest["licence"].as_str().unwrap().to_owned()
    }

    /// The answer of this address to a player that shows this licence.
    pub(super) async fn licensed(&self, url: &str, licence: &str) -> reqwest::Response {
        let sent = self.http.get(url).bearer_auth(licence).send();
        tokio::time::timeout(HANG, sent).await.unwrap().unwrap()
    }

    /// A segment through the gateway, with this licence.
    pub(super) async fn watch(&self, path: &str, licence: &str) -> reqwest::Response {
        let gateway = self.host("gateway-0").config.listen;
        self.licensed(&format!("http://{gateway}{path}"), licence)
            .await
    }

    /// Waits for something to become true.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(HANG, async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(waited.await.is_ok(), "never happened: {what}");
    }
}

async fn ended(thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(|| thread.join());
    tokio::time::timeout(HANG, joined)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// One dataset for all tests of a run.
fn shared_dataset() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or(Path::new("."), |_| {
            static DIRECTORY: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
            DIRECTORY
                .get_or_init(|| tempfile::tempdir().unwrap())
                .path()
        })
}

/// Settings with these changed.
pub(super) fn settings(changes: &[(&str, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in changes {
        settings.set(name, value).unwrap();
    }
    settings
}

/// Titles on a homepage.
pub(super) fn titles(page: &serde_json::Value) -> Vec<u64> {
    let rows = page["rows"].as_array().unwrap();
    rows.iter()
        .flat_map(|row| row["titles"].as_array().unwrap())
        .map(|title| title["id"].as_u64().unwrap())
        .collect()
}

/// The mark of a degraded answer.
pub(super) fn fallback(response: &reqwest::Response) -> String {
    let header = response.headers().get("x-fallback");
    header
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}
