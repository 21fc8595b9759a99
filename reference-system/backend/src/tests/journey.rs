//! What a user does while nothing is broken.

use std::collections::BTreeSet;

use super::backend::{Backend, fallback, titles};
use crate::platform::host::guard::REQUESTS_MAX;
use crate::segment::{self, Quality};
use crate::settings::Settings;
use squall_resilience::hystrix_stream::{CONTENT_TYPE, KEEP_ALIVE};

const PREVIEW: Quality = Quality { kbps: None };

#[tokio::test]
async fn a_viewer_browses_plays_and_watches() {
    let backend = Backend::start(Settings::default()).await;

    let response = backend.get("/home/7").await;
    assert_eq!(
        (response.status().as_u16(), fallback(&response)),
        (200, String::new())
    );
    let page: serde_json::Value = response.json().await.unwrap();
    let first = titles(&page);
    assert_eq!(
        (page["rows"].as_array().unwrap().len(), first.len()),
        (4, 40)
    );
    let again: serde_json::Value = backend.get("/home/7").await.json().await.unwrap();
    assert_eq!(again, page, "the cached page is the computed one");
    let other: serde_json::Value = backend.get("/home/8").await.json().await.unwrap();
    assert_ne!(titles(&other), first, "another viewer has other taste");

    let title = first[0];
    let response = backend.get(&format!("/play/{title}?profile=7")).await;
    assert_eq!(response.status(), 200);
    let manifest: serde_json::Value = response.json().await.unwrap();
    assert_eq!(manifest["ladder_kbps"].as_array().unwrap().len(), 5);

    let licence = manifest["licence"].as_str().unwrap();
    let url = manifest["segments"][0].as_str().unwrap();
    for expected in ["miss", "hit"] {
        let response = backend.licensed(url, licence).await;
        assert_eq!(response.headers()["x-cache"], expected);
        let digest = response.headers()["content-digest"].clone();
        let body = response.bytes().await.unwrap();
        assert_eq!(Some(digest), segment::digest(&body));
        assert_eq!(
            body,
            segment::bytes(42, title as u32, 0, PREVIEW, 256 << 10)
        );
    }
    let watch = format!("/watch/{title}/1?profile=7");
    let watched = backend.watch(&watch, licence).await;
    assert_eq!(watched.status(), 200);
    let body = watched.bytes().await.unwrap();
    assert_eq!(
        body,
        segment::bytes(42, title as u32, 1, PREVIEW, 256 << 10)
    );

    let session = manifest["session"].as_str().unwrap();
    let gateway = backend.host("gateway-0").config.listen;
    let heartbeat = |token: String, body: &'static str| {
        let url = format!("http://{gateway}/heartbeat/{token}");
        backend.http.post(url).body(body).send()
    };
    let response = heartbeat(session.to_owned(), "{\"position_seconds\":120}")
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), fallback(&response)),
        (200, String::new())
    );
    let forged = heartbeat(format!("x{session}"), "{\"position_seconds\":120}")
        .await
        .unwrap();
    assert_eq!(forged.status(), 401);
}

#[tokio::test]
async fn what_does_not_exist_or_is_not_allowed_is_said_plainly() {
    let backend = Backend::start(Settings::default()).await;
    for (path, status) in [
        ("/home/0", 404),
        ("/home/10001", 404),
        ("/home/me", 400),
        ("/play/15001", 404),
        ("/play/1?device=a%26b", 400),
        ("/watch/1/0", 401),
        ("/nothing", 404),
    ] {
        assert_eq!(backend.get(path).await.status(), status, "{path}");
    }
    let licence = backend.licence(1).await;
    let response = backend.watch("/watch/1/2700", &licence).await;
    assert_eq!(response.status(), 404, "a title has an end");
    // Some title is not licensed where this viewer lives, and some is not for a child.
    let mut seen = BTreeSet::new();
    for title in 1..=60 {
        for profile in [1, 2, 3, 4, 5, 6] {
            let response = backend
                .get(&format!("/play/{title}?profile={profile}"))
                .await;
            seen.insert(response.status().as_u16());
        }
    }
    assert_eq!(seen, [200, 403, 451].into());
}

#[tokio::test]
async fn an_overloaded_instance_says_so_and_still_lets_operators_in() {
    let backend = Backend::start(Settings::default()).await;
    let host = backend.host("gateway-0");
    let held: Vec<_> = (0..REQUESTS_MAX)
        .map(|_| host.metrics.begin(REQUESTS_MAX).unwrap())
        .collect();
    let refused = backend.get("/home/7").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    for path in ["/health", "/metrics", "/hystrix.stream"] {
        assert_eq!(backend.get(path).await.status(), 200, "{path}");
    }
    drop(held);
    assert_eq!(backend.get("/home/7").await.status(), 200);
}

#[tokio::test]
async fn a_segment_is_sent_only_for_the_licence_of_its_play() {
    let backend = Backend::start(Settings::default()).await;
    let response = backend.get("/play/1?profile=1&device=tv-1").await;
    // Whether this viewer may see this title is another test's question.
    let play = if response.status() == 200 {
        response
    } else {
        backend.get("/play/1?device=tv-1").await
    };
    let who = play.url().query().unwrap().to_owned();
    let manifest: serde_json::Value = play.json().await.unwrap();
    let (licence, preview) = (
        manifest["licence"].as_str().unwrap(),
        backend.licence(1).await,
    );
    let url = manifest["segments"][0].as_str().unwrap();
    let (edge, _) = url.split_once("/segment").unwrap();
    assert!(url.ends_with(&format!("?{who}")), "{url}");
    let gateway = format!("http://{}", backend.host("gateway-0").config.listen);
    let hit = backend.licensed(url, licence).await;
    assert_eq!(
        hit.status(),
        200,
        "now it is kept, and guarded all the same"
    );
    for (base, route) in [(edge, "segment"), (gateway.as_str(), "watch")] {
        for (path, licence, status) in [
            (format!("1/0?{who}"), licence, 200),
            (format!("1/1?{who}"), licence, 200),
            (format!("2/0?{who}"), licence, 403),
            ("1/0".to_owned(), licence, 403),
            (format!("1/0?{who}-"), licence, 403),
            (format!("1/0?{who}"), &preview, 403),
            ("1/0".to_owned(), &preview, 200),
            ("1/0".to_owned(), "x.y", 401),
            ("1/0".to_owned(), "", 401),
        ] {
            let response = backend
                .licensed(&format!("{base}/{route}/{path}"), licence)
                .await;
            assert_eq!(response.status(), status, "{route} {path} {licence}");
            let challenged = response.headers().contains_key("www-authenticate");
            assert_eq!(challenged, status == 401, "{route} {path} {licence}");
        }
        let bare = backend.http.get(format!("{base}/{route}/1/0")).send();
        assert_eq!(
            bare.await.unwrap().status(),
            401,
            "{route} without a licence"
        );
    }
    // Being refused is the caller's fault, not the edge's.
    let edge = backend.host("gateway-0").commands.get("edge").unwrap();
    assert_eq!(edge.snapshot().health.errors, 0);
}

#[tokio::test]
async fn every_service_shows_its_health_metrics_and_breakers() {
    let backend = Backend::start(Settings::default()).await;
    assert_eq!(backend.get("/home/7").await.status(), 200);
    assert_eq!(backend.get("/health").await.status(), 200);
    let metrics = backend.get("/metrics").await;
    let media_type = metrics.headers()["content-type"].to_str().unwrap();
    assert!(media_type.starts_with("application/openmetrics-text"));
    let metrics = metrics.text().await.unwrap();
    // What the instance counts and what its breakers do is one exposition.
    assert_eq!(metrics.matches("# EOF\n").count(), 1, "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(metrics.contains("resilience_breaker_state{command="));
    let counted = "reference_requests_total{route=\"/home/{profile}\",status=\"200\"} 1";
    assert!(metrics.contains(counted), "{metrics}");

    let mut stream = backend.get("/hystrix.stream").await;
    // A round ends with what keeps the connection alive, and may come in parts.
    let mut first = String::new();
    while !first.ends_with(KEEP_ALIVE) {
        let part = stream.chunk().await.unwrap().unwrap();
        first.push_str(std::str::from_utf8(&part).unwrap());
    }
    for command in [
        "recommendations",
        "catalog",
        "search",
        "playback",
        "store",
        "evcache",
        "edge",
    ] {
        let name = format!("\"name\":\"{command}\"");
        assert!(first.contains(&name), "{command} is missing");
    }
    let mut held = vec![stream];
    while held.len() < 5 {
        held.push(backend.get("/hystrix.stream").await);
    }
    assert_eq!(
        backend.get("/hystrix.stream").await.status(),
        503,
        "one too many"
    );
}

#[tokio::test]
async fn rounds_of_the_stream_come_as_rarely_as_they_are_asked_for() {
    let backend = Backend::start(Settings::default()).await;
    let mut stream = backend.get("/hystrix.stream?delay=1500").await;
    let mut text = String::new();
    while text.matches(KEEP_ALIVE).count() < 2 {
        let part = stream.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&part).unwrap());
    }
    let times: BTreeSet<u64> = text
        .split("\"currentTime\":")
        .skip(1)
        .map(|rest| rest.split(',').next().unwrap().parse().unwrap())
        .collect();
    let (first, last) = (times.first().unwrap(), times.last().unwrap());
    // A round may be late, and the first may be slow to render.
    assert!(last - first > 1000, "{times:?}");
}

#[tokio::test]
async fn settings_and_utilization_have_streams_of_their_own() {
    let backend = Backend::start(Settings::default()).await;
    for (path, kind) in [
        ("config", "HystrixConfig"),
        ("utilization", "HystrixUtilization"),
    ] {
        let mut stream = backend.get(&format!("/hystrix/{path}.stream")).await;
        assert_eq!(stream.headers()["content-type"], CONTENT_TYPE);
        let mut round = String::new();
        while !round.ends_with(KEEP_ALIVE) {
            let part = stream.chunk().await.unwrap().unwrap();
            round.push_str(std::str::from_utf8(&part).unwrap());
        }
        let (event, _) = round.split_once("\n\n").unwrap();
        let json = event.strip_prefix("data: ").unwrap();
        let message: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(message["type"], kind);
        for key in ["commands", "threadpools"] {
            assert!(message[key]["recommendations"].is_object(), "{message}");
        }
    }
}
