//! Clients with a cache against a server that says what may be used again, and knows who
//! asked for what.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{CacheUse, Counts, JourneyEnds, Sample, Times};
use squall_scenario::{
    AnswerCheck, Arrivals, DataSource, Expected, Journey, Load, Persona, Rate, Request, Stage,
    Step, Take, Template, Watching,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Arrivals of the load.
const ARRIVALS: u64 = 30;
/// Longer than anything takes.
const HANG: Duration = Duration::from_secs(60);

/// What was asked for: method, path, and all fields in one line.
type Asked = Arc<Mutex<Vec<(String, String, String)>>>;

async fn server() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&notes)));
        }
    });
    (address, asked)
}

async fn serve(stream: TcpStream, asked: Asked) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        let mut words = lines[0].split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let said = lines[1..].join(" ");
        let (head, body) = answer(&path, &said);
        asked.lock().unwrap().push((method, path, said));
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(path: &str, said: &str) -> (&'static str, String) {
    let mut parts = path.split('/').skip(1);
    let (what, user) = (parts.next().unwrap(), parts.next().unwrap_or_default());
    let token = format!(r#"{{"token":"t{user}"}}"#);
    match what {
        "page" => (
            "200 OK\r\ncache-control: private, max-age=3600\r\netag: \"p\"",
            token,
        ),
        "style" if said.contains("if-none-match: \"s\"") => (
            "304 Not Modified\r\netag: \"s\"\r\nx-asked: again",
            String::new(),
        ),
        "style" => (
            "200 OK\r\ncache-control: no-cache\r\netag: \"s\"\r\nx-asked: first",
            token,
        ),
        "play" => {
            let manifest = format!(
                r#"{{ "segment_seconds": 0.1, "segment_count": 3, "ladder_kbps": [80],
                "watch_path": "/segment/{user}/{{n}}/{{kbps}}" }}"#
            );
            ("200 OK\r\ncache-control: max-age=3600", manifest)
        }
        // Who is not known yet becomes so, and is to come again.
        "home" if said.contains("cookie: known=1") => (
            "200 OK\r\ncache-control: max-age=3600\r\nvary: cookie",
            token,
        ),
        "home" => (
            "503 Service Unavailable\r\nset-cookie: known=1; path=/",
            String::new(),
        ),
        "out" => (
            "200 OK\r\nset-cookie: known=0; path=/; max-age=0",
            String::new(),
        ),
        "moved" => ("307 Temporary Redirect\r\nlocation: /page", String::new()),
        "segment" => (
            "200 OK\r\ncache-control: public, max-age=3600, immutable",
            "x".repeat(960),
        ),
        _ => ("200 OK\r\ncache-control: no-store\r\netag: \"x\"", token),
    }
}

fn step(name: &str, method: &str, path: &str) -> Step {
    Step {
        player: None,
        request: Request::plain(name, method, Template::parse(path)),
        take: vec![],
        think: None,
        leave: None,
    }
}

fn expects_token(mut step: Step, token: &str) -> Step {
    step.request.checks = vec![AnswerCheck::Json {
        pointer: "/token".to_owned(),
        expected: Expected::Like(Template::parse(token)),
    }];
    step
}

fn load(steps: Vec<Step>) -> Load {
    let stage = |rate, duration| Stage::Hold {
        rate: Rate::per_second(rate).unwrap(),
        duration,
        arrivals: Arrivals::Even,
    };
    Load {
        // It is stopped when all that was started has come to its end.
        journeys: vec![Journey {
            name: "visit".to_owned(),
            weight: 1,
            persona: Some(Persona::web()),
            steps,
        }],
        data: vec![("n".to_owned(), DataSource::Count { from: 0 })],
        in_flight_max: 1_000,
        workers: Some(2),
        timeout: HANG,
        ..Load::plain(
            vec![
                stage(200.0, Duration::from_millis(1_000 * ARRIVALS / 200)),
                stage(0.0, Duration::from_secs(3_600)),
            ],
            vec![],
        )
    }
}

/// What a load told that was stopped when everybody had asked for the last thing.
struct Told {
    ends: JourneyEnds,
    counts: Vec<Counts>,
    samples: Vec<Sample>,
}

async fn told(load: Load, address: SocketAddr, asked: &Asked, last: &'static str) -> Told {
    let mut counts = vec![Counts::default(); load.routes().count()];
    let plan = LoadPlan {
        shard: None,
        load,
        seed: 11,
        destination: Destination::plain(vec![address], address.to_string()),
        lead: false,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now();
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let commands = handle.commands.clone();
    let watched = Arc::clone(asked);
    let is_over = move || {
        let asked = watched.lock().unwrap();
        let came = asked.iter().filter(|(_, path, _)| path.starts_with(last));
        came.count() as u64 >= ARRIVALS
    };
    tokio::spawn(async move {
        while !is_over() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = commands.send(LoadCommand::Stop { grace: HANG }).await;
    });
    let (mut ends, mut samples) = (vec![], vec![]);
    loop {
        let output = tokio::time::timeout(HANG, handle.outputs.recv()).await;
        match output.expect("it ends").expect("it finishes") {
            LoadOutput::Journeys(journeys) => ends = journeys,
            LoadOutput::Samples(own) => samples.extend(own),
            LoadOutput::Interval(interval) => {
                for (total, route) in counts.iter_mut().zip(&interval.routes) {
                    assert!(route.counts.is_conserved());
                    let timed = route.response.as_ref().map_or(0, Times::len);
                    assert_eq!(timed, route.counts.good, "{}", route.route);
                    total.add(&route.counts);
                }
            }
            LoadOutput::Finished { .. } => break,
            _ => {}
        }
    }
    handle.join().await.unwrap();
    let ends = ends.pop().unwrap();
    Told {
        ends,
        counts,
        samples,
    }
}

/// Users who come back to a page, ask if a style is still so, change the page, and read
/// what nobody may keep.
fn visit() -> Load {
    let mut again = expects_token(step("visit/again", "GET", "/page/$n"), "t$n");
    again.take = vec![("token".to_owned(), Take::Json("/token".to_owned()))];
    let mut style = expects_token(step("visit/style again", "GET", "/style/$n"), "$token");
    style.take = vec![("asked".to_owned(), Take::Header("x-asked".to_owned()))];
    let mut last = step("visit/last", "GET", "/last/$n");
    last.request.headers = vec![("x-asked".to_owned(), Template::parse("$asked"))];
    load(vec![
        expects_token(step("visit/page", "GET", "/page/$n"), "t$n"),
        again,
        expects_token(step("visit/style", "GET", "/style/$n"), "t$n"),
        style,
        step("visit/change", "POST", "/page/$n"),
        step("visit/anew", "GET", "/page/$n"),
        step("visit/secret", "GET", "/secret/$n"),
        step("visit/secret again", "GET", "/secret/$n"),
        last,
    ])
}

fn used((hits, revalidated, misses): (u64, u64, u64)) -> CacheUse {
    CacheUse {
        hits: hits * ARRIVALS,
        revalidated: revalidated * ARRIVALS,
        misses: misses * ARRIVALS,
        evicted: 0,
    }
}

#[tokio::test]
async fn a_client_uses_again_what_it_may_and_none_of_it_is_a_response() {
    let (address, asked) = server().await;
    let Told { ends, counts, .. } = told(visit(), address, &asked, "/last").await;
    assert_eq!(
        (ends.started, ends.completed),
        (ARRIVALS, ARRIVALS),
        "{ends}"
    );
    // What was sent, and what of it the cache knows.
    let expected = [
        (1, used((0, 0, 1))),
        (0, used((1, 0, 0))),
        (1, used((0, 0, 1))),
        (1, used((0, 1, 0))),
        (1, used((0, 0, 0))),
        (1, used((0, 0, 1))),
        (1, used((0, 0, 1))),
        (1, used((0, 0, 1))),
        (1, used((0, 0, 1))),
    ];
    for (nth, (counts, (sent, cache))) in counts.iter().zip(expected).enumerate() {
        let sent = sent * ARRIVALS;
        assert_eq!((counts.scheduled, counts.good), (sent, sent), "step {nth}");
        assert_eq!(counts.cache, cache, "step {nth}");
    }
    assert!(
        counts[2].bytes > 0 && counts[3].bytes == 0,
        "what came is counted"
    );
    let asked = asked.lock().unwrap();
    let of = |method: &str, path: &str, said: &str| {
        let own = asked
            .iter()
            .filter(|it| it.0 == method && it.1.starts_with(path));
        own.filter(|it| it.2.contains(said)).count() as u64
    };
    assert_eq!(of("GET", "/page", ""), 2 * ARRIVALS);
    assert_eq!(of("GET", "/page", "if-"), 0, "nothing was left to ask for");
    assert_eq!(of("GET", "/style", ""), 2 * ARRIVALS);
    assert_eq!(of("GET", "/style", "if-none-match: \"s\""), ARRIVALS);
    assert_eq!(of("GET", "/secret", ""), 2 * ARRIVALS);
    assert_eq!(of("GET", "/secret", "if-"), 0);
    assert_eq!(of("GET", "/last", "x-asked: again"), ARRIVALS, "of the 304");
}

/// An answer is that of the fields it was asked for with, by which attempt ever: cookies
/// may have been set between two of them.
#[tokio::test]
async fn another_attempt_is_kept_as_it_was_sent() {
    let (address, asked) = server().await;
    let mut load = load(vec![
        step("visit/home", "GET", "/home/$n"),
        step("visit/home again", "GET", "/home/$n"),
        step("visit/out", "GET", "/out/$n"),
        step("visit/home anew", "GET", "/home/$n"),
        step("visit/last", "GET", "/last/$n"),
    ]);
    load.journeys[0].persona = Some(Persona {
        retries: 1,
        backoff: Duration::from_millis(1),
        ..Persona::web()
    });
    let Told { ends, counts, .. } = told(load, address, &asked, "/last").await;
    assert_eq!(ends.completed, ARRIVALS, "{ends}");
    let uses = [(0, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 1), (0, 0, 1)];
    for (nth, (counts, uses)) in counts.iter().zip(uses).enumerate() {
        assert_eq!(counts.cache, used(uses), "step {nth}");
    }
    let asked = asked.lock().unwrap();
    let home = asked.iter().filter(|it| it.1.starts_with("/home"));
    let known = home.clone().filter(|it| it.2.contains("known=1")).count() as u64;
    assert_eq!((home.count() as u64, known), (4 * ARRIVALS, 2 * ARRIVALS));
}

#[tokio::test]
async fn what_is_changed_behind_a_redirect_is_asked_for_again() {
    let (address, asked) = server().await;
    let follows = |mut step: Step| {
        step.request.follow = 1;
        step
    };
    let load = load(vec![
        step("visit/page", "GET", "/page"),
        follows(step("visit/read", "GET", "/moved")),
        step("visit/page again", "GET", "/page"),
        follows(step("visit/change", "PUT", "/moved")),
        step("visit/page anew", "GET", "/page"),
        step("visit/last", "GET", "/last/$n"),
    ]);
    let Told { ends, counts, .. } = told(load, address, &asked, "/last").await;
    assert_eq!(ends.completed, ARRIVALS, "{ends}");
    let page = [0, 2, 4].map(|nth| counts[nth].cache);
    let miss = used((0, 0, 1));
    assert_eq!(page, [miss, used((1, 0, 0)), miss]);
    let asked = asked.lock().unwrap();
    let changes = asked.iter().filter(|it| it.0 == "PUT" && it.1 == "/page");
    assert_eq!(changes.count() as u64, ARRIVALS);
}

#[tokio::test]
async fn a_client_without_a_cache_asks_for_everything() {
    let (address, asked) = server().await;
    let mut load = visit();
    load.journeys[0].persona = Some(Persona::tv());
    let Told { ends, counts, .. } = told(load, address, &asked, "/last").await;
    assert_eq!(ends.completed, ARRIVALS);
    assert!(
        counts
            .iter()
            .all(|it| it.scheduled == ARRIVALS && it.cache.is_empty())
    );
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|(_, _, said)| !said.contains("if-")));
}

/// What a cache has, or is told to be still so, and a step does not want is a failure, and
/// no hit; the sample says what came.
#[tokio::test]
async fn what_is_not_as_expected_fails_out_of_a_cache_too() {
    for (path, status, from) in [
        ("/page/$n", 200, "from the client's cache: "),
        ("/style/$n", 304, ""),
    ] {
        let (address, asked) = server().await;
        let load = load(vec![
            expects_token(step("visit/first", "GET", path), "t$n"),
            step("visit/last", "GET", "/last/$n"),
            expects_token(step("visit/again", "GET", path), "other"),
            step("visit/never", "GET", "/never/$n"),
        ]);
        let Told {
            ends,
            counts,
            samples,
        } = told(load, address, &asked, "/last").await;
        // Stopping may have cut short who was about to.
        assert_eq!(ends.failed + ends.unfinished, ARRIVALS, "{ends}");
        assert!(ends.failed > 0, "{ends}");
        let again = counts[2];
        assert_eq!((again.check, again.good), (ends.failed, 0), "{again:?}");
        assert_eq!((again.cache.hits, again.cache.misses), (0, 0), "{again:?}");
        assert_eq!(counts[3].scheduled, 0);
        let told = |sample: &Sample| {
            let detail = sample.detail.as_deref().unwrap_or_default();
            let is_told = detail.starts_with(from) && detail.contains("/token");
            sample.route == "visit/again" && sample.status == Some(status) && is_told
        };
        assert!(samples.iter().any(told), "{samples:?}");
        let asked = asked.lock().unwrap();
        let (path, _) = path.split_once('$').unwrap();
        let asked = asked.iter().filter(|it| it.1.starts_with(path)).count() as u64;
        let expected = if status == 304 { again.check } else { 0 };
        assert_eq!(asked, ARRIVALS + expected);
    }
}

/// Who watches a title twice has its segments, and its manifest, already.
#[tokio::test]
async fn what_was_watched_before_is_not_fetched_again() {
    let (address, asked) = server().await;
    let watching = Watching {
        buffer: Duration::from_secs(8),
        stay: HANG,
    };
    let player = |name: &str| Step {
        player: Some(watching),
        ..step(name, "GET", "/segment")
    };
    let load = load(vec![
        step("visit/play", "GET", "/play/$n"),
        player("visit/title"),
        step("visit/play again", "GET", "/play/$n"),
        player("visit/title again"),
        step("visit/last", "GET", "/last/$n"),
    ]);
    let Told { ends, counts, .. } = told(load, address, &asked, "/last").await;
    assert_eq!(ends.completed, ARRIVALS, "{ends}");
    assert_eq!(
        (counts[1].good, counts[1].cache),
        (3 * ARRIVALS, used((0, 0, 3)))
    );
    assert_eq!((counts[2].scheduled, counts[2].cache), (0, used((1, 0, 0))));
    assert_eq!((counts[3].scheduled, counts[3].cache), (0, used((3, 0, 0))));
}
