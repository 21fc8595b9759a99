//! One link with no toxic on it, for comparisons with other proxies.
//!
//! `cargo run --release -p squall-faults --example link LISTEN UPSTREAM [copying]`
//!
//! Forwards until its standard input ends; with `copying` it splices nothing.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::expect_used, reason = "a bench: a panic is its error message")]

use std::net::SocketAddr;

use squall_faults::{LinkLimit, Proxy, ProxyConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut addresses = arguments.by_ref().take(2).map(|text| {
        let address: SocketAddr = text.parse().expect("an address with its port");
        address
    });
    let (listen, upstream) = (addresses.next(), addresses.next());
    let limit = match arguments.next().as_deref() {
        Some("copying") => LinkLimit::default().copying(),
        Some(other) => panic!("{other} is not `copying`"),
        None => LinkLimit::default(),
    };
    let proxy = Proxy::start(ProxyConfig {
        name: "bench".to_owned(),
        listen: listen.expect("where to listen"),
        upstream: upstream.expect("where to forward to"),
        seed: 0,
        listening: true,
        limit,
    })
    .expect("a proxy");
    // A thread of its own may block.
    let ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let _ = ended.await;
    proxy.shutdown().await;
}
