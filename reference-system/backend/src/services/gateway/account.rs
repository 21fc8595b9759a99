//! `/sign-up`, `/sign-in` and `/account…`: passed on to the user service, and what follows from a
//! change for what is cached.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::value::RawValue;
use squall_resilience::Deadline;

use super::Gateway;
use crate::platform::remote::Ask;
use crate::platform::reply::Failure;
use crate::services::user::{Account, Gone};

/// The handler. Nothing stands in for the user service here: who cannot be asked cannot vouch.
pub(super) async fn account(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut ask = Ask::get(path)
        .with_method(method.clone())
        .authorized_as(&headers);
    if !body.is_empty() {
        let json: Box<RawValue> = serde_json::from_slice(&body).map_err(|error| {
            Failure::new(StatusCode::BAD_REQUEST, format!("{error}; send JSON"))
        })?;
        ask = ask.with_body(&json);
    }
    // What makes an account or a profile makes another one when it is repeated, and what is gone
    // is not there to be removed again.
    let makes = method == Method::POST && uri.path() != "/sign-in";
    if makes || method == Method::DELETE {
        ask = ask.once();
    }
    let reply = gateway.accounts.ask(&ask, deadline, Ok).await;
    let reply = reply.map_err(|error| Failure::of("user", &error))?;
    gateway.note_change(&method, uri.path(), &reply.body);
    let status = match makes {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let kind = reply.headers.get(header::CONTENT_TYPE).cloned();
    let headers = kind.map(|kind| (header::CONTENT_TYPE, kind));
    Ok((status, HeaderMap::from_iter(headers), reply.body).into_response())
}

impl Gateway {
    /// What was changed is not to be read from the cache as it was. A page that is being made at
    /// this moment may still show it, and put it back for as long as such an entry lives.
    fn note_change(&self, method: &Method, path: &str, said: &[u8]) {
        if *method == Method::PATCH
            && let Ok(account) = serde_json::from_slice::<Account>(said)
        {
            account
                .viewers()
                .iter()
                .for_each(|profile| self.know_profile(profile.id, Some(profile)));
        }
        if *method == Method::DELETE {
            let gone = serde_json::from_slice::<Gone>(said).map(|gone| gone.profiles);
            let removed = path.rsplit('/').next().and_then(|id| id.parse().ok());
            let gone = gone.unwrap_or_else(|_| removed.into_iter().collect());
            gone.into_iter()
                .filter_map(|id| u32::try_from(id).ok())
                .for_each(|id| self.know_profile(id, None));
        }
    }
}
