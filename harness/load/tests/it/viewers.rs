//! Viewers against a server that sends what a player asks for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{JourneyEnds, ViewingSecond, Viewings};
use squall_scenario::{
    Arrivals, DataSource, Journey, Load, Rate, Request, Share, Stage, Step, Template, Watching,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

fn step(name: &str, path: &str, player: Option<Watching>) -> Step {
    Step {
        request: Request::plain(name, "GET", Template::parse(path)),
        take: vec![],
        think: None,
        player,
        leave: None,
    }
}

/// Longer than anything takes.
const HANG: Duration = Duration::from_secs(60);

fn hold(per_second: f64, duration: Duration) -> Vec<Stage> {
    vec![Stage::Hold {
        rate: Rate::per_second(per_second).unwrap(),
        duration,
        arrivals: Arrivals::Even,
    }]
}

/// Ten viewers a second for a second and a half, each of whom stays for 300 ms, and then
/// says so.
fn load() -> Load {
    let watching = Watching {
        buffer: Duration::from_millis(200),
        stay: Duration::from_millis(300),
    };
    Load {
        journeys: vec![Journey {
            name: "watch".into(),
            persona: None,
            weight: 1,
            steps: vec![
                step("watch/play", "/play", None),
                step("watch/title", "/segment", Some(watching)),
                step("watch/stop", "/stop", None),
            ],
        }],
        connecting: squall_scenario::Connecting::default(),
        in_flight_max: 1_000,
        workers: Some(2),
        ..Load::plain(hold(10.0, Duration::from_millis(1_500)), vec![])
    }
}

/// What a server does about a path: a status and a body. Without a status it says
/// nothing any more; 302 leads to the same behind `/moved`.
type Answers = fn(&str) -> (u16, Vec<u8>);

/// A server that notes the paths it was asked for, each with what was shown for it.
async fn serve(answers: Answers) -> (SocketAddr, Arc<Mutex<Vec<(String, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let notes = Arc::clone(&notes);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                loop {
                    let mut head = Vec::new();
                    while stream
                        .read_until(b'\n', &mut head)
                        .await
                        .is_ok_and(|n| n > 2)
                    {}
                    let head = String::from_utf8(head).unwrap();
                    let Some(path) = head.split(' ').nth(1) else {
                        return;
                    };
                    let shown = head.lines().find(|line| line.starts_with("authorization"));
                    let note = (path.to_owned(), shown.unwrap_or_default().to_owned());
                    notes.lock().unwrap().push(note);
                    let (status, body) = answers(path);
                    if status == 0 {
                        tokio::time::sleep(HANG).await;
                    }
                    let length = body.len();
                    let location = match status {
                        302 => format!("location: /moved{path}\r\n"),
                        _ => String::new(),
                    };
                    let head = format!(
                        "HTTP/1.1 {status} X\r\n{location}content-length: {length}\r\n\r\n"
                    );
                    let bytes = [head.into_bytes(), body].concat();
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, asked)
}

const MANIFEST: &str = r#"{ "segment_seconds": 0.1, "segment_count": 1000,
    "ladder_kbps": [80, 800], "watch_path": "/watch/{n}/{kbps}", "licence": "abc" }"#;

fn good(path: &str) -> (u16, Vec<u8>) {
    match path.rsplit_once('/') {
        Some((_, "play")) => (200, MANIFEST.into()),
        Some((_, "stop")) => (200, vec![]),
        Some((_, kbps)) => (200, vec![0; kbps.parse::<usize>().unwrap() * 12]),
        None => (404, vec![]),
    }
}

/// How long a load is sent.
enum Until {
    /// As long as it lasts.
    TheEnd,
    /// Until that is so, and no answer is waited for then.
    Is(Box<dyn Fn() -> bool + Send>),
}

/// What the load told of viewers and of journeys.
async fn run(load: Load, address: SocketAddr, until: Until) -> (Viewings, JourneyEnds) {
    let plan = LoadPlan {
        shard: None,
        load,
        seed: 42,
        destination: Destination::plain(vec![address], "titles".to_owned()),
        lead: true,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now() + Duration::from_millis(20);
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let commands = handle.commands.clone();
    if let Until::Is(over) = until {
        tokio::spawn(async move {
            while !over() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let grace = Duration::ZERO;
            let _ = commands.send(LoadCommand::Stop { grace }).await;
        });
    }
    let (mut viewings, mut journeys) = (None, None);
    loop {
        let output = tokio::time::timeout(HANG, handle.outputs.recv()).await;
        match output.expect("it ends").expect("it finishes") {
            LoadOutput::Viewings(mut players) => viewings = players.pop(),
            LoadOutput::Journeys(mut all) => journeys = all.pop(),
            LoadOutput::Samples(samples) => {
                let mut asked = samples.iter().map(|sample| &sample.request);
                assert!(asked.all(|asked| !asked.contains("token")), "{samples:?}");
            }
            LoadOutput::Finished { .. } => break,
            _ => {}
        }
    }
    handle.join().await.unwrap();
    (viewings.unwrap(), journeys.unwrap())
}

fn sum(viewings: &Viewings) -> ViewingSecond {
    let mut all = ViewingSecond::default();
    viewings.seconds.iter().for_each(|second| all.add(second));
    all
}

#[tokio::test]
async fn viewers_fetch_what_their_manifest_says_and_go_on_when_they_have_seen_enough() {
    let (address, asked) = serve(good).await;
    // Long enough to see something on a busy machine, and over before the load is.
    let stay = Duration::from_secs(2);
    let mut load = load();
    let watching = load.journeys[0].steps[1].player.as_mut().unwrap();
    watching.stay = stay;
    load.shape.extend(hold(0.0, 2 * stay));
    let (viewings, journeys) = run(load, address, Until::TheEnd).await;
    assert_eq!(viewings.player, "watch/title");
    let all = sum(&viewings);
    assert_eq!((all.viewers(), journeys.started), (15, 15));
    assert_eq!(all.never, 0);
    assert!(
        journeys.completed > 0 && journeys.is_conserved(),
        "{journeys:?}"
    );
    assert_eq!(journeys.failed, 0);
    // Each segment that came has one of the two bit rates.
    assert!(
        all.segments > 0 && all.kbps_sum >= all.segments * 80,
        "{all:?}"
    );
    let watched_us = all.played_us + all.stalled_us;
    assert!(watched_us > 0 && watched_us <= 15 * 2_000_000, "{all:?}");
    let asked = asked.lock().unwrap().clone();
    let segments: Vec<_> = asked
        .iter()
        .filter(|(path, _)| path.starts_with("/watch/"))
        .collect();
    assert!(segments.len() as u64 >= all.segments);
    for (path, shown) in &segments {
        assert_eq!(shown, "authorization: Bearer abc", "{path}");
        let kbps = path.rsplit('/').next().unwrap();
        assert!(["80", "800"].contains(&kbps), "{path}");
    }
    assert!(
        segments.iter().any(|(path, _)| path == "/watch/0/80"),
        "it begins low"
    );
    // Nobody asks for what stands for the segments in the scenario.
    assert!(!asked.iter().any(|(path, _)| path == "/segment"));
}

#[tokio::test]
async fn who_gets_no_manifest_or_no_segment_saw_nothing() {
    let no_play: Answers = |path| {
        if path == "/play" {
            (503, vec![])
        } else {
            good(path)
        }
    };
    let nonsense: Answers = |path| {
        if path == "/play" {
            (200, vec![])
        } else {
            good(path)
        }
    };
    let no_segment: Answers = |path| {
        if path.starts_with("/watch") {
            (404, vec![])
        } else {
            good(path)
        }
    };
    for answers in [no_play, nonsense, no_segment] {
        let (address, _) = serve(answers).await;
        let (viewings, journeys) = run(load(), address, Until::TheEnd).await;
        let all = sum(&viewings);
        assert_eq!(
            (all.segments, all.played_us, all.first_frames.len()),
            (0, 0, 0)
        );
        assert_eq!(all.never + all.unfinished, 15, "{all:?}");
        assert!(all.never > 0 && all.stalled_us > 0, "{all:?}");
        assert_eq!(journeys.completed, 0);
        assert_eq!(journeys.failed, all.never);
    }
}

/// Who leaves behind the manifest wanted no picture, and waits for none.
#[tokio::test]
async fn who_leaves_before_the_player_is_no_viewer() {
    let (address, _) = serve(good).await;
    let mut load = load();
    load.journeys[0].steps[0].leave = Some(Share::WHOLE);
    let (viewings, journeys) = run(load, address, Until::TheEnd).await;
    assert_eq!((journeys.started, journeys.left), (15, 15));
    let all = sum(&viewings);
    assert_eq!((all.viewers(), all.unfinished), (0, 0), "{all:?}");
}

/// An answer that leads elsewhere is no segment: what it leads to is one, where it is
/// followed. A path may be signed, and nobody is shown by what.
#[tokio::test]
async fn segments_that_are_elsewhere_are_fetched_there_and_with_their_licence() {
    let moved: Answers = |path| {
        let (plain, _) = path.split_once('?').unwrap_or((path, ""));
        match plain {
            "/play" => {
                let signed = MANIFEST.replace("{kbps}", "{kbps}?token=abc");
                (200, signed.into())
            }
            plain if plain.starts_with("/watch") => (302, vec![]),
            plain => good(plain),
        }
    };
    for follow in [0, 1] {
        let (address, asked) = serve(moved).await;
        let mut load = load();
        let title = &mut load.journeys[0].steps[1].request;
        (title.follow, title.expect_status) = (follow, vec![(200, 299)]);
        let (viewings, journeys) = run(load, address, Until::TheEnd).await;
        let all = sum(&viewings);
        assert_eq!(journeys.started, 15);
        assert_eq!(all.segments > 0, follow > 0, "{follow}: {all:?}");
        let asked = asked.lock().unwrap().clone();
        let at = |start: &str| {
            let own = asked.iter().filter(|(path, _)| path.starts_with(start));
            own.cloned().collect::<Vec<_>>()
        };
        assert!(!at("/watch").is_empty());
        assert_eq!(at("/moved").is_empty(), follow == 0);
        for (path, shown) in at("/moved") {
            assert!(path.ends_with("?token=abc"), "{path}");
            assert_eq!(shown, "authorization: Bearer abc", "{path}");
        }
    }
}

/// Who was still waiting for a manifest when the load ended is told of: it may have seen
/// something soon, or never.
#[tokio::test]
async fn who_waits_for_a_manifest_when_the_load_ends_is_not_forgotten() {
    let hangs: Answers = |path| match path {
        "/play" => (0, vec![]),
        _ => good(path),
    };
    let (address, asked) = serve(hangs).await;
    let mut load = load();
    load.shape = hold(10.0, HANG);
    let over = move || asked.lock().unwrap().len() > 5;
    let (viewings, journeys) = run(load, address, Until::Is(Box::new(over))).await;
    let all = sum(&viewings);
    assert!(journeys.started > 5 && journeys.is_conserved());
    assert_eq!(journeys.unfinished, journeys.started);
    assert_eq!(
        (all.viewers(), all.unfinished),
        (journeys.started, journeys.started)
    );
}

/// A user of a closed loop comes back when its journey is over, and once: no matter where
/// it ended.
#[tokio::test]
async fn the_turn_of_a_user_who_watches_ends_once() {
    const USERS: u64 = 3;
    let no_play: Answers = |path| match path.starts_with("/play") {
        true => (503, vec![]),
        false => good(path),
    };
    let nonsense: Answers = |path| match path.starts_with("/play") {
        true => (200, vec![]),
        false => good(path),
    };
    let no_segment: Answers = |path| match path.starts_with("/watch") {
        true => (404, vec![]),
        false => good(path),
    };
    let no_stop: Answers = |path| match path.starts_with("/stop") {
        true => (500, vec![]),
        false => good(path),
    };
    for (answers, stops) in [
        (good as Answers, true),
        (good, false),
        (no_play, true),
        (nonsense, true),
        (no_segment, true),
        (no_stop, true),
    ] {
        let (address, asked) = serve(answers).await;
        let mut load = load();
        load.shape = vec![Stage::Closed {
            users: USERS as u32,
            think: None,
            duration: HANG,
        }];
        load.data = vec![("n".into(), DataSource::Count { from: 0 })];
        let steps = &mut load.journeys[0].steps;
        steps[0] = step("watch/play", "/play/$n/play", None);
        if !stops {
            steps.pop();
        }
        let plays = move || {
            let asked = asked.lock().unwrap();
            let paths = asked.iter().map(|(path, _)| path.as_str());
            let numbers =
                paths.filter_map(|path| path.strip_suffix("/play")?.strip_prefix("/play/"));
            // Those of the warm-up lie beyond all others.
            let numbers = numbers.map(|n| n.parse().unwrap()).filter(|n| *n < 1 << 40);
            numbers.collect::<Vec<u64>>()
        };
        let of = |plays: &[u64], user| {
            let own = plays.iter().copied().filter(|n| n % USERS == user);
            own.collect::<Vec<_>>()
        };
        let over = {
            let plays = plays.clone();
            move || (0..USERS).all(|user| of(&plays(), user).len() > 3)
        };
        let (viewings, journeys) = run(load, address, Until::Is(Box::new(over))).await;
        let plays = plays();
        for user in 0..USERS {
            let own = of(&plays, user);
            let wanted: Vec<_> = (0..own.len() as u64)
                .map(|nth| nth * USERS + user)
                .collect();
            assert_eq!(own, wanted, "each turn once, one after the other");
            assert!(own.len() > 3, "user {user} came back {} times", own.len());
        }
        assert!(journeys.is_conserved(), "{journeys:?}");
        // A request may have been on its way when the load was stopped.
        let on_the_way = journeys.started - plays.len() as u64;
        assert!(on_the_way <= USERS, "{on_the_way}");
        assert_eq!(sum(&viewings).viewers(), journeys.started);
    }
}
