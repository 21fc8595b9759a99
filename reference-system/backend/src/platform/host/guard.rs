//! What every request passes on its way in, but for those of operators: a bound on requests at a
//! time, its deadline, a count.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use squall_resilience::Deadline;

use super::Host;

/// Requests an instance works on at a time. Far more than it needs when healthy; with time limits
/// switched off it is what keeps a flood of hanging requests from taking all memory.
pub(crate) const REQUESTS_MAX: u32 = 2_048;

/// Counts, bounds and dates a request. Handlers find the deadline among its extensions.
pub(crate) async fn guard(
    State(host): State<Arc<Host>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let Some(_in_flight) = host.metrics.begin(REQUESTS_MAX) else {
        host.metrics.request(&route, 503);
        let refusal = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, refusal, "overloaded\n").into_response();
    };
    let response = match deadline(&host, &request, Instant::now()) {
        Ok(deadline) => {
            request.extensions_mut().insert(deadline);
            next.run(request).await
        }
        Err(reason) => (StatusCode::BAD_REQUEST, reason + "\n").into_response(),
    };
    host.metrics.request(&route, response.status().as_u16());
    response
}

/// The caller's deadline or our own budget, whichever is earlier; with time limits off, neither.
fn deadline(host: &Host, request: &Request, now: Instant) -> Result<Deadline, String> {
    let own = host.own_deadline(now);
    if !host.config.settings.timeouts.is_enabled() {
        return Ok(own);
    }
    let callers = Deadline::from_headers(request.headers(), now).map_err(|e| e.to_string())?;
    Ok(callers.map_or(own, |callers| callers.min(own)))
}
