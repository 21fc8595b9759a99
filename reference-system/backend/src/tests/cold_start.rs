//! Ready means that the first request succeeds: of every route, at every service, whichever part
//! of the backend comes last.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use super::backend::{Backend, HANG, settings};
use crate::dataset::model::Profile;
use crate::dependencies::needs;
use crate::service::ServiceKind;
use crate::services::playback::StartRequest;
use crate::services::playback::licence::{Licences, Viewer};
use crate::services::recommendations::{RowsQuery, rows_path};
use crate::services::user::dataset::{PASSWORD, email};
use crate::services::user::viewer_path;

/// The services that cannot answer without this one, and itself.
fn stricken(kind: ServiceKind) -> BTreeSet<ServiceKind> {
    let mut stricken = BTreeSet::from([kind]);
    loop {
        let more = ServiceKind::ALL.into_iter().filter(|service| {
            let lacks = |need| stricken.contains(&need);
            let needs = needs(*service);
            needs.iter().any(|need| need.vital && lacks(need.service))
        });
        let more: BTreeSet<ServiceKind> = more.chain(stricken.clone()).collect();
        if more.len() == stricken.len() {
            return stricken;
        }
        stricken = more;
    }
}

/// What a service may be asked first: method, path and body of each of its routes.
fn first_requests(kind: ServiceKind) -> Vec<(Method, String, serde_json::Value)> {
    let get = |path: &str| (Method::GET, path.to_owned(), json!(null));
    let sign_in = || {
        let who = json!({ "email": email(1), "password": PASSWORD });
        (Method::POST, "/sign-in".to_owned(), who)
    };
    match kind {
        ServiceKind::Gateway => (1..=20)
            .flat_map(|n| {
                let (play, home) = (format!("/play/{n}"), format!("/home/{n}"));
                [
                    play,
                    home,
                    format!("/search/{n}?q=silent"),
                    format!("/browse/{n}/drama"),
                ]
            })
            .map(|path| get(&path))
            .chain([get("/watch/1/0"), sign_in()])
            .collect(),
        ServiceKind::Recommendations => {
            let Profile {
                country,
                maturity_age_max,
                ..
            } = Profile::anyone(1);
            let query = RowsQuery {
                country,
                maturity_age_max,
            };
            vec![get(&rows_path(1, &query))]
        }
        ServiceKind::Catalog => {
            let find = json!({ "wanted": { "text": "silent" }, "page": 0, "country": "JP",
                               "maturity_age_max": 18 });
            vec![
                get("/titles?ids=1,2,3"),
                (Method::POST, "/find".to_owned(), find),
            ]
        }
        ServiceKind::Playback => {
            let start = StartRequest {
                title: 1,
                viewer: None,
                device: None,
            };
            vec![(Method::POST, "/start".to_owned(), json!(start))]
        }
        ServiceKind::User => vec![get(&viewer_path(1)), sign_in()],
        ServiceKind::Edge => vec![get("/segment/1/0"), get("/segment/1/0?kbps=5800")],
        ServiceKind::Origin => vec![get("/object/1/0"), get("/object/1/0?kbps=235")],
        ServiceKind::Store => {
            let read = json!({ "table": "titles", "partitions": ["1"], "limit": 1 });
            let scan = json!({ "table": "titles", "limit": 1 });
            vec![
                (Method::POST, "/read".to_owned(), read),
                (Method::POST, "/scan".to_owned(), scan),
            ]
        }
        ServiceKind::Discovery => vec![get("/apps")],
        ServiceKind::Cache => Vec::new(),
    }
}

/// Asks an instance for everything, all at once, the moment it is ready.
async fn ask_when_ready(backend: &Backend, instance: &str) {
    let host = backend.host(instance);
    let ready = tokio::time::timeout(HANG, async {
        while !host.is_ready() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(
        ready.await.is_ok(),
        "{instance} waits for {:?}",
        host.waiting_for()
    );
    let licence = Licences::new(host.config.seed).unwrap();
    let licence = licence.issue(1, Viewer::default(), crate::platform::clock::unix_seconds());
    let requests = first_requests(host.config.kind);
    let asked = requests.iter().map(|(method, path, body)| {
        let url = format!("http://{}{path}", host.config.listen);
        let mut request = backend.http.request(method.clone(), url);
        // Elsewhere it would be taken for a session.
        if path.starts_with("/watch") || path.starts_with("/segment") {
            request = request.bearer_auth(&licence);
        }
        async move {
            let response = request.json(body).send().await.unwrap();
            let status = response.status();
            let text = response.bytes().await.unwrap();
            let text = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
            assert_eq!(status, 200, "the first {path} of {instance}: {text}");
        }
    });
    let asked = tokio::time::timeout(HANG, join_all(asked));
    assert!(asked.await.is_ok(), "{instance} does not answer");
}

async fn starts_with_this_last(last: ServiceKind) {
    // Without time limits, so that a slow machine is not mistaken for a missing dependency.
    let settings = settings(&[("timeouts", "disabled")]);
    let mut backend = Backend::with(settings, |kind| kind != last).await;
    let stricken = stricken(last);
    let expected: Vec<&str> = needs(ServiceKind::Gateway)
        .iter()
        .filter(|need| stricken.contains(&need.service))
        .map(|need| need.service.name())
        .collect();
    if stricken.contains(&ServiceKind::Gateway) {
        let seen = |backend: &Backend| backend.host("gateway-0").waiting_for() == expected;
        backend
            .until("the gateway waits for nothing else", seen)
            .await;
    }
    for running in backend.instances.values() {
        let kind = running.host.config.kind;
        assert!(
            !(stricken.contains(&kind) && running.host.is_ready()),
            "{kind} without {last}"
        );
    }
    backend.add(last).await;
    let instances: Vec<String> = backend.instances.keys().cloned().collect();
    join_all(
        instances
            .iter()
            .map(|instance| ask_when_ready(&backend, instance)),
    )
    .await;
}

#[tokio::test]
async fn the_store_may_come_last() {
    starts_with_this_last(ServiceKind::Store).await;
}

#[tokio::test]
async fn the_cache_may_come_last() {
    starts_with_this_last(ServiceKind::Cache).await;
}

#[tokio::test]
async fn edges_may_come_last() {
    starts_with_this_last(ServiceKind::Edge).await;
}

#[tokio::test]
async fn playback_may_come_last() {
    starts_with_this_last(ServiceKind::Playback).await;
}
