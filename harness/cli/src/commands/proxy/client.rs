//! The client of the verbs.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use squall_judge::RunOutcome;
use squall_record::terminal_line;
use squall_scenario::{is_unreserved, percent_encode};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failed;
use crate::args::ServerArgs;
use crate::token;

/// How long a server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A longer answer is not Toxiproxy's.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A server that is talked to.
pub(super) struct Server {
    url: String,
    /// `host:port`.
    authority: String,
    token: Option<String>,
}

/// What was answered.
pub(super) enum Answered {
    /// It was done; what it says, if anything.
    Done(Value),
    /// It was refused, for this reason.
    Refused(u16, String),
}

impl Server {
    pub(super) fn of(args: &ServerArgs) -> Result<Self, Failed> {
        let authority = authority(&args.url).ok_or_else(|| {
            let message = format!(
                "{:?} is no address of a server; write http://HOST:PORT",
                args.url
            );
            (RunOutcome::Usage, message)
        })?;
        let token = args
            .token_file
            .as_deref()
            .map(|path: &Path| token::read(path));
        Ok(Self {
            url: args.url.clone(),
            authority,
            token: token.transpose().map_err(|why| (RunOutcome::Usage, why))?,
        })
    }

    /// Asks for what has to be there; a refusal is an error.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Value, Failed> {
        match self.try_to(method, path, body).await? {
            Answered::Done(value) => Ok(value),
            Answered::Refused(status, why) => {
                let mut message =
                    format!("{} refused ({status}): {}", self.url, terminal_line(&why));
                if why == "proxy not found" {
                    message += "; `squall proxy list` shows those there are";
                }
                Err((RunOutcome::Usage, message))
            }
        }
    }

    /// Asks.
    pub(super) async fn try_to(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answered, Failed> {
        let failed = |why: &str| {
            let message = format!(
                "no answer of {}: {why}; is `squall proxy` running? `--url` names another server",
                self.url
            );
            (RunOutcome::NotReady, message)
        };
        match timeout(ANSWER_WITHIN, self.exchange(method, path, body)).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("it takes too long")),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answered, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let carried = tokio::spawn(connection);
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(target(path))
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("squall/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await?.to_bytes();
        carried.abort();
        if status.is_success() {
            let value = match body.is_empty() {
                true => Value::Null,
                false => serde_json::from_slice(&body)?,
            };
            return Ok(Answered::Done(value));
        }
        let said: Option<Value> = serde_json::from_slice(&body).ok();
        let error = said.as_ref().and_then(|said| said["error"].as_str());
        let text = String::from_utf8_lossy(&body);
        let why = error.unwrap_or_else(|| text.trim()).to_owned();
        Ok(Answered::Refused(status.as_u16(), why))
    }
}

/// The authority of a URL, or of one without its scheme, with its port.
fn authority(url: &str) -> Option<String> {
    let with_scheme = match url.contains("://") {
        true => url.to_owned(),
        false => format!("http://{url}"),
    };
    let uri: Uri = with_scheme.parse().ok()?;
    let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
    let host = uri.host().filter(|_| plain)?;
    Some(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

/// A path of these parts.
fn target(parts: &[&str]) -> String {
    let mut target = String::new();
    for part in parts {
        target.push('/');
        percent_encode(part, is_unreserved, &mut target);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_an_address_or_a_url() {
        for (url, address) in [
            ("http://127.0.0.1:8474", Some("127.0.0.1:8474")),
            ("http://toxiproxy:8474/", Some("toxiproxy:8474")),
            ("localhost:1", Some("localhost:1")),
            ("http://[::1]:5", Some("[::1]:5")),
            ("http://proxy.example", Some("proxy.example:80")),
            ("https://proxy.example", None),
            ("http://proxy.example/v2", None),
            ("", None),
        ] {
            assert_eq!(authority(url).as_deref(), address, "{url}");
        }
    }

    #[test]
    fn names_are_encoded_in_paths() {
        assert_eq!(
            target(&["proxies", "a b/c?é"]),
            "/proxies/a%20b%2Fc%3F%C3%A9"
        );
    }
}
