//! What requests carry reaches whoever is asked to answer them.

use std::sync::{Arc, Mutex};

use axum::Router;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::backend::{Backend, HANG};
use crate::service::ServiceKind;
use crate::settings::Settings;

const SCOPE: &str = "x-fault-scope";

/// The scopes of what an instance was asked, after it was replaced by one that only fails.
type Asked = Arc<Mutex<Vec<Option<String>>>>;

async fn replace(backend: &mut Backend, name: &str) -> Asked {
    let address = backend.host(name).config.listen;
    backend.kill(name).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let asked = Asked::default();
    let heard = Arc::clone(&asked);
    let fails = Router::new().fallback(move |headers: HeaderMap| async move {
        let scope = headers
            .get(SCOPE)
            .map(|scope| scope.to_str().unwrap().to_owned());
        heard.lock().unwrap().push(scope);
        StatusCode::INTERNAL_SERVER_ERROR
    });
    tokio::spawn(async move { axum::serve(listener, fails).await });
    asked
}

async fn get(backend: &Backend, instance: &str, path: &str, scope: Option<&str>) {
    let address = backend.host(instance).config.listen;
    let mut request = backend.http.get(format!("http://{address}{path}"));
    if let Some(scope) = scope {
        request = request.header(SCOPE, scope);
    }
    let answered = tokio::time::timeout(HANG, request.send()).await;
    answered.unwrap().unwrap();
}

#[tokio::test]
async fn a_scope_is_carried_from_service_to_service_and_no_further_than_its_request() {
    let mut backend = Backend::start(Settings::default()).await;
    let store = replace(&mut backend, "store-0").await;
    let mut recommendations = Vec::new();
    for n in 0..2 {
        let name = format!("{}-{n}", ServiceKind::Recommendations);
        recommendations.push(replace(&mut backend, &name).await);
    }
    let with = |asked: &Asked, scope: &str| {
        let asked = asked.lock().unwrap();
        asked.iter().any(|said| said.as_deref() == Some(scope))
    };

    get(&backend, "gateway-0", "/home/11", Some("v1;sig=00")).await;
    assert!(recommendations.iter().any(|asked| with(asked, "v1;sig=00")));
    get(
        &backend,
        "catalog-0",
        "/titles?ids=14999",
        Some("v1;sig=01"),
    )
    .await;
    assert!(with(&store, "v1;sig=01"));

    // A connection that carried one before carries none for the next request.
    recommendations
        .iter()
        .for_each(|asked| asked.lock().unwrap().clear());
    get(&backend, "gateway-0", "/home/12", None).await;
    let asked = |asked: &Asked| asked.lock().unwrap().clone();
    let asked: Vec<Option<String>> = recommendations.iter().flat_map(asked).collect();
    assert!(
        !asked.is_empty() && asked.iter().all(Option::is_none),
        "{asked:?}"
    );
}
