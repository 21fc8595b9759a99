//! What requests are made of, and how they are written.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use squall_scenario::{
    Auth, BodyFile, DataSource, Journey, Multipart, Part, PartContent, Step, Template, Watching,
};

use super::*;
use crate::journey::Asked;
use crate::viewing::Segment;

fn request(name: &str, path: &str, weight: u32) -> Request {
    Request {
        weight,
        ..Request::plain(name, "GET", Template::parse(path))
    }
}

fn load(requests: Vec<Request>, data: Vec<(String, DataSource)>) -> Load {
    Load {
        data,
        in_flight_max: 10,
        timeout: Duration::from_secs(1),
        ..Load::plain(vec![], requests)
    }
}

#[test]
fn weights_decide_the_share_of_routes() {
    let load = load(vec![request("a", "/a", 9), request("b", "/b", 1)], vec![]);
    let maker = RequestMaker::new(&load, 42).unwrap();
    let b = (0..100_000).filter(|n| maker.route_of(*n) == 1).count();
    // Five standard deviations of Binomial(100 000, 0.1) are 474.
    assert!((9_526..=10_474).contains(&b), "{b}");
}

#[test]
fn data_is_a_function_of_seed_and_arrival() {
    let sources = vec![
        (
            "user".into(),
            DataSource::Uniform {
                from: 1,
                to: 10_000,
            },
        ),
        (
            "title".into(),
            DataSource::Zipf {
                over: 15_000,
                skew: 1.1,
            },
        ),
        (
            "kind".into(),
            DataSource::Pick(vec!["tv".into(), "web".into()]),
        ),
        ("n".into(), DataSource::Count { from: 5 }),
    ];
    let load = load(vec![request("a", "/$user/$title/$kind/$n", 1)], sources);
    let maker = RequestMaker::new(&load, 42).unwrap();
    let again = RequestMaker::new(&load, 42).unwrap();
    let other = RequestMaker::new(&load, 43).unwrap();
    let path = maker.prepare(7).unwrap().path;
    assert_eq!(path, again.prepare(7).unwrap().path);
    assert_ne!(path, other.prepare(7).unwrap().path);
    assert!(path.ends_with("/12"), "{path}");
}

#[test]
fn drawn_values_are_written_for_their_place() {
    let words = DataSource::Pick(vec!["c# & \"d\"".into()]);
    let mut search = request("a", "/find/$w?q=$w&lang=en", 1);
    search.headers = vec![("x-word".into(), Template::parse("<$w>"))];
    search.body = Some(Template::parse(r#"{"q":"$w"}"#));
    let maker = RequestMaker::new(&load(vec![search], vec![("w".into(), words)]), 1).unwrap();
    let sent = maker.prepare(7).unwrap();
    assert_eq!(
        sent.path,
        "/find/c%23%20&%20%22d%22?q=c%23%20%26%20%22d%22&lang=en"
    );
    assert_eq!(sent.headers[0].1, "<c# & \"d\">");
    assert_eq!(sent.body, r#"{"q":"c# & \"d\""}"#);
}

#[test]
fn what_cannot_be_sent_names_the_value() {
    // Most seeds do not draw it for arrival 0.
    let mut values = vec!["good".to_owned(); 50];
    values.push("a\nb".into());
    let lines = DataSource::Pick(values);
    let mut header = request("a", "/", 1);
    header.headers = vec![("x-line".into(), Template::parse("$v"))];
    let error = RequestMaker::new(&load(vec![header], vec![("v".into(), lines)]), 1);
    let text = error.unwrap_err().to_string();
    assert!(text.contains("`$v`") && text.contains("\\n"), "{text}");
    let error = RequestMaker::new(&load(vec![request("a", "/docs#intro", 1)], vec![]), 1);
    assert!(error.unwrap_err().to_string().contains("fragment"));
}

#[test]
fn a_placeholder_without_data_is_named() {
    let error = RequestMaker::new(&load(vec![request("a", "/$who", 1)], vec![]), 1);
    assert!(error.unwrap_err().to_string().contains("`$who`"));
}

/// As it was sent before requests were compiled: part by part.
fn composed(request: &PreparedRequest, host: &str) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\n", request.method, request.path).into_bytes();
    if !request.headers.iter().any(|(name, _)| name == "host") {
        out.extend(format!("host: {host}\r\n").bytes());
    }
    for (name, value) in &request.headers {
        out.extend(format!("{name}: ").bytes());
        out.extend(value.as_bytes());
        out.extend(b"\r\n");
    }
    let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
    if expects_body || !request.body.is_empty() {
        out.extend(format!("content-length: {}\r\n", request.body.len()).bytes());
    }
    out.extend(b"\r\n");
    out.extend(&request.body);
    out
}

fn basic(user: &str, password: &str) -> Auth {
    let [user, password] = [user, password].map(Template::parse);
    Auth::Basic { user, password }
}

fn in_two_parts(text: Template) -> Multipart {
    let part = |content| Part {
        name: "a".to_owned(),
        filename: None,
        media: None,
        content,
    };
    let file = BodyFile {
        content: (*b"\xff$n").into(),
        ..BodyFile::default()
    };
    Multipart {
        boundary: "edge".to_owned(),
        parts: vec![part(PartContent::Text(text)), part(PartContent::File(file))],
    }
}

#[test]
fn who_asks_is_drawn_and_encoded() {
    let users = DataSource::Pick(vec!["Aladdin".into()]);
    let mut asked = request("a", "/", 1);
    asked.auth = Some(basic("$u", "open sesame"));
    let maker = RequestMaker::new(&load(vec![asked], vec![("u".into(), users)]), 1).unwrap();
    let compiled = CompiledRequests::new(maker, "target").unwrap();
    let mut bytes = Vec::new();
    compiled.write(0, 7, &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    // RFC 7617 §2.
    let header = "\r\nauthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(text.contains(header), "{text}");
}

proptest! {
    /// What is compiled is what is prepared, whatever stands where.
    #[test]
    fn compiled_bytes_are_those_of_the_prepared_request(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE"]),
        path in prop::sample::select(vec!["/", "/a?q=$w&n=$n", "/$w/$n/$z"]),
        header in prop::sample::select(vec!["x", "Bearer $n", "$u/$n"]),
        own_host: bool,
        body in prop::sample::select(vec![None, Some(""), Some("x"), Some("{\"a\":\"$w\",\"n\":$n}")]),
        asks in 0..4,
        in_parts: bool,
        words in prop::collection::vec("[ -~]{0,8}", 1..4),
        from in prop_oneof![0..12_u64, Just(u64::MAX - 2)],
        numbers in prop::collection::vec(0..10_000_u64, 1..5),
    ) {
        let mut sent = request("a", path, 1);
        sent.method = method.into();
        sent.headers = vec![("x-header".into(), Template::parse(header))];
        if own_host {
            sent.headers.push(("host".into(), Template::parse("elsewhere")));
        }
        sent.auth = match asks {
            0 => None,
            1 => Some(Auth::Bearer(Template::parse("t-$n"))),
            2 => Some(basic("me", "it")),
            _ => Some(basic("user-$n", "$w$n")),
        };
        match body.map(Template::parse) {
            Some(body) if in_parts => sent.multipart = Some(in_two_parts(body)),
            body => sent.body = body,
        }
        let data = vec![
            ("w".to_owned(), DataSource::Pick(words)),
            ("n".to_owned(), DataSource::Count { from }),
            ("u".to_owned(), DataSource::Uniform { from: 0, to: 20 }),
            ("z".to_owned(), DataSource::Zipf { over: 1_000, skew: 1.1 }),
        ];
        let maker = RequestMaker::new(&load(vec![sent], data), 3).unwrap();
        let prepared: Vec<_> = numbers.iter().map(|n| maker.prepare(*n).unwrap()).collect();
        let compiled = CompiledRequests::new(maker, "target").unwrap();
        for (number, prepared) in numbers.iter().zip(prepared) {
            let mut bytes = Vec::new();
            compiled.write(0, *number, &mut bytes);
            let expected = composed(&prepared, "target");
            let text = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(text, String::from_utf8_lossy(&expected));
            let fixed = compiled.fixed(0);
            prop_assert!(fixed.is_none_or(|fixed| *fixed == bytes));
            let line = format!("{} {}", prepared.method, prepared.path);
            prop_assert_eq!(compiled.line(0, *number), line);
        }
    }
}

/// RFC 6265 §5.4: where the target is spoken to by TLS, and nowhere else.
#[test]
fn cookies_that_ask_for_tls_are_sent_over_it_only() {
    let step = |name: &str| Step {
        request: request(name, "/", 1),
        take: vec![],
        think: None,
        player: None,
        leave: None,
    };
    let mut load = load(vec![], vec![]);
    load.journeys.push(Journey {
        name: "buy".into(),
        weight: 1,
        persona: None,
        steps: vec![step("buy/log in"), step("buy/pay")],
    });
    let mut carried = Carried::default();
    let set = ["id=7; Secure; Path=/", "seen=1; Path=/"];
    let fields: Vec<(String, Vec<u8>)> = set
        .iter()
        .map(|value| ("set-cookie".to_owned(), value.as_bytes().to_vec()))
        .collect();
    let asked = Asked {
        host: "shop.test",
        target: b"/",
        done: Instant::now(),
    };
    carried.jar.take(&fields, asked);
    for (secure, cookies) in [
        (true, "cookie: id=7; seen=1\r\n"),
        (false, "cookie: seen=1\r\n"),
    ] {
        let maker = RequestMaker::new(&load, 1).unwrap();
        let requests = CompiledRequests::new(maker, "shop.test").unwrap();
        let mut sent = Vec::new();
        let requests = requests.over_tls(secure);
        requests.write_with(1, 0, Some(&carried), &mut sent);
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.contains(cookies), "{secure}: {sent}");
    }
}

/// The request for a segment, as a user sends it who has a cookie; `plays` stands for it.
fn segment_sent(plays: Request, segment: Segment<'_>) -> String {
    let step = |request: Request, player| Step {
        request,
        take: vec![],
        think: None,
        player,
        leave: None,
    };
    let watching = Watching {
        buffer: Duration::from_secs(8),
        stay: Duration::from_secs(30),
    };
    let mut load = load(vec![], vec![]);
    load.connecting.per_request = true;
    load.journeys.push(Journey {
        name: "watch".into(),
        weight: 1,
        persona: None,
        steps: vec![
            step(request("watch/play", "/play", 1), None),
            step(plays, Some(watching)),
        ],
    });
    let mut carried = Carried::default();
    let cookie = ("set-cookie".to_owned(), b"id=7; Path=/".to_vec());
    let asked = Asked {
        host: "shop.test",
        target: b"/",
        done: Instant::now(),
    };
    carried.jar.take(&[cookie], asked);
    let maker = RequestMaker::new(&load, 1).unwrap();
    let requests = CompiledRequests::new(maker, "shop.test").unwrap();
    let mut sent = Vec::new();
    requests.write_segment(1, 0, (segment, Some(&carried)), &mut sent);
    String::from_utf8(sent).unwrap()
}

/// A segment is asked for by its viewer: with the headers and cookies of all requests,
/// and the licence of the title instead of who asks.
#[test]
fn a_segment_is_asked_for_where_the_manifest_says_and_with_its_licence() {
    let plain = || request("watch/title", "/segment", 1);
    let bearer = || Request {
        auth: Some(Auth::Bearer(Template::parse("own"))),
        ..plain()
    };
    let header = |name: &str, value: &str| (name.to_owned(), Template::parse(value));
    let with_header = || Request {
        headers: vec![header("authorization", "own"), header("x-client", "tv")],
        ..plain()
    };
    let path = "/watch/3?kbps=235";
    for (plays, licence, client, asker) in [
        (plain(), Some("abc"), "", "authorization: Bearer abc\r\n"),
        (plain(), None, "", ""),
        (bearer(), Some("abc"), "", "authorization: Bearer abc\r\n"),
        (bearer(), None, "", "authorization: Bearer own\r\n"),
        (
            with_header(),
            Some("abc"),
            "x-client: tv\r\n",
            "authorization: Bearer abc\r\n",
        ),
        (
            with_header(),
            None,
            "x-client: tv\r\n",
            "authorization: own\r\n",
        ),
    ] {
        let sent = segment_sent(plays, Segment { path, licence });
        let start = format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n");
        let end = "cookie: id=7\r\n";
        assert_eq!(sent, format!("{start}{client}{end}{asker}\r\n"));
    }
}

/// What redirects and cookies are held against is what the request names.
#[test]
fn the_host_of_a_request_is_the_one_that_it_names() {
    let own = |value: &str| Request {
        headers: vec![("Host".into(), Template::parse(value))],
        ..request(value, "/", 1)
    };
    let data = vec![("n".into(), DataSource::Count { from: 7 })];
    let all = vec![
        request("target", "/", 1),
        own("shop.test"),
        own("tenant-$n:81"),
    ];
    let maker = RequestMaker::new(&load(all, data), 1).unwrap();
    let requests = CompiledRequests::new(maker, "[::1]:8080").unwrap();
    let named = [0, 1, 2].map(|route| requests.authority(route, 1, None));
    assert_eq!(named, ["[::1]:8080", "shop.test", "tenant-8:81"]);
}
