//! The right to make one call, and the duty to say how it ended.

use super::{Admission, Breaker, CircuitOpen, Moment, OnProbeCancel};

/// A call that was admitted. Report its end; a guard that is dropped gives the probe back.
///
/// `B` is what keeps the breaker: a borrow of it for a call in one function, or something of your
/// own, such as a [`Command`](crate::Command), for a future that outlives it.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once gives up its call"]
pub struct CallGuard<B: AsRef<Breaker> = Breaker> {
    holder: B,
    admission: Admission,
    has_ended: bool,
}

impl<B: AsRef<Breaker>> CallGuard<B> {
    /// Asks the breaker of `holder` to make a call at `now`; the guard has a clone of the holder.
    ///
    /// # Errors
    /// The breaker is open, or half-open with its probe on the way.
    #[inline]
    pub fn admit(holder: &B, now: impl Moment) -> Result<Self, CircuitOpen>
    where
        B: Clone,
    {
        let admission = holder.as_ref().0.admit(now)?;
        Ok(Self {
            holder: holder.clone(),
            admission,
            has_ended: false,
        })
    }

    /// The call succeeded at `now`.
    #[inline]
    pub fn success(self, now: impl Moment) {
        self.end(now, true);
    }

    /// The call failed, timed out or was rejected at `now`.
    #[inline]
    pub fn failure(self, now: impl Moment) {
        self.end(now, false);
    }

    /// The call was not made, for a reason that says nothing of the dependency. If it was the probe,
    /// the next call may be.
    pub fn release(mut self) {
        self.has_ended = true;
        if self.admission.is_probe {
            let shared = &self.holder.as_ref().0;
            shared.probe_given_back(self.admission.epoch, OnProbeCancel::Release);
        }
    }

    /// What keeps the breaker.
    pub fn holder(&self) -> &B {
        &self.holder
    }

    /// Whether this call decides over the breaker.
    pub fn is_probe(&self) -> bool {
        self.admission.is_probe
    }

    #[inline]
    fn end(mut self, now: impl Moment, ok: bool) {
        self.has_ended = true;
        let shared = &self.holder.as_ref().0;
        let now_ns = now.since(shared.origin);
        if self.admission.is_probe {
            shared.probe_ended(self.admission.epoch, now_ns, ok);
        } else {
            shared.record(&self.admission, now_ns, ok);
        }
    }
}

impl<B: AsRef<Breaker>> CallGuard<B> {
    #[cold]
    fn give_probe_back(&self) {
        let shared = &self.holder.as_ref().0;
        shared.probe_given_back(self.admission.epoch, shared.rules.load().on_probe_cancel);
    }
}

impl<B: AsRef<Breaker>> Drop for CallGuard<B> {
    #[inline]
    fn drop(&mut self) {
        if self.admission.is_probe && !self.has_ended {
            self.give_probe_back();
        }
    }
}
