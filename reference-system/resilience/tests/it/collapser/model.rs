//! The laws of batches, whatever callers do: random times, arguments, patience, failures.

use std::time::Instant;

use proptest::collection::{hash_set, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

const DELAY_MS: u64 = 10;
const RUN_MS: u64 = 25;
const MAX: usize = 4;

/// Who may meet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meeting {
    Anybody,
    InRequest,
    /// Nor is anything asked twice.
    Remembering,
}

#[derive(Debug, Clone)]
struct Plan {
    at_ms: u64,
    argument: u32,
    /// When the caller drops its call, measured from its beginning.
    patience_ms: Option<u64>,
    /// Its deadline, likewise.
    deadline_ms: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let patience_ms = prop_oneof![2 => Just(None), 1 => (0..40u64).prop_map(Some)];
    let deadline_ms = prop_oneof![3 => Just(10_000), 1 => 1..40u64];
    (0..80u64, 0..9u32, patience_ms, deadline_ms).prop_map(
        |(at_ms, argument, patience_ms, deadline_ms)| Plan {
            at_ms,
            argument,
            patience_ms,
            deadline_ms,
        },
    )
}

/// The answer names the argument and the batch, so that nobody can have another's.
type Found = Result<(u32, usize), CollapseError<Wrong>>;

/// When a batch went, and with what.
type Went = (Instant, Vec<u32>);

#[derive(Clone)]
struct Numbered {
    went: Arc<Mutex<Vec<Went>>>,
    fail: Arc<std::collections::HashSet<usize>>,
}

impl Batch<u32> for Numbered {
    type Response = (u32, usize);
    type Error = Wrong;

    async fn run(
        &self,
        arguments: Vec<u32>,
        _attempt: Attempt,
    ) -> Result<Vec<(u32, Result<(u32, usize), Wrong>)>, Wrong> {
        let number = {
            let mut went = self.went.lock().unwrap();
            let now = tokio::time::Instant::now().into_std();
            went.push((now, arguments.clone()));
            went.len() - 1
        };
        pass_ms(RUN_MS).await;
        if self.fail.contains(&number) {
            return Err(Wrong::Instance);
        }
        let answers = arguments.into_iter().filter(|argument| *argument != 8);
        let answers = answers.map(|argument| match argument {
            7 => (argument, Err(Wrong::NoSuchTitle)),
            _ => (argument, Ok((argument, number))),
        });
        Ok(answers.collect())
    }
}

/// What became of one caller.
struct End {
    plan: Plan,
    began: Instant,
    ended: Instant,
    /// None if it went.
    found: Option<Found>,
}

async fn one(c: Collapser<u32, Numbered>, context: Option<RequestContext>, plan: Plan) -> End {
    pass_ms(plan.at_ms).await;
    let began = c.command().now();
    let deadline = within(c.command(), plan.deadline_ms);
    let submitted = match &context {
        Some(context) => c.submit_in(context, deadline, plan.argument),
        None => c.submit(deadline, plan.argument),
    };
    let found = match plan.patience_ms {
        Some(ms) => tokio::time::timeout(Duration::from_millis(ms), submitted)
            .await
            .ok(),
        None => Some(submitted.await),
    };
    End {
        ended: c.command().now(),
        plan,
        began,
        found,
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Laws of every caller: its own answer, in time.
fn check_caller(end: &End, numbered: &Numbered, meeting: Meeting) -> Result<(), TestCaseError> {
    let went = numbered.went.lock().unwrap();
    let argument = end.plan.argument;
    // The batches it can have been in.
    let mine = |number: &usize| {
        let (at, arguments) = &went[*number];
        let waits = end.began <= *at && *at <= end.began + ms(DELAY_MS);
        let known = meeting == Meeting::Remembering && *at <= end.ended;
        (waits || known) && arguments.contains(&argument)
    };
    let waited = end.ended - end.began;
    let bound = ms(DELAY_MS + RUN_MS).min(ms(end.plan.deadline_ms));
    prop_assert!(waited <= bound, "{:?} waited {:?}", end.plan, waited);
    let failed = || {
        (0..went.len())
            .filter(mine)
            .any(|number| numbered.fail.contains(&number))
    };
    match &end.found {
        None => prop_assert_eq!(Some(waited), end.plan.patience_ms.map(ms)),
        Some(Ok((of, number))) => {
            prop_assert_eq!(*of, argument, "the answer of another");
            prop_assert!(mine(number), "an answer of a batch it was not in");
            prop_assert!(!numbered.fail.contains(number));
            if meeting == Meeting::Remembering {
                let again = went[number + 1..].iter().any(|(_, a)| a.contains(of));
                prop_assert!(!again, "{} was known", of);
            }
        }
        Some(Err(CollapseError::Answer(Wrong::NoSuchTitle))) => prop_assert_eq!(argument, 7),
        Some(Err(CollapseError::Unanswered)) => prop_assert_eq!(argument, 8),
        Some(Err(CollapseError::Batch(CommandError::Failure(Wrong::Instance)))) => {
            prop_assert!(failed(), "a failure of a batch it was not in");
        }
        Some(Err(CollapseError::Timeout { after })) => {
            prop_assert_eq!((*after, waited), (ms(end.plan.deadline_ms), *after));
        }
        // The batch's own deadline is the last of its first callers'.
        Some(Err(CollapseError::Batch(CommandError::Timeout { .. }))) => {
            prop_assert!(meeting == Meeting::Remembering || waited == ms(end.plan.deadline_ms));
        }
        Some(Err(other)) => prop_assert!(false, "{:?}", other),
    }
    Ok(())
}

/// Laws of every batch: small, without doubles, and of arguments somebody waits for.
fn check_batches(ends: &[End], numbered: &Numbered) -> Result<(), TestCaseError> {
    for (at, arguments) in numbered.went.lock().unwrap().iter() {
        prop_assert!((1..=MAX).contains(&arguments.len()), "{:?}", arguments);
        for argument in arguments {
            let doubles = arguments.iter().filter(|other| *other == argument);
            prop_assert_eq!(doubles.count(), 1);
            let waits = |end: &&End| {
                let in_time = end.began <= *at && *at <= end.began + ms(DELAY_MS);
                end.plan.argument == *argument && in_time && *at <= end.ended
            };
            prop_assert!(
                ends.iter().any(|end| waits(&end)),
                "nobody waits for {argument}"
            );
        }
    }
    Ok(())
}

async fn check(
    plans: Vec<Plan>,
    fail: std::collections::HashSet<usize>,
    meeting: Meeting,
) -> Result<(), TestCaseError> {
    let properties = Properties::builder()
        .circuit_breaker_enabled(false)
        .execution_semaphore_max_concurrent(1000);
    let command = Command::new("titles", "catalog", properties.build().unwrap()).unwrap();
    let numbered = Numbered {
        went: Arc::default(),
        fail: Arc::new(fail),
    };
    let properties = CollapserProperties {
        max_requests_in_batch: MAX,
        timer_delay_ms: DELAY_MS,
        request_cache_enabled: meeting == Meeting::Remembering,
        ..CollapserProperties::default()
    };
    let c = Collapser::new("title", command, properties, numbered.clone()).unwrap();
    let context = (meeting != Meeting::Anybody).then(RequestContext::new);
    let mut callers = tokio::task::JoinSet::new();
    for plan in plans {
        callers.spawn(one(c.clone(), context.clone(), plan));
    }
    let ends = callers.join_all().await;
    for end in &ends {
        check_caller(end, &numbered, meeting)?;
    }
    check_batches(&ends, &numbered)?;
    // What callers left behind has gone with the delay of the last open batch.
    pass_ms(DELAY_MS + 1).await;
    prop_assert_eq!((c.command().bulkhead().active(), tasks()), (0, 0));
    let counts = c.snapshot().totals;
    let went = numbered.went.lock().unwrap();
    let batched: usize = went.iter().map(|(_, arguments)| arguments.len()).sum();
    prop_assert_eq!(
        (counts.batches, counts.requests_batched),
        (went.len() as u64, batched as u64)
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_caller_gets_its_own_answer_in_time(
        plans in vec(plan(), 1..60),
        fail in hash_set(0..12usize, 0..4),
        meeting in prop_oneof![
            Just(Meeting::Anybody),
            Just(Meeting::InRequest),
            Just(Meeting::Remembering),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check(plans, fail, meeting))?;
    }
}
