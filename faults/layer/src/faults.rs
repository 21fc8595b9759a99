//! Which faults are set where, and whom they strike.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::call::Call;
use crate::chance::{nth, stream, unit};
use crate::injected::{Injected, Report};
use crate::plan::{Action, Plan};
use crate::text::{PlanError, read_list};

tokio::task_local! {
    /// What the layer around a task read off its request.
    pub(crate) static CALL: Call;
}

/// The faults of a service: a handle, cheap to clone, that sets and takes them
/// away while calls come in. Each handle made anew has its own; there is nothing
/// global that tests would share.
#[derive(Clone, Default)]
pub struct Faults(Arc<Set>);

#[derive(Default)]
struct Set {
    seed: u64,
    /// How many are set: while none is, a call costs one look at this.
    count: AtomicUsize,
    by_point: RwLock<HashMap<String, Arc<Armed>>>,
}

/// A fault at work.
struct Armed {
    point: Arc<str>,
    plan: Plan,
    /// Its stream of decisions.
    stream: u64,
    calls: AtomicU64,
    struck: AtomicU64,
    /// Whether it was taken away: whoever waits because of it goes on.
    gone: watch::Sender<bool>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.reports()).finish()
    }
}

impl Faults {
    /// Whether faults were compiled in (feature `active`).
    pub const ACTIVE: bool = true;

    /// No faults yet. The same seed strikes the same calls.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Set {
            seed,
            ..Set::default()
        }))
    }

    /// Those that `text` says: `POINT=PLAN; POINT=PLAN…`.
    ///
    /// # Errors
    /// It says something else; all of it is refused then.
    pub fn parse(seed: u64, text: &str) -> Result<Self, PlanError> {
        let faults = Self::new(seed);
        for (point, plan) in read_list(text)? {
            faults.set(&point, plan);
        }
        Ok(faults)
    }

    /// Those that the environment says: `SQUALL_FAULTS` as for
    /// [`Faults::parse`], `SQUALL_FAULTS_SEED` a number, 0 if there is none.
    ///
    /// # Errors
    /// One of them says something else.
    pub fn from_env() -> Result<Self, PlanError> {
        Self::from_variables(|name| {
            let text = std::env::var_os(name)?;
            Some(text.to_string_lossy().into_owned())
        })
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, PlanError> {
        let seed = variable("SQUALL_FAULTS_SEED").unwrap_or_else(|| "0".to_owned());
        let Ok(number) = seed.trim().parse() else {
            return Err(PlanError::Seed { word: seed });
        };
        Self::parse(number, &variable("SQUALL_FAULTS").unwrap_or_default())
    }

    /// Sets the fault of a point, in place of what was set there: that is taken
    /// away. Counting, and the stream of decisions, begin anew.
    pub fn set(&self, point: &str, plan: Plan) {
        let armed = Armed::new(point, plan, self.0.seed);
        let mut points = self
            .0
            .by_point
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let before = points.insert(point.to_owned(), armed);
        self.0.count.store(points.len(), Ordering::Release);
        drop(points);
        if let Some(before) = before {
            before.release();
        }
    }

    /// Sets the fault of a point that has none, with a seed of its own, for as long
    /// as somebody holds it.
    #[cfg(any(test, feature = "switch"))]
    pub(crate) fn hold(&self, point: &str, plan: Plan, seed: u64) -> Option<Held> {
        let armed = Armed::new(point, plan, seed);
        let mut points = self
            .0
            .by_point
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if points.contains_key(point) {
            return None;
        }
        points.insert(point.to_owned(), Arc::clone(&armed));
        self.0.count.store(points.len(), Ordering::Release);
        drop(points);
        let faults = self.clone();
        Some(Held { faults, armed })
    }

    /// Takes the fault of a point away; what it did. Calls that wait because of
    /// it go on at once.
    pub fn clear(&self, point: &str) -> Option<Report> {
        let mut points = self
            .0
            .by_point
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let gone = points.remove(point);
        self.0.count.store(points.len(), Ordering::Release);
        drop(points);
        gone.map(|gone| gone.release())
    }

    /// Takes all of them away; what they did, in the order of their points.
    pub fn clear_all(&self) -> Vec<Report> {
        let mut points = self
            .0
            .by_point
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let gone = std::mem::take(&mut *points);
        self.0.count.store(0, Ordering::Release);
        drop(points);
        in_order(gone.values().map(|gone| gone.release()).collect())
    }

    /// What those that are set have done so far, in the order of their points.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let points = self
            .0
            .by_point
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        in_order(points.values().map(|armed| armed.report()).collect())
    }

    /// Meets the fault of a point, if one is set and strikes this call. What a
    /// [`FaultLayer`](crate::FaultLayer) around this task read off its request
    /// counts here too. [`fault_point!`](crate::fault_point) is this, and
    /// nothing when it is compiled out.
    ///
    /// # Errors
    /// The fault wants the call to fail.
    pub async fn at(&self, point: &str) -> Result<(), Injected> {
        if self.is_idle() {
            return Ok(());
        }
        let call = CALL.try_with(Clone::clone).unwrap_or_default();
        match self.strike(point, &call) {
            None => Ok(()),
            Some(strike) => {
                strike.wait().await;
                strike.error().or(strike.loss()).map_or(Ok(()), Err)
            }
        }
    }

    /// Whether no fault is set anywhere.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.count.load(Ordering::Acquire) == 0
    }

    /// The fault of a point, if it strikes this call.
    pub(crate) fn strike(&self, point: &str, call: &Call) -> Option<Strike> {
        let points = self
            .0
            .by_point
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let armed = Arc::clone(points.get(point)?);
        drop(points);
        armed.strike(call)
    }
}

fn in_order(mut reports: Vec<Report>) -> Vec<Report> {
    reports.sort_by(|a, b| a.point.cmp(&b.point));
    reports
}

/// A fault that is set as long as this is there, unless another took its place.
#[cfg(any(test, feature = "switch"))]
pub(crate) struct Held {
    faults: Faults,
    armed: Arc<Armed>,
}

#[cfg(any(test, feature = "switch"))]
impl Held {
    pub(crate) fn point(&self) -> &str {
        &self.armed.point
    }

    /// Takes it away; what it did.
    pub(crate) fn release(self) -> Report {
        let armed = Arc::clone(&self.armed);
        drop(self);
        armed.report()
    }
}

#[cfg(any(test, feature = "switch"))]
impl Drop for Held {
    fn drop(&mut self) {
        let set = &self.faults.0;
        let mut points = set.by_point.write().unwrap_or_else(PoisonError::into_inner);
        let own = |armed: &Arc<Armed>| Arc::ptr_eq(armed, &self.armed);
        if points.get(&*self.armed.point).is_some_and(own) {
            points.remove(&*self.armed.point);
        }
        set.count.store(points.len(), Ordering::Release);
        drop(points);
        self.armed.release();
    }
}

impl Armed {
    fn new(point: &str, plan: Plan, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            point: point.into(),
            stream: stream(seed, point),
            plan,
            calls: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            gone: watch::channel(false).0,
        })
    }

    fn strike(self: Arc<Self>, call: &Call) -> Option<Strike> {
        if self.plan.asked && !call.asks_for(&self.point) {
            return None;
        }
        let came = self.calls.fetch_add(1, Ordering::Relaxed);
        let decision = nth(self.stream, call.flow.unwrap_or(came));
        if unit(decision) >= self.plan.share {
            return None;
        }
        let most = self.plan.at_most.unwrap_or(u64::MAX);
        let one_more = |struck| (struck < most).then_some(struck + 1);
        let struck = &self.struck;
        let counted = struck.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.ok()?;
        Some(Strike {
            armed: self,
            decision,
        })
    }

    fn release(&self) -> Report {
        self.gone.send_replace(true);
        self.report()
    }

    fn report(&self) -> Report {
        Report {
            point: self.point.to_string(),
            plan: self.plan.clone(),
            calls: self.calls.load(Ordering::Relaxed),
            struck: self.struck.load(Ordering::Relaxed),
        }
    }
}

/// A fault that strikes a call.
pub(crate) struct Strike {
    armed: Arc<Armed>,
    decision: u64,
}

impl Strike {
    /// What happens before the call: it waits, until the fault is taken away at
    /// the latest.
    pub(crate) async fn wait(&self) {
        match &self.armed.plan.action {
            Action::Delay { by, jitter } => {
                let by = varied(*by, *jitter, unit(nth(self.decision, 0)));
                // Whether time ran out or the fault was taken away, it goes on.
                let _ = tokio::time::timeout(by, self.gone()).await;
            }
            Action::Hang => self.gone().await,
            Action::Error(_) | Action::Drop => {}
        }
    }

    async fn gone(&self) {
        let mut gone = self.armed.gone.subscribe();
        // The sender is this strike's own: it is there until the answer is.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// What the call ends with instead of being made.
    pub(crate) fn error(&self) -> Option<Injected> {
        match &self.armed.plan.action {
            Action::Error(message) => Some(self.injected(Some(message.as_str().into()))),
            Action::Delay { .. } | Action::Hang | Action::Drop => None,
        }
    }

    /// What it ends with instead of its answer.
    pub(crate) fn loss(&self) -> Option<Injected> {
        match &self.armed.plan.action {
            Action::Drop => Some(self.injected(None)),
            Action::Delay { .. } | Action::Hang | Action::Error(_) => None,
        }
    }

    fn injected(&self, message: Option<Arc<str>>) -> Injected {
        Injected {
            point: Arc::clone(&self.armed.point),
            message,
        }
    }
}

/// `by` ± `jitter`, where `at` in `[0, 1)` says.
fn varied(by: Duration, jitter: Duration, at: f64) -> Duration {
    let least = by.saturating_sub(jitter);
    let most = by.saturating_add(jitter);
    least + (most - least).mul_f64(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::{Instant, timeout};

    use super::*;

    fn struck(faults: &Faults, calls: impl IntoIterator<Item = Option<u64>>) -> Vec<bool> {
        let call = |flow| Call { asked: None, flow };
        let strikes = calls
            .into_iter()
            .map(|flow| faults.strike("here", &call(flow)));
        strikes.map(|strike| strike.is_some()).collect()
    }

    proptest! {
        #[test]
        fn the_same_seed_strikes_the_same_calls(seed: u64, share in 0.0..=1.0, calls in 0..200_usize) {
            let run = || {
                let faults = Faults::new(seed);
                faults.set("here", Plan::drop().share(share));
                let first = struck(&faults, vec![None; calls]);
                let report = faults.clear("here").unwrap();
                assert_eq!(report.calls, calls as u64);
                assert_eq!(report.struck, first.iter().filter(|struck| **struck).count() as u64);
                // Set again it begins anew.
                faults.set("here", Plan::drop().share(share));
                assert_eq!(&struck(&faults, vec![None; calls]), &first);
                first
            };
            prop_assert_eq!(run(), run());
        }

        #[test]
        fn a_flow_is_decided_over_whenever_it_comes(
            seed: u64,
            flows in prop::collection::vec(0..50_u64, 1..100),
        ) {
            let alone = |flow| {
                let faults = Faults::new(seed);
                faults.set("here", Plan::drop().share(0.5));
                struck(&faults, [Some(flow)])[0]
            };
            let faults = Faults::new(seed);
            faults.set("here", Plan::drop().share(0.5));
            let together = struck(&faults, flows.iter().copied().map(Some));
            prop_assert_eq!(together, flows.into_iter().map(alone).collect::<Vec<_>>());
        }

        #[test]
        fn delays_stay_within_their_jitter(by in 0..5000_u64, jitter in 0..5000_u64, at in 0.0..1.0) {
            let [by, jitter] = [by, jitter].map(Duration::from_millis);
            let delay = varied(by, jitter, at);
            prop_assert!(delay <= by + jitter && delay >= by.saturating_sub(jitter));
            prop_assert_eq!(varied(by, jitter, 0.0), by.saturating_sub(jitter));
            if jitter <= by {
                prop_assert_eq!(varied(by, jitter, 0.5), by);
            }
        }
    }

    #[test]
    fn a_share_is_a_share_and_points_have_their_own() {
        let faults = Faults::new(7);
        for (share, within) in [(0.0, 0..=0), (0.2, 1800..=2200), (1.0, 10_000..=10_000)] {
            faults.set("here", Plan::hang().share(share));
            struck(&faults, vec![None; 10_000]);
            let report = faults.clear("here").unwrap();
            // Five standard deviations are 200.
            assert!(within.contains(&report.struck), "{report:?}");
        }
        let of = |point: &str| {
            faults.set(point, Plan::hang().share(0.5));
            let struck = (0..64).map(|_| faults.strike(point, &Call::default()).is_some());
            struck.collect::<Vec<_>>()
        };
        assert_ne!(of("here"), of("there"));
    }

    #[test]
    fn no_more_are_struck_than_allowed_however_many_call_at_once() {
        let faults = Faults::new(1);
        faults.set("here", Plan::drop().at_most(300));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| struck(&faults, vec![None; 200]));
            }
        });
        let reports = faults.clear_all();
        assert_eq!((reports[0].calls, reports[0].struck), (800, 300));
        faults.set("here", Plan::drop().at_most(0));
        assert_eq!(struck(&faults, [None]), [false]);
    }

    #[test]
    fn only_who_asks_meets_what_was_set_for_those() {
        let faults = Faults::new(1);
        faults.set("here", Plan::drop().only_asked());
        let strikes = |asked: &str| {
            let call = Call {
                asked: Some(asked.into()),
                flow: None,
            };
            faults.strike("here", &call).is_some()
        };
        assert_eq!(struck(&faults, [None]), [false]);
        assert!(strikes("there, here") && !strikes("there"));
        // Asking for what is not set does nothing.
        assert!(faults.clear("here").is_some_and(|report| report.calls == 1));
        assert!(!strikes("here"));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_wait_and_errors_do_not() {
        let faults = Faults::new(1);
        let begun = Instant::now();
        faults.at("here").await.unwrap();
        faults.set("here", Plan::delay(Duration::from_millis(100)));
        faults.at("elsewhere").await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        faults.at("here").await.unwrap();
        let waited = begun.elapsed().as_millis();
        assert!((100..=101).contains(&waited), "{waited} ms");
        for (plan, says) in [
            (Plan::error("full"), "fault injected at here: full"),
            (Plan::drop(), "fault injected at here: the answer is lost"),
        ] {
            faults.set("here", plan);
            assert_eq!(faults.at("here").await.unwrap_err().to_string(), says);
        }
        assert_eq!(begun.elapsed().as_millis(), waited);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_goes_on_when_its_fault_is_taken_away_or_replaced() {
        let faults = Faults::new(1);
        let hour = Duration::from_secs(3600);
        let begun = Instant::now();
        for plan in [Plan::hang(), Plan::delay(hour)] {
            for end in [
                |faults: &Faults| drop(faults.clear("here")),
                |faults: &Faults| drop(faults.clear_all()),
                |faults: &Faults| faults.set("here", Plan::hang().share(0.0)),
            ] {
                faults.set("here", plan.clone());
                let minute = Duration::from_secs(60);
                let mut call = Box::pin(faults.at("here"));
                assert!(timeout(minute, &mut call).await.is_err());
                end(&faults);
                timeout(minute, call).await.unwrap().unwrap();
            }
        }
        assert!(begun.elapsed() < hour);
    }

    #[test]
    fn the_environment_says_what_is_set() {
        let read = |faults: Option<&str>, seed: Option<&str>| {
            Faults::from_variables(|name| {
                let text = if name.ends_with("SEED") { seed } else { faults };
                text.map(str::to_owned)
            })
        };
        assert!(read(None, None).unwrap().is_idle());
        // Nobody sets them for tests.
        assert!(Faults::ACTIVE && Faults::from_env().unwrap().is_idle());
        let faults = read(Some("d=hang; b=hang; a=10% drop; c=drop"), Some("9")).unwrap();
        assert_eq!(faults.0.seed, 9);
        let set: Vec<_> = faults
            .reports()
            .into_iter()
            .map(|report| report.point)
            .collect();
        assert_eq!(set, ["a", "b", "c", "d"]);
        let mistake = read(Some("a=hang"), Some("-1")).unwrap_err().to_string();
        assert!(mistake.contains("`-1` is no seed"), "{mistake}");
        assert!(read(Some("hang"), None).is_err());
    }
}
