//! Calls of gRPC, against a server that does right and wrong by the method's name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{BadKind, Counts, Outcome, Sample};
use squall_scenario::{
    AnswerCheck, Arrivals, BodyFile, ByteCount, Call, Connecting, DataSource, Description,
    Expected, HttpVersion, Journey, Load, Persona, Rate, Request, SeriesCheck, Stage, Step, Take,
    Template,
};

use server::{Asked, framed, serve};

mod server;

/// Longer than anything may hang.
pub(crate) const HANG: Duration = Duration::from_secs(60);
/// Calls of each load.
pub(crate) const CALLS: u64 = 8;

const PROTO: &str = "syntax = \"proto3\";
    package shop.v1;
    service Catalog {
      rpc Play(Title) returns (Played);
    }
    message Title { int64 id = 1; repeated string tags = 2; }
    message Played { string name = 1; int64 seen_by = 2; }";

fn call(method: &str) -> Call {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.proto");
    let streams = method.starts_with("Watch");
    let answers = if streams { "stream Played" } else { "Played" };
    let more =
        format!("rpc Play(Title) returns (Played); rpc {method}(Title) returns ({answers});");
    let more = match method {
        "Play" => PROTO.to_owned(),
        _ => PROTO.replace("rpc Play(Title) returns (Played);", &more),
    };
    std::fs::write(&path, more).unwrap();
    let mut compiler = protox::Compiler::new([folder.path()]).unwrap();
    compiler.include_imports(true).open_file(path).unwrap();
    let file = BodyFile {
        path: "shop.proto".to_owned(),
        bytes: 0,
        content: compiler.encode_file_descriptor_set().into(),
    };
    Call {
        proto: Description::read(&file).unwrap(),
        sha256: String::new(),
        method: format!("shop.v1.Catalog/{method}"),
        idempotent: false,
        streams,
    }
}

/// A call of the method with the arrival's number.
pub(crate) fn calls(method: &str) -> Request {
    let call = call(method);
    let path = format!("/{}", call.method);
    Request {
        call: Some(call),
        body: Some(Template::parse(r#"{"id": $n, "tags": ["new", "$word"]}"#)),
        headers: vec![("x-user".to_owned(), Template::parse("u$n"))],
        expect_status: vec![(0, 0)],
        ..Request::plain(method, "POST", Template::parse(&path))
    }
}

pub(crate) fn json(pointer: &str, like: &str) -> AnswerCheck {
    AnswerCheck::Json {
        pointer: pointer.to_owned(),
        expected: Expected::Like(Template::parse(like)),
    }
}

pub(crate) fn load(requests: Vec<Request>, journeys: Vec<Journey>) -> Load {
    Load {
        data: vec![
            ("n".into(), DataSource::Count { from: 1 }),
            ("word".into(), DataSource::Pick(vec!["a\"b".into()])),
        ],
        connecting: Connecting {
            http: HttpVersion::Two,
            ..Connecting::default()
        },
        workers: Some(1),
        timeout: HANG,
        journeys,
        ..Load::plain(
            vec![Stage::Hold {
                rate: Rate::per_second(80.0).unwrap(),
                duration: Duration::from_millis(1000 * CALLS / 80),
                arrivals: Arrivals::Even,
            }],
            requests,
        )
    }
}

/// What came of a load.
pub(crate) struct Ran {
    pub(crate) counts: Vec<Counts>,
    pub(crate) samples: Vec<Sample>,
    /// Of each route: streams that brought a message, that had none to bring, and gaps.
    pub(crate) heard: Vec<[u64; 3]>,
    asked: Vec<(HeaderMap, Vec<u8>)>,
}

pub(crate) async fn run(load: Load) -> Ran {
    let asked = Asked::default();
    let address = serve(Arc::clone(&asked)).await;
    let mut ran = run_against(address, load).await;
    ran.asked = std::mem::take(&mut *asked.lock().unwrap());
    ran
}

/// Sends a load to a server.
pub(crate) async fn run_against(address: SocketAddr, load: Load) -> Ran {
    run_to(Destination::plain(vec![address], address.to_string()), load).await
}

/// Sends a load to a server that is reached in another way.
pub(crate) async fn run_to(destination: Destination, load: Load) -> Ran {
    let plan = LoadPlan {
        shard: None,
        seed: 42,
        destination,
        lead: false,
        load,
    };
    let routes = plan.load.routes().count();
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now() + Duration::from_millis(20);
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let mut ran = Ran {
        counts: vec![Counts::default(); routes],
        samples: vec![],
        heard: vec![[0; 3]; routes],
        asked: vec![],
    };
    loop {
        let next = tokio::time::timeout(HANG, handle.outputs.recv()).await;
        match next.expect("it hangs").unwrap() {
            LoadOutput::Interval(interval) => {
                for (at, route) in interval.routes.iter().enumerate() {
                    ran.counts[at].add(&route.counts);
                    let messages = &route.messages;
                    let told = [messages.begun, messages.empty, messages.gaps];
                    for (sum, told) in ran.heard[at].iter_mut().zip(told) {
                        *sum += told;
                    }
                }
            }
            LoadOutput::Samples(more) => ran.samples.extend(more),
            LoadOutput::Finished { .. } => break,
            _ => {}
        }
    }
    handle.join().await.unwrap();
    ran
}

/// What became of calls of one method.
async fn called(request: Request) -> (Counts, Option<String>) {
    let ran = run(load(vec![request], vec![])).await;
    let bad = |sample: &&Sample| sample.outcome != Outcome::Good;
    let detail = ran.samples.iter().find(bad).or(ran.samples.first());
    (
        ran.counts[0],
        detail.and_then(|sample| sample.detail.clone()),
    )
}

#[tokio::test]
async fn a_call_is_sent_as_grpc_has_it_and_its_answer_is_looked_into() {
    let request = Request {
        checks: vec![
            json("/name", "Storm"),
            json("/seenBy", "$n"),
            AnswerCheck::Contains(Template::parse("Storm")),
            AnswerCheck::AtLeast(ByteCount(9)),
            AnswerCheck::AtMost(ByteCount(9)),
            AnswerCheck::Header {
                name: "x-cost".to_owned(),
                expected: Expected::Like(Template::parse("7")),
            },
        ],
        ..calls("Play")
    };
    let ran = run(load(vec![request], vec![])).await;
    assert_eq!(ran.counts[0].good, CALLS, "{:?}", ran.samples);
    assert_eq!(ran.counts[0].bytes, CALLS * 9, "of messages");
    assert_eq!(ran.samples[0].status, None, "gRPC's is no status of HTTP");
    for (head, message) in ran.asked {
        let id = message[6];
        let sent = [b"\x08".as_slice(), &[id], b"\x12\x03new\x12\x03a\"b"].concat();
        assert_eq!(message, framed(&sent));
        let is = |name: &str| head[name].to_str().unwrap();
        assert_eq!(is("te"), "trailers");
        assert_eq!(is("content-type"), "application/grpc");
        assert_eq!(is("grpc-timeout"), "60000m");
        assert_eq!(is("grpc-accept-encoding"), "identity");
        assert_eq!(is("x-user"), format!("u{id}"));
        assert!(head.get("content-length").is_none());
    }
}

#[tokio::test]
async fn a_check_that_does_not_hold_is_told() {
    let request = Request {
        checks: vec![json("/name", "Calm")],
        ..calls("Play")
    };
    let (counts, detail) = called(request).await;
    assert_eq!(counts.check, CALLS);
    assert_eq!(
        detail.as_deref(),
        Some(r#"json /name: "Storm", not "Calm""#)
    );
}

#[tokio::test]
async fn statuses_are_judged_and_named() {
    for (method, told) in [
        ("TrailersOnly", "NOT_FOUND: no such title"),
        ("Denied", "PERMISSION_DENIED"),
        ("Proxy", "UNAVAILABLE: HTTP status 503"),
    ] {
        let (counts, detail) = called(calls(method)).await;
        assert_eq!(counts.status, CALLS, "{method}");
        assert_eq!(detail.as_deref(), Some(told));
    }
    let expected = Request {
        expect_status: vec![(5, 5)],
        ..calls("TrailersOnly")
    };
    assert_eq!(called(expected).await.0.good, CALLS);
    let unexpected = Request {
        expect_status: vec![(5, 5)],
        ..calls("Play")
    };
    assert_eq!(called(unexpected).await.0.status, CALLS);
}

#[tokio::test]
async fn what_is_no_answer_of_grpc_is_malformed() {
    for (method, says) in [
        ("Twice", "a second message"),
        ("Nothing", "no message came"),
        ("Cut", "within a message"),
        ("Huge", "64 MiB"),
        ("Packed", "compressed"),
        ("Silent", "without a `grpc-status`"),
    ] {
        let (counts, detail) = called(calls(method)).await;
        assert_eq!(counts.malformed, CALLS, "{method}");
        let detail = detail.unwrap();
        assert!(detail.contains(says), "{method}: {detail}");
    }
    // What nobody looks at is not taken apart.
    assert_eq!(called(calls("Other")).await.0.good, CALLS);
    let looked_at = Request {
        checks: vec![json("/name", "Storm")],
        ..calls("Other")
    };
    let (counts, detail) = called(looked_at).await;
    assert_eq!(counts.malformed, CALLS);
    assert!(detail.unwrap().contains("no shop.v1.Played"));
    assert_eq!(called(calls("Reset")).await.0.broken, CALLS);
}

#[tokio::test]
async fn a_stream_is_a_list_and_is_counted() {
    let series = |check| AnswerCheck::Series(check);
    let fine = vec![
        json("/0/name", "Storm"),
        json("/0/seenBy", "$n"),
        AnswerCheck::Json {
            pointer: "/3".to_owned(),
            expected: Expected::Absent,
        },
        AnswerCheck::AtMost(ByteCount(27)),
        series(SeriesCheck::AtLeast(3)),
        series(SeriesCheck::AtMost(3)),
    ];
    let watch = |method, checks| Request {
        checks,
        ..calls(method)
    };
    let (counts, detail) = called(watch("WatchThree", fine)).await;
    assert_eq!(counts.good, CALLS, "{detail:?}");
    let at_least = |count| vec![series(SeriesCheck::AtLeast(count))];
    let (counts, detail) = called(watch("WatchThree", at_least(4))).await;
    assert_eq!(counts.check, CALLS);
    assert_eq!(detail.as_deref(), Some("3 messages came, fewer than 4"));
    assert_eq!(called(watch("WatchNothing", vec![])).await.0.good, CALLS);
    assert_eq!(called(watch("WatchCut", vec![])).await.0.malformed, CALLS);
    assert_eq!(called(watch("WatchPage", vec![])).await.0.status, CALLS);
    let (counts, detail) = called(watch("WatchText", vec![])).await;
    assert_eq!(counts.malformed, CALLS, "{detail:?}");
}

#[tokio::test]
async fn the_messages_of_a_stream_are_held_to_their_times() {
    let watch = |method, check| Request {
        checks: vec![AnswerCheck::Series(check)],
        ..calls(method)
    };
    // Nothing is faster than this.
    let least = Duration::from_nanos(1);
    let (counts, detail) = called(watch("WatchThree", SeriesCheck::First(least))).await;
    assert_eq!(counts.check, CALLS);
    let detail = detail.unwrap();
    assert!(detail.contains("the first of the messages"), "{detail}");
    assert!(detail.contains(" ms, later than 1ns"), "{detail}");
    let (counts, detail) = called(watch("WatchWide", SeriesCheck::Gap(least))).await;
    assert!(counts.check > 0, "{counts:?}");
    assert!(detail.unwrap().contains(" ms lay between two messages"));
    let (counts, _) = called(watch("WatchNothing", SeriesCheck::First(HANG))).await;
    assert_eq!(counts.check, CALLS, "what never comes is not in time");
    let (counts, detail) = called(watch("WatchNothing", SeriesCheck::Gap(least))).await;
    assert_eq!(counts.good, CALLS, "{detail:?}");
}

/// What is said of messages holds of those that come.
#[tokio::test]
async fn a_status_that_is_good_without_a_message_has_none_to_look_into() {
    let cost = AnswerCheck::Header {
        name: "x-cost".to_owned(),
        expected: Expected::Present,
    };
    let call = |method, status: u16, checks: Vec<AnswerCheck>| Request {
        expect_status: vec![(0, 0), (status, status)],
        checks,
        ..calls(method)
    };
    let of_messages = || {
        vec![
            json("/name", "Storm"),
            AnswerCheck::Contains(Template::parse("Storm")),
            AnswerCheck::AtLeast(ByteCount(1)),
        ]
    };
    let (counts, detail) = called(call("TrailersOnly", 5, of_messages())).await;
    assert_eq!(counts.good, CALLS, "{detail:?}");
    let (counts, detail) = called(call("Denied", 7, vec![cost.clone()])).await;
    assert_eq!(counts.good, CALLS, "{detail:?}");
    let (counts, detail) = called(call("TrailersOnly", 5, vec![cost])).await;
    assert_eq!(counts.check, CALLS, "{detail:?}");
    let wrong = vec![json("/name", "Calm")];
    assert_eq!(called(call("Play", 5, wrong)).await.0.check, CALLS);
    // What came of a stream is looked into, whatever came behind it.
    let first = |like| vec![json("/0/name", like)];
    assert_eq!(
        called(call("WatchDenied", 7, first("Storm"))).await.0.good,
        CALLS
    );
    assert_eq!(
        called(call("WatchDenied", 7, first("Calm"))).await.0.check,
        CALLS
    );
}

fn step(request: Request, take: Vec<(String, Take)>) -> Step {
    Step {
        request,
        take,
        player: None,
        think: None,
        leave: None,
    }
}

fn journey(persona: Option<Persona>, steps: Vec<Step>) -> Journey {
    Journey {
        name: "j".to_owned(),
        weight: 1,
        persona,
        steps,
    }
}

#[tokio::test]
async fn what_an_answer_holds_goes_into_the_next_message() {
    let first = Request {
        name: "j/first".to_owned(),
        ..calls("Play")
    };
    let take = |name: &str, at: &str| (name.to_owned(), Take::Json(at.to_owned()));
    let taken = vec![take("seen", "/seenBy"), take("name", "/name")];
    let second = |id: &str| Request {
        name: "j/second".to_owned(),
        body: Some(Template::parse(&format!(
            r#"{{"id": {id}, "tags": ["$name"]}}"#
        ))),
        checks: vec![json("/seenBy", "$seen")],
        ..calls("Play")
    };
    let steps = vec![
        step(first.clone(), taken.clone()),
        step(second("$seen"), vec![]),
    ];
    let ran = run(load(vec![], vec![journey(None, steps)])).await;
    assert_eq!(ran.counts[0].good, CALLS);
    assert!(ran.counts[1].good > 0, "{:?}", ran.samples);
    assert_eq!(ran.counts[1].check, 0);
    // What no message can be made of is not sent.
    let steps = vec![step(first, taken), step(second("\"$name\""), vec![])];
    let ran = run(load(vec![], vec![journey(None, steps)])).await;
    assert_eq!(ran.counts[1].good, 0);
    assert!(ran.counts[1].dropped > 0);
    let unsent = ran.samples.iter().find(|it| it.outcome == Outcome::Dropped);
    let unsent = unsent.unwrap();
    assert!(unsent.detail.as_ref().unwrap().contains("no message"));
    assert_eq!(unsent.request, "POST /shop.v1.Catalog/Play");
}

/// UNAVAILABLE is gRPC's word for 503.
#[tokio::test]
async fn clients_that_try_again_do_so_where_nobody_was_available() {
    for (method, calls_each) in [
        ("Away", 1),
        ("AwayAtOnce", 2),
        ("Proxy", 2),
        ("BadProxy", 1),
    ] {
        let (ran, asked) = tried_again(calls(method)).await;
        assert_eq!(asked, CALLS * calls_each, "{method}");
        assert_eq!(ran.counts[0].status, CALLS, "{method}");
    }
    let mut request = calls("Away");
    if let Some(call) = &mut request.call {
        call.idempotent = true;
    }
    let (ran, asked) = tried_again(request).await;
    assert_eq!(asked, CALLS * 2, "it does no harm");
    assert_eq!(ran.asked[0].0["grpc-timeout"], "9000m");
    let mut kinds = ran.samples.iter().map(|sample| sample.outcome);
    assert!(kinds.all(|it| it == Outcome::Bad(BadKind::Status)));
}

/// Sends a call by clients that try once more; how often it was sent.
async fn tried_again(request: Request) -> (Ran, u64) {
    let mut load = load(vec![], vec![]);
    let persona = Persona {
        name: "kiosk".to_owned(),
        timeout: Duration::from_secs(9),
        retries: 1,
        backoff: Duration::from_millis(1),
        cache: false,
    };
    let request = Request {
        name: "j/away".to_owned(),
        ..request
    };
    load.journeys = vec![journey(Some(persona), vec![step(request, vec![])])];
    // Time enough for all attempts.
    load.shape.push(Stage::Hold {
        rate: Rate::default(),
        duration: Duration::from_secs(1),
        arrivals: Arrivals::Even,
    });
    let ran = run(load).await;
    let asked = ran.asked.len() as u64;
    (ran, asked)
}
