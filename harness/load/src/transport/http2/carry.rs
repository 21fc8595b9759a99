//! One exchange on an HTTP/2 connection, from its request to its answer.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::{HeaderMap, HeaderValue, Request, header};
use httparse::Header;
use squall_record::{BadKind, DropCause, Outcome};

use super::call::{CallAnswer, Status};
use super::judge::{Judgement, Progress, judge};
use super::request::translated;
use super::{Stem, place};
use crate::answer::{EventAnswer, FALLBACK_HEADER, Keeper, Kept, Moment};
use crate::requests::RequestKind;
use crate::transport::attend::sent_once;
use crate::transport::under_way::Key;
use crate::transport::{
    Endpoint, Exchange, ExchangeFailure, Sender, Transport, place_waiting, settle,
};

/// How often a request that no server has looked at goes to another connection.
const TRIES_MAX: u64 = 8;

/// How an exchange ended on its connection.
enum End {
    Answered(Box<Exchange>),
    Failed(ExchangeFailure),
    /// The server has not looked at it, or nobody is to blame; in words.
    Again(BadKind, String),
    /// Its connection takes no requests any more; the server has not looked at it.
    Elsewhere(String),
    /// The same; it was not sent.
    NotSent(String),
}

/// Carries an exchange, and settles it unless it goes to another connection.
pub(super) async fn carry<S: Sender>(sender: Rc<S>, stem: Rc<Stem>, key: Key) {
    let watched = Watched(sender.transport());
    let end = exchange(&sender, &stem, key).await;
    let transport = sender.transport();
    let endpoint = stem.endpoint();
    let failed = |kind, detail: String| ExchangeFailure::bad(kind, detail, Some(endpoint));
    if let End::Elsewhere(_) = end {
        // It counts as such, however often.
        let _ = sent_once(&sender, key);
    }
    match end {
        End::Answered(exchange) => {
            transport.lying.answered(false);
            settle(&sender, key, Ok(*exchange));
        }
        End::Failed(failure) => settle(&sender, key, Err(failure)),
        End::Again(kind, why) => match sent_once(&sender, key) {
            true => place_again(&sender, key),
            false => settle(&sender, key, Err(failed(kind, why))),
        },
        End::Elsewhere(why) | End::NotSent(why) => {
            stem.close();
            match tries(transport, key) < TRIES_MAX {
                true => place_again(&sender, key),
                false => settle(&sender, key, Err(failed(BadKind::Broken, why))),
            }
        }
    }
    drop(watched);
    place_waiting(&sender);
}

/// Gives an exchange another place than it had.
fn place_again<S: Sender>(sender: &Rc<S>, key: Key) {
    sender.transport().unseat(key);
    place(sender, key);
}

/// Tells when a task panics: then nothing is certain.
struct Watched<'a, E>(&'a Transport<E>);

impl<E> Drop for Watched<'_, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.set(true);
        }
    }
}

/// One more connection has not taken it; how many have not.
fn tries<E>(transport: &Transport<E>, key: Key) -> u64 {
    let mut under_way = transport.under_way.borrow_mut();
    let Some(entry) = under_way.get_mut(key) else {
        return u64::MAX;
    };
    entry.refused += 1;
    entry.refused
}

async fn exchange<S: Sender>(sender: &Rc<S>, stem: &Rc<Stem>, key: Key) -> End {
    let requests = match stem.requests().await {
        Ok(requests) => requests,
        Err(failure) => return End::Failed(failure),
    };
    let mut requests = match requests.ready().await {
        Ok(requests) => requests,
        Err(error) => return End::NotSent(error.to_string()),
    };
    let Some((bytes, kind)) = request_of(sender, key) else {
        return End::NotSent("it is over".to_owned());
    };
    let transport = sender.transport();
    let secure = transport.connector.tls.is_some();
    let (head, body) = match prepared(&bytes, kind, secure) {
        Ok(request) => request,
        Err(why) => return End::Failed(unsendable(why)),
    };
    let made = stem.made();
    let kept = stem.was_kept();
    let written = Instant::now();
    if let Some(entry) = transport.under_way.borrow_mut().get_mut(key) {
        entry.made = made;
        entry.written = Some(written);
    }
    let sent = requests.send_request(head, body.is_empty());
    drop(requests);
    let (response, mut stream) = match sent {
        Ok(sent) => sent,
        Err(error) if error.is_io() || error.is_go_away() => {
            return End::NotSent(error.to_string());
        }
        Err(error) => return End::Failed(unsendable(error.to_string())),
    };
    let stalled = |at| sender.stalled(at);
    let clock = Clock {
        stem,
        stalled: &stalled,
    };
    let mut answer = Answer::new(kind, clock.moment(written));
    let leaves_at = kind.events.and_then(|stay| Some(written + stay.time?));
    let reading = answer.read(response, clock);
    let ended = answered(reading, send(&mut stream, body), leaves_at).await;
    let ended = ended.map(|done| done.unwrap_or_else(|left| answer.left(clock.moment(left))));
    let endpoint = stem.endpoint();
    match ended {
        Ok(done) => {
            stem.has_brought();
            answer.whole(done, endpoint)
        }
        Err(error) => {
            if error.is_go_away() || error.is_io() {
                stem.close();
            }
            let progress = Progress {
                answered: answer.status.is_some(),
                repeatable: kind.repeatable,
                kept,
            };
            match judge(&error, progress) {
                Judgement::Again(kind, why) => End::Again(kind, why),
                Judgement::Elsewhere(why) => End::Elsewhere(why),
                Judgement::Failed(kind, why) => {
                    End::Failed(ExchangeFailure::bad(kind, why, Some(endpoint)))
                }
            }
        }
    }
}

/// A request as HTTP/2 has it, or why it cannot be sent.
fn prepared(
    bytes: &Bytes,
    kind: RequestKind,
    secure: bool,
) -> Result<(Request<()>, Bytes), String> {
    let (mut head, body) = translated(bytes, secure)?;
    if kind.call.is_some() {
        // Frames say how long they are.
        head.headers_mut().remove(header::CONTENT_LENGTH);
        if body.is_empty() {
            return Err("no message can be made of the values that were taken".to_owned());
        }
    }
    Ok((head, body))
}

/// Reads an answer to its end while its request may still be sent; when that came, or
/// when its client left before.
async fn answered(
    reading: impl Future<Output = Result<Instant, h2::Error>>,
    sending: impl Future<Output = Result<(), h2::Error>>,
    leaves_at: Option<Instant>,
) -> Result<Result<Instant, Instant>, h2::Error> {
    let mut leaving = pin!(leave(leaves_at));
    let mut reading = pin!(reading);
    let mut sending = pin!(sending);
    let mut is_sent = false;
    loop {
        tokio::select! {
            biased;
            read = &mut reading => return read.map(Ok),
            left = &mut leaving => return Ok(Err(left)),
            // What stops it is told where the answer is read.
            _ = &mut sending, if !is_sent => is_sent = true,
        }
    }
}

/// Waits until a client leaves, where it ever does.
async fn leave(at: Option<Instant>) -> Instant {
    let Some(at) = at else {
        return std::future::pending().await;
    };
    tokio::time::sleep_until(at.into()).await;
    at
}

/// The bytes of a request, and how its answer is read.
fn request_of<S: Sender>(sender: &Rc<S>, key: Key) -> Option<(Bytes, RequestKind)> {
    let transport = sender.transport();
    let mut under_way = transport.under_way.borrow_mut();
    let errand = &under_way.get_mut(key)?.errand;
    let bytes = sender.fixed(errand).cloned().unwrap_or_else(|| {
        let mut bytes = Vec::new();
        sender.write(errand, &mut bytes);
        bytes.into()
    });
    Some((bytes, sender.kind(errand)))
}

fn unsendable(detail: String) -> ExchangeFailure {
    ExchangeFailure {
        outcome: Outcome::Dropped,
        dropped: Some(DropCause::Request),
        detail,
        address: None,
    }
}

/// Sends a body as fast as the server takes it.
async fn send(stream: &mut SendStream<Bytes>, mut body: Bytes) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(room) = room.transpose()? else {
            break;
        };
        let part = body.split_to(room.min(body.len()));
        stream.send_data(part, body.is_empty())?;
    }
    Ok(())
}

/// Says when something came.
#[derive(Clone, Copy)]
struct Clock<'a> {
    stem: &'a Stem,
    /// All that the sender had stood still until then.
    stalled: &'a dyn Fn(Instant) -> Duration,
}

impl Clock<'_> {
    fn moment(self, at: Instant) -> Moment {
        let stalled = (self.stalled)(at);
        Moment { at, stalled }
    }

    /// When that came which was read last.
    fn came(self) -> Instant {
        self.stem.came()
    }
}

/// An answer as it comes.
struct Answer {
    /// When its request was sent.
    sent: Instant,
    /// With the instant when its head came.
    status: Option<(u16, Instant)>,
    fallback: Option<String>,
    body_bytes: u64,
    keeper: Option<Keeper>,
    /// What it says as the answer to a call, where it is one.
    call: Option<CallAnswer>,
    /// The same as a stream of events.
    events: Option<EventAnswer>,
    /// What cannot be, in words.
    wrong: Option<String>,
}

impl Answer {
    fn new(kind: RequestKind, sent: Moment) -> Self {
        Self {
            sent: sent.at,
            status: None,
            fallback: None,
            body_bytes: 0,
            keeper: kind.looks.map(Keeper::new),
            call: kind.call.map(|answers| CallAnswer::new(answers, sent)),
            events: kind.events.map(|stay| EventAnswer::new(stay, sent)),
            wrong: None,
        }
    }

    /// Its client left then; which ends it.
    fn left(&mut self, now: Moment) -> Instant {
        if let Some(events) = &mut self.events {
            events.left(now);
        }
        now.at
    }

    /// It was read to its end, which came at `done`.
    fn whole(mut self, done: Instant, address: Endpoint) -> End {
        let Some((status, first_byte)) = self.status else {
            return End::Failed(ExchangeFailure::left_unanswered(Some(address)));
        };
        if let Some(why) = self.wrong {
            let failure = ExchangeFailure::bad(BadKind::Malformed, why, Some(address));
            return End::Failed(failure);
        }
        let body_bytes = self
            .call
            .as_ref()
            .map_or(self.body_bytes, CallAnswer::bytes);
        let of_call = self.call.as_ref().map(CallAnswer::series);
        let series = of_call.or(self.events.as_ref().map(EventAnswer::series));
        let of_call = self.call.as_mut().and_then(CallAnswer::heard);
        let heard = of_call.or(self.events.as_mut().map(EventAnswer::heard));
        let status = match self.call.map(CallAnswer::end) {
            Some(Ok(status)) => status,
            None => Status {
                code: status,
                told: None,
                unbegun: false,
            },
            Some(Err(why)) => {
                let failure = ExchangeFailure::bad(BadKind::Malformed, why, Some(address));
                return End::Failed(failure);
            }
        };
        End::Answered(Box::new(Exchange {
            first_byte,
            done,
            status: status.code,
            told: status.told,
            unbegun: status.unbegun,
            body_bytes,
            fallback: self.fallback,
            kept: self.keeper.map(|keeper| {
                Box::new(Kept {
                    series,
                    ..keeper.kept()
                })
            }),
            heard: heard.map(Box::new),
            address,
        }))
    }

    /// Reads it to its end; when that came.
    async fn read(
        &mut self,
        response: ResponseFuture,
        clock: Clock<'_>,
    ) -> Result<Instant, h2::Error> {
        let (head, mut body) = response.await?.into_parts();
        // Nothing comes before it was asked for, whatever else was read.
        let since = self.sent;
        let came = || clock.came().max(since);
        let mut now = came();
        self.status = Some((head.status.as_u16(), now));
        let fallback = head.headers.get(FALLBACK_HEADER);
        self.fallback = fallback.map(|by| String::from_utf8_lossy(by.as_bytes()).into_owned());
        if let Some(keeper) = &mut self.keeper {
            keeper.head(&fields(&head.headers));
        }
        if let Some(call) = &mut self.call {
            call.head(head.status.as_u16(), &head.headers, body.is_end_stream());
        }
        if let Some(events) = &mut self.events {
            let media = head.headers.get(header::CONTENT_TYPE);
            let begun = events.head(head.status.as_u16(), media.map(HeaderValue::as_bytes));
            self.wrong = begun.err();
            if self.wrong.is_some() {
                return Ok(now);
            }
        }
        while let Some(part) = body.data().await {
            let mut part = part?;
            now = came();
            let enough = self.seen(&mut part, clock.moment(now));
            self.body_bytes += part.len() as u64;
            match (&mut self.call, &mut self.keeper) {
                (Some(call), keeper) => {
                    if !call.data(&part, clock.moment(now), keeper.as_mut()) {
                        return Ok(now);
                    }
                }
                (None, Some(keeper)) => keeper.take(&part),
                (None, None) => {}
            }
            if enough {
                return Ok(now);
            }
            body.flow_control().release_capacity(part.len())?;
        }
        if let Some(trailers) = body.trailers().await? {
            now = came();
            if let Some(call) = &mut self.call {
                call.trailers(&trailers);
                if let Some(keeper) = &mut self.keeper {
                    keeper.trailers(&fields(&trailers));
                }
            }
        }
        Ok(now)
    }
}

impl Answer {
    /// Cuts a part of a stream of events behind the last that its client waits for;
    /// whether that came.
    fn seen(&mut self, part: &mut Bytes, now: Moment) -> bool {
        let Some(events) = &mut self.events else {
            return false;
        };
        events.at(now);
        match events.data(part, None) {
            Ok(taken) => {
                part.truncate(taken.bytes);
                taken.enough
            }
            Err(why) => {
                self.wrong = Some(why);
                true
            }
        }
    }
}

fn fields(headers: &HeaderMap) -> Vec<Header<'_>> {
    let each = headers.iter();
    each.map(|(name, value)| Header {
        name: name.as_str(),
        value: value.as_bytes(),
    })
    .collect()
}
