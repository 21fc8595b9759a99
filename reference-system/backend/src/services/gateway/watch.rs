//! `/watch/{title}/{n}`: a segment from a healthy edge, of a bit rate of the ladder if one is named.
//!
//! The segment is read whole and checked before it is passed on: it has at most a few
//! megabytes, and an edge that breaks off or damages it then costs a second attempt at another
//! edge instead of a broken picture.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use squall_resilience::Deadline;

use super::Gateway;
use crate::platform::remote::Ask;
use crate::platform::reply::{CACHE, Failure};
use crate::segment::{CONTENT_DIGEST, Quality, intact};
use crate::services::playback::licence::Viewer;

/// The handler.
pub(super) async fn watch(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path((title, n)): Path<(u32, u32)>,
    Query(viewer): Query<Viewer>,
    Query(quality): Query<Quality>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    viewer.check()?;
    // A title stays with one edge, so that it is cached once. Whether the licence is good is the
    // edge's question, whoever asks it.
    let query = quality.query(&viewer.query());
    let ask = Ask::get(format!("/segment/{title}/{n}{query}"))
        .near(title.into())
        .authorized_as(&headers);
    let reply = gateway
        .edge
        .ask(&ask, deadline, intact)
        .await
        .map_err(|error| Failure::of("edge", &error))?;
    let mut told = HeaderMap::new();
    for name in [header::CONTENT_TYPE, CONTENT_DIGEST, CACHE] {
        if let Some(value) = reply.headers.get(&name) {
            told.insert(name, value.clone());
        }
    }
    Ok((told, reply.body).into_response())
}
