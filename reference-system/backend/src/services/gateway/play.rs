//! `/play/{title}`, `/heartbeat/{session}` and `/stop/{session}`: what the gateway adds to playback is who is asking.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use squall_resilience::Deadline;

use super::Gateway;
use crate::platform::remote::{Ask, Remote, Reply};
use crate::platform::reply::{Degraded, FALLBACK, Failure};
use crate::services::playback::StartRequest;
use crate::services::playback::licence::Viewer;

/// Starts playback. Without a profile nothing is remembered and no country or age is checked: a
/// preview.
pub(super) async fn play(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path(title): Path<u32>,
    Query(query): Query<Viewer>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    query.check()?;
    let mut degraded = Degraded::default();
    let viewer = match query.profile {
        // No stranger's profile here: what may be played is a question of licences and of age.
        Some(id) => {
            let known = gateway.profile(id, &headers, deadline, &mut degraded);
            Some(known.await?)
        }
        None => None,
    };
    let request = StartRequest {
        title,
        viewer,
        device: query.device,
    };
    // A second manifest costs nothing, and the first is never used.
    let ask = Ask::post("/start", &request).repeatable();
    let mut response = pass_on(&gateway.playback, ask, deadline).await?;
    degraded.add_to(response.headers_mut());
    Ok(response)
}

/// Passes a player's heartbeat on.
pub(super) async fn heartbeat(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path(session): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    gateway.tell("heartbeat", &session, &body, deadline).await
}

/// Passes on that a player was stopped, and where.
pub(super) async fn stop(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path(session): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    gateway.tell("stop", &session, &body, deadline).await
}

impl Gateway {
    /// Tells playback where a session is.
    async fn tell(
        &self,
        what: &str,
        session: &str,
        body: &[u8],
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        // Session tokens are of the URL-safe alphabet; anything else must not become part of a
        // path.
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !session.bytes().all(legal) {
            return Err(Failure::new(StatusCode::BAD_REQUEST, "not a session token"));
        }
        let position: serde_json::Value = serde_json::from_slice(body)
            .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "send {\"position_seconds\": n}"))?;
        // The later position wins however often it is written.
        let ask = Ask::post(format!("/{what}/{session}"), &position).repeatable();
        pass_on(&self.playback, ask, deadline).await
    }
}

async fn pass_on(remote: &Remote, ask: Ask, deadline: Deadline) -> Result<Response, Failure> {
    let reply: Reply = remote
        .ask(&ask, deadline, Ok)
        .await
        .map_err(|error| Failure::of("playback", &error))?;
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, FALLBACK] {
        if let Some(value) = reply.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok((headers, reply.body).into_response())
}
