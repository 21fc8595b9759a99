//! A cache node on a listener: one task per connection, one LRU for all.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec::{Parsed, Request, VALUE_BYTES_MAX, parse_request, write_value};
use super::lru::{Lru, Weigh};
use crate::platform::clock;

/// Connections at a time (memcached's default).
const CONNECTIONS_MAX: usize = 1024;
/// An exptime above this many seconds is a date, not a duration (30 days).
const RELATIVE_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;
/// How long a client may take to read an answer before it is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Item {
    flags: u32,
    version: u64,
    value: Bytes,
}

impl Weigh for Item {
    fn weight(&self) -> u64 {
        self.value.weight()
    }
}

/// The contents and counters of a node.
pub(crate) struct Node {
    state: Mutex<State>,
}

struct State {
    items: Lru<Bytes, Item>,
    versions: u64,
    hits: u64,
    misses: u64,
    sets: u64,
}

impl Node {
    /// An empty node that holds at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            state: Mutex::new(State {
                items: Lru::new(bytes_max),
                versions: 0,
                hits: 0,
                misses: 0,
                sets: 0,
            }),
        }
    }

    /// Serves until `stop`, then lets open requests end.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let tracker = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // Out of descriptors or a peer that left at once: neither is a reason to end.
                    Err(error) => {
                        tracing::warn!(%error, "could not accept");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                },
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                continue;
            };
            let (node, stop) = (Arc::clone(&self), stop.clone());
            tracker.spawn(async move {
                let _slot = slot;
                tokio::select! {
                    () = stop.cancelled() => {}
                    // A connection that breaks concerns only its own client.
                    _ = node.converse(stream) => {}
                }
            });
        }
        tracker.close();
        tracker.wait().await;
        Ok(())
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut input = BytesMut::with_capacity(4 << 10);
        let mut output = Vec::new();
        let mut skip = 0_usize;
        loop {
            // The buffer never holds more than the longest line and value: the parser uses up
            // everything whole, and refuses what is longer.
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
            loop {
                let skipped = skip.min(input.len());
                input.advance(skipped);
                skip -= skipped;
                match parse_request(&input) {
                    Parsed::Partial => break,
                    Parsed::Broken | Parsed::Request(Request::Quit, _) => return Ok(()),
                    Parsed::Request(request, used) => {
                        input.advance(used);
                        self.answer(request, Instant::now(), &mut output);
                    }
                    Parsed::Refused {
                        reply,
                        used,
                        skip: more,
                    } => {
                        input.advance(used);
                        skip = more;
                        output.extend(reply.as_bytes());
                        output.extend(b"\r\n");
                    }
                }
                if output.len() > VALUE_BYTES_MAX {
                    flush(&mut stream, &mut output).await?;
                }
            }
            flush(&mut stream, &mut output).await?;
        }
    }

    fn answer(&self, request: Request, now: Instant, out: &mut Vec<u8>) {
        // The state is valid after every statement below; a panic elsewhere cannot have broken it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut say = |line: &str, silent: bool| {
            if !silent {
                out.extend(line.as_bytes());
                out.extend(b"\r\n");
            }
        };
        match request {
            Request::Get { keys, versions } => state.get(&keys, versions, now, out),
            Request::Set {
                key,
                flags,
                exptime,
                value,
                noreply,
            } => {
                state.set(key, flags, expiry(exptime, now), value);
                say("STORED", noreply);
            }
            Request::Delete { key, noreply } => {
                let found = state.items.remove(&key);
                say(if found { "DELETED" } else { "NOT_FOUND" }, noreply);
            }
            Request::Touch {
                key,
                exptime,
                noreply,
            } => {
                let found = state.items.touch(&key, expiry(exptime, now), now);
                say(if found { "TOUCHED" } else { "NOT_FOUND" }, noreply);
            }
            Request::FlushAll { noreply } => {
                state.items.clear();
                say("OK", noreply);
            }
            Request::Version => say(concat!("VERSION squall-", env!("CARGO_PKG_VERSION")), false),
            Request::Stats => {
                for (name, value) in state.stats() {
                    say(&format!("STAT {name} {value}"), false);
                }
                say("END", false);
            }
            // The connection ends before its requests are answered.
            Request::Quit => {}
        }
    }
}

impl State {
    fn get(&mut self, keys: &[Bytes], versions: bool, now: Instant, out: &mut Vec<u8>) {
        for key in keys {
            if let Some(item) = self.items.get(key, now) {
                let version = versions.then_some(item.version);
                write_value(out, key, item.flags, &item.value, version);
                self.hits += 1;
            } else {
                self.misses += 1;
            }
        }
        out.extend(b"END\r\n");
    }

    fn set(&mut self, key: Bytes, flags: u32, expires: Option<Instant>, value: Bytes) {
        self.versions += 1;
        self.sets += 1;
        let item = Item {
            flags,
            version: self.versions,
            value,
        };
        self.items.insert(key, item, expires);
    }

    fn stats(&self) -> [(&'static str, u64); 7] {
        [
            ("curr_items", self.items.len() as u64),
            ("bytes", self.items.bytes()),
            ("limit_maxbytes", self.items.bytes_max()),
            ("evictions", self.items.evictions()),
            ("get_hits", self.hits),
            ("get_misses", self.misses),
            ("cmd_set", self.sets),
        ]
    }
}

/// When an entry written now with this exptime ends: never for 0, at once for a negative one.
fn expiry(exptime: i64, now: Instant) -> Option<Instant> {
    let seconds = match exptime {
        0 => return None,
        ..0 => 0,
        1..=RELATIVE_SECONDS_MAX => exptime,
        date => date
            .saturating_sub(clock::unix_seconds().cast_signed())
            .max(0),
    };
    // A date too far away to be an instant is as good as never.
    now.checked_add(Duration::from_secs(seconds.unsigned_abs()))
}

async fn flush(stream: &mut TcpStream, output: &mut Vec<u8>) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(output)).await??;
    output.clear();
    output.shrink_to(64 << 10);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn started() -> (TcpStream, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let node = Arc::new(Node::new(100_000));
        tokio::spawn(node.serve(listener, stop.clone()));
        (TcpStream::connect(address).await.unwrap(), stop)
    }

    async fn exchange(stream: &mut TcpStream, request: &str, reply_len: usize) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = vec![0; reply_len];
        let read = stream.read_exact(&mut reply);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(reply).unwrap()
    }

    #[tokio::test]
    async fn a_session_as_a_memcached_client_would_have_it() {
        let (mut stream, _stop) = started().await;
        let script = [
            ("set a 3 60 2\r\nhi\r\n", "STORED\r\n"),
            ("get a b\r\n", "VALUE a 3 2\r\nhi\r\nEND\r\n"),
            ("gets a\r\n", "VALUE a 3 2 1\r\nhi\r\nEND\r\n"),
            ("touch a 0\r\n", "TOUCHED\r\n"),
            ("delete a\r\nget a\r\n", "DELETED\r\nEND\r\n"),
            ("delete a\r\n", "NOT_FOUND\r\n"),
            ("set c 0 -1 1\r\nx\r\nget c\r\n", "STORED\r\nEND\r\n"),
            ("nonsense\r\nflush_all\r\n", "ERROR\r\nOK\r\n"),
        ];
        for (request, expected) in script {
            assert_eq!(
                exchange(&mut stream, request, expected.len()).await,
                expected,
                "{request}"
            );
        }
    }

    #[tokio::test]
    async fn a_refused_value_is_skipped_and_the_session_goes_on() {
        let (mut stream, _stop) = started().await;
        let size = VALUE_BYTES_MAX + 1;
        let request = format!("set k 0 0 {size}\r\n{}\r\nversion\r\n", "x".repeat(size));
        let expected = format!(
            "SERVER_ERROR object too large for cache\r\nVERSION squall-{}\r\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(
            exchange(&mut stream, &request, expected.len()).await,
            expected
        );
    }

    #[tokio::test]
    async fn stopping_closes_connections() {
        let (mut stream, stop) = started().await;
        assert_eq!(
            exchange(&mut stream, "delete x\r\n", 11).await,
            "NOT_FOUND\r\n"
        );
        stop.cancel();
        let end = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut [0; 8])).await;
        assert_eq!(end.unwrap().unwrap_or(0), 0);
    }
}
