//! What travels through the layers: a request with its deadline and the number of its attempt.

use std::time::{Duration, Instant};

use http::Request;

use crate::{Deadline, DeadlineError, Priority, Tried};

/// A request on its way through the layers.
#[derive(Debug, Clone)]
pub struct Call<R> {
    /// What the innermost service is asked.
    pub request: R,
    /// When the caller gives up, and whether the call may be sent twice.
    pub options: CallOptions,
    /// 0 for the first attempt, 1 for the first retry; a hedge has the number after the attempt it
    /// runs beside.
    pub attempt: u32,
    /// Whether this attempt runs beside another of the same call.
    pub is_hedge: bool,
    /// The instances this call has been sent to.
    pub tried: Tried,
}

impl<R> Call<R> {
    /// The first attempt of `request`.
    pub fn new(request: R, options: impl Into<CallOptions>) -> Self {
        Self {
            request,
            options: options.into(),
            attempt: 0,
            is_hedge: false,
            tried: Tried::default(),
        }
    }

    /// The same call with another request made of its own.
    pub fn map<Q>(self, change: impl FnOnce(R) -> Q) -> Call<Q> {
        let (call, request) = self.split();
        Call {
            request: change(request),
            options: call.options,
            attempt: call.attempt,
            is_hedge: call.is_hedge,
            tried: call.tried,
        }
    }

    /// The call without its request, and that.
    pub fn split(self) -> (Call<()>, R) {
        let call = Call {
            request: (),
            options: self.options,
            attempt: self.attempt,
            is_hedge: self.is_hedge,
            tried: self.tried,
        };
        (call, self.request)
    }

    /// What the work of this call is told.
    pub fn attempt(&self) -> Attempt {
        Attempt {
            deadline: self.options.deadline,
            number: self.attempt,
            is_hedge: self.is_hedge,
            tried: self.tried.clone(),
        }
    }
}

/// What a caller says about one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOptions {
    /// When the caller gives up.
    pub deadline: Deadline,
    /// Whether doing the call twice is the same as doing it once. Only such calls are retried.
    pub idempotent: bool,
    /// What it is worth when not all calls can be made.
    pub priority: Priority,
}

impl CallOptions {
    /// A call that must not be retried.
    pub fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            idempotent: false,
            priority: Priority::default(),
        }
    }

    /// A call that may be retried.
    pub fn idempotent(deadline: Deadline) -> Self {
        Self {
            idempotent: true,
            ..Self::new(deadline)
        }
    }

    /// The same call, worth so much.
    #[must_use]
    pub fn of_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// The options of an HTTP request that arrived at `now`: the deadline its caller sent, but not
    /// beyond `budget`; idempotent by its method; of the priority its caller sent.
    ///
    /// # Errors
    /// The deadline header cannot be understood.
    pub fn of_http<B>(
        request: &Request<B>,
        now: Instant,
        budget: Duration,
    ) -> Result<Self, DeadlineError> {
        let sent = Deadline::from_headers(request.headers(), now)?;
        let deadline = sent.map_or(Deadline::after(now, budget), |sent| {
            sent.tightened(now, budget)
        });
        Ok(Self {
            deadline,
            idempotent: request.method().is_idempotent(),
            priority: Priority::from_headers(request.headers()),
        })
    }
}

impl From<Deadline> for CallOptions {
    fn from(deadline: Deadline) -> Self {
        Self::new(deadline)
    }
}

/// What the work of one attempt is told. [`Balancer::pick`](crate::balance::Balancer::pick) chooses
/// an instance by it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The deadline to hand on to the next service: the earlier of the caller's and the command's
    /// own timeout.
    pub deadline: Deadline,
    /// 0 for the first attempt; a retry picks the next instance by it. A hedge has the number
    /// after the attempt it runs beside.
    pub number: u32,
    /// Whether it runs beside another attempt of the same call.
    pub is_hedge: bool,
    /// The instances this call has been sent to.
    pub tried: Tried,
}

impl Attempt {
    /// The only attempt of a call, where no layer makes any.
    pub fn only(deadline: Deadline) -> Self {
        Call::new((), deadline).attempt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_request_brings_its_own_deadline_within_the_budget() {
        let now = Instant::now();
        let budget = Duration::from_secs(1);
        for (sent_ms, left_ms) in [(None, 1000), (Some("200"), 200), (Some("9000"), 1000)] {
            let mut request = Request::get("/home/7").body(()).unwrap();
            if let Some(ms) = sent_ms {
                request
                    .headers_mut()
                    .insert(Deadline::HEADER, ms.parse().unwrap());
            }
            let options = CallOptions::of_http(&request, now, budget).unwrap();
            assert_eq!(
                options.deadline.remaining(now),
                Duration::from_millis(left_ms)
            );
            assert!(options.idempotent);
        }
        let post = Request::post("/play/7").body(()).unwrap();
        assert!(!CallOptions::of_http(&post, now, budget).unwrap().idempotent);
    }
}
