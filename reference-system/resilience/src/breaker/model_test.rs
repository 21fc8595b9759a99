//! The breaker against a model of itself: random calls, ends, drops, waits and forced states.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

pub(super) const BUCKET_MS: u64 = 100;
pub(super) const BUCKETS: u64 = 30;
pub(super) const VOLUME: usize = 3;
pub(super) const SLEEP_MS: u64 = 1000;
const LEASE_MS: u64 = 1500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Normal,
    ForceOpen,
    ForceClosed,
    Disabled,
}

#[derive(Debug, Clone)]
enum Op {
    Admit,
    Ok(usize),
    Err(usize),
    Cancel(usize),
    Advance(u64),
    Force(Mode),
}

fn op() -> impl Strategy<Value = Op> {
    let mode = prop_oneof![
        4 => Just(Mode::Normal),
        1 => Just(Mode::ForceOpen),
        1 => Just(Mode::ForceClosed),
        1 => Just(Mode::Disabled),
    ];
    prop_oneof![
        10 => Just(Op::Admit),
        3 => any::<usize>().prop_map(Op::Ok),
        8 => any::<usize>().prop_map(Op::Err),
        2 => any::<usize>().prop_map(Op::Cancel),
        6 => prop_oneof![0..150u64, Just(SLEEP_MS), Just(SLEEP_MS + 1),
            Just(LEASE_MS), Just(LEASE_MS + 1)].prop_map(Op::Advance),
        1 => mode.prop_map(Op::Force),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    epoch: u64,
    is_probe: bool,
}

/// What the breaker should do, in plain words and without any concern for speed.
struct Model {
    now_ms: u64,
    mode: Mode,
    state: BreakerState,
    epoch: u64,
    due_ms: u64,
    sent_ms: u64,
    counted: Vec<(u64, bool)>,
}

impl Model {
    fn enter(&mut self, state: BreakerState, due_ms: u64) {
        (self.state, self.due_ms) = (state, due_ms);
        self.epoch += 1;
    }

    fn evaluate(&mut self) {
        let bucket = self.now_ms / BUCKET_MS;
        let completed = |ms: u64| ms / BUCKET_MS < bucket && ms / BUCKET_MS + BUCKETS >= bucket;
        let seen: Vec<bool> = self
            .counted
            .iter()
            .filter(|(ms, _)| completed(*ms))
            .map(|(_, ok)| *ok)
            .collect();
        let errors = seen.iter().filter(|ok| !**ok).count();
        let trips = seen.len() >= VOLUME && errors * 2 >= seen.len();
        let may_trip = matches!(self.mode, Mode::Normal | Mode::ForceOpen);
        if trips && self.state == BreakerState::Closed && may_trip {
            self.enter(BreakerState::Open, self.now_ms + SLEEP_MS);
        }
    }

    fn admit(&mut self) -> Option<Token> {
        if self.mode == Mode::ForceOpen {
            return None;
        }
        self.evaluate();
        if self.state == BreakerState::Closed || self.mode != Mode::Normal {
            return Some(Token {
                epoch: self.epoch,
                is_probe: false,
            });
        }
        if self.now_ms <= self.due_ms {
            return None;
        }
        self.sent_ms = self.now_ms;
        self.enter(BreakerState::HalfOpen, self.now_ms + LEASE_MS);
        Some(Token {
            epoch: self.epoch,
            is_probe: true,
        })
    }

    /// `ok` is none for a call that was dropped.
    fn end(&mut self, token: Token, ok: Option<bool>) {
        if token.epoch != self.epoch {
            return;
        }
        match (token.is_probe, ok) {
            (true, Some(true)) => {
                self.counted.clear();
                self.enter(BreakerState::Closed, 0);
            }
            (true, _) => self.enter(BreakerState::Open, self.sent_ms + SLEEP_MS),
            (false, Some(ok)) if self.state == BreakerState::Closed => {
                self.counted.push((self.now_ms, ok))
            }
            (false, _) => {}
        }
    }

    fn shown(&mut self) -> BreakerState {
        match self.mode {
            Mode::Disabled => return BreakerState::Closed,
            Mode::ForceOpen => return BreakerState::Open,
            Mode::ForceClosed | Mode::Normal => self.evaluate(),
        }
        if self.mode == Mode::ForceClosed {
            BreakerState::Closed
        } else {
            self.state
        }
    }
}

pub(super) fn rules(mode: Mode) -> BreakerRules {
    BreakerRules {
        enabled: mode != Mode::Disabled,
        force_open: mode == Mode::ForceOpen,
        force_closed: mode == Mode::ForceClosed,
        request_volume_threshold: VOLUME as u64,
        error_threshold_percentage: 50,
        sleep_window: Duration::from_millis(SLEEP_MS),
        probe_lease: Duration::from_millis(LEASE_MS),
        ..BreakerRules::default()
    }
}

/// A core written down from the trait's words, to show that the seam holds more than one.
struct PlainCore(Mutex<(BreakerState, Instant)>);

impl BreakerCore for PlainCore {
    fn trip(&self, now: Instant, sleep_window: Duration) -> BreakerState {
        *self.0.lock().unwrap() = (BreakerState::Open, now + sleep_window);
        BreakerState::Open
    }

    fn try_half_open(&self, now: Instant) -> BreakerState {
        let mut inner = self.0.lock().unwrap();
        if inner.0 == BreakerState::Open && now > inner.1 {
            inner.0 = BreakerState::HalfOpen;
        }
        inner.0
    }

    fn probe_succeeded(&self, _now: Instant) -> BreakerState {
        self.0.lock().unwrap().0 = BreakerState::Closed;
        BreakerState::Closed
    }

    fn probe_failed(&self, probe_sent: Instant, sleep_window: Duration) -> BreakerState {
        let mut inner = self.0.lock().unwrap();
        (inner.0, inner.1) = (BreakerState::Open, probe_sent + sleep_window);
        BreakerState::Open
    }
}

/// The breaker and its model side by side.
struct Pair {
    origin: Instant,
    breaker: Breaker,
    model: Model,
    running: Vec<(CallGuard, Token)>,
    probes_ms: Vec<u64>,
}

impl Pair {
    fn new<C: BreakerCore>(core: impl FnOnce(Instant) -> C) -> Self {
        let origin = Instant::now();
        let breaker = Breaker::builder(rules(Mode::Normal))
            .window(Duration::from_millis(BUCKET_MS), BUCKETS)
            .core(core(origin))
            .build(origin);
        let model = Model {
            now_ms: 0,
            mode: Mode::Normal,
            state: BreakerState::Closed,
            epoch: 0,
            due_ms: 0,
            sent_ms: 0,
            counted: Vec::new(),
        };
        Self {
            origin,
            breaker,
            model,
            running: Vec::new(),
            probes_ms: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        self.origin + Duration::from_millis(self.model.now_ms)
    }

    fn admit(&mut self) -> Result<bool, TestCaseError> {
        let expected = self.model.admit();
        let found = CallGuard::admit(&self.breaker, self.now());
        prop_assert_eq!(
            found.is_ok(),
            expected.is_some(),
            "at {} ms: {:?}",
            self.model.now_ms,
            found
        );
        if let (Ok(guard), Some(token)) = (found, expected) {
            prop_assert_eq!(guard.is_probe(), token.is_probe);
            if token.is_probe {
                self.probes_ms.push(self.model.now_ms);
            }
            self.running.push((guard, token));
        }
        Ok(expected.is_some())
    }

    fn end(&mut self, which: usize, ok: Option<bool>) -> Result<(), TestCaseError> {
        if self.running.is_empty() {
            return Ok(());
        }
        let (guard, token) = self.running.swap_remove(which % self.running.len());
        let before = self.breaker.state(self.now());
        let stale = !token.is_probe || token.epoch != self.breaker.0.mirror.read().epoch();
        match ok {
            Some(true) => guard.success(self.now()),
            Some(false) => guard.failure(self.now()),
            None => drop(guard),
        }
        self.model.evaluate_unless_hidden();
        self.model.end(token, ok);
        if stale {
            prop_assert_eq!(
                self.breaker.state(self.now()),
                before,
                "only the current probe changes the state"
            );
        }
        Ok(())
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Admit => drop(self.admit()?),
            Op::Ok(which) => self.end(which, Some(true))?,
            Op::Err(which) => self.end(which, Some(false))?,
            Op::Cancel(which) => self.end(which, None)?,
            Op::Advance(ms) => self.model.now_ms += ms,
            Op::Force(mode) => self.force(mode),
        }
        prop_assert_eq!(
            self.breaker.state(self.now()),
            self.model.shown(),
            "after {:?}",
            op
        );
        Ok(())
    }

    fn force(&mut self, mode: Mode) {
        self.model.mode = mode;
        self.breaker.set_rules(rules(mode));
    }

    fn check_probes(&self) -> Result<(), TestCaseError> {
        for pair in self.probes_ms.windows(2) {
            prop_assert!(
                pair[1] - pair[0] > SLEEP_MS,
                "two probes in one sleep window: {:?}",
                self.probes_ms
            );
        }
        Ok(())
    }

    /// With a healthy dependency, and once the breaker is open, the next call after the sleep window (or the lease of a probe
    /// that never came back) closes the breaker.
    fn check_liveness(&mut self) -> Result<(), TestCaseError> {
        self.force(Mode::Normal);
        if self.breaker.state(self.now()) == BreakerState::Closed {
            return Ok(());
        }
        self.model.shown();
        self.model.now_ms += LEASE_MS + 1;
        prop_assert!(self.admit()?, "a call is let through");
        self.end(self.running.len() - 1, Some(true))?;
        prop_assert_eq!(self.breaker.0.mirror.read().state(), BreakerState::Closed);
        Ok(())
    }
}

impl Model {
    /// `end` asks the breaker for its state first, which evaluates the window.
    fn evaluate_unless_hidden(&mut self) {
        self.shown();
    }
}

fn check<C: BreakerCore>(ops: &[Op], core: impl FnOnce(Instant) -> C) -> Result<(), TestCaseError> {
    let mut pair = Pair::new(core);
    for op in ops {
        pair.apply(op)?;
    }
    pair.check_probes()?;
    pair.check_liveness()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn on_failsafe_it_does_what_the_model_does(ops in vec(op(), 1..150)) {
        check(&ops, FailsafeCore::new)?;
    }

    #[test]
    fn on_another_core_it_does_what_the_model_does(ops in vec(op(), 1..150)) {
        check(&ops, |origin| PlainCore(Mutex::new((BreakerState::Closed, origin))))?;
    }
}
