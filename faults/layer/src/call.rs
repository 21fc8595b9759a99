//! What decides over one call beside chance: whether it asks for faults, and
//! what it belongs to.

use std::sync::Arc;

/// What a fault may know about a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The points whose faults it asks for, separated by commas. Asking alone
    /// does nothing: it chooses among faults that were set
    /// [for those who ask](crate::Plan::only_asked).
    pub asked: Option<Arc<str>>,
    /// What it belongs to: a request, a user. Calls of one flow meet the same
    /// decision at a point, as often as they come, in every run with the same
    /// seed. Without one, the nth call at a point meets the nth decision.
    pub flow: Option<u64>,
}

impl Call {
    /// Whether it asks for the faults of a point.
    #[must_use]
    pub fn asks_for(&self, point: &str) -> bool {
        let asked = self.asked.iter().flat_map(|points| points.split(','));
        asked.map(str::trim).any(|asked| asked == point)
    }
}

/// How a layer gets to know about a call: from its request.
pub trait Reads<Request> {
    /// What `request` says. Asked only while a fault is set somewhere.
    fn read(&self, request: &Request) -> Call;
}

/// Reads nothing: nobody asks, and flows are not told apart.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blind;

impl<Request> Reads<Request> for Blind {
    fn read(&self, _: &Request) -> Call {
        Call::default()
    }
}

/// A function of the request.
impl<Request, F: Fn(&Request) -> Call> Reads<Request> for F {
    fn read(&self, request: &Request) -> Call {
        self(request)
    }
}

/// Reads the headers of an HTTP request: `x-squall-fault: POINT, POINT` asks,
/// `x-request-id` is its flow.
#[cfg(any(test, feature = "http"))]
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers;

#[cfg(any(test, feature = "http"))]
impl<Body> Reads<http::Request<Body>> for Headers {
    fn read(&self, request: &http::Request<Body>) -> Call {
        let header = |name| request.headers().get(name)?.to_str().ok();
        Call {
            asked: header("x-squall-fault").map(Into::into),
            flow: header("x-request-id").map(|id| crate::chance::stream(0, id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_who_asks_for_what() {
        let request = http::Request::builder()
            .header("x-squall-fault", "prices, store.write")
            .header("x-request-id", "17");
        let call = Headers.read(&request.body(()).unwrap());
        assert!(call.asks_for("prices") && call.asks_for("store.write"));
        assert!(!call.asks_for("store") && !call.asks_for(""));
        let other = http::Request::builder().header("x-request-id", "18");
        assert_ne!(call.flow, Headers.read(&other.body(()).unwrap()).flow);
        let silent = Headers.read(&http::Request::new(()));
        assert_eq!(silent, Call::default());
        assert!(!silent.asks_for("prices"));
    }
}
