//! The HTTP side of the server: what `Toxiproxy` has nothing to do with.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use squall_faults::toxiproxy::{Answer, Request as Asked, Toxiproxy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::accepting::accept_all;
use crate::token::is_authorized;

/// Clients at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(60);
/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// How long an answer may take to be found.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);
/// How long requests may take that are under way at the end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// A longer body is nobody's list of proxies.
const BODY_BYTES_MAX: usize = 16 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");

/// What every connection needs.
struct Served {
    toxiproxy: Toxiproxy,
    token: Option<String>,
    requests: AtomicU64,
}

/// Answers until `end`, and what is under way then.
pub(super) async fn serve(
    listener: TcpListener,
    token: Option<String>,
    toxiproxy: &Toxiproxy,
    end: impl Future<Output = ()>,
) {
    let served = Arc::new(Served {
        toxiproxy: toxiproxy.clone(),
        token,
        requests: AtomicU64::new(0),
    });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ending, ended) = watch::channel(false);
    let carried = |stream| carry(stream, Arc::clone(&served), ended.clone());
    tokio::select! {
        () = accept_all(&listener, &places, carried) => {}
        () = end => {}
    }
    drop(listener);
    ending.send_replace(true);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    // Who takes longer is cut off.
    let _ = timeout(END_WITHIN, places.acquire_many(all)).await;
}

async fn carry(stream: TcpStream, served: Arc<Served>, mut ended: watch::Receiver<bool>) {
    let service = service_fn(|request| {
        let served = Arc::clone(&served);
        async move { Ok::<_, Infallible>(served.respond(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // The end of whoever says it is one as well.
    let ending = async { drop(ended.wait_for(|ended| *ended).await) };
    // A client that breaks off concerns nobody.
    let broken = tokio::select! {
        done = connection.as_mut() => done,
        () = ending => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = broken {
        tracing::debug!(%error, "a client broke off");
    }
}

impl Served {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if let Some(token) = &self.token
            && !is_authorized(head.headers.get(AUTHORIZATION), token)
        {
            return self.sent(Answer::unauthorized());
        }
        let body = timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect());
        let body = match body.await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return self.sent(Answer::too_large());
            }
            Ok(Err(_)) | Err(_) => return self.sent(Answer::timeout()),
        };
        let target = head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let answer = self.toxiproxy.answer(Asked {
            method: head.method.as_str(),
            target,
            user_agent: user_agent(&head.headers),
            body: &body,
        });
        let answer = timeout(ANSWER_WITHIN, answer).await;
        self.sent(answer.unwrap_or_else(|_| Answer::timeout()))
    }

    fn sent(&self, answer: Answer) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        let status = StatusCode::from_u16(answer.status);
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(kind) = answer.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if answer.nosniff {
            let nosniff = HeaderValue::from_static("nosniff");
            headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        }
        if let Some(location) = answer.location
            && let Ok(location) = HeaderValue::from_str(&location)
        {
            headers.insert(LOCATION, location);
        }
        if answer.numbered
            && let Ok(id) = HeaderValue::from_str(&self.next_id())
        {
            headers.insert(REQUEST_ID, id);
        }
        response
    }

    /// An id of 20 characters that no other request of this machine has: when,
    /// which process, which request.
    fn next_id(&self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let nth = self.requests.fetch_add(1, Ordering::Relaxed);
        let seconds = Timestamp::now().as_second().unsigned_abs();
        let process = u64::from(std::process::id());
        // 100 bits: 32 of time, 32 of the process, 36 of the number.
        let number = u128::from(seconds & 0xffff_ffff) << 68
            | u128::from(process) << 36
            | u128::from(nth & 0xf_ffff_ffff);
        let digit = |place: u32| char::from(DIGITS[(number >> (5 * place) & 31) as usize]);
        (0..20).rev().map(digit).collect()
    }
}

fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(USER_AGENT)?.to_str().ok()
}
