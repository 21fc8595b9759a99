//! The HTTP side: one path, one method, few connections, short patience.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{Shown, lock};
use crate::accepting::accept_all;
use crate::token::is_authorized;

/// Readers at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16;
/// A reader that takes longer is cut off.
const PATIENCE: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers `GET /metrics` until it is aborted.
pub(super) async fn serve(listener: TcpListener, token: Option<String>, shown: Shown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let token: Option<Arc<str>> = token.map(Arc::from);
    let read = |stream| read(stream, token.clone(), Arc::clone(&shown));
    accept_all(&listener, &places, read).await;
}

/// Serves one reader.
async fn read(stream: TcpStream, token: Option<Arc<str>>, shown: Shown) {
    let service = service_fn(|request| {
        let response = answer(&request, token.as_deref(), &shown);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A reader that breaks off concerns nobody.
    let _ = tokio::time::timeout(PATIENCE, connection).await;
}

fn answer(
    request: &Request<Incoming>,
    token: Option<&str>,
    shown: &Shown,
) -> Response<Full<Bytes>> {
    if let Some(token) = token
        && !is_authorized(request.headers().get(AUTHORIZATION), token)
    {
        return plain(
            StatusCode::UNAUTHORIZED,
            "send the token: Authorization: Bearer TOKEN\n",
        );
    }
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
    }
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    let figures = lock(shown).clone();
    let text = figures.map_or_else(
        || "# EOF\n".to_owned(),
        |figures| lock(&figures).exposition(),
    );
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static(OPENMETRICS);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
