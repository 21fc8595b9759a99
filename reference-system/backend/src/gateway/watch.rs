//! `/watch/{title}/{n}`: a segment from a healthy edge.
//!
//! The segment is read whole and checked before it is passed on: it has at most a few hundred
//! kilobytes, and an edge that breaks off or damages it then costs a second attempt at another
//! edge instead of a broken picture.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use squall_resilience::Deadline;

use super::Gateway;
use crate::remote::Ask;
use crate::reply::{CACHE, Failure};
use crate::segment::{CONTENT_DIGEST, intact};

/// The handler.
pub(super) async fn watch(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path((title, n)): Path<(u32, u32)>,
) -> Result<Response, Failure> {
    // A title stays with one edge, so that it is cached once.
    let ask = Ask::get(format!("/segment/{title}/{n}")).near(title.into());
    let reply = gateway
        .edge
        .ask(&ask, deadline, intact)
        .await
        .map_err(|error| Failure::of("edge", &error))?;
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, CONTENT_DIGEST, CACHE] {
        if let Some(value) = reply.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok((headers, reply.body).into_response())
}
