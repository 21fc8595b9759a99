//! Journeys against a server that knows who came, when and with what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{Counts, JourneyEnds};
use squall_scenario::seed::{nth, sub_seed, unit_interval};
use squall_scenario::{
    AnswerCheck, Arrivals, Connecting, DataSource, Expected, Journey, Load, Persona, Rate, Request,
    Share, Stage, Step, Take, Template, Think,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SEED: u64 = 11;
/// Arrivals of the load.
const ARRIVALS: u64 = 60;
/// Longer than anything takes.
const HANG: Duration = Duration::from_secs(60);
const LEAVE: f64 = 0.3;

fn think() -> Think {
    Think {
        from: Duration::from_millis(5),
        to: Duration::from_millis(40),
    }
}

/// A request of the server's, which says when it came and when its answer went.
#[derive(Debug, Clone)]
struct Seen {
    step: String,
    user: u64,
    came: Instant,
    answered: Instant,
    /// Whether it had what an earlier answer gave.
    as_given: bool,
}

type Log = Arc<Mutex<Vec<Seen>>>;

async fn serve(log: Log) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&log)));
        }
    });
    address
}

/// What a user is given: as it is, and as it stands in a query.
fn token(user: u64) -> (String, String) {
    (format!("t {user}&"), format!("t%20{user}%26"))
}

async fn converse(mut stream: TcpStream, log: Log) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut request = vec![0; 4096];
    loop {
        let length = stream.read(&mut request).await.ok().filter(|it| *it > 0)?;
        let came = Instant::now();
        let text = String::from_utf8_lossy(&request[..length]).into_owned();
        let (target, _) = text.split_once(' ')?.1.split_once(' ')?;
        let mut parts = target.split(['/', '?']).skip(1);
        let (step, user) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        let (plain, encoded) = token(user);
        let cookie = text.contains(&format!("\r\ncookie: sid=s{user}\r\n"));
        let as_given = match step.as_str() {
            "home" => cookie && text.contains(&format!("\r\nx-token: {plain}\r\n")),
            "pay" => cookie && target.ends_with(&format!("?token={encoded}")),
            _ => !text.contains("\r\ncookie:"),
        };
        let status = if step == "home" && is_refused(user) {
            500
        } else {
            200
        };
        let body = format!(r#"{{"user":{user},"token":"{plain}"}}"#);
        let sets = match step.as_str() {
            "login" => format!("set-cookie: sid=s{user}; Path=/; HttpOnly\r\n"),
            _ => String::new(),
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\n{sets}content-length: {}\r\n\r\n",
            body.len()
        );
        let answered = Instant::now();
        log.lock().unwrap().push(Seen {
            step,
            user,
            came,
            answered,
            as_given,
        });
        stream.write_all((head + &body).as_bytes()).await.ok()?;
    }
}

/// Whose second step fails.
fn is_refused(user: u64) -> bool {
    user.is_multiple_of(5)
}

/// Who leaves behind the second step: a function of the seed and the arrival.
fn leaves(user: u64) -> bool {
    unit_interval(nth(sub_seed(SEED, "leave/buy/home"), user)) < LEAVE
}

fn thinks(user: u64) -> Duration {
    think().at(unit_interval(nth(sub_seed(SEED, "think/buy/home"), user)))
}

fn load() -> Load {
    let step = |name: &str, path: &str| Step {
        player: None,
        request: Request::plain(name, "GET", Template::parse(path)),
        take: vec![],
        think: None,
        leave: None,
    };
    let mut login = step("buy/login", "/login/$n");
    login.take = vec![("token".to_owned(), Take::Json("/token".to_owned()))];
    let mut home = step("buy/home", "/home/$n");
    home.request.headers = vec![("x-token".to_owned(), Template::parse("$token"))];
    home.request.checks = vec![AnswerCheck::Json {
        pointer: "/token".to_owned(),
        expected: Expected::Like(Template::parse("$token")),
    }];
    home.think = Some(think());
    home.leave = Share::new(LEAVE);
    let stage = |rate, duration| Stage::Hold {
        rate: Rate::per_second(rate).unwrap(),
        duration,
        arrivals: Arrivals::Even,
    };
    Load {
        // It is stopped when all that was started has come to its end.
        shape: vec![
            stage(200.0, Duration::from_millis(300)),
            stage(0.0, Duration::from_secs(3_600)),
        ],
        requests: vec![Request::plain("plain", "GET", Template::parse("/plain/$n"))],
        journeys: vec![Journey {
            name: "buy".to_owned(),
            weight: 2,
            persona: None,
            steps: vec![login, home, step("buy/pay", "/pay/$n?token=$token")],
        }],
        data: vec![("n".to_owned(), DataSource::Count { from: 0 })],
        users: None,
        connections: None,
        connecting: Connecting::default(),
        in_flight_max: 1_000,
        workers: Some(2),
        timeout: HANG,
        warm_up: Duration::ZERO,
        beside: vec![],
    }
}

/// Whether everybody who will come has come.
fn is_over(seen: &[Seen]) -> bool {
    let came = |user: u64, step: &str| seen.iter().any(|it| it.user == user && it.step == step);
    (0..ARRIVALS).all(|user| {
        let last = match is_refused(user) || leaves(user) {
            true => "home",
            false => "pay",
        };
        came(user, "plain") || came(user, last)
    })
}

/// How the journeys ended of a load that is stopped when all is over, and what became
/// of the requests of each route.
async fn told(
    load: Load,
    address: SocketAddr,
    is_over: impl Fn() -> bool + Send + 'static,
) -> (Vec<JourneyEnds>, Vec<Counts>) {
    let routes = load.routes().count();
    let plan = LoadPlan {
        shard: None,
        load,
        seed: SEED,
        destination: Destination::plain(vec![address], address.to_string()),
        lead: false,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now();
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let commands = handle.commands.clone();
    tokio::spawn(async move {
        while !is_over() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = commands.send(LoadCommand::Stop { grace: HANG }).await;
    });
    let (mut ends, mut counts) = (vec![], vec![Counts::default(); routes]);
    loop {
        let output = tokio::time::timeout(HANG, handle.outputs.recv()).await;
        match output.expect("it ends").expect("it finishes") {
            LoadOutput::Journeys(journeys) => ends = journeys,
            LoadOutput::Interval(interval) => {
                for (total, route) in counts.iter_mut().zip(&interval.routes) {
                    total.add(&route.counts);
                }
            }
            LoadOutput::Finished { .. } => break,
            _ => {}
        }
    }
    handle.join().await.unwrap();
    (ends, counts)
}

#[tokio::test]
async fn users_do_one_thing_after_the_other_with_what_they_were_given() {
    let log = Log::default();
    let address = serve(Arc::clone(&log)).await;
    let watched = Arc::clone(&log);
    let over = move || is_over(&watched.lock().unwrap());
    let (ends, counts) = told(load(), address, over).await;

    let seen = log.lock().unwrap().clone();
    assert!(seen.iter().all(|it| it.as_given), "{seen:?}");
    let of = |step: &str| -> Vec<&Seen> { seen.iter().filter(|it| it.step == step).collect() };
    let [plain, login, home, pay] = ["plain", "login", "home", "pay"].map(of);
    assert!(!plain.is_empty() && !pay.is_empty());
    let refused = login.iter().filter(|it| is_refused(it.user)).count() as u64;
    let good = |steps: &[&Seen]| (steps.len() as u64, steps.len() as u64);
    let told = counts.iter().map(|it| (it.scheduled, it.good));
    let (homes, welcome) = good(&home);
    let expected = [
        good(&plain),
        good(&login),
        (homes, welcome - refused),
        good(&pay),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!(plain.len() + login.len(), ARRIVALS as usize);
    let left = login
        .iter()
        .filter(|it| leaves(it.user) && !is_refused(it.user))
        .count() as u64;
    assert!(left > 0 && refused > 0);
    let all = JourneyEnds {
        journey: "buy".to_owned(),
        started: login.len() as u64,
        completed: pay.len() as u64,
        left,
        failed: refused,
        unfinished: 0,
    };
    assert_eq!(ends, [all]);
    for second in home {
        let first = login.iter().find(|it| it.user == second.user).unwrap();
        let thought = second.came.saturating_duration_since(first.answered);
        assert!(thought >= thinks(second.user), "user {}", second.user);
    }
}

/// Moments at which each user asked.
type Asked = Arc<Mutex<BTreeMap<u64, Vec<Instant>>>>;

/// A server that answers as `answer` says of a user and the number of an attempt, from
/// 0; where that is nothing, never.
async fn serve_attempts(
    asked: Asked,
    answer: fn(u64, usize) -> Option<&'static str>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut request).await {
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    let target = text.split(' ').nth(1).unwrap();
                    let path = target.split('?').next().unwrap();
                    let user: u64 = path.trim_start_matches('/').parse().unwrap();
                    let attempt = {
                        let mut asked = asked.lock().unwrap();
                        let moments = asked.entry(user).or_default();
                        moments.push(Instant::now());
                        moments.len() - 1
                    };
                    let Some(status) = answer(user, attempt) else {
                        continue;
                    };
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A load of one step, for clients of a kind.
fn one_step(method: &str, persona: Persona) -> Load {
    let step = Step {
        player: None,
        request: Request::plain("ask/it", method, Template::parse("/$n")),
        take: vec![],
        think: None,
        leave: None,
    };
    Load {
        requests: vec![],
        journeys: vec![Journey {
            name: "ask".to_owned(),
            weight: 1,
            persona: Some(persona),
            steps: vec![step],
        }],
        ..load()
    }
}

fn stubborn(timeout: Duration, retries: u32) -> Persona {
    Persona {
        name: "stubborn".to_owned(),
        timeout,
        retries,
        backoff: Duration::from_millis(20),
        cache: false,
    }
}

/// Whether every user has asked so often.
fn have_asked(asked: &Asked, often: fn(u64) -> usize) -> bool {
    let asked = asked.lock().unwrap();
    (0..ARRIVALS).all(|user| asked.get(&user).is_some_and(|it| it.len() >= often(user)))
}

#[tokio::test]
async fn clients_try_again_as_often_as_they_do_and_all_of_it_is_one_arrival() {
    // Users 0, 3, … are answered at once, 1, 4, … at the second attempt, the others
    // at the third, which they do not make.
    let answer = |user, attempt| match attempt < (user % 3) as usize {
        true => Some("503"),
        false => Some("200"),
    };
    let asked = Asked::default();
    let address = serve_attempts(Arc::clone(&asked), answer).await;
    let watched = Arc::clone(&asked);
    let over = move || have_asked(&watched, |user| 1 + (user % 3).min(1) as usize);
    let load = one_step("GET", stubborn(HANG, 1));
    let (ends, counts) = told(load, address, over).await;
    let third = ARRIVALS / 3;
    let counts = counts[0];
    assert_eq!((counts.scheduled, counts.good), (ARRIVALS, 2 * third));
    assert_eq!((counts.status, counts.retries), (third, 2 * third));
    assert_eq!((ends[0].completed, ends[0].failed), (2 * third, third));
    for (user, moments) in asked.lock().unwrap().iter() {
        for pair in moments.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart >= Duration::from_millis(10), "user {user}: {apart:?}");
        }
    }
}

#[tokio::test]
async fn clients_lose_patience_of_their_own_and_never_repeat_what_may_not_be() {
    // The first attempt is never answered.
    let answer = |_, attempt| (attempt > 0).then_some("200");
    let asked = Asked::default();
    let address = serve_attempts(Arc::clone(&asked), answer).await;
    let watched = Arc::clone(&asked);
    let over = move || have_asked(&watched, |_| 2);
    let load = one_step("GET", stubborn(Duration::from_secs(2), 10));
    let (_, counts) = told(load, address, over).await;
    assert_eq!((counts[0].good, counts[0].timeout), (ARRIVALS, 0));
    assert!(counts[0].retries >= ARRIVALS, "{:?}", counts[0]);

    let asked = Asked::default();
    let address = serve_attempts(Arc::clone(&asked), |_, _| Some("502")).await;
    let watched = Arc::clone(&asked);
    let over = move || have_asked(&watched, |_| 1);
    let load = one_step("POST", stubborn(HANG, 10));
    let (_, counts) = told(load, address, over).await;
    assert_eq!((counts[0].status, counts[0].retries), (ARRIVALS, 0));
}

/// The answer that a POST led to may be asked for again, by whoever asks for the POST
/// again: that was done.
#[tokio::test]
async fn what_was_done_before_a_redirect_is_not_done_again() {
    let answer = |_, attempt| match attempt {
        0 => Some("303 See Other\r\nlocation: ?receipt\r\nx-more:"),
        _ => Some("503"),
    };
    let asked = Asked::default();
    let address = serve_attempts(Arc::clone(&asked), answer).await;
    let watched = Arc::clone(&asked);
    let over = move || have_asked(&watched, |_| 2);
    let mut load = one_step("POST", stubborn(HANG, 3));
    load.journeys[0].steps[0].request.follow = 2;
    let (_, counts) = told(load, address, over).await;
    assert_eq!((counts[0].status, counts[0].retries), (ARRIVALS, 0));
}
