//! What squall reads from others, fed with anything: one function for each
//! reader, which must neither panic nor hang and keeps the law named beside it.
//!
//! The functions run as libFuzzer targets (`fuzz/libfuzzer`, with a nightly
//! compiler: `cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer gate`) and as plain tests over
//! their corpus and fresh inputs everywhere.
#![expect(clippy::panic, reason = "a broken law is what a fuzzer looks for")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_faults::guardian::protocol::Inbox;
use squall_faults::toxiproxy::{Answer, Request, Toxiproxy, ToxiproxyConfig};
use squall_faults::{Calls, Exchanges, Question, Unreadable};
use squall_harness::system::HystrixStream;
use squall_load::{AnswerReader, Looks, Moment, Talk};
use squall_record::Record;
use squall_scenario::inject::{GrpcAnswer, GrpcStatus, Http, HttpAction, Matching, Message};
use squall_scenario::{
    BodyFile, ByteCount, Description, MESSAGE_PREFIX_BYTES, Messages, Share, Stay,
};
use squall_scenario_file::{ParseOptions, Source, parse_gate, parse_scenario};
use tempfile::TempDir;

/// A reader, and what feeds it.
pub type Target = (&'static str, fn(&[u8]));

/// Every reader by the name of its corpus.
pub const TARGETS: [Target; 13] = [
    ("scenario_file", scenario_file),
    ("gate", gate),
    ("record", record),
    ("http_response", http_response),
    ("events", events),
    ("socket", socket),
    ("hystrix_stream", hystrix_stream),
    ("guardian_protocol", guardian_protocol),
    ("toxiproxy", toxiproxy),
    ("dns_question", dns_question),
    ("exchanges", exchanges),
    ("calls", calls),
    ("description", description),
];

/// A scenario file: it is read, or every error has a rendering.
pub fn scenario_file(data: &[u8]) {
    let Ok(source) = Source::from_bytes("fuzz.yaml", data.to_vec()) else {
        return;
    };
    let environment = |name: &str| (name == "A").then(|| "a: [b".to_owned());
    let checked = parse_scenario(&source, &ParseOptions::new(&environment));
    let text = checked.render(false);
    if checked.value.is_none() && text.is_empty() {
        panic!("a scenario that is refused without a word");
    }
    if let Some(scenario) = checked.value {
        // Bounded for any file that is accepted.
        let _ = scenario.plan();
    }
}

/// A gate: what it says of itself is read as the same gate.
pub fn gate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse_gate(text) {
        Ok(gate) => {
            let said = gate.to_string();
            match parse_gate(&said) {
                Ok(again) => assert_eq!(again, gate, "`{text}` says `{said}`"),
                Err(_) => panic!("`{text}` says `{said}`, which is none"),
            }
        }
        Err(diagnostic) => {
            let source = Source::new("gate", text);
            assert!(!diagnostic.render(&[source], false).is_empty());
        }
    }
}

/// The events of a record: they are read, or the error says what is wrong.
pub fn record(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == 0);
    let (manifest, events) = match split {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (MANIFEST, data),
    };
    RECORD.with(|folder| {
        let read = folder
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|folder| {
                let held = folder.hold(manifest, events);
                held.map_err(|error| error.to_string())?;
                Ok(Record::read(folder.dir.path()))
            });
        match read {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => assert!(!error.to_string().is_empty()),
            Err(error) => panic!("no folder for a record: {error}"),
        }
    });
}

thread_local! {
    /// One folder for all records of a thread: to make and to remove one takes
    /// longer than to read what is in it.
    static RECORD: io::Result<RecordFolder> = RecordFolder::new();
}

/// A run directory whose two files are written anew for each input.
struct RecordFolder {
    dir: TempDir,
    manifest: File,
    events: File,
}

impl RecordFolder {
    fn new() -> io::Result<Self> {
        let dir = TempDir::new()?;
        Ok(Self {
            manifest: File::create(dir.path().join("run.json"))?,
            events: File::create(dir.path().join("events.ndjson"))?,
            dir,
        })
    }

    fn hold(&self, manifest: &[u8], events: &[u8]) -> io::Result<()> {
        for (file, bytes) in [(&self.manifest, manifest), (&self.events, events)] {
            file.write_all_at(bytes, 0)?;
            file.set_len(bytes.len() as u64)?;
        }
        Ok(())
    }
}

/// A manifest that is read, for inputs that have none of their own; as short as
/// one can be, because it is read with every input.
const MANIFEST: &[u8] = include_bytes!("manifest.json");

/// An answer over HTTP/1.1: the same whether it comes at once or byte by byte.
pub fn http_response(data: &[u8]) {
    let (bodiless, data) = match data.split_first() {
        Some((first, rest)) => (first % 2 == 1, rest),
        None => return,
    };
    let looks = Looks {
        body: true,
        digest: true,
    };
    let reader = || AnswerReader::keeping(bodiless, looks);
    same_in_pieces(data, (reader(), reader()));
}

/// The head of a stream of events.
const EVENTS_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// Server-sent events: the same however they come, and as far as their client stays.
pub fn events(data: &[u8]) {
    let Some((count, data)) = data.split_first() else {
        return;
    };
    let looks = Looks {
        body: true,
        digest: false,
    };
    let stay = Stay {
        count: (*count < 16).then(|| u64::from(*count) + 1),
        time: None,
    };
    let sent = Moment {
        at: Instant::now(),
        stalled: Duration::ZERO,
    };
    let reader = || AnswerReader::keeping(false, looks).with_events(stay, sent);
    same_in_pieces(&[EVENTS_HEAD, data].concat(), (reader(), reader()));
}

/// The head of an upgrade, to a key of RFC 6455, §1.3.
const SOCKET_HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
    connection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What is said on a WebSocket: the same however it comes, and as far as its client
/// stays; an odd first byte stands before frames, an even one before a head.
pub fn socket(data: &[u8]) {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let looks = Looks {
        body: true,
        digest: true,
    };
    let stay = Stay {
        count: (*first < 32).then(|| u64::from(*first) / 2 + 1),
        time: None,
    };
    let sent = Moment {
        at: Instant::now(),
        stalled: Duration::ZERO,
    };
    let reader = || {
        let talk = Talk::listening("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", stay);
        AnswerReader::keeping(false, looks).with_socket(talk, sent)
    };
    match first % 2 {
        1 => same_in_pieces(&[SOCKET_HEAD, data].concat(), (reader(), reader())),
        _ => same_in_pieces(data, (reader(), reader())),
    }
}

/// An answer is the same whether it comes at once or byte by byte.
fn same_in_pieces(data: &[u8], (mut whole, mut reader): (AnswerReader, AnswerReader)) {
    let at_once = whole.read(data).map(|_| whole.is_done());
    let mut taken = 0;
    let mut piecewise = Ok(false);
    for end in 1..=data.len() {
        match reader.read(&data[taken..end]) {
            Ok(more) => taken += more,
            Err(malformed) => {
                piecewise = Err(malformed);
                break;
            }
        }
        piecewise = Ok(reader.is_done());
        if reader.is_done() {
            break;
        }
    }
    // How much of it the message quotes depends on how much was there.
    match (at_once, piecewise) {
        (Err(_), Err(_)) => {}
        (at_once, piecewise) if data.is_empty() || at_once == piecewise => {
            assert_eq!(whole.into_parts(), reader.into_parts());
        }
        (at_once, piecewise) => panic!("at once: {at_once:?}, byte by byte: {piecewise:?}"),
    }
}

/// A Hystrix event stream: the same commands in whatever pieces it comes.
pub fn hystrix_stream(data: &[u8]) {
    let whole = HystrixStream::default().feed(data);
    let mut stream = HystrixStream::default();
    let mut commands = Vec::new();
    for piece in data.chunks(7) {
        match stream.feed(piece) {
            Ok(more) => commands.extend(more),
            Err(too_long) => return assert_eq!(whole, Err(too_long)),
        }
    }
    assert_eq!(whole, Ok(commands));
}

/// What a guardian is asked: requests, or nobody it obeys; the same in pieces.
pub fn guardian_protocol(data: &[u8]) {
    let asked = |size: usize| {
        let mut inbox = Inbox::default();
        let mut requests = Vec::new();
        for piece in data.chunks(size.max(1)) {
            inbox.push(piece);
            loop {
                match inbox.take_next() {
                    Ok(Some(request)) => requests.push(format!("{request:?}")),
                    Ok(None) => break,
                    Err(not_squall) => return (requests, Some(not_squall)),
                }
            }
        }
        (requests, None)
    };
    assert_eq!(asked(data.len()), asked(5));
}

/// Requests to a server of Toxiproxy's API, parted by NUL; method and path stand
/// in the first line of each. Every one is answered in the shape of its status,
/// and what there is then can be listed.
pub fn toxiproxy(data: &[u8]) {
    thread_local! {
        static RUNTIME: std::io::Result<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_all().build();
    }
    RUNTIME.with(|runtime| match runtime {
        Ok(runtime) => runtime.block_on(ask(data)),
        Err(error) => panic!("no runtime: {error}"),
    });
}

async fn ask(data: &[u8]) {
    let server = Toxiproxy::new(ToxiproxyConfig::default());
    let proxy = br#"[{"name":"p","upstream":"u:1","enabled":false,"toxics":[{"name":"t","type":"latency"}]}]"#;
    assert_eq!(send(&server, "POST", "/populate", proxy).await.status, 201);
    for request in data.split(|byte| *byte == 0).take(8) {
        let end = request.iter().position(|byte| *byte == b'\n');
        let (line, body) = request.split_at(end.unwrap_or(request.len()));
        let line = String::from_utf8_lossy(line);
        let (method, target) = line.split_once(' ').unwrap_or(("POST", &line));
        // Nobody is asked for the address of a name that was made up.
        let may_name = body.to_ascii_lowercase();
        if may_name.windows(6).any(|word| word == b"listen") || may_name.contains(&b'\\') {
            continue;
        }
        let answer = send(&server, method, target, body).await;
        match answer.content_type {
            Some("application/json") => parsed(&answer.body),
            Some(_) | None => assert!(answer.status != 201, "{answer:?}"),
        }
        assert!((200..=503).contains(&answer.status), "{answer:?}");
    }
    parsed(&send(&server, "GET", "/proxies", b"").await.body);
    server.shutdown().await;
}

async fn send(server: &Toxiproxy, method: &str, target: &str, body: &[u8]) -> Answer {
    let request = Request {
        method,
        target,
        user_agent: None,
        body,
    };
    server.answer(request).await
}

fn parsed(body: &str) {
    if let Err(error) = serde_json::from_str::<serde_json::Value>(body) {
        panic!("{error} in {body}");
    }
}

/// A question to the resolver of a run: it is a name in labels and is the same
/// whatever follows it, or gets an answer that nobody would answer again.
pub fn dns_question(data: &[u8]) {
    match Question::read(data) {
        Ok(question) => {
            let name = &question.name;
            assert!(name.len() < 255, "{name:?} is too long for a name");
            assert!(!name.contains(char::is_control), "{name:?} acts on logs");
            assert!(!name.contains(".."), "{name:?} has a label of nothing");
            assert!(!name.contains(|c: char| c.is_ascii_uppercase()), "{name:?}");
            let longer = [data, b"\xc0\x0c\0"].concat();
            assert_eq!(Question::read(&longer), Ok(question));
        }
        Err(Unreadable::Answer(answer)) => {
            assert_eq!(answer[..2], data[..2], "to another question");
            // Two resolvers would talk for ever.
            assert_eq!(Question::read(&answer), Err(Unreadable::NoQuery));
        }
        Err(Unreadable::NoQuery) => {}
    }
}

/// What a caller and its target say in turn, with a record separator (0x1E)
/// between turns: while no request fits the fault every byte passes in order, and
/// a fault that fits gets stuck nowhere.
pub fn exchanges(data: &[u8]) {
    let (passed, all_over) = carry(data, Some("/nobody"));
    for side in [0, 1] {
        let turns = data.split(|byte| *byte == 0x1E).skip(side).step_by(2);
        let said: Vec<u8> = turns.flatten().copied().collect();
        assert_eq!(passed[side], said, "bytes of side {side}");
    }
    assert!(all_over, "an end that never came");
    let (_, all_over) = carry(data, None);
    assert!(all_over, "a fault that got stuck");
}

/// What came out on both sides, and whether the connection came to an end.
fn carry(data: &[u8], path: Option<&str>) -> ([Vec<u8>; 2], bool) {
    let mut now = Instant::now();
    let mut exchanges = Exchanges::new(1, 0, data.len().is_multiple_of(2));
    let when = Matching {
        path: path.map(str::to_owned),
        ..Matching::default()
    };
    let fault = |action| Http {
        when: when.clone(),
        share: Share::WHOLE,
        at_most: None,
        scoped: false,
        message: Message::Answer,
        action,
    };
    exchanges.attach(
        "cut",
        &fault(HttpAction::Abort {
            after: ByteCount(9),
        }),
    );
    let set = vec![("a".to_owned(), "b".to_owned())];
    exchanges.attach("set", &fault(HttpAction::SetHeaders(set)));
    exchanges.attach("slow", &fault(HttpAction::Throttle(ByteCount(5_000))));
    let (mut passed, mut eofs) = ([Vec::new(), Vec::new()], 0);
    let mut take = |exchanges: &mut Exchanges, now| {
        for side in [0, 1] {
            while let Some(bytes) = exchanges.pull(side == 0, now) {
                eofs += usize::from(bytes.is_empty());
                passed[side].extend_from_slice(&bytes);
            }
        }
        eofs == 2 || exchanges.ended().is_some()
    };
    for (turn, text) in data.split(|byte| *byte == 0x1E).enumerate() {
        exchanges.push(turn % 2 == 0, Bytes::copy_from_slice(text), now);
        take(&mut exchanges, now);
    }
    exchanges.push_eof(true, now);
    exchanges.push_eof(false, now);
    let mut over = take(&mut exchanges, now);
    while let Some(due) = exchanges.deadline(now).filter(|_| !over) {
        now = now.max(due) + Duration::from_nanos(1);
        exchanges.advance(now);
        over = take(&mut exchanges, now);
    }
    (passed, over)
}

/// What a caller over HTTP/2 and its target say in turn, parted as for
/// [`exchanges`]: while no call fits the fault every byte passes in order, and one
/// that fits all gets stuck nowhere and lets nothing grow.
pub fn calls(data: &[u8]) {
    let Some((passed, all_over)) = converse(data, Some("/nobody")) else {
        return;
    };
    for side in [0, 1] {
        let turns = data.split(|byte| *byte == 0x1E).skip(side).step_by(2);
        let said: Vec<u8> = turns.flatten().copied().collect();
        assert_eq!(passed[side], said, "bytes of side {side}");
    }
    assert!(all_over, "an end that never came");
    let Some((passed, all_over)) = converse(data, None) else {
        return;
    };
    assert!(all_over, "a fault that got stuck");
    // A frame of nine bytes is answered with a status, or two windows, at most.
    let most = (data.len() / 9 + 1) * 256;
    assert!(passed[1].len() <= data.len() + most, "answers without end");
}

/// What came out on both sides, and whether the connection came to an end; `None`
/// where it is not HTTP/2, which is for somebody else as it came.
fn converse(data: &[u8], path: Option<&str>) -> Option<([Vec<u8>; 2], bool)> {
    let now = Instant::now();
    let mut calls = Calls::new(1, 0);
    let http = Http {
        when: Matching {
            path: path.map(str::to_owned),
            ..Matching::default()
        },
        share: Share::WHOLE,
        at_most: None,
        scoped: false,
        message: Message::Answer,
        action: HttpAction::Grpc(GrpcAnswer {
            status: GrpcStatus::Unavailable,
            message: "closed".to_owned(),
        }),
    };
    calls.attach("closed", &http);
    let (mut passed, mut eofs) = ([Vec::new(), Vec::new()], 0);
    let mut take = |calls: &mut Calls| {
        for side in [0, 1, 0] {
            while let Some(bytes) = calls.pull(side == 0, now) {
                eofs += usize::from(bytes.is_empty());
                passed[side].extend_from_slice(&bytes);
            }
        }
        eofs == 2 || calls.ended_behind().is_some()
    };
    let mut asked = Vec::new();
    for (turn, text) in data.split(|byte| *byte == 0x1E).enumerate() {
        for piece in text.chunks(701) {
            calls.push(turn % 2 == 0, Bytes::copy_from_slice(piece));
            if turn % 2 == 0 {
                asked.extend_from_slice(piece);
            }
            if let Some((said, _)) = calls.other() {
                assert_eq!(said, asked);
                return None;
            }
        }
        take(&mut calls);
    }
    calls.push_eof(false);
    calls.push_eof(true);
    let over = take(&mut calls);
    if let Some((said, _)) = calls.other() {
        assert_eq!(said, asked);
        return None;
    }
    Some((passed, over))
}

/// A set of descriptors: it is refused in words, or messages of its methods can be
/// written and read.
pub fn description(data: &[u8]) {
    let file = BodyFile {
        content: data.into(),
        ..BodyFile::default()
    };
    let description = match Description::read(&file) {
        Ok(description) => description,
        Err(why) => return assert!(!why.to_string().is_empty()),
    };
    let services: Vec<_> = description.pool().services().collect();
    for method in services.iter().flat_map(|it| it.methods()) {
        let messages = Messages::of(&method);
        let fields = method.input();
        let fields = fields.fields();
        for field in fields {
            for value in ["{}", "[{}]", "1", "\"A\"", "{\"1\":{}}"] {
                let json = format!("{{{:?}:{value}}}", field.name());
                let mut written = Vec::new();
                if messages.write(&json, &mut written).is_ok() {
                    let own = Messages::between(method.input(), method.input());
                    let _ = own.json(&written[MESSAGE_PREFIX_BYTES..], 1 << 20);
                }
            }
        }
        let _ = messages.json(data, 1 << 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_nothing_of_the_one_before() {
        let folder = RecordFolder::new().unwrap();
        for (manifest, events) in [("{}", "long\nlonger\n"), ("", "short"), ("{\"a\": 1}", "")] {
            folder.hold(manifest.as_bytes(), events.as_bytes()).unwrap();
            let lies = ["run.json", "events.ndjson"]
                .map(|name| std::fs::read_to_string(folder.dir.path().join(name)).unwrap());
            assert_eq!(lies, [manifest, events]);
        }
    }
}
