//! An edge: a CDN appliance that keeps the segments asked for most recently, and hands them only to
//! those who show the licence of a play.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Extension, Path, Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use squall_resilience::Deadline;

use crate::platform::clock;
use crate::platform::host::Host;
use crate::platform::remote::{Ask, Remote};
use crate::platform::reply::{CACHE, Failure};
use crate::segment::{CONTENT_DIGEST, Quality, intact};
use crate::service::ServeError;
use crate::services::playback::licence::{Licences, Viewer};
use crate::stores::cache::lru::{Lru, Weigh};

/// Which segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct SegmentId {
    title: u32,
    n: u32,
    quality: Quality,
}

impl Weigh for SegmentId {
    fn weight(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

/// A segment as it is kept and sent.
#[derive(Debug, Clone)]
struct Segment {
    digest: Option<HeaderValue>,
    body: Bytes,
}

impl Weigh for Segment {
    fn weight(&self) -> u64 {
        self.body.weight()
    }
}

struct Edge {
    host: Arc<Host>,
    origin: Remote,
    licences: Licences,
    segments: Mutex<Lru<SegmentId, Segment>>,
}

/// The routes of an edge.
///
/// # Errors
/// The client of the origin or the key of the licences cannot be set up.
pub(crate) fn routes(host: &Arc<Host>) -> Result<Router, ServeError> {
    let edge = Arc::new(Edge {
        origin: Remote::new(host, "origin")?,
        licences: Licences::new(host.config.seed)?,
        segments: Mutex::new(Lru::new(host.config.settings.edge_size.0)),
        host: Arc::clone(host),
    });
    let gauge = Arc::downgrade(&edge);
    host.metrics.gauge("edge_bytes", move || {
        gauge.upgrade().map_or(0, |edge| edge.segments().bytes())
    });
    Ok(Router::new()
        .route("/segment/{title}/{n}", get(segment))
        .with_state(edge))
}

async fn segment(
    State(edge): State<Arc<Edge>>,
    Extension(deadline): Extension<Deadline>,
    Path((title, n)): Path<(u32, u32)>,
    Query(viewer): Query<Viewer>,
    Query(quality): Query<Quality>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let now = clock::unix_seconds();
    if let Err(refusal) = edge.licences.check(&headers, title, &viewer, now) {
        edge.host.metrics.count("segments_refused");
        return Err(refusal.into());
    }
    quality.check()?;
    let id = SegmentId { title, n, quality };
    let kept = edge.segments().get(&id, Instant::now()).cloned();
    let (segment, cache) = match kept {
        Some(segment) => {
            edge.host.metrics.count("edge_hits");
            (segment, "hit")
        }
        None => {
            edge.host.metrics.count("edge_misses");
            (edge.fetch(id, deadline).await?, "miss")
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(CACHE, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.extend(segment.digest.map(|digest| (CONTENT_DIGEST, digest)));
    Ok((headers, segment.body))
}

impl Edge {
    /// Fetches a segment from the origin and keeps it, but only one that arrived undamaged.
    async fn fetch(&self, id: SegmentId, deadline: Deadline) -> Result<Segment, Failure> {
        let quality = id.quality.query("");
        let ask = Ask::get(format!("/object/{}/{}{quality}", id.title, id.n));
        let reply = self
            .origin
            .ask(&ask, deadline, intact)
            .await
            .map_err(|error| Failure::of("origin", &error))?;
        let segment = Segment {
            digest: reply.headers.get(CONTENT_DIGEST).cloned(),
            body: reply.body,
        };
        self.segments().insert(id, segment.clone(), None);
        Ok(segment)
    }

    fn segments(&self) -> std::sync::MutexGuard<'_, Lru<SegmentId, Segment>> {
        // The LRU is whole after every call; a panic elsewhere cannot have broken it.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
