//! Many proxies at once.

use serde_json::json;

use super::{Client, is_reachable};
use crate::support::Held;

#[tokio::test]
async fn proxies_are_created_in_order_and_accept() {
    let client = Client::new();
    let (held, more) = (Held::new(), Held::new());
    let (one, two) = (held.address, more.address);
    let list = format!(
        r#"[{{"name":"two","listen":"{two}","upstream":"u:1","enabled":true}},
            {{"name":"one","listen":"{one}","upstream":"u:1"}}]"#
    );
    let answer = client.post("/populate", &list).await;
    assert_eq!(
        (answer.status, answer.content_type),
        (201, Some("application/json"))
    );
    let proxy = |name, listen| {
        format!(
            r#"{{"name":"{name}","listen":"{listen}","upstream":"u:1","enabled":true,"toxics":[]}}"#
        )
    };
    let (first, second) = (proxy("two", two), proxy("one", one));
    assert_eq!(answer.body, format!(r#"{{"proxies":[{first},{second}]}}"#));
    assert!(is_reachable(one).await && is_reachable(two).await);
}

#[tokio::test]
async fn a_list_may_be_empty_or_null() {
    for body in ["[]", "null"] {
        let answer = Client::new().post("/populate", body).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (201, r#"{"proxies":null}"#)
        );
    }
}

#[tokio::test]
async fn a_proxy_may_be_created_disabled() {
    let client = Client::new();
    let held = Held::new();
    let address = held.address;
    let list = format!(r#"[{{"name":"p","listen":"{address}","upstream":"u:1","enabled":false}}]"#);
    let answer = client.done("POST", "/populate", list).await;
    assert_eq!(answer["proxies"][0]["enabled"], false);
    assert!(!is_reachable(address).await);
}

#[tokio::test]
async fn who_is_there_as_wanted_is_left_alone_and_others_are_replaced() {
    let client = Client::new();
    let (held, more) = (Held::new(), Held::new());
    let (same, other) = (held.address, more.address);
    let port = same.port();
    let list = |upstream: &str| {
        format!(
            r#"[{{"name":"same","listen":"localhost:{port}","upstream":"u:1","enabled":false}},
                {{"name":"other","listen":"{other}","upstream":"{upstream}"}}]"#
        )
    };
    let created = format!(r#"{{"name":"same","listen":"localhost:{port}","upstream":"u:1"}}"#);
    client.done("POST", "/proxies", created).await;
    let toxic = r#"{"type":"latency"}"#;
    client.done("POST", "/populate", list("u:1")).await;
    for name in ["same", "other"] {
        client
            .done("POST", &format!("/proxies/{name}/toxics"), toxic)
            .await;
    }
    client
        .done("POST", "/proxies", r#"{"name":"third","upstream":"u:1"}"#)
        .await;

    let answer = client.done("POST", "/populate", list("u:2")).await;
    let [kept, replaced] = [0, 1].map(|nth| &answer["proxies"][nth]);
    // It stays enabled, whatever the list says.
    assert_eq!(
        (&kept["listen"], &kept["enabled"]),
        (&json!(same.to_string()), &json!(true))
    );
    assert_eq!(kept["toxics"][0]["name"], "latency_downstream");
    assert_eq!(
        (&replaced["upstream"], &replaced["toxics"]),
        (&json!("u:2"), &json!([]))
    );
    assert!(is_reachable(same).await && is_reachable(other).await);
    assert_eq!(client.get("/proxies/third").await.status, 200);
}

#[tokio::test]
async fn a_list_that_lacks_something_creates_nothing() {
    let client = Client::new();
    let good = r#"{"name":"a","upstream":"u:1","listen":"127.0.0.1:0"}"#;
    let list = "[]struct { toxiproxy.Proxy; Enabled *bool \"json:\\\"enabled\\\"\" }";
    for (body, message) in [
        (
            format!("[{good},{{}}]"),
            "missing required field: name at proxy 2",
        ),
        (
            format!(r#"[{good},{{"name":"b"}}]"#),
            "missing required field: upstream at proxy 2",
        ),
        (
            r#"[{"enabled":5}]"#.to_owned(),
            "bad request body: json: cannot unmarshal number into Go struct field .enabled of type bool",
        ),
        (
            r#"[{"name":5}]"#.to_owned(),
            "bad request body: json: cannot unmarshal number into Go struct field .Proxy.name of type string",
        ),
        (
            "{}".to_owned(),
            &format!(
                "bad request body: json: cannot unmarshal object into Go value of type {list}"
            ),
        ),
    ] {
        let answer = client.post("/populate", &body).await;
        let expected = json!({ "error": message, "status": 400, "proxies": null });
        assert_eq!((answer.status, super::json(&answer)), (400, expected));
        assert_eq!(answer.content_type, Some("application/json"));
        assert!(
            answer.body.starts_with("{\"error\":") && answer.body.ends_with(",\"proxies\":null}")
        );
    }
    assert_eq!(client.get("/proxies").await.body, "{}");
}

#[tokio::test]
async fn a_list_that_fails_midway_leaves_what_was_done() {
    let client = Client::new();
    let list = r#"[{"name":"a","upstream":"u:1","listen":"127.0.0.1:0"},
                   {"name":"b","upstream":"u:1","listen":"local373"},
                   {"name":"c","upstream":"u:1","listen":"127.0.0.1:0"}]"#;
    let answer = client.post("/populate", list).await;
    assert_eq!(answer.status, 500);
    let said = super::json(&answer);
    assert_eq!(
        said["error"],
        "listen tcp: address local373: missing port in address"
    );
    assert_eq!(said["proxies"].as_array().unwrap().len(), 1);
    let index = client.done("GET", "/proxies", "").await;
    assert_eq!(index.as_object().unwrap().keys().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn proxies_may_come_with_toxics_which_are_looked_at_first() {
    let client = Client::new();
    let list = |toxic: &str| {
        format!(
            r#"[{{"name":"a","upstream":"u:1","listen":"127.0.0.1:0","toxics":[{{"type":"noop"}},{toxic}]}}]"#
        )
    };
    for (toxic, why) in [
        (
            r#"{"type":"none"}"#,
            "invalid toxic type at toxic 2 of proxy 1",
        ),
        (
            r#"{"type":"noop"}"#,
            "toxic already exists at toxic 2 of proxy 1",
        ),
    ] {
        let answer = client.post("/populate", list(toxic)).await;
        assert_eq!(super::json(&answer)["error"], why);
    }
    assert_eq!(client.get("/proxies").await.body, "{}");
    let toxic = r#"{"type":"latency","stream":"upstream","attributes":{"latency":5},"ttl":60000}"#;
    let answer = client.done("POST", "/populate", list(toxic)).await;
    let toxics = &answer["proxies"][0]["toxics"];
    assert_eq!(
        (&toxics[0]["attributes"]["latency"], &toxics[0]["ttl"]),
        (&json!(5), &json!(60000))
    );
    assert_eq!(toxics[1]["type"], "noop");
}
