//! The gateway: the only service users call. Composes pages, finds titles, starts and stops playback,
//! passes segments on.

mod default_page;
mod find;
mod home;
mod page;
mod play;
mod profile;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::platform::host::Host;
use crate::platform::read_through::ReadThrough;
use crate::platform::remote::Remote;
use crate::service::ServeError;

/// What the gateway's handlers share.
struct Gateway {
    host: Arc<Host>,
    data: ReadThrough,
    recommendations: Remote,
    catalog: Remote,
    search: Remote,
    playback: Remote,
    edge: Remote,
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
        .with_state(gateway))
}
