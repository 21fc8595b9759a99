//! Toxics added, read, changed, removed: what is said of them.

use std::time::Duration;

use serde_json::json;

use super::{Client, refused};
use crate::support::Held;

async fn with_proxy() -> Client {
    let client = Client::new();
    client.proxy_to(Held::new().address).await;
    client
}

#[tokio::test]
async fn a_toxic_is_answered_with_all_its_fields_in_order() {
    let client = with_proxy().await;
    let body = r#"{"name":"slow","type":"latency","stream":"Upstream","toxicity":0.2,"attributes":{"JITTER":10,"x":1}}"#;
    let answer = client.post("/proxies/p/toxics", body).await;
    let toxic = r#"{"attributes":{"latency":0,"jitter":10},"name":"slow","type":"latency","stream":"Upstream","toxicity":0.2}"#;
    assert_eq!((answer.status, answer.body.as_str()), (200, toxic));
    assert_eq!(client.get("/proxies/p/toxics/slow").await.body, toxic);
    assert_eq!(
        client.get("/proxies/p/toxics").await.body,
        format!("[{toxic}]")
    );
    let read = client.done("GET", "/proxies/p/toxics/slow", "").await;
    assert_eq!(read["toxicity"].as_f64().unwrap() as f32, 0.2_f32);
}

#[tokio::test]
async fn what_is_left_out_of_a_toxic_has_defaults() {
    let client = with_proxy().await;
    let toxic = client
        .toxic(r#"{"type":"latency","attributes":null}"#)
        .await;
    let expected = json!({
        "attributes": { "latency": 0, "jitter": 0 }, "name": "latency_downstream",
        "type": "latency", "stream": "downstream", "toxicity": 1
    });
    assert_eq!(toxic, expected);
    let other = client
        .toxic(r#"{"type":"latency","stream":"upstream"}"#)
        .await;
    assert_eq!(other["name"], "latency_upstream");
    let named = client.toxic(r#"{"type":"noop"}"#).await;
    assert_eq!(
        (&named["name"], &named["attributes"]),
        (&json!("noop_downstream"), &json!({}))
    );
    // Those upstream come first.
    let all = client.done("GET", "/proxies/p/toxics", "").await;
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|toxic| &toxic["name"])
        .collect();
    assert_eq!(
        names,
        ["latency_upstream", "latency_downstream", "noop_downstream"]
    );
}

#[tokio::test]
async fn a_toxic_that_cannot_be_is_refused_in_the_order_of_toxiproxy() {
    let client = with_proxy().await;
    client.toxic(r#"{"name":"taken","type":"latency"}"#).await;
    let stream = "stream was invalid, can be either upstream or downstream";
    let number = "bad request body: json: cannot unmarshal number 1.5 into Go struct field LatencyToxic.attributes.latency of type int64";
    let shape = "bad request body: json: cannot unmarshal array into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic";
    for (body, status, message) in [
        ("[", 400, "bad request body: unexpected EOF"),
        (r#"{"stream":"","type":"none"}"#, 400, stream),
        (r#"{"stream":"sideways"}"#, 400, stream),
        (
            r#"{"name":"taken","type":"none"}"#,
            400,
            "invalid toxic type",
        ),
        (
            r#"{"name":"taken","type":"latency","stream":"upstream","attributes":{"latency":"x"}}"#,
            409,
            "toxic already exists",
        ),
        (
            r#"{"type":"latency","attributes":{"latency":1.5}}"#,
            400,
            number,
        ),
        (r#"{"name":"taken","attributes":[]}"#, 400, shape),
        (
            r#"{"type":"bandwidth","attributes":{"rate":-1}}"#,
            400,
            "bad request body: rate cannot be negative",
        ),
        (
            r#"{"type":"latency","ttl":-1}"#,
            400,
            "bad request body: ttl cannot be negative",
        ),
    ] {
        refused(
            &client.post("/proxies/p/toxics", body).await,
            status,
            message,
        );
    }
    // Who is asked is looked for first.
    refused(
        &client.post("/proxies/q/toxics", "[").await,
        404,
        "proxy not found",
    );
    assert_eq!(
        client
            .done("GET", "/proxies/p/toxics", "")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_mention() {
    let client = with_proxy().await;
    client
        .toxic(r#"{"name":"t","type":"latency","attributes":{"latency":5,"jitter":1}}"#)
        .await;
    let path = "/proxies/p/toxics/t";
    let body = r#"{"name":"u","type":"noop","stream":"upstream","toxicity":0.5,"attributes":{"jitter":2}}"#;
    let changed = client.done("PATCH", path, body).await;
    let expected = json!({
        "attributes": { "latency": 5, "jitter": 2 }, "name": "t",
        "type": "latency", "stream": "downstream", "toxicity": 0.5
    });
    assert_eq!(changed, expected);
    assert_eq!(
        client.done("POST", path, r#"{"attributes":null}"#).await,
        expected
    );
    let half = r#"{"attributes":{"latency":9,"jitter":"x"}}"#;
    let message = "bad request body: json: cannot unmarshal string into Go struct field LatencyToxic.attributes.jitter of type int64";
    refused(&client.post(path, half).await, 400, message);
    assert_eq!(client.done("GET", path, "").await, expected);
    refused(
        &client.post("/proxies/p/toxics/u", "{}").await,
        404,
        "toxic not found",
    );
    refused(
        &client.post("/proxies/q/toxics/t", "{}").await,
        404,
        "proxy not found",
    );
}

#[tokio::test]
async fn a_toxic_is_removed_once() {
    let client = with_proxy().await;
    client.toxic(r#"{"name":"t","type":"latency"}"#).await;
    let answer = client.delete("/proxies/p/toxics/t").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    refused(
        &client.delete("/proxies/p/toxics/t").await,
        404,
        "toxic not found",
    );
    refused(
        &client.get("/proxies/p/toxics/t").await,
        404,
        "toxic not found",
    );
    assert_eq!(client.get("/proxies/p/toxics").await.body, "[]");
}

#[tokio::test]
async fn numbers_of_single_precision_are_written_as_go_writes_them() {
    let client = with_proxy().await;
    client.toxic(r#"{"name":"t","type":"noop"}"#).await;
    for (given, written) in [
        ("0.2", "0.2"),
        ("1e-7", "1e-7"),
        ("0.000001", "0.000001"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("123456.789", "123456.79"),
        ("-1", "-1"),
        ("-0", "-0"),
        ("16777217", "16777216"),
    ] {
        let body = format!(r#"{{"toxicity":{given}}}"#);
        let answer = client.send("PATCH", "/proxies/p/toxics/t", body).await;
        assert!(
            answer.body.ends_with(&format!("\"toxicity\":{written}}}")),
            "{}",
            answer.body
        );
    }
    let answer = client
        .send("PATCH", "/proxies/p/toxics/t", r#"{"toxicity":1e39}"#)
        .await;
    assert!(
        answer.body.contains("cannot unmarshal number 1e39 into"),
        "{}",
        answer.body
    );
}

#[tokio::test(start_paused = true)]
async fn a_toxic_with_a_time_limit_goes_by_itself() {
    let client = with_proxy().await;
    client
        .toxic(r#"{"name":"short","type":"latency","ttl":30000}"#)
        .await;
    client.toxic(r#"{"name":"long","type":"latency"}"#).await;
    let path = "/proxies/p/toxics/short";
    let advance = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
    advance(20).await;
    client.done("PATCH", path, r#"{"toxicity":0.5}"#).await;
    advance(9).await;
    assert_eq!(client.get(path).await.status, 200);
    advance(2).await;
    assert_eq!(client.get(path).await.status, 404);
    // A limit counts from when it was given, and the last one counts.
    let path = "/proxies/p/toxics/long";
    client.done("PATCH", path, r#"{"ttl":10000}"#).await;
    advance(9).await;
    client.done("PATCH", path, r#"{"ttl":10000}"#).await;
    advance(9).await;
    client.done("PATCH", path, r#"{"ttl":0}"#).await;
    advance(60).await;
    assert_eq!(client.get(path).await.status, 200);
}
