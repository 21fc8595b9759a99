//! Calling another service: a command around attempts at instances the balancer picks.
//!
//! This is the only way out of a service over HTTP, so that nothing is called without a breaker,
//! a bulkhead, a time limit and a decision about retries.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use squall_resilience::{
    Attempt, CallOptions, Classification, Classify, Command, CommandError, Deadline,
};

use crate::platform::carried::carried;
use crate::platform::discovery::balancer::{Balancer, Pick};
use crate::platform::host::Host;
use crate::service::ServeError;

/// Longest body taken from another service, in bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 4 << 20;
/// Idle connections kept to one instance.
const IDLE_CONNECTIONS_MAX: usize = 32;
/// Time to reach an instance, whatever else is switched off.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What one attempt can fail with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemoteError {
    /// Discovery knows no instance.
    #[error("no instance of {0} is known")]
    NoInstance(&'static str),
    /// Nobody says where a name is.
    #[error("{place} has no address: {reason}")]
    NoAddress {
        /// The name and its port.
        place: String,
        /// What was said of it.
        reason: String,
    },
    /// The connection could not be made or broke.
    #[error("{address}: {reason}")]
    Broken {
        /// The instance.
        address: SocketAddr,
        /// What happened.
        reason: String,
    },
    /// The instance answered that it failed.
    #[error("{address} answered {status}")]
    Unable {
        /// The instance.
        address: SocketAddr,
        /// What it answered, 500 or above.
        status: StatusCode,
    },
    /// The request was wrong.
    #[error("refused with {status}: {message}")]
    Refused {
        /// What was answered, 400 to 499.
        status: StatusCode,
        /// What the instance said.
        message: String,
    },
    /// The answer was not what it should be.
    #[error("unreadable answer: {0}")]
    Garbled(String),
    /// There is nothing to fall back on.
    #[error("no fallback: {0}")]
    NoFallback(&'static str),
}

impl Classify for RemoteError {
    fn classify(&self) -> Classification {
        match self {
            Self::Refused { .. } => Classification::BadRequest,
            Self::Broken { .. } | Self::Unable { .. } | Self::Garbled(_) => {
                Classification::Retryable
            }
            Self::NoInstance(_) | Self::NoAddress { .. } | Self::NoFallback(_) => {
                Classification::Failure
            }
        }
    }
}

/// Why a call gave nothing.
pub(crate) type CallError = CommandError<RemoteError>;

/// What to ask.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    body: Option<Bytes>,
    idempotent: bool,
    affinity: Option<u64>,
    authorization: Option<HeaderValue>,
}

impl Ask {
    /// A `GET`, which may be repeated.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            idempotent: true,
            affinity: None,
            authorization: None,
        }
    }

    /// A `POST` of a JSON body, which must not be repeated unless said so.
    pub(crate) fn post(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self {
            idempotent: false,
            ..Self::get(path).with_method(Method::POST).with_body(body)
        }
    }

    /// With another method.
    pub(crate) fn with_method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With a JSON body.
    pub(crate) fn with_body(mut self, body: &impl Serialize) -> Self {
        // Our own messages have no maps with keys that are not text, the one thing that fails.
        self.body = Some(serde_json::to_vec(body).unwrap_or_default().into());
        self
    }

    /// Asking twice is not the same as asking once.
    pub(crate) fn once(mut self) -> Self {
        self.idempotent = false;
        self
    }

    /// Asking twice is the same as asking once.
    pub(crate) fn repeatable(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// With what the caller of the caller showed to be let in, if anything.
    pub(crate) fn authorized_as(mut self, headers: &HeaderMap) -> Self {
        self.authorization = headers.get(header::AUTHORIZATION).cloned();
        self
    }

    /// Prefers the same instance for the same number.
    pub(crate) fn near(mut self, number: u64) -> Self {
        self.affinity = Some(number);
        self
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, RemoteError> {
        serde_json::from_slice(&self.body).map_err(|error| RemoteError::Garbled(error.to_string()))
    }
}

/// A service as another service sees it.
pub(crate) struct Remote {
    command: Command,
    http: reqwest::Client,
    balancer: Arc<Balancer>,
    bounded: bool,
}

impl Remote {
    /// The remote end of the command of this name. Each has connections of its own, so that one
    /// dependency cannot use up what another needs.
    ///
    /// # Errors
    /// The table of dependencies has no such command with a target for this service.
    pub(crate) fn new(host: &Host, name: &'static str) -> Result<Self, ServeError> {
        let (command, row) = host.command(name)?;
        let target = row.target.ok_or_else(|| ServeError::Setup {
            what: name,
            reason: "the table names no service to call".to_owned(),
        })?;
        let balancer = Balancer::new(target.name(), Arc::clone(&host.directory));
        let gauge = Arc::clone(&balancer);
        host.metrics.gauge(format!("{name}_blacked_out"), move || {
            gauge.blacked_out(Instant::now()) as u64
        });
        Ok(Self {
            command,
            http: http_client(name)?,
            balancer,
            bounded: host.config.settings.timeouts.is_enabled(),
        })
    }

    /// Asks and reads the answer with `read`; an answer that cannot be read is a failure of the
    /// dependency like any other.
    ///
    /// # Errors
    /// No instance gave a readable answer in time, or the command refused the call.
    pub(crate) async fn ask<T>(
        &self,
        ask: &Ask,
        deadline: Deadline,
        read: impl Fn(Reply) -> Result<T, RemoteError>,
    ) -> Result<T, CallError> {
        let tried = Tried::default();
        self.command
            .execute(options(ask, deadline), |attempt| {
                self.attempt(ask, attempt, &tried, &read)
            })
            .await
    }

    /// As [`ask`](Self::ask), with something to answer instead.
    ///
    /// # Errors
    /// The request was wrong, or the fallback failed too.
    pub(crate) async fn ask_or<T, F, Fut>(
        &self,
        ask: &Ask,
        deadline: Deadline,
        read: impl Fn(Reply) -> Result<T, RemoteError>,
        fallback: F,
    ) -> Result<T, CallError>
    where
        F: FnOnce(&CallError) -> Fut,
        Fut: Future<Output = Result<T, RemoteError>>,
    {
        let tried = Tried::default();
        let work = |attempt| self.attempt(ask, attempt, &tried, &read);
        self.command
            .execute_or(options(ask, deadline), work, fallback)
            .await
    }

    /// One attempt. A hedge goes to an instance that is neither tried nor blacked out, or nowhere.
    async fn attempt<T>(
        &self,
        ask: &Ask,
        attempt: Attempt,
        tried: &Tried,
        read: &impl Fn(Reply) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let (now, been) = (Instant::now(), tried.all());
        let pick = match attempt.is_hedge {
            true => self.balancer.another(now, &been, ask.affinity),
            false => self.balancer.choose(now, &been, ask.affinity),
        };
        let pick = pick.ok_or(RemoteError::NoInstance(self.balancer.service()))?;
        tried.add(pick.address());
        self.try_at(pick, ask, attempt.deadline, read).await
    }

    async fn try_at<T>(
        &self,
        pick: Pick,
        ask: &Ask,
        deadline: Deadline,
        read: &impl Fn(Reply) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let address = pick.address();
        let deadline = self.bounded.then_some(deadline);
        match send(&self.http, address, ask, deadline).await {
            // It answered, whatever it said: it is there.
            Ok((status, reply)) => {
                pick.succeeded();
                judge(address, status, reply).and_then(read)
            }
            Err(error) => {
                pick.failed(Instant::now());
                Err(error)
            }
        }
    }
}

/// The instances one call has been sent to.
#[derive(Default)]
struct Tried(Mutex<Vec<SocketAddr>>);

impl Tried {
    fn all(&self) -> Vec<SocketAddr> {
        self.lock().clone()
    }

    fn add(&self, address: SocketAddr) {
        self.lock().push(address);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        // The list is whole after every change; a panic elsewhere cannot have broken it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options(ask: &Ask, deadline: Deadline) -> CallOptions {
    if ask.idempotent {
        CallOptions::idempotent(deadline)
    } else {
        CallOptions::new(deadline)
    }
}

/// A client with a connection pool of its own.
pub(crate) fn http_client(what: &'static str) -> Result<reqwest::Client, ServeError> {
    reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| ServeError::Setup {
            what,
            reason: error.to_string(),
        })
}

/// Sends one request to one address and reads the whole answer.
pub(crate) async fn send(
    http: &reqwest::Client,
    address: SocketAddr,
    ask: &Ask,
    deadline: Option<Deadline>,
) -> Result<(StatusCode, Reply), RemoteError> {
    let broken = |error: reqwest::Error| RemoteError::Broken {
        address,
        reason: error.without_url().to_string(),
    };
    let url = format!("http://{address}{}", ask.path);
    let mut request = http.request(ask.method.clone(), url).headers(carried());
    if let Some(body) = &ask.body {
        request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.clone());
    }
    if let Some(value) = &ask.authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    if let Some(deadline) = deadline {
        request = request.header(Deadline::HEADER, deadline.header_value(Instant::now()));
    }
    let mut response = request.send().await.map_err(broken)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > REPLY_BYTES_MAX {
            return Err(RemoteError::Garbled("longer than 4 MiB".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    Ok((
        status,
        Reply {
            headers,
            body: body.freeze(),
        },
    ))
}

fn judge(address: SocketAddr, status: StatusCode, reply: Reply) -> Result<Reply, RemoteError> {
    if status.is_success() {
        Ok(reply)
    } else if status.is_client_error() {
        let message = String::from_utf8_lossy(&reply.body);
        Err(RemoteError::Refused {
            status,
            message: message.trim().chars().take(200).collect(),
        })
    } else {
        Err(RemoteError::Unable { address, status })
    }
}
