//! The calls in their order, for rules that need it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use failsafe::FailurePolicy;

use super::failsafe_core::PrivateClock;
use super::{BreakerRules, Why};

/// Kept behind a lock, and only where a rule asks for it.
pub(super) struct Ledger {
    streak: u32,
    /// Whether each of the last calls failed, the oldest first.
    last: VecDeque<bool>,
    errors: u32,
    policy: Option<(Box<dyn FailurePolicy + Send>, PrivateClock)>,
}

/// That the breaker has to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) why: Why,
    /// For how long, where it is not the rules' sleep window.
    pub(super) sleep: Option<Duration>,
}

impl Ledger {
    pub(super) fn new(policy: Option<Box<dyn FailurePolicy + Send>>, now: Instant) -> Self {
        Self {
            streak: 0,
            last: VecDeque::new(),
            errors: 0,
            policy: policy.map(|policy| (policy, PrivateClock::new(now))),
        }
    }

    pub(super) fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    /// Writes down how a call ended at `now`.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        ok: bool,
        rules: &BreakerRules,
    ) -> Option<Verdict> {
        self.streak = if ok { 0 } else { self.streak.saturating_add(1) };
        // Rules that ask for fewer than before leave more than one to go.
        let most = rules.last_calls.map_or(0, |calls| calls.get());
        self.last.push_back(!ok);
        self.errors += u32::from(!ok);
        while self.last.len() > usize::try_from(most).unwrap_or(usize::MAX) {
            self.errors -= u32::from(self.last.pop_front() == Some(true));
        }
        let sleep = self.policy_says(now, ok);
        let why = self.streak_says(rules).or_else(|| self.last_say(rules));
        match why {
            Some(why) => Some(Verdict { why, sleep }),
            None => sleep.map(|_| Verdict {
                why: Why::Policy,
                sleep,
            }),
        }
    }

    /// How long the policy wants a breaker asleep whose probe has failed.
    pub(super) fn probe_failed(&mut self, now: Instant) -> Option<Duration> {
        self.policy_says(now, false)
    }

    /// Forgets the calls, but not what a policy knows of them.
    pub(super) fn forget_calls(&mut self) {
        (self.streak, self.errors) = (0, 0);
        self.last.clear();
    }

    /// Forgets all calls: the breaker has closed.
    pub(super) fn forget(&mut self, now: Instant) {
        self.forget_calls();
        if let Some((policy, clock)) = &mut self.policy {
            clock.at(now, || policy.revived());
        }
    }

    fn streak_says(&self, rules: &BreakerRules) -> Option<Why> {
        let most = rules.consecutive_failures?.get();
        (self.streak >= most).then_some(Why::ConsecutiveFailures(self.streak))
    }

    fn last_say(&self, rules: &BreakerRules) -> Option<Why> {
        let calls = rules.last_calls?.get();
        let (errors, threshold_percentage) = (self.errors, rules.error_threshold_percentage);
        let is_full = self.last.len() == usize::try_from(calls).ok()?;
        let fails = u64::from(errors) * 100 >= u64::from(threshold_percentage) * u64::from(calls);
        (is_full && fails).then_some(Why::LastCalls {
            errors,
            calls,
            threshold_percentage,
        })
    }

    fn policy_says(&mut self, now: Instant, ok: bool) -> Option<Duration> {
        let (policy, clock) = self.policy.as_mut()?;
        clock.at(now, || {
            if ok {
                policy.record_success();
                return None;
            }
            policy.mark_dead_on_failure()
        })
    }
}
