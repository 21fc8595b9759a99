//! Bytes through proxies of the server.

use std::cell::Cell;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Client;
use crate::support::{Held, exchange, serve_echo, soon};

/// A caller and its server through the proxy `p`.
async fn through(client: &Client) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let held = client.proxy_to(listener.local_addr().unwrap()).await;
    let address = held.address;
    let caller = TcpStream::connect(address).await.unwrap();
    let (server, _) = soon(listener.accept()).await.unwrap();
    (caller, server)
}

async fn counters(client: &Client) -> serde_json::Value {
    client.done("GET", "/squall/counters", "").await["p"].clone()
}

#[tokio::test]
async fn whoever_cannot_be_served_reads_the_end() {
    let client = Client::new();
    let nobody = Held::new();
    let held = client.proxy_to(nobody.address).await;
    let address = held.address;
    for _ in 0..2 {
        let mut caller = TcpStream::connect(address).await.unwrap();
        assert_eq!(soon(caller.read(&mut [0])).await.unwrap(), 0);
    }
    let body = r#"{"upstream":"no-such-host.invalid:1"}"#;
    client.done("POST", "/proxies/p", body).await;
    let mut caller = TcpStream::connect(address).await.unwrap();
    assert_eq!(soon(caller.read(&mut [0])).await.unwrap(), 0);
    let upstream = serve_echo().await;
    let body = format!(r#"{{"upstream":"localhost:{}"}}"#, upstream.port());
    client.done("POST", "/proxies/p", body).await;
    let mut caller = TcpStream::connect(address).await.unwrap();
    caller.write_all(b"a").await.unwrap();
    soon(caller.read_exact(&mut [0])).await.unwrap();
}

/// An upstream whose queue is full: the kernel lets callers wait.
async fn stuck_upstream() -> (TcpListener, Vec<TcpStream>, std::net::SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let patience = std::time::Duration::from_millis(100);
    while let Ok(stream) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    (listener, waiting, address)
}

#[tokio::test]
async fn a_dial_that_hangs_holds_up_nobody() {
    let client = Client::new();
    let (_listener, _waiting, upstream) = stuck_upstream().await;
    let held = client.proxy_to(upstream).await;
    let address = held.address;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    until_counted(&client, |counted| counted["accepted"] == 2).await;
    client.toxic(r#"{"type":"latency"}"#).await;
    client.done("GET", "/proxies", "").await;
    client
        .done("POST", "/proxies/p", r#"{"enabled":false}"#)
        .await;
    for caller in [&mut first, &mut second] {
        assert!(matches!(soon(caller.read(&mut [0])).await, Ok(0) | Err(_)));
    }
    client.done("POST", "/reset", "").await;
    client.done("DELETE", "/proxies/p", "").await;
}

async fn until_counted(client: &Client, holds: impl Fn(&serde_json::Value) -> bool) {
    soon(async {
        while !holds(&counters(client).await) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until something was carried and nothing more is, as the caller does not
/// read.
async fn until_stalled(client: &Client) {
    let (before, same) = (Cell::new(0), Cell::new(0));
    until_counted(client, |counted| {
        let carried = counted["bytes_from"].as_u64().unwrap();
        let moved = carried == 0 || before.replace(carried) != carried;
        same.set(if moved { 0 } else { same.get() + 1 });
        same.get() > 4
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_hangs_holds_up_nobody() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    exchange(&mut caller, &mut server).await;
    let flood = tokio::spawn(async move {
        let chunk = vec![0; 65_536];
        while server.write_all(&chunk).await.is_ok() {}
    });
    until_stalled(&client).await;
    for body in [
        r#"{"name":"t","type":"latency","attributes":{"latency":100000}}"#,
        r#"{"name":"t","type":"bandwidth","attributes":{"rate":0}}"#,
        r#"{"name":"t","type":"bandwidth","attributes":{"rate":1}}"#,
    ] {
        client.toxic(body).await;
        let path = "/proxies/p/toxics/t";
        client.done("POST", path, r#"{"toxicity":1}"#).await;
        client.done("DELETE", path, "").await;
    }
    client
        .done("POST", "/proxies/p", r#"{"enabled":false}"#)
        .await;
    soon(flood).await.unwrap();
    drop(caller);
}

#[tokio::test]
async fn a_half_that_is_closed_leaves_the_other_half() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    caller.write_all(b"all").await.unwrap();
    caller.shutdown().await.unwrap();
    let mut heard = Vec::new();
    soon(server.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"all");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    heard.clear();
    soon(caller.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"answer");
}

#[tokio::test]
async fn what_went_through_is_counted_and_stays_when_the_proxy_is_gone() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    exchange(&mut caller, &mut server).await;
    let proxy = client.done("GET", "/proxies/p", "").await;
    let labels = format!(
        r#"{{direction="upstream",listener={},proxy="p",upstream={}}} 1"#,
        proxy["listen"], proxy["upstream"]
    );
    for name in ["received", "sent"] {
        let line = format!("toxiproxy_proxy_{name}_bytes_total{labels}\n");
        let told = client.get("/metrics").await.body;
        assert!(told.contains(&line), "{told}");
    }
    // What a toxic holds was received and not sent.
    client
        .toxic(r#"{"type":"bandwidth","stream":"upstream"}"#)
        .await;
    caller.write_all(b"bc").await.unwrap();
    until_counted(&client, |counted| counted["read_to"] == 3).await;
    client.done("DELETE", "/proxies/p", "").await;
    let told = client.get("/metrics").await.body;
    let line = format!("toxiproxy_proxy_sent_bytes_total{labels}\n");
    assert!(told.contains(&line), "{told}");
    let line = line.replace("_sent_", "_received_").replace(" 1\n", " 3\n");
    assert!(told.contains(&line), "{told}");
}

#[tokio::test]
async fn toxicity_is_of_links_and_a_change_of_it_reaches_live_ones() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    let body = r#"{"name":"t","type":"bandwidth","toxicity":0,"attributes":{"rate":0}}"#;
    client.toxic(body).await;
    exchange(&mut caller, &mut server).await;
    let acted = |counted: &serde_json::Value| counted["toxics"][0]["flows"].as_u64();
    assert_eq!(acted(&counters(&client).await), Some(0));
    client
        .done("POST", "/proxies/p/toxics/t", r#"{"toxicity":1}"#)
        .await;
    server.write_all(b"a").await.unwrap();
    until_counted(&client, |counted| acted(counted) == Some(1)).await;
    client.done("DELETE", "/proxies/p/toxics/t", "").await;
    // What it held goes on.
    soon(caller.read_exact(&mut [0])).await.unwrap();
}

#[tokio::test]
async fn a_timeout_that_is_removed_closes_both_sides() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    client.toxic(r#"{"name":"t","type":"timeout"}"#).await;
    server.write_all(b"gone").await.unwrap();
    until_counted(&client, |counted| {
        counted["toxics"][0]["swallowed_bytes"] == 4
    })
    .await;
    client.done("DELETE", "/proxies/p/toxics/t", "").await;
    for side in [&mut caller, &mut server] {
        assert_eq!(soon(side.read(&mut [0])).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_latency_before_a_timeout_that_swallowed_can_be_removed() {
    let client = Client::new();
    let (_caller, mut server) = through(&client).await;
    let latency = r#"{"name":"l","type":"latency","attributes":{"latency":10}}"#;
    client.toxic(latency).await;
    client.toxic(r#"{"name":"t","type":"timeout"}"#).await;
    server.write_all(b"gone").await.unwrap();
    until_counted(&client, |counted| {
        counted["toxics"][1]["swallowed_bytes"] == 4
    })
    .await;
    client.done("DELETE", "/proxies/p/toxics/l", "").await;
    assert_eq!(
        client.done("GET", "/proxies/p/toxics", "").await[0]["name"],
        "t"
    );
}

#[tokio::test]
async fn a_reset_reaches_the_caller_whichever_way_its_bytes_went() {
    for stream in ["upstream", "downstream"] {
        let client = Client::new();
        let (mut caller, mut server) = through(&client).await;
        let body = format!(r#"{{"type":"reset_peer","stream":"{stream}"}}"#);
        client.toxic(&body).await;
        match stream {
            "upstream" => caller.write_all(b"a").await.unwrap(),
            _ => server.write_all(b"a").await.unwrap(),
        }
        let error = soon(caller.read(&mut [0])).await.unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "{stream}"
        );
    }
}

#[tokio::test]
async fn a_reset_that_chance_spares_a_connection_leaves_its_end_as_it_is() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    client.toxic(r#"{"type":"reset_peer","toxicity":0}"#).await;
    exchange(&mut caller, &mut server).await;
    drop(server);
    assert_eq!(soon(caller.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_limit_keeps_its_count_when_it_is_changed() {
    let client = Client::new();
    let (mut caller, mut server) = through(&client).await;
    let body = r#"{"name":"t","type":"limit_data","attributes":{"bytes":100}}"#;
    client.toxic(body).await;
    server.write_all(&[1; 60]).await.unwrap();
    soon(caller.read_exact(&mut [0; 60])).await.unwrap();
    let body = r#"{"attributes":{"bytes":80}}"#;
    client.done("POST", "/proxies/p/toxics/t", body).await;
    server.write_all(&[1; 60]).await.unwrap();
    let mut rest = Vec::new();
    soon(caller.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest.len(), 20);
}

#[tokio::test]
async fn every_type_is_known_and_read_back() {
    let client = Client::new();
    let nobody = Held::new();
    client.proxy_to(nobody.address).await;
    for (kind, attributes) in [
        ("latency", r#"{"latency":1,"jitter":2}"#),
        ("bandwidth", r#"{"rate":1}"#),
        ("slow_close", r#"{"delay":1}"#),
        ("timeout", r#"{"timeout":1}"#),
        ("reset_peer", r#"{"timeout":1}"#),
        (
            "slicer",
            r#"{"average_size":3,"size_variation":2,"delay":1}"#,
        ),
        ("limit_data", r#"{"bytes":1}"#),
        ("noop", "{}"),
    ] {
        let body = format!(r#"{{"type":"{kind}","attributes":{attributes}}}"#);
        let answer = client.post("/proxies/p/toxics", body).await;
        let start = format!(r#"{{"attributes":{attributes},"name":"{kind}_downstream","#);
        assert!(answer.body.starts_with(&start), "{}", answer.body);
    }
}
