//! Load against nginx, where it is installed.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{Counts, Sample};
use squall_scenario::{
    AnswerCheck, Arrivals, ClientTls, Connecting, DataSource, Expected, HttpVersion, Load, Rate,
    Request, Stage, Template,
};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::grpc::json;

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);
const HOST: &str = "shop.test";
/// How often ports are chosen, of which somebody may take one before nginx does.
const TRIES: usize = 5;
/// Requests that it answers on a connection before it ends it. However many are on their
/// way then, up to eight connections are tried, and that is enough for all 200.
const ON_EACH: u32 = 25;

/// How nginx is spoken to, in the order of its ports, and what it calls that.
const WAYS: [(HttpVersion, bool, &str); 4] = [
    (HttpVersion::One, false, "HTTP/1.1"),
    (HttpVersion::Two, false, "HTTP/2.0"),
    // Both by ALPN.
    (HttpVersion::One, true, "HTTP/1.1"),
    (HttpVersion::Two, true, "HTTP/2.0"),
];

/// An nginx of the test's own, which ends with it.
struct Nginx {
    child: Child,
    dir: TempDir,
    addresses: [SocketAddr; 3],
    trusted: ClientTls,
}

/// A request that it has answered.
#[derive(Debug)]
struct Line {
    worker: String,
    connection: String,
    protocol: String,
    path: String,
}

/// From this version on `keepalive_requests` is of HTTP/2, too.
const VERSION_MIN: [u32; 3] = [1, 19, 7];

/// Where it is installed, with all that is needed.
fn program() -> Option<&'static str> {
    ["nginx", "/usr/sbin/nginx"].into_iter().find(|program| {
        let built = Command::new(program).arg("-V").output();
        built.is_ok_and(|built| {
            let text = String::from_utf8_lossy(&built.stderr);
            let has = |what: &str| text.contains(what);
            let version = text.split("nginx/").nth(1).unwrap_or_default();
            let numbers = version.split(|it: char| !it.is_ascii_digit()).take(3);
            let numbers: Vec<u32> = numbers.filter_map(|it| it.parse().ok()).collect();
            numbers.as_slice() >= VERSION_MIN.as_slice()
                && has("http_v2_module")
                && has("http_ssl_module")
        })
    })
}

/// Ports that nobody had a moment ago.
fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn configuration(dir: &Path, addresses: [SocketAddr; 3], keepalive_requests: u32) -> String {
    let dir = dir.display();
    let [one, two, tls] = addresses;
    format!(
        r#"
daemon off;
user root;
worker_processes 2;
pid {dir}/pid;
error_log {dir}/errors;
events {{ worker_connections 256; }}
http {{
  log_format line '$pid $connection $server_protocol $request_uri';
  access_log {dir}/answered line;
  client_body_temp_path {dir}/client_body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  keepalive_requests {keepalive_requests};
  ssl_certificate {dir}/certificate;
  ssl_certificate_key {dir}/key;
  server {{
    listen {one};
    listen {two} http2;
    listen {tls} ssl http2;
    default_type application/json;
    add_header x-asked $request_uri;
    location / {{ return 200 '{{ "asked": "$request_uri" }}'; }}
  }}
}}
"#
    )
}

impl Nginx {
    /// One that answers so many requests on a connection, where it is installed.
    async fn start(keepalive_requests: u32) -> Option<Self> {
        let Some(program) = program() else {
            // Past the capture of the test harness: nobody shall take it for a pass.
            let skipped = b"skipped: needs nginx 1.19.7 with TLS and HTTP/2\n";
            std::io::stderr().write_all(skipped).unwrap();
            return None;
        };
        let authority = Authority::new();
        let identity = authority.identity(HOST);
        let mut told = String::new();
        for _ in 0..TRIES {
            let dir = tempfile::tempdir().unwrap();
            let addresses = free_addresses();
            let write = |name: &str, text: &str| {
                std::fs::write(dir.path().join(name), text).unwrap();
            };
            write("certificate", &identity.certificate);
            write("key", &identity.key);
            write("answered", "");
            write(
                "nginx.conf",
                &configuration(dir.path(), addresses, keepalive_requests),
            );
            let child = Command::new(program)
                .arg("-e")
                .arg(dir.path().join("errors"))
                .arg("-c")
                .arg(dir.path().join("nginx.conf"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut nginx = Self {
                child,
                dir,
                addresses,
                trusted: authority.trusted(),
            };
            if nginx.listens().await {
                return Some(nginx);
            }
            told = nginx.text("errors");
        }
        panic!("nginx does not start: {told}");
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// Waits until it listens; whether it has not ended.
    async fn listens(&mut self) -> bool {
        let addresses = self.addresses;
        let all = || addresses.iter().all(|it| TcpStream::connect(it).is_ok());
        until("it listens or ends", || {
            self.child.try_wait().unwrap().is_some() || all()
        })
        .await;
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has answered so far.
    fn answered(&self) -> Vec<Line> {
        let text = self.text("answered");
        // A line that has no end yet is being written.
        let whole = text.split_inclusive('\n').filter(|it| it.ends_with('\n'));
        let lines = whole.map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut word = || words.next().unwrap();
            Line {
                worker: word(),
                connection: word(),
                protocol: word(),
                path: word(),
            }
        });
        lines.collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Has it end when it has answered everybody; all that it answered.
    async fn ended(mut self) -> Vec<Line> {
        self.signal(Signal::QUIT);
        until("it ends", || self.child.try_wait().unwrap().is_some()).await;
        self.answered()
    }

    fn load(&self, (http, encrypted, _): (HttpVersion, bool, &str), load: Load) -> LoadPlan {
        let [one, two, tls] = self.addresses;
        let address = match (http, encrypted) {
            (_, true) => tls,
            (HttpVersion::One, false) => one,
            (HttpVersion::Two, false) => two,
        };
        let mut destination = Destination::plain(vec![address], HOST.to_owned());
        destination.server_name = encrypted.then(|| HOST.to_owned());
        let connecting = Connecting {
            http,
            tls: self.trusted.clone(),
            ..Connecting::default()
        };
        LoadPlan {
            shard: None,
            seed: 42,
            destination,
            lead: false,
            load: Load { connecting, ..load },
        }
    }
}

impl Drop for Nginx {
    /// Its workers end with it only where it is asked to end.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

async fn until(what: &str, mut is_it: impl FnMut() -> bool) {
    let waiting = async {
        while !is_it() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(HANG, waiting).await;
    waited.unwrap_or_else(|_| panic!("not before {HANG:?}: {what}"));
}

/// 400 requests a second, each for a path of its own.
fn load(duration: Duration, checks: Vec<AnswerCheck>) -> Load {
    let request = Request {
        checks,
        ..Request::plain("page", "GET", Template::parse("/page/$n"))
    };
    Load {
        data: vec![("n".into(), DataSource::Count { from: 1 })],
        workers: Some(1),
        timeout: HANG,
        ..Load::plain(
            vec![Stage::Hold {
                rate: Rate::per_second(400.0).unwrap(),
                duration,
                arrivals: Arrivals::Even,
            }],
            vec![request],
        )
    }
}

fn checks() -> Vec<AnswerCheck> {
    let header = AnswerCheck::Header {
        name: "x-asked".to_owned(),
        expected: Expected::Like(Template::parse("/page/$n")),
    };
    vec![json("/asked", "/page/$n"), header]
}

/// What came of a load that is stopped when `over` is, unless it ends before.
async fn run(plan: LoadPlan, over: impl Future<Output = ()>) -> (Counts, Vec<Sample>) {
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now() + Duration::from_millis(20);
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let commands = handle.commands.clone();
    let stopping = async {
        over.await;
        let _ = commands.send(LoadCommand::Stop { grace: HANG }).await;
    };
    let outputs = &mut handle.outputs;
    let hearing = async {
        let (mut counts, mut samples) = (Counts::default(), vec![]);
        loop {
            let next = tokio::time::timeout(HANG, outputs.recv()).await;
            match next.expect("it hangs").unwrap() {
                LoadOutput::Interval(interval) => counts.add(&interval.routes[0].counts),
                LoadOutput::Samples(more) => samples.extend(more),
                LoadOutput::Finished { .. } => return (counts, samples),
                _ => {}
            }
        }
    };
    let came = {
        let mut hearing = pin!(hearing);
        tokio::select! {
            came = &mut hearing => came,
            () = stopping => hearing.await,
        }
    };
    handle.join().await.unwrap();
    came
}

/// Fails unless each arrival that was sent was answered, and none twice.
fn assert_each_once(answered: &[Line], counts: &Counts) {
    let paths: BTreeSet<&str> = answered.iter().map(|line| line.path.as_str()).collect();
    let expected = (1..=counts.good).map(|n| format!("/page/{n}"));
    let missing: Vec<String> = expected.filter(|it| !paths.contains(it.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}, {counts:?}");
    assert_eq!(answered.len() as u64, counts.good, "{counts:?}");
}

#[tokio::test]
async fn nginx_gets_what_is_sent_on_connections_that_it_ends_behind_so_many_requests() {
    for way in WAYS {
        let Some(nginx) = Nginx::start(ON_EACH).await else {
            return;
        };
        let plan = nginx.load(way, load(Duration::from_millis(500), checks()));
        let (counts, samples) = run(plan, std::future::pending()).await;
        assert_eq!((counts.scheduled, counts.good), (200, 200), "{samples:?}");
        let answered = nginx.ended().await;
        assert_each_once(&answered, &counts);
        let other = answered.iter().find(|line| line.protocol != way.2);
        assert!(other.is_none(), "{other:?}");
        let connections: BTreeSet<&str> =
            answered.iter().map(|it| it.connection.as_str()).collect();
        for connection in &connections {
            let on_it = answered.iter().filter(|it| it.connection == **connection);
            assert!(on_it.count() <= ON_EACH as usize, "{answered:?}");
        }
        let kept = connections.len() < answered.len() / 2;
        assert!(kept, "{} connections", connections.len());
    }
}

#[tokio::test]
async fn what_nginx_answers_is_looked_into() {
    for way in WAYS {
        let Some(nginx) = Nginx::start(1_000).await else {
            return;
        };
        for check in [
            json("/asked", "/page/none"),
            AnswerCheck::Header {
                name: "x-asked".to_owned(),
                expected: Expected::Like(Template::parse("/page/none")),
            },
        ] {
            let plan = nginx.load(way, load(Duration::from_millis(50), vec![check]));
            let (counts, samples) = run(plan, std::future::pending()).await;
            assert_eq!((counts.scheduled, counts.check), (20, 20), "{samples:?}");
            let detail = samples[0].detail.as_deref().unwrap();
            assert!(detail.contains("/page/none"), "{detail}");
        }
    }
}

#[tokio::test]
async fn no_arrival_is_lost_when_nginx_is_reloaded_under_load() {
    for way in WAYS {
        let Some(nginx) = Nginx::start(1_000).await else {
            return;
        };
        let workers = || -> BTreeSet<String> {
            let answered = nginx.answered().into_iter();
            answered.map(|line| line.worker).collect()
        };
        let reloads = async {
            until("an answer", || !workers().is_empty()).await;
            for _ in 0..3 {
                let known = workers();
                nginx.signal(Signal::HUP);
                until("a new worker answers", || !workers().is_subset(&known)).await;
            }
        };
        let plan = nginx.load(way, load(HANG, checks()));
        let (counts, samples) = run(plan, reloads).await;
        // Those that were due when it was stopped are not sent any more.
        let sent = counts.scheduled - counts.unfinished;
        assert_eq!(counts.good, sent, "{counts:?} {samples:?}");
        let answered = nginx.ended().await;
        assert_each_once(&answered, &counts);
    }
}
