//! One connection to the target: writes a request and reads its answer.

use std::cell::Cell;
use std::io;
use std::io::Write as _;
use std::net::SocketAddr;

use http::{HeaderValue, Method, header};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::answer::{AnswerReader, Head, Malformed};
use crate::requests::PreparedRequest;

/// Room for a read; most answers fit.
const READ_BYTES: usize = 8 << 10;
/// A buffer that grew beyond this for one message is not kept.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Index of its address.
    pub(crate) address: usize,
    /// Whether it has carried a request before.
    pub(crate) reused: bool,
    received: Vec<u8>,
    to_send: Vec<u8>,
}

/// What an idle connection is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing has come, nothing is closed.
    Ready,
    /// The other side has closed it.
    Closed,
    /// The other side has spoken unasked.
    Spoke,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fallback: Option<String>,
    pub(crate) body_bytes: u64,
    /// Whether the connection may carry another request.
    pub(crate) reusable: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The connection ended; `answered` says whether a byte of an answer came.
    Ended { answered: bool, detail: String },
    /// What came is no answer.
    Malformed(Malformed),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The target refuses, or this machine has nothing left to connect with.
    pub(crate) async fn open(target: SocketAddr, address: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address,
            reused: false,
            received: Vec::new(),
            to_send: Vec::new(),
        })
    }

    /// Looks at what has arrived, which nobody asked for, without taking it.
    pub(crate) fn condition(&self) -> Condition {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(&self.stream, &mut byte, flags) {
            Ok((0, _)) => Condition::Closed,
            Ok(_) => Condition::Spoke,
            Err(Errno::AGAIN | Errno::INTR) => Condition::Ready,
            Err(_) => Condition::Closed,
        }
    }

    /// Writes the request and reads the whole answer, which may come before
    /// the request is written to its end.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &PreparedRequest,
        host: &HeaderValue,
    ) -> Result<Answer, NoAnswer> {
        self.compose(request, host);
        let mut reader = AnswerReader::new(request.method == Method::HEAD);
        let answered = Cell::new(false);
        let moved = self.carry(&mut reader, &answered).await?;
        let reusable = moved && reader.keeps_alive() && self.received.is_empty();
        let (head, body_bytes) = reader.into_parts();
        let Some(Head {
            status, fallback, ..
        }) = head
        else {
            return Err(ended(answered.get(), None, "the connection was closed"));
        };
        self.reused = true;
        self.to_send.shrink_to(KEPT_BYTES_MAX);
        self.received.shrink_to(KEPT_BYTES_MAX);
        Ok(Answer {
            status,
            fallback,
            body_bytes,
            reusable,
        })
    }

    /// Moves bytes both ways until the answer is complete; whether all of the
    /// request was written.
    async fn carry(
        &mut self,
        reader: &mut AnswerReader,
        answered: &Cell<bool>,
    ) -> Result<bool, NoAnswer> {
        let mut written = 0;
        // What stopped the writing; an answer may have come before it.
        let mut refused: Option<io::Error> = None;
        while !reader.is_done() {
            let writing = written < self.to_send.len() && refused.is_none();
            let interest = match writing {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            let failed = |error: &io::Error, reader: &AnswerReader| {
                ended(answered.get(), reader.head(), &error.to_string())
            };
            let ready = self.stream.ready(interest).await;
            let ready = ready.map_err(|error| failed(&error, reader))?;
            if writing && ready.is_writable() {
                match self.stream.try_write(&self.to_send[written..]) {
                    Ok(bytes) => written += bytes,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => refused = Some(error),
                }
            }
            if !ready.is_readable() && !ready.is_read_closed() {
                continue;
            }
            self.received.reserve(READ_BYTES);
            match self.stream.try_read_buf(&mut self.received) {
                Ok(0) => {
                    if reader.close() {
                        break;
                    }
                    let detail = refused.map_or_else(
                        || "the connection was closed".to_owned(),
                        |error| error.to_string(),
                    );
                    return Err(ended(answered.get(), reader.head(), &detail));
                }
                Ok(_) => {
                    answered.set(true);
                    let taken = reader.read(&self.received).map_err(NoAnswer::Malformed)?;
                    self.received.drain(..taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failed(&error, reader)),
            }
        }
        Ok(written == self.to_send.len())
    }

    /// The request's bytes.
    fn compose(&mut self, request: &PreparedRequest, host: &HeaderValue) {
        self.received.clear();
        let out = &mut self.to_send;
        out.clear();
        out.extend_from_slice(request.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(request.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !request.headers.iter().any(|(name, _)| name == header::HOST) {
            field(out, b"host", host.as_bytes());
        }
        for (name, value) in &request.headers {
            field(out, name.as_str().as_bytes(), value.as_bytes());
        }
        let method = &request.method;
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
        if expects_body || !request.body.is_empty() {
            // Writing to memory cannot fail.
            let _ = write!(out, "content-length: {}\r\n", request.body.len());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&request.body);
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn ended(answered: bool, head: Option<&Head>, why: &str) -> NoAnswer {
    let place = match head {
        Some(head) => format!("in the body of an answer with status {}", head.status),
        None if answered => "within the head of the answer".to_owned(),
        None => "before an answer".to_owned(),
    };
    NoAnswer::Ended {
        answered,
        detail: format!("{why} {place}"),
    }
}
