//! Proxies created, read, changed, deleted, reset.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Client, is_reachable, refused};
use crate::support::{Held, exchange, serve_echo, soon};

#[tokio::test]
async fn a_proxy_is_answered_with_all_its_fields_in_order() {
    let client = Client::new();
    let held = Held::new();
    let listen = held.address;
    let body =
        format!(r#"{{"NAME":"r<d","listen":"{listen}","upstream":"u:1","Logger":{{}},"x":[]}}"#);
    let answer = client.post("/proxies", &body).await;
    assert_eq!(answer.status, 201);
    let proxy = format!(
        r#"{{"name":"r\u003cd","listen":"{listen}","upstream":"u:1","enabled":true,"toxics":[]}}"#
    );
    assert_eq!(answer.body, proxy);
    assert!(is_reachable(listen).await, "accepted first, dialled later");
    assert_eq!(client.get("/proxies/r%3Cd").await.body, proxy);
    let index = client.get("/proxies").await.body;
    assert_eq!(index, format!(r#"{{"r\u003cd":{proxy}}}"#));
}

#[tokio::test]
async fn a_name_and_an_upstream_are_needed() {
    let client = Client::new();
    for (body, field) in [
        (r#"{"upstream":"u:1"}"#, "name"),
        (r#"{"name":"a"}"#, "upstream"),
        (r#"{"name":"","upstream":null}"#, "name"),
    ] {
        let answer = client.post("/proxies", body).await;
        refused(&answer, 400, &format!("missing required field: {field}"));
    }
}

#[tokio::test]
async fn a_port_may_be_left_to_the_system_and_then_it_is_told() {
    let client = Client::new();
    for (name, listen) in [
        ("a", "localhost:0"),
        ("b", ":0"),
        ("c", ""),
        ("d", "127.0.0.1:"),
    ] {
        let body = format!(r#"{{"name":"{name}","listen":"{listen}","upstream":"u:1"}}"#);
        let proxy = client.done("POST", "/proxies", body).await;
        let address = proxy["listen"].as_str().unwrap();
        assert!(
            address.starts_with("127.0.0.1:") && !address.ends_with(":0"),
            "{address}"
        );
        assert!(is_reachable(address.parse().unwrap()).await);
    }
}

#[tokio::test]
async fn a_disabled_proxy_keeps_its_listen_as_given_until_it_is_enabled() {
    let client = Client::new();
    let held = Held::new();
    let address = held.address;
    let listen = format!("localhost:{}", address.port());
    let body = format!(r#"{{"name":"p","listen":"{listen}","upstream":"u:1","enabled":false}}"#);
    let proxy = client.done("POST", "/proxies", body).await;
    assert_eq!(
        (&proxy["enabled"], &proxy["listen"]),
        (&false.into(), &listen.into())
    );
    assert!(!is_reachable(address).await);

    let enabled = client
        .done("PATCH", "/proxies/p", r#"{"enabled":true}"#)
        .await;
    assert_eq!(enabled["listen"], address.to_string());
    assert!(is_reachable(address).await);

    let disabled = client
        .done("POST", "/proxies/p", r#"{"enabled":false}"#)
        .await;
    assert_eq!(disabled["listen"], address.to_string());
    assert!(!is_reachable(address).await);
}

#[tokio::test]
async fn names_are_taken_once_and_ports_as_well() {
    let client = Client::new();
    let (held, more) = (Held::new(), Held::new());
    let (address, other) = (held.address, more.address);
    let proxy =
        |name, listen| format!(r#"{{"name":"{name}","listen":"{listen}","upstream":"u:1"}}"#);
    client.done("POST", "/proxies", proxy("a", address)).await;
    let again = client.post("/proxies", proxy("a", other)).await;
    refused(&again, 409, "proxy already exists");
    let occupied = client.post("/proxies", proxy("b", address)).await;
    let message = format!("listen tcp {address}: bind: address already in use");
    refused(&occupied, 500, &message);
    // Whatever did not listen is not there.
    refused(&client.get("/proxies/b").await, 404, "proxy not found");

    let gone = client.delete("/proxies/a").await;
    assert_eq!(
        (gone.status, gone.body.as_str(), gone.content_type),
        (204, "", None)
    );
    refused(&client.delete("/proxies/a").await, 404, "proxy not found");
    client.done("POST", "/proxies", proxy("b", address)).await;
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_in_gos_words() {
    let client = Client::new();
    for (listen, why) in [
        ("local373", "address local373: missing port in address"),
        ("localhost:-1", "address -1: invalid port"),
        ("localhost:99999", "address 99999: invalid port"),
        ("localhost:foo", "lookup tcp/foo: unknown port"),
        ("a:b:c", "address a:b:c: too many colons in address"),
        ("[::1", "address [::1: missing ']' in address"),
        ("[::1]", "address [::1]: missing port in address"),
    ] {
        let body = format!(r#"{{"name":"a","listen":"{listen}","upstream":"u:1"}}"#);
        let answer = client.post("/proxies", body).await;
        refused(&answer, 500, &format!("listen tcp: {why}"));
    }
    let nobody = Held::new();
    client.proxy_to(nobody.address).await;
    let answer = client.post("/proxies/p", r#"{"listen":"local373"}"#).await;
    refused(&answer, 500, "address local373: missing port in address");
}

#[tokio::test]
async fn nobody_listens_beyond_loopback_unless_the_server_may() {
    let client = Client::new();
    let body = r#"{"name":"a","listen":"0.0.0.0:0","upstream":"u:1"}"#;
    let answer = client.post("/proxies", body).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("not on loopback"));
}

#[tokio::test]
async fn only_what_moves_a_proxy_drops_its_connections() {
    let client = Client::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let held = client.proxy_to(upstream).await;
    let address = held.address;
    let mut caller = TcpStream::connect(address).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    exchange(&mut caller, &mut server).await;

    let same = format!(
        r#"{{"name":"other","listen":"localhost:{}"}}"#,
        address.port()
    );
    let proxy = client.done("POST", "/proxies/p", same).await;
    assert_eq!(
        (&proxy["name"], &proxy["listen"]),
        (&"p".into(), &address.to_string().into())
    );
    exchange(&mut caller, &mut server).await;

    client.toxic(r#"{"type":"noop"}"#).await;
    let proxy = client
        .done("POST", "/proxies/p", r#"{"upstream":"u:1"}"#)
        .await;
    assert_eq!(
        (&proxy["upstream"], &proxy["enabled"]),
        (&"u:1".into(), &true.into())
    );
    assert_eq!(proxy["toxics"].as_array().unwrap().len(), 1);
    assert!(matches!(soon(caller.read(&mut [0])).await, Ok(0) | Err(_)));
    assert_eq!(client.post("/proxies/none", "{}").await.status, 404);
}

#[tokio::test]
async fn a_reset_enables_everything_and_removes_every_toxic() {
    let client = Client::new();
    let nobody = Held::new();
    let held = client.proxy_to(nobody.address).await;
    let address = held.address;
    client
        .toxic(r#"{"type":"latency","attributes":{"latency":100}}"#)
        .await;
    client
        .done("POST", "/proxies/p", r#"{"enabled":false}"#)
        .await;
    let answer = client.post("/reset", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let proxy = client.done("GET", "/proxies/p", "").await;
    assert_eq!(
        (&proxy["enabled"], &proxy["toxics"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert!(is_reachable(address).await);
}

/// Nobody who calls while a proxy is moved is refused, and nobody gets its port.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_dials_elsewhere_listens_all_the_while() {
    let client = Client::new();
    let upstreams = [serve_echo().await, serve_echo().await];
    let held = client.proxy_to(upstreams[0]).await;
    let address = held.address;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let calling = tokio::spawn(async move {
        let mut stopped = std::pin::pin!(stopped);
        let mut calls = 0_u64;
        loop {
            let called = TcpStream::connect(address);
            tokio::select! {
                biased;
                _ = &mut stopped => return calls,
                called = called => drop(called.expect("nobody is refused")),
            }
            calls += 1;
        }
    });
    client.toxic(r#"{"type":"noop"}"#).await;
    for nth in 1..=40 {
        let upstream = upstreams[nth % 2];
        let body = match nth % 4 {
            // As a file that is populated again.
            0 => format!(r#"[{{"name":"p","listen":"{address}","upstream":"{upstream}"}}]"#),
            _ => format!(r#"{{"upstream":"{upstream}"}}"#),
        };
        let target = match nth % 4 {
            0 => "/populate",
            _ => "/proxies/p",
        };
        client.done("POST", target, body).await;
    }
    stop.send(()).unwrap();
    assert!(soon(calling).await.unwrap() > 0);
    let mut caller = TcpStream::connect(address).await.unwrap();
    caller.write_all(b"a").await.unwrap();
    soon(caller.read_exact(&mut [0])).await.unwrap();
    client.delete("/proxies/p").await;
    assert!(!is_reachable(address).await);
}

#[tokio::test]
async fn live_connections_are_listed_and_ended_beside_the_api_of_toxiproxy() {
    let client = Client::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let held = client.proxy_to(listener.local_addr().unwrap()).await;
    let list = "/squall/connections/p";
    assert_eq!(client.done("GET", list, "").await, serde_json::json!([]));
    client.toxic(r#"{"type":"latency"}"#).await;
    let mut caller = TcpStream::connect(held.address).await.unwrap();
    let (mut server, _) = soon(listener.accept()).await.unwrap();
    exchange(&mut caller, &mut server).await;
    let live = client.done("GET", list, "").await;
    let peer = caller.local_addr().unwrap().to_string();
    let seen = |key: &str| &live[0][key];
    assert_eq!((seen("id"), seen("peer")), (&0.into(), &peer.into()));
    assert_eq!(
        (seen("bytes_to"), seen("bytes_from")),
        (&1.into(), &1.into())
    );
    assert_eq!(seen("toxics"), &serde_json::json!(["latency_downstream"]));
    for id in ["1", "-1", "x", "99999999999999999999"] {
        let answer = client.delete(&format!("{list}/{id}")).await;
        refused(&answer, 404, "connection not found");
    }
    assert_eq!(client.delete(&format!("{list}/0")).await.status, 204);
    for side in [&mut caller, &mut server] {
        let error = soon(side.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    refused(
        &client.get("/squall/connections/q").await,
        404,
        "proxy not found",
    );
    assert_eq!(client.post(list, "").await.status, 405);
}
