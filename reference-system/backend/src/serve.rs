//! The life of an instance: set up, serve, announce, leave, drain.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use squall_fault_layer::{FaultLayer, Faults, Injected};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::platform::carried::carry;
use crate::platform::discovery::client::Announcer;
use crate::platform::discovery::server::Registry;
use crate::platform::host::guard::guard;
use crate::platform::host::{Host, operations};
use crate::platform::reply::Failure;
use crate::service::{ServeError, ServiceConfig, ServiceKind};
use crate::services::{catalog, edge, gateway, origin, playback, recommendations, user};
use crate::stores::cache::server::Node;
use crate::stores::users::embedded::Embedded as EmbeddedUsers;
use crate::stores::wide_column::server::Server as StoreServer;

/// How long requests that are under way may take to end after the instance was told to stop.
const DRAIN: Duration = Duration::from_secs(2);
/// How long leaving discovery may take before draining begins all the same.
const LEAVE: Duration = Duration::from_secs(1);

/// Runs one instance until `shutdown`: listens, becomes ready, registers in discovery and keeps
/// its lease; then leaves discovery, ends what it has begun (at most 2 s) and returns.
///
/// # Errors
/// The address cannot be listened on, the data cannot be opened, or serving fails.
pub async fn serve(
    config: ServiceConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let address = config.listen;
    let listener = listen(address).map_err(|source| ServeError::Listen { address, source })?;
    let faults = faults(config.seed).map_err(|reason| ServeError::Setup {
        what: "the fault layer",
        reason,
    })?;
    serve_on(Host::new(config, faults), listener, shutdown).await
}

/// None, and none can be set, unless the environment says otherwise.
fn faults(seed: u64) -> Result<Faults, String> {
    let text = std::env::var("SQUALL_FAULTS").unwrap_or_default();
    let faults = Faults::parse(seed, &text).map_err(|error| error.to_string())?;
    faults
        .listen_from_env()
        .map_err(|error| error.to_string())?;
    Ok(faults)
}

/// Connections that may wait to be accepted. The usual 128 overflow when every
/// caller reconnects at once, and then connecting takes a second.
const BACKLOG: u32 = 1024;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restarted instance gets its address back while old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// As [`serve`], on a listener that is already bound.
pub(crate) async fn serve_on(
    host: Arc<Host>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let config = &host.config;
    tracing::info!(
        service = %config.kind,
        instance = %config.instance,
        listen = %listener.local_addr()?,
        advertise = %config.advertise,
        "serving"
    );
    let drain = CancellationToken::new();
    let data = Data::open(&host).await?;
    let announcer = match &config.discovery {
        Some(discovery) => Some(Announcer::new(&host, discovery.clone())?),
        None => None,
    };
    let serving = accept(&host, listener, &data, &drain)?;
    let announcing = tokio::spawn(announce(Arc::clone(&host), announcer));
    tokio::pin!(serving);
    let early = tokio::select! {
        result = &mut serving => Some(result),
        () = shutdown => None,
    };
    // Callers are told first, so that fewer of them find the door closed.
    host.stop.cancel();
    let _ = timeout(LEAVE, announcing).await;
    drain.cancel();
    let result = match early {
        Some(result) => result,
        // What has not ended by now would not end soon.
        None => timeout(DRAIN, serving).await.unwrap_or(Ok(())),
    };
    data.close().await;
    tracing::info!(service = %host.config.kind, instance = %host.config.instance, "stopped");
    Ok(result?)
}

async fn announce(host: Arc<Host>, announcer: Option<Announcer>) {
    match announcer {
        Some(announcer) => announcer.run().await,
        None => host.set_ready(),
    }
}

type Serving = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

fn accept(
    host: &Arc<Host>,
    listener: TcpListener,
    data: &Data,
    drain: &CancellationToken,
) -> Result<Serving, ServeError> {
    if host.config.kind == ServiceKind::Cache {
        let node = Arc::new(Node::new(host.config.settings.cache_size.0));
        return Ok(Box::pin(node.serve(listener, drain.clone())));
    }
    // Operators are let in when nobody else is: that is when they need to look.
    let faults = FaultLayer::new(&host.faults, "requests", refused);
    let routes = routes(host, data)?
        .layer(faults)
        .layer(middleware::from_fn(carry))
        .layer(middleware::from_fn_with_state(Arc::clone(host), guard))
        .merge(operations::routes(host));
    let server =
        axum::serve(listener, routes).with_graceful_shutdown(drain.clone().cancelled_owned());
    Ok(Box::pin(server.into_future()))
}

/// What a request is answered with that a fault wants to fail.
fn refused(fault: Injected) -> Result<Response, Infallible> {
    Ok(Failure::unavailable(fault.to_string()).into_response())
}

/// What the instance keeps, if it keeps anything.
enum Data {
    None,
    Store(Arc<StoreServer>),
    Users(Arc<EmbeddedUsers>),
}

impl Data {
    async fn open(host: &Arc<Host>) -> Result<Self, ServeError> {
        match host.config.kind {
            ServiceKind::Store => Ok(Self::Store(StoreServer::open(host).await?)),
            ServiceKind::User => Ok(Self::Users(user::open(host).await?)),
            _ => Ok(Self::None),
        }
    }

    async fn close(self) {
        match self {
            Self::None => {}
            Self::Store(store) => store.close().await,
            Self::Users(users) => users.close().await,
        }
    }
}

fn routes(host: &Arc<Host>, data: &Data) -> Result<Router, ServeError> {
    match data {
        Data::None => service_routes(host),
        Data::Store(store) => Ok(store.routes()),
        Data::Users(users) => user::routes(host, users),
    }
}

fn service_routes(host: &Arc<Host>) -> Result<Router, ServeError> {
    match host.config.kind {
        ServiceKind::Gateway => gateway::routes(host),
        ServiceKind::Recommendations => recommendations::routes(host),
        ServiceKind::Catalog => catalog::routes(host),
        ServiceKind::Playback => playback::routes(host),
        ServiceKind::Edge => edge::routes(host),
        ServiceKind::Origin => Ok(origin::routes(host)),
        ServiceKind::Discovery => {
            let registry = Arc::new(Registry::default());
            tokio::spawn(Arc::clone(&registry).sweep(host.stop.clone()));
            Ok(registry.routes())
        }
        // A cache node speaks memcached, not HTTP; the others have brought theirs with their data.
        ServiceKind::Cache | ServiceKind::Store | ServiceKind::User => Ok(Router::new()),
    }
}
