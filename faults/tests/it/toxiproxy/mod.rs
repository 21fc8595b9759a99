//! The server that answers as Toxiproxy does: what Toxiproxy's own tests pin
//! down, and what squall does better.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

mod behaviour;
mod create;
mod populate;
mod toxics;
mod transport;

use std::net::SocketAddr;

use serde_json::Value;
use squall_faults::toxiproxy::{Answer, Request, Toxiproxy, ToxiproxyConfig};
use tokio::net::TcpStream;

use crate::support::{Held, soon};

/// A server, and a client of it.
struct Client(Toxiproxy);

impl Client {
    fn new() -> Self {
        Self(Toxiproxy::new(ToxiproxyConfig {
            seed: 1,
            metrics: true,
            ..ToxiproxyConfig::default()
        }))
    }

    async fn send(&self, method: &str, target: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let user_agent = Some("test/1");
        soon(self.0.answer(Request {
            method,
            target,
            user_agent,
            body,
        }))
        .await
    }

    async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "").await
    }

    async fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send("POST", target, body).await
    }

    async fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, "").await
    }

    /// Asks for what has to be done; what is said of it.
    async fn done(&self, method: &str, target: &str, body: impl AsRef<[u8]>) -> Value {
        let answer = self.send(method, target, body).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        json(&answer)
    }

    /// A proxy called `p` to `upstream`; where it listens, whenever it does.
    async fn proxy_to(&self, upstream: SocketAddr) -> Held {
        let held = Held::new();
        let listen = held.address;
        let body = format!(r#"{{"name":"p","listen":"{listen}","upstream":"{upstream}"}}"#);
        self.done("POST", "/proxies", body).await;
        held
    }

    /// Puts a toxic on `p`.
    async fn toxic(&self, body: &str) -> Value {
        self.done("POST", "/proxies/p/toxics", body).await
    }
}

fn json(answer: &Answer) -> Value {
    match answer.body.is_empty() {
        true => Value::Null,
        false => serde_json::from_str(&answer.body).unwrap(),
    }
}

/// The text and the status of an error, in the shape that errors have.
fn refused(answer: &Answer, status: u16, message: &str) {
    let expected = serde_json::json!({ "error": message, "status": status });
    assert_eq!((answer.status, json(answer)), (status, expected));
    assert!(answer.body.ends_with("}\n"), "{answer:?}");
    assert_eq!(answer.content_type, Some("text/plain; charset=utf-8"));
    assert!(answer.nosniff);
}

async fn is_reachable(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}
