//! One link with no toxic on it, for comparisons with other proxies.
//!
//! `cargo run --release -p squall-faults --example link LISTEN UPSTREAM`
//!
//! Forwards until its standard input ends.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::expect_used, reason = "a bench: a panic is its error message")]

use std::net::SocketAddr;

use squall_faults::{LinkLimit, Proxy, ProxyConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut addresses = std::env::args().skip(1).map(|text| {
        let address: SocketAddr = text.parse().expect("an address with its port");
        address
    });
    let proxy = Proxy::start(ProxyConfig {
        name: "bench".to_owned(),
        listen: addresses.next().expect("where to listen"),
        upstream: addresses.next().expect("where to forward to"),
        seed: 0,
        listening: true,
        limit: LinkLimit::default(),
    })
    .expect("a proxy");
    // A thread of its own may block.
    let ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let _ = ended.await;
    proxy.shutdown().await;
}
