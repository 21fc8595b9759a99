//! Delays: what was asked for, what is seen, and how well this machine wakes
//! anybody at all.
//!
//! `cargo run --release -p squall-faults --example delays [ROUNDS]`
//!
//! A byte goes to a server that sends it back at once, through a link whose
//! answers are delayed. Seen is how much longer that takes than through the link
//! without the fault. Beside it how late a thread is woken that waits as long
//! for nothing, by turns in the same run: what a delay cannot be better than.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::expect_used, reason = "a bench: a panic is its error message")]
#![expect(clippy::print_stdout, reason = "the figures are the bench's result")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use squall_faults::{LinkLimit, Proxy, ProxyConfig};
use squall_scenario::inject::{Delay, Direction};
use squall_scenario::{OnBytes, Share};

const ASKED_MS: [u64; 4] = [0, 1, 10, 100];
/// Round trips of one delay in one round.
const TRIPS: usize = 20;
const WITHIN: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(10, |text| {
        text.parse().expect("the argument is a number of rounds")
    });
    let proxy = Proxy::start(ProxyConfig {
        name: "bench".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        upstream: serve(),
        seed: 0,
        listening: true,
        limit: LinkLimit::default(),
    })
    .expect("a proxy");
    let mut client = TcpStream::connect(proxy.address()).expect("connected");
    client.set_nodelay(true).expect("set");
    client.set_read_timeout(Some(WITHIN)).expect("set");
    let mut plain = Vec::new();
    let mut delayed = ASKED_MS.map(|_| Vec::new());
    let mut woken = ASKED_MS.map(|_| Vec::new());
    for _ in 0..rounds {
        client = trips(client, &mut plain).await;
        for (nth, ms) in ASKED_MS.into_iter().enumerate() {
            let by = Duration::from_millis(ms);
            let delay = Delay::of(by, Duration::ZERO, Direction::From);
            proxy
                .attach("delay", &OnBytes::Delay(delay), Share::WHOLE)
                .expect("attached");
            proxy.switched(WITHIN).await;
            client = trips(client, &mut delayed[nth]).await;
            proxy.detach("delay");
            proxy.switched(WITHIN).await;
            woken[nth].extend(std::iter::repeat_with(|| late(by)).take(TRIPS));
        }
    }
    let trip = quantile(&mut plain, 0.5);
    println!(
        "a round trip without a fault takes {:.3} ms (p50 of {})",
        ms(trip),
        plain.len()
    );
    println!("asked       seen minus asked, ms    a thread's own lateness, ms");
    println!("              p50       p99             p50       p99");
    for ((asked, delayed), woken) in ASKED_MS.iter().zip(&mut delayed).zip(&mut woken) {
        let over = |q, trips: &mut Vec<Duration>| ms(quantile(trips, q)) - ms(trip) - *asked as f64;
        let (p50, p99) = (over(0.5, delayed), over(0.99, delayed));
        let (own50, own99) = (ms(quantile(woken, 0.5)), ms(quantile(woken, 0.99)));
        println!("{asked:3} ms   {p50:9.3} {p99:9.3}       {own50:9.3} {own99:9.3}");
    }
    proxy.shutdown().await;
}

/// A server that sends back what it gets, on a thread of its own.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            stream.set_nodelay(true).expect("set");
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
        }
    });
    address
}

/// Sends a byte and waits for it, a few times, on a thread of its own: the
/// proxy has this one.
async fn trips(mut client: TcpStream, into: &mut Vec<Duration>) -> TcpStream {
    let measured = tokio::task::spawn_blocking(move || {
        let trip = |client: &mut TcpStream| {
            let begun = Instant::now();
            client.write_all(&[7]).expect("sent");
            client.read_exact(&mut [0]).expect("received");
            begun.elapsed()
        };
        let measured: Vec<_> = (0..TRIPS).map(|_| trip(&mut client)).collect();
        (client, measured)
    });
    let (client, measured) = measured.await.expect("measured");
    into.extend(measured);
    client
}

/// How much later than after `by` a thread is woken.
fn late(by: Duration) -> Duration {
    let (nothing, never) = (Mutex::new(()), Condvar::new());
    let begun = Instant::now();
    let locked = nothing.lock().expect("nobody else has it");
    drop(never.wait_timeout(locked, by).expect("nobody panics"));
    begun.elapsed().saturating_sub(by)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn quantile(sample: &mut [Duration], q: f64) -> Duration {
    sample.sort_unstable();
    sample[((sample.len() - 1) as f64 * q).round() as usize]
}
