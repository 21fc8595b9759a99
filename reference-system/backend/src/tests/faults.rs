//! What a user sees while something is broken, and that the weakened backend does not hide it.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::backend::{Backend, HANG, fallback, settings, titles};
use crate::dataset::generate;
use crate::dataset::model::PopularTitle;
use crate::platform::discovery::balancer::rendezvous;
use crate::platform::evcache::client::EvCache;
use crate::service::ServiceKind;
use crate::services::catalog::Record;
use crate::settings::{Settings, Switch};
use squall_resilience::BreakerState;

/// Replaces both instances of a service by listeners that accept, read and never answer.
async fn hang(backend: &mut Backend, kind: ServiceKind) -> Vec<tokio::task::JoinHandle<()>> {
    let mut hanging = Vec::new();
    for n in 0..2 {
        hanging.push(hang_one(backend, &format!("{kind}-{n}")).await);
    }
    hanging
}

/// Replaces an instance by a listener that accepts, reads and never answers.
async fn hang_one(backend: &mut Backend, name: &str) -> tokio::task::JoinHandle<()> {
    let address = backend.host(name).config.listen;
    backend.kill(name).await;
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut sink = [0; 1024];
                while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
            });
        }
    })
}

#[tokio::test]
async fn hanging_recommendations_are_replaced_by_the_last_visit_or_what_is_popular() {
    let mut backend = Backend::start(Settings::default()).await;
    let before = page_but_for(&backend, "/home/7", "").await;
    let _hanging = hang(&mut backend, ServiceKind::Recommendations).await;
    let page = page_but_for(&backend, "/home/7", "recommendations=cached").await;
    assert_eq!(titles(&page), titles(&before));
    let page = page_but_for(&backend, "/home/9", "recommendations=popular").await;
    assert!(titles(&page).len() >= 20);
}

/// A page that lacks this and nothing else. On a machine that stands still other services
/// may take too long as well, so some pages lack more; what hangs is lacked by each.
async fn page_but_for(backend: &Backend, path: &str, lacks: &str) -> serde_json::Value {
    let started = Instant::now();
    loop {
        let response = backend.get(path).await;
        assert_eq!(response.status(), 200);
        let marks = fallback(&response);
        if marks == lacks {
            return response.json().await.unwrap();
        }
        let (what, _) = lacks.split_once('=').unwrap_or_default();
        assert!(marks.contains(what), "{marks}, not {lacks}");
        assert!(started.elapsed() < HANG, "never {lacks:?} alone: {marks}");
    }
}

#[tokio::test]
async fn the_breaker_opens_and_then_nobody_waits_for_the_hanging_service() {
    let mut backend = Backend::start(Settings::default()).await;
    assert_eq!(backend.get("/home/7").await.status(), 200);
    let _hanging = hang(&mut backend, ServiceKind::Recommendations).await;
    let command = backend
        .host("gateway-0")
        .commands
        .get("recommendations")
        .unwrap();
    let started = Instant::now();
    while command.breaker_state() != BreakerState::Open {
        let pages = ["/home/7", "/home/8"].map(|path| backend.get(path));
        for response in futures_util::future::join_all(pages).await {
            assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        }
        assert!(started.elapsed() < HANG, "the breaker never opened");
    }
    let response = backend.get("/home/7").await;
    assert_eq!(fallback(&response), "recommendations=cached");
}

#[tokio::test]
async fn without_timeouts_and_breakers_the_page_hangs_as_long_as_the_service() {
    let mut backend = Backend::start(settings(&[
        ("breakers", "disabled"),
        ("timeouts", "disabled"),
    ]))
    .await;
    assert_eq!(backend.get("/home/7").await.status(), 200);
    let hanging = hang(&mut backend, ServiceKind::Recommendations).await;
    let page = backend.get("/home/7");
    tokio::pin!(page);
    // Ten times the time limit that is switched off.
    let waited = tokio::time::timeout(Duration::from_secs(3), &mut page).await;
    assert!(waited.is_err(), "nothing bounds the call");
    for task in &hanging {
        task.abort();
    }
}

#[tokio::test]
async fn one_dead_instance_of_each_stateless_service_costs_nobody_a_page() {
    // What is dead refuses at once, so no limit is needed to notice it.
    let mut backend = Backend::start(settings(&[("timeouts", "disabled")])).await;
    for kind in ["recommendations-0", "catalog-1", "playback-0", "edge-1"] {
        backend.kill(kind).await;
    }
    for n in 1..=30 {
        let home = backend.get(&format!("/home/{n}")).await;
        assert_eq!(
            (home.status().as_u16(), fallback(&home)),
            (200, String::new()),
            "home {n}"
        );
        let licence = backend.licence(n).await;
        let segment = backend.watch(&format!("/watch/{n}/0"), &licence).await;
        assert_eq!(segment.status(), 200, "watch {n}");
    }
}

/// Titles whose segments stay with this edge.
fn titles_of(edge: &str) -> Vec<u64> {
    let other = if edge == "edge-0" { "edge-1" } else { "edge-0" };
    let is_of = |title: &u64| rendezvous(*title, edge) > rendezvous(*title, other);
    (1..=200).filter(is_of).collect()
}

#[tokio::test]
async fn an_edge_that_hangs_costs_no_viewer_a_segment_and_opens_no_breaker() {
    let mut backend = Backend::start(settings(&[("segment_size", "64KiB")])).await;
    let (theirs, others) = (titles_of("edge-0"), titles_of("edge-1"));
    let licence = backend.licence(theirs[0]).await;
    let other_licence = backend.licence(others[0]).await;
    let _hanging = hang_one(&mut backend, "edge-0").await;
    // More at once than a breaker needs to judge, all of them where the hanging edge is first.
    let paths: Vec<String> = (0..25)
        .map(|n| format!("/watch/{}/{n}", theirs[0]))
        .collect();
    let segments = paths.iter().map(|path| backend.watch(path, &licence));
    for segment in futures_util::future::join_all(segments).await {
        assert_eq!(segment.status(), 200, "{}", segment.text().await.unwrap());
    }
    let command = backend.host("gateway-0").commands.get("edge").unwrap();
    assert_eq!(command.breaker().opened_count(), 0);
    let path = format!("/watch/{}/0", others[0]);
    assert_eq!(backend.watch(&path, &other_licence).await.status(), 200);
}

#[tokio::test]
async fn without_retries_a_hanging_edge_takes_the_living_one_with_it() {
    let settings = settings(&[("segment_size", "64KiB"), ("retries", "disabled")]);
    let mut backend = Backend::start(settings).await;
    let title = titles_of("edge-0")[0];
    let licence = backend.licence(title).await;
    let _hanging = hang_one(&mut backend, "edge-0").await;
    let paths: Vec<String> = (0..25).map(|n| format!("/watch/{title}/{n}")).collect();
    let segments = paths.iter().map(|path| backend.watch(path, &licence));
    for segment in futures_util::future::join_all(segments).await {
        assert_eq!(segment.status(), 503);
    }
    let command = backend.host("gateway-0").commands.get("edge").unwrap();
    let opened = |_: &Backend| command.breaker_state() == BreakerState::Open;
    backend.until("the breaker opens", opened).await;
}

#[tokio::test]
async fn without_retries_a_dead_instance_is_noticed() {
    let mut backend = Backend::start(settings(&[("retries", "disabled")])).await;
    backend.kill("playback-0").await;
    // All at once, before anyone can have learned that the instance is dead.
    let paths: Vec<String> = (1..=10).map(|n| format!("/play/{n}")).collect();
    let plays = paths.iter().map(|path| backend.get(path));
    let plays = futures_util::future::join_all(plays).await;
    let failed = plays.iter().filter(|play| play.status() == 503).count();
    assert!((1..10).contains(&failed), "{failed}");
}

#[tokio::test]
async fn a_dead_cache_costs_time_but_no_page_and_no_data() {
    // However much time: what is dead refuses at once, so no limit is needed to notice it.
    let mut backend = Backend::start(settings(&[("timeouts", "disabled")])).await;
    assert_eq!(backend.get("/home/7").await.status(), 200);
    backend.kill("cache-0").await;
    assert_eq!(backend.get("/home/7").await.status(), 200);
    backend.kill("cache-1").await;
    for profile in [7, 8] {
        let response = backend.get(&format!("/home/{profile}")).await;
        assert_eq!(
            (response.status().as_u16(), fallback(&response)),
            (200, String::new())
        );
    }
}

#[tokio::test]
async fn without_the_store_behind_it_a_cache_outage_is_an_outage() {
    let settings = settings(&[("store_fallback", "disabled"), ("timeouts", "disabled")]);
    let mut backend = Backend::start(settings).await;
    assert_eq!(
        backend.get("/home/7").await.status(),
        200,
        "a cold cache still fills"
    );
    backend.kill("cache-0").await;
    let response = backend.get("/home/7").await;
    let other_zone = (response.status().as_u16(), fallback(&response));
    assert_eq!(other_zone, (200, String::new()), "the other zone has it");
    backend.kill("cache-1").await;
    let response = backend.get("/home/7").await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}

/// Whether the list of what is popular everywhere and its first page of titles are in the cache.
async fn default_page_is_cached(backend: &Backend) -> bool {
    let cache = EvCache::new(backend.host("gateway-0")).unwrap();
    let deadline = backend.host("gateway-0").own_deadline(Instant::now());
    let list = "popularity:world".to_owned();
    let lookup = cache.get(std::slice::from_ref(&list), deadline).await;
    let Some(popular) = lookup.json::<Vec<PopularTitle>>(&list) else {
        return false;
    };
    let ids = popular.iter().take(40).map(|title| title.id);
    let keys: Vec<String> = ids.map(Record::cache_key).collect();
    cache.get(&keys, deadline).await.found.len() == keys.len()
}

#[tokio::test]
async fn a_dead_store_leaves_cached_pages_and_one_for_anyone() {
    let mut backend = Backend::start(Settings::default()).await;
    let before = page_but_for(&backend, "/home/7", "").await;
    let config = backend.host("store-0").config.clone();
    let started = Instant::now();
    while !default_page_is_cached(&backend).await {
        assert!(started.elapsed() < HANG, "nobody cached the default page");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    backend.kill("store-0").await;
    let after: serde_json::Value = backend.get("/home/7").await.json().await.unwrap();
    assert_eq!(after, before);
    let stranger = backend.get("/home/4711").await;
    assert_eq!(stranger.status(), 200);
    assert!(!fallback(&stranger).is_empty());
    let profile = generate::profiles(42).nth(4710).unwrap();
    let page: serde_json::Value = stranger.json().await.unwrap();
    assert!(titles(&page).len() >= 20);
    for row in page["rows"].as_array().unwrap() {
        for title in row["titles"].as_array().unwrap() {
            let age = title["maturity_age"].as_u64().unwrap();
            assert!(
                age <= profile.maturity_age_max.into(),
                "{profile:?}: {title}"
            );
        }
    }
    backend.restart(config).await;
    while !fallback(&backend.get("/home/4711").await).is_empty() {
        assert!(started.elapsed() < HANG, "the store is not used again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn pages_go_on_without_discovery_and_an_instance_that_leaves_is_forgotten() {
    let mut backend = Backend::start(Settings::default()).await;
    backend.stop("catalog-0").await;
    backend
        .until("catalog-0 is forgotten", |backend| {
            backend
                .host("gateway-0")
                .directory
                .instances("catalog")
                .len()
                == 1
        })
        .await;
    backend.kill("discovery-0").await;
    for profile in 1..=5 {
        assert_eq!(backend.get(&format!("/home/{profile}")).await.status(), 200);
    }
}

#[tokio::test]
async fn without_a_copy_of_the_registry_nobody_is_known_once_discovery_is_gone() {
    let mut backend = Backend::start(Settings {
        registry_copy: Switch::Disabled,
        ..Settings::default()
    })
    .await;
    backend.kill("discovery-0").await;
    backend
        .until("the gateway knows nobody", |backend| {
            let listing = backend.host("gateway-0").directory.listing();
            listing.services.values().all(Vec::is_empty)
        })
        .await;
    assert_eq!(backend.get("/home/7").await.status(), 503);
    assert_eq!(backend.get("/play/1").await.status(), 503);
}

#[tokio::test]
async fn a_licence_that_cannot_be_signed_denies_the_play_and_nothing_else() {
    let backend = Backend::start(Settings::default()).await;
    for instance in ["playback-0", "playback-1"] {
        let drm = backend.host(instance).commands.get("drm").unwrap();
        let mut properties = (*drm.properties()).clone();
        properties.circuit_breaker_force_open = true;
        drm.set_properties(properties).unwrap();
    }
    assert_eq!(backend.get("/play/1").await.status(), 503);
    assert_eq!(backend.get("/home/7").await.status(), 200);
}
