//! The origin: the object store all segments come from.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::dataset::model::TITLES;
use crate::platform::host::Host;
use crate::platform::reply::Failure;
use crate::segment::{CONTENT_DIGEST, Quality, bytes, digest};

/// Segments of a title: three hours of them.
const SEGMENTS: u32 = 2_700;

/// The routes of the origin.
pub(crate) fn routes(host: &Arc<Host>) -> Router {
    Router::new()
        .route("/object/{title}/{n}", get(object))
        .with_state(Arc::clone(host))
}

async fn object(
    State(host): State<Arc<Host>>,
    Path((title, n)): Path<(u32, u32)>,
    Query(quality): Query<Quality>,
) -> Result<impl IntoResponse, Failure> {
    if !(1..=TITLES).contains(&title) || n >= SEGMENTS {
        return Err(Failure::new(StatusCode::NOT_FOUND, "no such segment"));
    }
    quality.check()?;
    let preview_max = host.config.settings.segment_size.0;
    let body = bytes(host.config.seed, title, n, quality, preview_max);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.extend(digest(&body).map(|digest| (CONTENT_DIGEST, digest)));
    Ok((headers, body))
}
