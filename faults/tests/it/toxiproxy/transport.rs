//! Paths, methods, user agents and the shape of answers.

use squall_faults::toxiproxy::Request;

use super::{Client, refused};

#[tokio::test]
async fn the_version_is_told_to_the_byte() {
    let answer = Client::new().get("/version").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "{\"version\": \"2.12.0\"}\n");
    assert_eq!(answer.content_type, Some("application/json;charset=utf-8"));
    assert!(answer.numbered && !answer.nosniff);
}

#[tokio::test]
async fn browsers_are_turned_away_on_every_known_path() {
    let client = Client::new();
    let ask = |user_agent, target| {
        client.0.answer(Request {
            method: "GET",
            target,
            user_agent,
            body: b"",
        })
    };
    let answer = ask(Some("Mozilla/5.0 (X11)"), "/proxies").await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.body, "User agent not allowed\n");
    assert_eq!(answer.content_type, Some("text/plain; charset=utf-8"));
    assert!(answer.numbered && answer.nosniff);
    for agent in [Some("Wget/2.1"), Some("curl Mozilla/5.0"), Some(""), None] {
        assert_eq!(ask(agent, "/proxies").await.status, 200, "{agent:?}");
    }
    let unknown = ask(Some("Mozilla/5.0"), "/nowhere").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn there_are_no_proxies_at_first() {
    let answer = Client::new().get("/proxies").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    assert_eq!(answer.content_type, Some("application/json"));
}

#[tokio::test]
async fn paths_and_methods_are_taken_as_toxiproxys_router_takes_them() {
    let client = Client::new();
    let unknown = [
        "/",
        "/proxies/",
        "/PROXIES",
        "/proxies/a/toxics/",
        "/nowhere",
        "/proxies/a/b",
    ];
    for path in unknown {
        let answer = client.get(path).await;
        let told = (answer.status, answer.body.as_str(), answer.numbered);
        assert_eq!(told, (404, "404 page not found\n", false), "{path}");
        assert!(answer.nosniff);
    }
    for (method, path) in [
        ("HEAD", "/version"),
        ("PUT", "/proxies"),
        ("GET", "/populate"),
        ("GET", "/reset"),
        ("DELETE", "/proxies/a/toxics"),
        ("OPTIONS", "/proxies/a"),
    ] {
        let answer = client.send(method, path, "").await;
        let told = (answer.status, answer.body.as_str(), answer.content_type);
        assert_eq!(told, (405, "", None), "{method} {path}");
    }
    for (path, to) in [
        ("//proxies", "/proxies"),
        ("/x/../version?a=b", "/version?a=b"),
        ("/./proxies/a%20b/", "/proxies/a%20b/"),
        ("/..", "/"),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.location.as_deref()), (301, Some(to)));
    }
    let undecodable = client.get("/proxies/%zz").await;
    assert_eq!(
        (undecodable.status, undecodable.body.as_str()),
        (400, "400 Bad Request")
    );
}

#[tokio::test]
async fn a_name_in_a_path_may_be_percent_encoded() {
    let client = Client::new();
    for name in ["a b", "é", "a%2Fb"] {
        let body = format!(r#"{{"name":"{name}","upstream":"x:1","enabled":false}}"#);
        client.done("POST", "/proxies", body).await;
    }
    assert_eq!(client.get("/proxies/a%20b").await.status, 200);
    assert_eq!(client.get("/proxies/%C3%A9").await.status, 200);
    assert_eq!(client.get("/proxies/a%252Fb").await.status, 200);
    // A slash is one, however it is written.
    assert_eq!(client.get("/proxies/a%2Fb").await.status, 404);
}

#[tokio::test]
async fn a_body_that_is_none_is_answered_in_gos_words() {
    let client = Client::new();
    let field = "json: cannot unmarshal number into Go struct field Proxy.name of type string";
    let whole = "json: cannot unmarshal array into Go value of type toxiproxy.Proxy";
    for (body, why) in [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ("[]", whole),
        (r#"{"name":5}"#, field),
        (
            r#"{"name":"a",}"#,
            "invalid character '}' looking for beginning of object key string",
        ),
        (
            "{'name'}",
            r"invalid character '\'' looking for beginning of object key string",
        ),
    ] {
        let answer = client.post("/proxies", body).await;
        refused(&answer, 400, &format!("bad request body: {why}"));
    }
}

#[tokio::test]
async fn metrics_are_answered_where_they_were_asked_for() {
    let client = Client::new();
    let answer = client.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .body
            .contains("# TYPE toxiproxy_proxy_sent_bytes_total counter\n")
    );
    let without = squall_faults::toxiproxy::Toxiproxy::new(Default::default());
    assert_eq!(Client(without).get("/metrics").await.status, 404);
}
