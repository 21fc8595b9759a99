//! A shop that asks another service for its prices, behind three layers: a timeout, a circuit
//! breaker and a fallback on the last price. One program plays both services.
//!
//! `shop PORT [PRICES_URL protected|unprotected]`

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Router, routing::get};
use squall_resilience::layers::{
    CircuitBreakerLayer, ClassifyLayer, FallbackFn, FallbackLayer, TimeoutLayer,
};
use squall_resilience::{Call, Command, CommandError, Deadline, Properties};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// What the prices answer; an error is a sentence.
async fn ask(client: reqwest::Client, url: String) -> Result<String, String> {
    let answer = client
        .get(url)
        .send()
        .await
        .and_then(|answer| answer.error_for_status());
    let text = async { answer?.text().await };
    text.await.map_err(|error| error.to_string())
}

fn unprotected(url: String) -> Router {
    let client = reqwest::Client::new();
    let sell = async move || match ask(client, url).await {
        Ok(price) => (StatusCode::OK, price),
        Err(error) => (StatusCode::BAD_GATEWAY, error),
    };
    Router::new().route("/", get(sell))
}

fn protected(url: String) -> Result<Router, Box<dyn Error>> {
    let properties = Properties::builder().execution_timeout_ms(200).build()?;
    let prices = Command::new("prices", "shop", properties)?;
    let client = reqwest::Client::new();
    let last = Arc::new(Mutex::new("not yet known".to_owned()));
    let remember = last.clone();
    let asking = service_fn(move |_: Call<()>| {
        let (asked, remember) = (ask(client.clone(), url.clone()), remember.clone());
        async move {
            let price = asked.await?;
            *remember.lock().unwrap_or_else(PoisonError::into_inner) = price.clone();
            Ok::<_, String>(price)
        }
    });
    let stale = FallbackFn(move |_: Call<()>, _: &CommandError<String>| {
        std::future::ready(Ok(last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()))
    });
    let layered = ServiceBuilder::new()
        .layer(FallbackLayer::new(prices.clone(), stale))
        .layer(CircuitBreakerLayer::new(prices.clone()))
        .layer(TimeoutLayer::new(prices.clone()))
        .layer(ClassifyLayer)
        .service(asking);
    let sell = async move || {
        let deadline = Deadline::after(prices.now(), Duration::from_secs(1));
        match layered.oneshot(Call::new((), deadline)).await {
            Ok(price) => (StatusCode::OK, price),
            Err(error) => (error.http_status(), error.to_string()),
        }
    };
    Ok(Router::new().route("/", get(sell)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (port, service) = match words[..] {
        [port] => (port, Router::new().route("/", get(async || "42"))),
        [port, url, "protected"] => (port, protected(url.to_owned())?),
        [port, url, "unprotected"] => (port, unprotected(url.to_owned())),
        _ => return Err("shop PORT [PRICES_URL protected|unprotected]".into()),
    };
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    Ok(axum::serve(listener, service).await?)
}
