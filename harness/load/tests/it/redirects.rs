//! Redirects that are followed within an arrival.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall_load::{Destination, LoadCommand, LoadHandle, LoadOutput, LoadPlan};
use squall_record::{Interval, RouteInterval, Sample};
use squall_scenario::{Arrivals, Load, Rate, Request, Stage, Template};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How long the server thinks before each redirect of `/a`.
const THINKS: Duration = Duration::from_millis(15);

/// What was asked: method, path, headers in one line, body.
type Asked = Arc<Mutex<Vec<(String, String, String, String)>>>;

/// A server that redirects.
async fn server(asked: Asked) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&asked)));
        }
    });
    address
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
        let body = String::from_utf8(body).unwrap();
        asked
            .lock()
            .unwrap()
            .push((method, path.clone(), lines[1..].join(" "), body));
        let answer = match path.as_str() {
            "/a" => "302 Found\r\nlocation: /b?x=1",
            "/b?x=1" => "307 Temporary\r\nLocation: ./c#top",
            "/post" => "303 See\r\nlocation: /c",
            "/keep" => "308 Permanent\r\nlocation: /sink",
            "/loop" => "302 Found\r\nlocation: /loop",
            "/away" => "302 Found\r\nlocation: http://other.example/",
            _ => "200 OK",
        };
        if path == "/a" || path == "/b?x=1" {
            tokio::time::sleep(THINKS).await;
        }
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 5\r\n\r\nmoved");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn request(method: &str, path: &str) -> Request {
    let posts = method == "POST";
    let json = (
        "content-type".to_owned(),
        Template::parse("application/json"),
    );
    Request {
        follow: 3,
        headers: if posts { vec![json] } else { vec![] },
        body: posts.then(|| Template::parse("{\"n\":$n}")),
        ..Request::plain(path, method, Template::parse(path))
    }
}

async fn run(requests: Vec<Request>, address: SocketAddr) -> (Vec<Interval>, Vec<Sample>) {
    let load = Load {
        data: vec![("n".into(), squall_scenario::DataSource::Count { from: 0 })],
        workers: Some(1),
        timeout: Duration::from_secs(60),
        ..Load::plain(
            vec![Stage::Hold {
                rate: Rate::per_second(100.0).unwrap(),
                duration: Duration::from_millis(600),
                arrivals: Arrivals::Even,
            }],
            requests,
        )
    };
    let plan = LoadPlan {
        shard: None,
        load,
        seed: 42,
        destination: Destination::plain(vec![address], address.to_string()),
        lead: false,
    };
    let mut handle = LoadHandle::start(plan).unwrap();
    let zero = Instant::now() + Duration::from_millis(20);
    let begin = LoadCommand::Begin { zero };
    handle.commands.send(begin).await.unwrap();
    let (mut intervals, mut samples) = (vec![], vec![]);
    while let Some(output) = handle.outputs.recv().await {
        match output {
            LoadOutput::Interval(interval) => intervals.push(interval),
            LoadOutput::Samples(more) => samples.extend(more),
            LoadOutput::Finished { .. } => break,
            _ => {}
        }
    }
    handle.join().await.unwrap();
    (intervals, samples)
}

/// A route's part of every interval.
fn of<'i>(intervals: &'i [Interval], route: &str) -> Vec<&'i RouteInterval> {
    let routes = intervals.iter().flat_map(|interval| &interval.routes);
    routes.filter(|one| one.route == route).collect()
}

#[tokio::test]
async fn redirects_are_a_part_of_their_arrival() {
    let asked = Asked::default();
    let address = server(Arc::clone(&asked)).await;
    let requests = vec![
        request("GET", "/a"),
        request("POST", "/post"),
        request("POST", "/keep"),
        request("GET", "/loop"),
        request("GET", "/away"),
    ];
    let (intervals, samples) = run(requests, address).await;
    let counts = |route: &str| {
        let mut total = squall_record::Counts::default();
        of(&intervals, route)
            .iter()
            .for_each(|one| total.add(&one.counts));
        total
    };
    for (route, hops) in [("/a", 3), ("/post", 2), ("/keep", 2)] {
        let counts = counts(route);
        assert!(counts.scheduled > 0, "{route}");
        assert_eq!(counts.good, counts.scheduled, "{route}: {counts:?}");
        assert_eq!(counts.bytes, counts.scheduled * hops * 5, "{route}");
    }
    for route in ["/loop", "/away"] {
        let counts = counts(route);
        assert!(
            counts.scheduled > 0 && counts.status == counts.scheduled,
            "{counts:?}"
        );
    }
    let detail = |route: &str| {
        let sample = samples.iter().find(|sample| sample.route == route);
        sample.and_then(|sample| sample.detail.clone()).unwrap()
    };
    assert_eq!(
        detail("/loop"),
        "behind 3 redirects, at \"/loop\": redirect 4 of `follow: 3`"
    );
    assert!(
        detail("/away").contains("http://other.example/"),
        "{}",
        detail("/away")
    );
    // From when it was due to the last answer.
    let times = of(&intervals, "/a")
        .into_iter()
        .filter_map(|one| one.response.as_ref());
    let least = times
        .flat_map(|times| times.iter())
        .map(|(us, _)| us)
        .min()
        .unwrap();
    assert!(u128::from(least) >= 2 * THINKS.as_micros(), "{least}");

    asked_behind(&asked.lock().unwrap(), |route| counts(route).scheduled);
}

/// What the server was asked for, of so many arrivals on each route.
fn asked_behind(asked: &[(String, String, String, String)], arrivals: impl Fn(&str) -> u64) {
    let paths = |path: &str| {
        let asked = asked.iter().filter(|one| one.1 == path);
        asked.collect::<Vec<_>>()
    };
    let sent = |path: &str| paths(path).len() as u64;
    assert_eq!(sent("/b?x=1"), arrivals("/a"));
    assert_eq!(sent("/c"), arrivals("/a") + arrivals("/post"));
    assert_eq!(sent("/loop"), arrivals("/loop") * 4);
    for (method, _, headers, body) in paths("/c") {
        assert_eq!((method.as_str(), body.as_str()), ("GET", ""));
        assert!(!headers.contains("content-"), "{headers}");
    }
    // The same arrival, and so the same data.
    let bodies = |path: &str| {
        let mut bodies: Vec<_> = paths(path)
            .iter()
            .map(|one| (one.0.clone(), one.3.clone()))
            .collect();
        bodies.sort();
        bodies
    };
    assert_eq!(bodies("/sink"), bodies("/keep"));
    assert!(
        paths("/sink")
            .iter()
            .all(|one| one.2.contains("content-type: application/json"))
    );
}

#[tokio::test]
async fn without_being_asked_a_redirect_is_the_answer() {
    let asked = Asked::default();
    let address = server(Arc::clone(&asked)).await;
    let request = Request {
        follow: 0,
        ..request("GET", "/a")
    };
    let (intervals, _) = run(vec![request], address).await;
    let good: u64 = of(&intervals, "/a").iter().map(|one| one.counts.good).sum();
    assert_eq!(good, asked.lock().unwrap().len() as u64);
    assert!(asked.lock().unwrap().iter().all(|one| one.1 == "/a"));
}
