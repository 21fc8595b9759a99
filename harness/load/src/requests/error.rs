//! What keeps a request of the scenario from being sent.

use squall_scenario::{Request, RequestPart, RequestProblem, UnknownVariable, Unsendable};

/// A request of the scenario cannot be turned into HTTP.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A placeholder has no value.
    #[error("request `{route}`: {source}; give it under `load: data:`")]
    UnknownVariable {
        /// The request's name.
        route: String,
        /// The placeholder.
        source: UnknownVariable,
    },
    /// A value that cannot be sent where it stands.
    #[error("request `{route}`: `${name}` is {value:?}, and {why}")]
    Value {
        /// The request's name.
        route: String,
        /// The placeholder.
        name: String,
        /// Its value.
        value: String,
        /// Why it cannot be sent.
        why: Unsendable,
    },
    /// A text of the scenario that cannot be sent as it is written.
    #[error("request `{route}`: {part} cannot be sent: {why}")]
    Text {
        /// The request's name.
        route: String,
        /// Which part.
        part: RequestPart,
        /// Why it cannot be sent.
        why: Unsendable,
    },
    /// A step of a journey takes what cannot be taken.
    #[error("step `{route}`: {why}")]
    Take {
        /// The step's name.
        route: String,
        /// Why.
        why: String,
    },
    /// A method, header name or header value that HTTP does not allow.
    #[error("request `{route}`: {part} {text:?} is not valid in HTTP")]
    Invalid {
        /// The request's name.
        route: String,
        /// Which part.
        part: &'static str,
        /// The text.
        text: String,
    },
    /// A call whose message cannot be made.
    #[error("call `{route}`: {why}")]
    Call {
        /// The request's name.
        route: String,
        /// Why.
        why: String,
    },
}

pub(super) fn refused(request: &Request, problem: RequestProblem) -> RequestError {
    let route = request.name.clone();
    match problem {
        RequestProblem::Text { part, why } => RequestError::Text { route, part, why },
        RequestProblem::Value {
            name, value, why, ..
        } => RequestError::Value {
            route,
            name,
            value,
            why,
        },
    }
}

pub(super) fn invalid(route: &str, part: &'static str, text: &str) -> RequestError {
    RequestError::Invalid {
        route: route.to_owned(),
        part,
        text: text.to_owned(),
    }
}
