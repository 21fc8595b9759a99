//! A viewer's session beyond the first play: finding titles, choosing a bit rate, stopping and going
//! on where one stopped.

use serde_json::{Value, json};

use super::backend::{Backend, HANG, fallback, settings};
use crate::dataset::model::{GENRES, PROFILES, Profile};
use crate::segment::{LADDER_KBPS, SEGMENT_SECONDS};
use crate::settings::Settings;

/// The titles of a page.
fn cards(page: &Value) -> Vec<Value> {
    page["titles"].as_array().unwrap().clone()
}

/// The page at this path, once the index behind it is filled.
async fn indexed(backend: &Backend, path: &str) -> Value {
    let waited = tokio::time::timeout(HANG, async {
        loop {
            let response = backend.get(path).await;
            assert_eq!(response.status(), 200, "{path}");
            if fallback(&response).is_empty() {
                return response.json().await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the index is never filled")
}

#[tokio::test]
async fn titles_are_found_by_words_and_by_genre_and_only_those_that_may_be_seen() {
    let backend = Backend::start(settings(&[("timeouts", "disabled")])).await;
    let page = indexed(&backend, "/search/7?q=Silent%20Harb").await;
    let found = cards(&page);
    assert!(!found.is_empty() && found.len() <= 20);
    for card in &found {
        let name = card["name"].as_str().unwrap();
        assert!(name.starts_with("Silent Harbour "), "{name}");
    }
    let nothing = indexed(&backend, "/search/7?q=nosuchword").await;
    assert!(cards(&nothing).is_empty() && nothing["more"] == json!(false));

    let first = indexed(&backend, "/browse/7/comedy").await;
    let second = indexed(&backend, "/browse/7/comedy?page=1").await;
    assert_eq!((cards(&first).len(), &first["more"]), (20, &json!(true)));
    assert!(
        cards(&first)
            .iter()
            .all(|card| !cards(&second).contains(card))
    );
    for card in cards(&first).iter().chain(&cards(&second)) {
        let genres = card["genres"].as_array().unwrap();
        assert!(genres.contains(&json!("comedy")), "{card}");
    }
    // Every twentieth profile is enough to meet a child.
    for profile in (1..=PROFILES).step_by(500) {
        let home: Value = backend
            .get(&format!("/home/{profile}"))
            .await
            .json()
            .await
            .unwrap();
        let page = indexed(&backend, &format!("/browse/{profile}/drama")).await;
        assert_eq!(page["country"], home["country"]);
        for card in cards(&page).iter().take(3) {
            let play = format!("/play/{}?profile={profile}", card["id"]);
            assert_eq!(backend.get(&play).await.status(), 200, "{play}");
        }
    }
    for (path, status) in [
        ("/search/7?q=", 400),
        ("/search/7", 400),
        ("/search/0?q=a", 404),
        ("/browse/7/western", 404),
        ("/browse/7/comedy?page=50", 404),
    ] {
        assert_eq!(backend.get(path).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn while_the_catalog_is_gone_what_is_popular_is_searched() {
    let mut backend = Backend::start(settings(&[("timeouts", "disabled")])).await;
    // The homepage leaves its titles in the cache.
    assert_eq!(backend.get("/home/7").await.status(), 200);
    for instance in ["catalog-0", "catalog-1"] {
        backend.kill(instance).await;
    }
    let mut found = 0;
    for genre in GENRES {
        for path in [format!("/browse/7/{genre}"), format!("/search/7?q={genre}")] {
            let response = backend.get(&path).await;
            assert_eq!(
                (response.status().as_u16(), fallback(&response).as_str()),
                (200, "search=popular"),
                "{path}"
            );
            for card in cards(&response.json().await.unwrap()) {
                assert!(card["genres"].as_array().unwrap().contains(&json!(genre)));
                found += 1;
            }
        }
    }
    assert!(found > 0, "titles of a homepage have genres");
}

#[tokio::test]
async fn an_index_that_is_filled_needs_neither_store_nor_cache() {
    let mut backend = Backend::start(settings(&[("timeouts", "disabled")])).await;
    let wanted = json!({ "wanted": { "genre": 0 }, "page": 0,
                         "country": Profile::ANYWHERE, "maturity_age_max": 18 });
    let find = |backend: &Backend| {
        let catalog = backend.host("catalog-0").config.listen;
        let url = format!("http://{catalog}/find");
        backend.http.post(url).json(&wanted).send()
    };
    let found =
        async |backend: &Backend| -> Value { find(backend).await.unwrap().json().await.unwrap() };
    assert_eq!(
        found(&backend).await["filled"],
        json!(false),
        "nobody has asked before"
    );
    let waited = tokio::time::timeout(HANG, async {
        while found(&backend).await["filled"] != json!(true) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "the index is never filled");
    let before = found(&backend).await;
    assert_eq!(before["records"].as_array().unwrap().len(), 20);
    for instance in ["store-0", "cache-0", "cache-1"] {
        backend.kill(instance).await;
    }
    assert_eq!(found(&backend).await, before);
}

#[tokio::test]
async fn a_title_goes_on_where_it_was_stopped_whoever_dies_in_between() {
    let mut backend = Backend::start(Settings::default()).await;
    // A title that this profile may see.
    let home: Value = backend.get("/home/7").await.json().await.unwrap();
    let title = home["rows"][0]["titles"][0]["id"].as_u64().unwrap();
    let play = format!("/play/{title}?profile=7");
    let manifest = async |backend: &Backend| -> Value {
        let response = backend.get(&play).await;
        assert_eq!(
            (response.status().as_u16(), fallback(&response)),
            (200, String::new())
        );
        response.json().await.unwrap()
    };
    let begun = manifest(&backend).await;
    assert_eq!(begun["resume_seconds"], json!(0));
    let runtime = begun["runtime_seconds"].as_u64().unwrap();
    let session = begun["session"].as_str().unwrap().to_owned();
    let tell = async |backend: &Backend, what: &str, position: u64| -> (u16, Value) {
        let gateway = backend.host("gateway-0").config.listen;
        let url = format!("http://{gateway}/{what}/{session}");
        let body = json!({ "position_seconds": position });
        let response = backend.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(fallback(&response), "");
        (response.status().as_u16(), response.json().await.unwrap())
    };
    let stopped = tell(&backend, "stop", 321).await;
    assert_eq!(stopped, (200, json!({ "resume_seconds": 321 })));
    assert_eq!(manifest(&backend).await["resume_seconds"], json!(321));

    backend.kill("playback-0").await;
    let store = backend.host("store-0").config.clone();
    backend.stop("store-0").await;
    backend.restart(store).await;
    let waited = tokio::time::timeout(HANG, async {
        while !fallback(&backend.get(&play).await).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "the store is not used again");
    assert_eq!(manifest(&backend).await["resume_seconds"], json!(321));

    let (status, said) = tell(&backend, "heartbeat", 400).await;
    assert_eq!((status, &said["position_seconds"]), (200, &json!(400)));
    assert_eq!(manifest(&backend).await["resume_seconds"], json!(400));
    // A player that goes away at the end stops nothing.
    tell(&backend, "heartbeat", runtime + 60).await;
    assert_eq!(manifest(&backend).await["resume_seconds"], json!(0));
    let (_, said) = tell(&backend, "stop", runtime - 1).await;
    assert_eq!(said["resume_seconds"], json!(0), "it has been seen");
    assert_eq!(manifest(&backend).await["resume_seconds"], json!(0));
}

#[tokio::test]
async fn without_the_store_a_play_begins_at_the_beginning_and_a_stop_says_what_it_lost() {
    let mut backend = Backend::start(Settings::default()).await;
    let home: Value = backend.get("/home/7").await.json().await.unwrap();
    let title = home["rows"][0]["titles"][0]["id"].as_u64().unwrap();
    let play = format!("/play/{title}?profile=7");
    assert_eq!(backend.get(&play).await.status(), 200);
    backend.kill("store-0").await;
    let response = backend.get(&play).await;
    assert_eq!(
        (response.status().as_u16(), fallback(&response).as_str()),
        (200, "resume=beginning")
    );
    let manifest: Value = response.json().await.unwrap();
    let gateway = backend.host("gateway-0").config.listen;
    let stop = |token: String| {
        let url = format!("http://{gateway}/stop/{token}");
        let body = json!({ "position_seconds": 5 });
        backend.http.post(url).json(&body).send()
    };
    let session = manifest["session"].as_str().unwrap();
    let stopped = stop(session.to_owned()).await.unwrap();
    assert_eq!(
        (stopped.status().as_u16(), fallback(&stopped).as_str()),
        (200, "bookmark=lost")
    );
    let forged = stop(format!("x{session}")).await.unwrap();
    assert_eq!(forged.status(), 401);
}

#[tokio::test]
async fn segments_have_the_size_of_their_bit_rate_and_are_kept_apart() {
    let backend = Backend::start(settings(&[("timeouts", "disabled")])).await;
    let manifest: Value = backend
        .get("/play/1?device=tv-1")
        .await
        .json()
        .await
        .unwrap();
    let licence = manifest["licence"].as_str().unwrap();
    assert_eq!(manifest["ladder_kbps"], json!(LADDER_KBPS));
    let path = manifest["watch_path"].as_str().unwrap();
    let of = |kbps: u32| {
        path.replace("{n}", "3")
            .replace("{kbps}", &kbps.to_string())
    };
    for expected in ["miss", "hit"] {
        for kbps in LADDER_KBPS {
            let response = backend.watch(&of(kbps), licence).await;
            assert_eq!(response.status(), 200, "{kbps}");
            assert_eq!(response.headers()["x-cache"], expected, "{kbps}");
            let bytes = response.bytes().await.unwrap().len() as u64;
            let mean = u64::from(kbps * SEGMENT_SECONDS) * 125;
            assert!(
                bytes.abs_diff(mean) * 5 <= mean,
                "{kbps} kbit/s: {bytes} bytes"
            );
        }
    }
    assert_eq!(backend.watch(&of(1), licence).await.status(), 404);
}
