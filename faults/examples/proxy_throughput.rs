//! How fast the proxy is with no toxic, beside the same transfer without it.
//!
//! `cargo run --release -p squall-faults --example proxy_throughput [GIB]`
//!
//! Client, server and proxy share one process, so CPU figures count all of
//! them; the proxy's own cost is the difference between the two lines.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::expect_used, reason = "a bench: a panic is its error message")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use squall_faults::{LinkLimit, Proxy, ProxyConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CHUNK_BYTES: usize = 256 * 1024;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let gib = std::env::args().nth(1).map_or(2, |text| {
        text.parse().expect("the argument is a number of GiB")
    });
    let bytes: u64 = gib << 30;
    let source = serve(bytes).await;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let proxy = Proxy::start(ProxyConfig {
        name: "bench".to_owned(),
        listen,
        upstream: source,
        seed: 0,
        listening: true,
        limit: LinkLimit::default(),
    })
    .expect("a proxy");
    let (mut direct, mut proxied) = (Vec::new(), Vec::new());
    // Interleaved, so that a slow moment of the machine hits both.
    for _ in 0..ROUNDS {
        direct.push(measure(source, bytes).await);
        proxied.push(measure(proxy.address(), bytes).await);
    }
    report("direct ", direct);
    report("proxied", proxied);
    proxy.shutdown().await;
}

/// A server that sends `bytes` to everyone who connects.
async fn serve(bytes: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let chunk = vec![7; CHUNK_BYTES];
                for _ in 0..bytes / CHUNK_BYTES as u64 {
                    stream.write_all(&chunk).await.expect("sent");
                }
            });
        }
    });
    address
}

/// MB per second and CPU seconds per GB of one transfer.
async fn measure(address: SocketAddr, bytes: u64) -> (f64, f64) {
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut received = 0;
    while received < bytes {
        let count = stream.read(&mut buffer).await.expect("received");
        assert!(count > 0, "the stream ended early");
        received += count as u64;
    }
    let (wall, cpu) = (start.elapsed(), cpu_time().saturating_sub(cpu));
    let megabytes = bytes as f64 / 1e6;
    (
        megabytes / wall.as_secs_f64(),
        cpu.as_secs_f64() / (megabytes / 1e3),
    )
}

/// CPU time of this process so far, all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).expect("below one second");
    Duration::new(time.tv_sec.cast_unsigned(), nanos)
}

#[expect(clippy::print_stdout, reason = "the figures are the bench's result")]
fn report(name: &str, mut rounds: Vec<(f64, f64)>) {
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (rate, cpu) = rounds[rounds.len() / 2];
    println!("{name} {rate:6.0} MB/s  {cpu:.2} CPU s/GB  (median of {ROUNDS})");
}
