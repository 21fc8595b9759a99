//! What a request carries from service to service, as it came: who sent it marks it there for
//! whatever lies between the services.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName};

/// The headers that are carried on. Nobody here reads them.
const CARRIED: [HeaderName; 1] = [HeaderName::from_static("x-fault-scope")];

tokio::task_local! {
    static HEADERS: HeaderMap;
}

/// Keeps what a request carries for the calls that are made to answer it. What nobody waits for
/// carries nothing.
pub(crate) async fn carry(request: Request, next: Next) -> Response {
    let mut carried = HeaderMap::new();
    for name in CARRIED {
        for value in request.headers().get_all(&name) {
            carried.append(name.clone(), value.clone());
        }
    }
    HEADERS.scope(carried, next.run(request)).await
}

/// What the request carries that is being answered.
pub(crate) fn carried() -> HeaderMap {
    HEADERS.try_with(Clone::clone).unwrap_or_default()
}
