//! A sender of single requests, for tests that ask the transport alone.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use squall_load::{
    Connector, Course, Dispatch, Exchange, ExchangeFailure, Looks, RequestKind, Sender, Transport,
    submit,
};
use squall_record::Outcome;
use tokio::sync::oneshot;

/// Sends one request after the other.
pub(crate) struct Client {
    transport: Transport<Asked>,
    turn: Cell<u64>,
}

/// A request, and who waits for what becomes of it.
pub(crate) struct Asked {
    bytes: Vec<u8>,
    kind: RequestKind,
    told: oneshot::Sender<Sent>,
}

/// What became of a request.
pub(crate) struct Sent {
    pub(crate) result: Result<Exchange, ExchangeFailure>,
    pub(crate) course: Course,
}

impl Sent {
    pub(crate) fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(_) => Outcome::Good,
            Err(failure) => failure.outcome,
        }
    }
}

impl Client {
    pub(crate) fn new(addresses: Vec<SocketAddr>, connections: Option<u32>) -> Rc<Self> {
        Self::with(Connector::plain(addresses), connections)
    }

    /// One whose connections are made in another way.
    pub(crate) fn with(connector: Connector, connections: Option<u32>) -> Rc<Self> {
        let patience = Duration::from_secs(60);
        Rc::new(Self {
            transport: Transport::new(connector, connections, patience),
            turn: Cell::new(0),
        })
    }

    /// Sends a request and waits for what becomes of it.
    pub(crate) async fn send(self: &Rc<Self>, method: &Method, body: &[u8]) -> Sent {
        // As the load does: what has come is taken before something is sent.
        tokio::task::yield_now().await;
        self.begin(method, body).await.unwrap()
    }

    /// Sends a request; what becomes of it is told later.
    pub(crate) fn begin(self: &Rc<Self>, method: &Method, body: &[u8]) -> oneshot::Receiver<Sent> {
        let mut bytes = format!("{method} / HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
        if !body.is_empty() {
            bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        self.submit(bytes, RequestKind::of(method))
    }

    /// Asks for what stands at `path`, and keeps the body of the answer.
    pub(crate) fn ask(self: &Rc<Self>, path: &str) -> oneshot::Receiver<Sent> {
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes();
        let looks = Looks {
            body: true,
            digest: false,
        };
        let kind = RequestKind {
            looks: Some(looks),
            ..RequestKind::of(&Method::GET)
        };
        self.submit(bytes, kind)
    }

    fn submit(self: &Rc<Self>, bytes: Vec<u8>, kind: RequestKind) -> oneshot::Receiver<Sent> {
        let (told, hears) = oneshot::channel();
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        let dispatch = Dispatch {
            at: Instant::now(),
            stalled: Duration::ZERO,
        };
        submit(self, Asked { bytes, kind, told }, turn, dispatch);
        hears
    }
}

impl Sender for Client {
    type Errand = Asked;

    fn transport(&self) -> &Transport<Asked> {
        &self.transport
    }

    fn kind(&self, asked: &Asked) -> RequestKind {
        asked.kind
    }

    fn fixed(&self, _: &Asked) -> Option<&Bytes> {
        None
    }

    fn write(&self, asked: &Asked, into: &mut Vec<u8>) {
        into.extend_from_slice(&asked.bytes);
    }

    fn settled(
        self: &Rc<Self>,
        asked: Asked,
        course: &Course,
        result: Result<Exchange, ExchangeFailure>,
    ) {
        // A test that has ended asks no more.
        let _ = asked.told.send(Sent {
            result,
            course: *course,
        });
    }
}
