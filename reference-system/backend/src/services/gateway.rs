//! The gateway: the only service users call. Composes pages, finds titles, starts and stops playback,
//! passes segments on.

mod account;
mod default_page;
mod find;
mod home;
mod page;
mod play;
mod profile;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};

use crate::platform::host::Host;
use crate::platform::read_through::ReadThrough;
use crate::platform::remote::Remote;
use crate::service::ServeError;
use crate::services::user::session::Sessions;

/// What the gateway's handlers share.
struct Gateway {
    host: Arc<Host>,
    data: ReadThrough,
    recommendations: Remote,
    catalog: Remote,
    search: Remote,
    playback: Remote,
    edge: Remote,
    profiles: Remote,
    accounts: Remote,
    sessions: Sessions,
}

/// The routes of the gateway.
///
/// # Errors
/// A client cannot be set up.
pub(crate) fn routes(host: &Arc<Host>) -> Result<Router, ServeError> {
    let gateway = Arc::new(Gateway {
        data: ReadThrough::new(host)?,
        recommendations: Remote::new(host, "recommendations")?,
        catalog: Remote::new(host, "catalog")?,
        search: Remote::new(host, "search")?,
        playback: Remote::new(host, "playback")?,
        edge: Remote::new(host, "edge")?,
        profiles: Remote::new(host, "profiles")?,
        accounts: Remote::new(host, "accounts")?,
        sessions: Sessions::new(host.config.seed)?,
        host: Arc::clone(host),
    });
    tokio::spawn(Arc::clone(&gateway).keep_default_page_warm());
    Ok(Router::new()
        .route("/home/{profile}", get(home::home))
        .route("/play/{title}", get(play::play).post(play::play))
        .route("/search/{profile}", get(find::search))
        .route("/browse/{profile}/{genre}", get(find::browse))
        .route("/heartbeat/{session}", post(play::heartbeat))
        .route("/stop/{session}", post(play::stop))
        .route("/watch/{title}/{n}", get(watch::watch))
        .route("/sign-up", post(account::account))
        .route("/sign-in", post(account::account))
        .route("/account", any(account::account))
        .route("/account/{*part}", any(account::account))
        .with_state(gateway))
}
