//! The monkey on simulated days: a clock that is set to whenever somebody sleeps
//! until, and instances that come back at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan};
use squall_scenario::inject::Signal;
use squall_scenario::monkey::{Calendar, Monkey, MonkeyGroup, time_zone};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::ProcessIdentity;

const FROM: Date = date(2026, 11, 30);

fn group(name: &str, mean: f64, min: u32) -> MonkeyGroup {
    MonkeyGroup {
        name: name.to_owned(),
        enabled: true,
        mean,
        min,
        survivors: 1,
        signal: Signal::Kill,
        members: Vec::new(),
        except: vec!["*-canary".to_owned()],
    }
}

fn monkey(groups: Vec<MonkeyGroup>) -> Monkey {
    Monkey {
        name: "test".to_owned(),
        about: None,
        seed: 2011,
        enabled: true,
        leashed: false,
        calendar: Calendar {
            time_zone: time_zone("America/New_York").unwrap(),
            opens: 9 * 60,
            closes: 15 * 60,
            workdays: [true, true, true, true, true, false, false],
            holidays: BTreeSet::from([date(2026, 12, 25), date(2027, 1, 1)]),
        },
        outage: None,
        decisions: None,
        groups,
    }
}

type Answer<T> = Result<T, String>;

/// What a test says is so, and what the monkey did.
struct Days {
    now: Mutex<Timestamp>,
    /// Ends the monkey when the clock shows this.
    until: Timestamp,
    stop: CancellationToken,
    enabled: Answer<bool>,
    outage: Answer<Option<String>>,
    alive: Answer<Vec<&'static str>>,
    disk: Answer<()>,
    killed: Answer<String>,
    /// How long whoever was killed stays away.
    stays_away: SignedDuration,
    /// How much too late sleepers wake up.
    oversleeps: SignedDuration,
    log: Mutex<Vec<Entry>>,
    kills: Mutex<Vec<(Timestamp, String, String)>>,
}

impl Days {
    fn new(monkey: &Monkey, days: u32) -> Self {
        let start = |date| monkey.calendar.start_of(date).unwrap();
        let end = FROM.checked_add(i64::from(days).days()).unwrap();
        Self {
            now: Mutex::new(start(FROM)),
            until: start(end),
            stop: CancellationToken::new(),
            enabled: Ok(true),
            outage: Ok(None),
            alive: Ok(vec!["a-0", "a-1", "a-canary"]),
            disk: Ok(()),
            killed: Ok("it ended".to_owned()),
            stays_away: SignedDuration::ZERO,
            oversleeps: SignedDuration::ZERO,
            log: Mutex::default(),
            kills: Mutex::default(),
        }
    }

    async fn live(&self, monkey: &Monkey) -> Result<(), String> {
        self.live_on(monkey, History::default()).await
    }

    async fn live_on(&self, monkey: &Monkey, history: History) -> Result<(), String> {
        run(monkey, history, self, &self.stop).await
    }

    /// The reasons of all kills that were due and not made, each once.
    fn reasons(&self) -> BTreeSet<NotMade> {
        let log = self.log.lock().unwrap();
        let due = log.iter().filter(|entry| entry.due.is_some());
        due.filter_map(|entry| match entry.decision {
            Decision::NotMade { reason, .. } => Some(reason),
            _ => None,
        })
        .collect()
    }

    fn kills(&self) -> usize {
        self.kills.lock().unwrap().len()
    }
}

impl Hands for Days {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let wakes = self.now().max(at + self.oversleeps);
        if wakes >= self.until {
            self.stop.cancel();
            std::future::pending::<()>().await;
        }
        *self.now.lock().unwrap() = wakes;
    }

    async fn enabled(&self, _group: &MonkeyGroup) -> Answer<bool> {
        self.enabled.clone()
    }

    async fn outage(&self) -> Answer<Option<String>> {
        self.outage.clone()
    }

    async fn instances(&self, group: &MonkeyGroup) -> Answer<Vec<Instance>> {
        let killed = |name: &str| {
            let kills = self.kills.lock().unwrap();
            let is_away = |at: Timestamp| self.now() < at + self.stays_away;
            // Whoever is away was killed lately.
            let mut lately = kills.iter().rev().take(20);
            lately.any(|(at, of, who)| *of == group.name && who == name && is_away(*at))
        };
        let instance = |(pid, name): (u32, &&str)| Instance {
            name: (*name).to_owned(),
            identity: ProcessIdentity { pid, start_time: 1 },
        };
        let alive = self.alive.clone()?;
        let found = (100..).zip(&alive).filter(|(_, name)| !killed(name));
        Ok(found.map(instance).collect())
    }

    fn record(&self, entry: &Entry) -> Answer<()> {
        self.disk.clone()?;
        self.log.lock().unwrap().push(entry.clone());
        Ok(())
    }

    async fn kill(&self, group: &MonkeyGroup, instance: &Instance) -> Answer<String> {
        // On record before it happens.
        let log = self.log.lock().unwrap();
        let about_to = matches!(&log.last().unwrap().decision, Decision::Kill { instance: i, .. } if *i == instance.name);
        assert!(about_to, "{:?}", log.last());
        let kill = (self.now(), group.name.clone(), instance.name.clone());
        self.kills.lock().unwrap().push(kill);
        self.killed.clone()
    }
}

/// Ten thousand days with every kind of group: the claims of the page about it.
#[tokio::test]
async fn ten_thousand_days() {
    let wanted = [(1.0, 1), (2.0, 1), (3.0, 3), (5.0, 3)];
    let of = |n: usize, (mean, min)| (0..6).map(move |m| group(&format!("g{n}-{m}"), mean, min));
    let groups = wanted.iter().enumerate().flat_map(|(n, w)| of(n, *w));
    let monkey = monkey(groups.collect());
    let days = Days::new(&monkey, 10_000);
    days.live(&monkey).await.unwrap();

    let kills = days.kills.lock().unwrap();
    let mut by_group: BTreeMap<&str, Vec<Date>> = BTreeMap::new();
    for (at, group, instance) in kills.iter() {
        let wall = monkey.calendar.time_zone.to_datetime(*at);
        assert!((9..15).contains(&wall.hour()), "{wall}");
        assert!(monkey.calendar.day_off(wall.date()).is_none(), "{wall}");
        assert_ne!(instance, "a-canary");
        by_group.entry(group).or_default().push(wall.date());
    }
    for (n, (mean, min)) in wanted.iter().enumerate() {
        let (mut gaps, mut workdays) = (0_u32, 0_u32);
        for m in 0..6 {
            let dates = &by_group[format!("g{n}-{m}").as_str()];
            for pair in dates.windows(2) {
                let gap = monkey.calendar.workdays_after(pair[1], pair[0], u32::MAX);
                assert!(gap >= (*min).max(1), "{pair:?}");
                gaps += 1;
                workdays += gap;
            }
        }
        let real = f64::from(workdays) / f64::from(gaps);
        assert!((real / mean - 1.0).abs() < 0.02, "asked {mean}, was {real}");
    }
}

/// Instances that take two days to come back: often it would be one too many.
#[tokio::test]
async fn never_below_the_survivors_in_ten_thousand_days() {
    let mut monkey = monkey(vec![group("a", 1.5, 1), group("b", 1.0, 1)]);
    for (survivors, names) in [(1, vec!["0", "1"]), (2, vec!["0", "1", "2", "3"])] {
        monkey
            .groups
            .iter_mut()
            .for_each(|g| g.survivors = survivors);
        let mut days = Days::new(&monkey, 10_000);
        days.alive = Ok(names.clone());
        days.stays_away = SignedDuration::from_hours(55);
        days.live(&monkey).await.unwrap();
        let kills = days.kills.lock().unwrap();
        for (n, (at, group, _)) in kills.iter().enumerate() {
            let earlier = kills[..n].iter().rev().take(20);
            let down = earlier.filter(|(t, g, _)| g == group && *at < *t + days.stays_away);
            let left = names.len() - down.count() - 1;
            assert!(left >= survivors as usize, "{left} of {group} at {at}");
        }
        assert!(kills.len() > 3_000, "{}", kills.len());
        let refused = BTreeSet::from([NotMade::TooFewSurvivors]);
        assert_eq!(days.reasons(), refused);
    }
}

#[tokio::test]
async fn the_preview_is_what_the_daemon_then_does() {
    let groups = vec![group("a", 1.0, 1), group("b", 2.0, 2), group("c", 4.0, 1)];
    let mut monkey = monkey(groups);
    for leashed in [false, true] {
        monkey.leashed = leashed;
        let days = Days::new(&monkey, 10_000);
        days.live(&monkey).await.unwrap();
        let foreseen = preview(&monkey, FROM, 10_000, |_group| None);
        assert_eq!(foreseen.len(), 30_000);
        let foreseen: BTreeSet<_> = foreseen
            .into_iter()
            .filter_map(|row| match row.day {
                Day::Kill { at } => Some((row.date.to_string(), row.group, at)),
                _ => None,
            })
            .collect();
        let made: BTreeSet<_> = days
            .log
            .lock()
            .unwrap()
            .iter()
            .filter(|entry| match entry.decision {
                Decision::Kill { .. } => !leashed,
                Decision::WouldKill { .. } => leashed,
                _ => false,
            })
            .map(|entry| (entry.day.clone(), entry.group.clone(), entry.due.unwrap()))
            .collect();
        assert!(made.len() > 10_000, "{}", made.len());
        assert_eq!(made, foreseen);
        assert_eq!(days.kills() > 0, !leashed);
    }
}

#[test]
fn another_seed_or_another_name_has_other_days() {
    let one = monkey(vec![group("a", 2.0, 1)]);
    let mut other_seed = one.clone();
    other_seed.seed += 1;
    let mut other_name = one.clone();
    other_name.groups[0].name = "b".to_owned();
    let days = |monkey: &Monkey| {
        let rows = preview(monkey, FROM, 60, |_group| None).into_iter();
        rows.map(|row| row.day).collect::<Vec<_>>()
    };
    assert_eq!(days(&one), days(&one));
    assert_ne!(days(&one), days(&other_seed));
    assert_ne!(days(&one), days(&other_name));
}

/// Each check, and what becomes of thirty days when it says no, or nothing.
#[tokio::test]
async fn every_check_fails_safe() {
    let monkey = monkey(vec![group("a", 1.0, 1)]);
    let fails = || Err("nobody answers".to_owned());
    type Change = Box<dyn Fn(&mut Days)>;
    let cases: Vec<(NotMade, Change)> = vec![
        (NotMade::Disabled, Box::new(|d| d.enabled = Ok(false))),
        (
            NotMade::Disabled,
            Box::new(move |d| d.enabled = fails().map(|()| true)),
        ),
        (
            NotMade::Outage,
            Box::new(|d| d.outage = Ok(Some("the lights are out".to_owned()))),
        ),
        (
            NotMade::Outage,
            Box::new(move |d| d.outage = fails().map(|()| None)),
        ),
        (NotMade::NobodyEligible, Box::new(|d| d.alive = Ok(vec![]))),
        (
            NotMade::NobodyEligible,
            Box::new(|d| d.alive = Ok(vec!["a-canary", "b-canary"])),
        ),
        (
            NotMade::NobodyEligible,
            Box::new(move |d| d.alive = fails().map(|()| Vec::new())),
        ),
        (
            NotMade::TooFewSurvivors,
            Box::new(|d| d.alive = Ok(vec!["a-0", "a-canary"])),
        ),
        (
            NotMade::Missed,
            Box::new(|d| d.oversleeps = SignedDuration::from_mins(6)),
        ),
    ];
    for (n, (reason, change)) in cases.into_iter().enumerate() {
        let mut days = Days::new(&monkey, 30);
        change(&mut days);
        days.live(&monkey).await.unwrap();
        assert_eq!(days.kills(), 0, "case {n}");
        assert_eq!(days.reasons(), BTreeSet::from([reason]), "case {n}");
    }
    // Without any of these there would have been some.
    let days = Days::new(&monkey, 30);
    days.live(&monkey).await.unwrap();
    assert!(days.kills() > 15, "{}", days.kills());
    assert_eq!(days.reasons(), BTreeSet::new());
}

/// Whoever wakes up late may find that working hours are over.
#[tokio::test]
async fn hours_are_looked_at_when_a_kill_is_due() {
    let mut monkey = monkey(vec![group("a", 1.0, 1)]);
    monkey.calendar.closes = monkey.calendar.opens + 2;
    let mut days = Days::new(&monkey, 30);
    days.oversleeps = SignedDuration::from_mins(3);
    days.live(&monkey).await.unwrap();
    assert_eq!(days.kills(), 0);
    assert_eq!(days.reasons(), BTreeSet::from([NotMade::OutsideHours]));
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_done() {
    let monkey = monkey(vec![group("a", 1.0, 1)]);
    let mut days = Days::new(&monkey, 30);
    days.disk = Err("the disk is full".to_owned());
    let why = days.live(&monkey).await.unwrap_err();
    assert_eq!(why, "it could not be put on record: the disk is full");
    assert_eq!(days.kills(), 0);
}

#[tokio::test]
async fn a_kill_that_failed_counts() {
    let monkey = monkey(vec![group("a", 5.0, 5)]);
    let mut days = Days::new(&monkey, 60);
    days.killed = Err("no such process".to_owned());
    days.live(&monkey).await.unwrap();
    let log = days.log.lock().unwrap();
    let failed = log
        .iter()
        .filter(|entry| matches!(entry.decision, Decision::Failed { .. }))
        .count();
    assert_eq!(failed, days.kills());
    assert!((7..=9).contains(&failed), "{failed}");
}

/// A monkey that is started again in the middle of a day remembers.
#[tokio::test]
async fn at_most_one_kill_a_day_however_often_it_is_started() {
    let monkey = monkey(vec![group("a", 1.0, 1)]);
    let first = Days::new(&monkey, 1);
    first.live(&monkey).await.unwrap();
    assert_eq!(first.kills(), 1);
    let lines: Vec<String> = first
        .log
        .lock()
        .unwrap()
        .iter()
        .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
        .collect();
    let read = |text: &str| History::read(text.as_bytes());
    let again = Days::new(&monkey, 1);
    again
        .live_on(&monkey, read(&lines.concat()).unwrap())
        .await
        .unwrap();
    assert_eq!(again.kills(), 0);

    // What was on record when it died in the middle of the kill.
    let started = lines
        .iter()
        .position(|line| line.contains(r#""decision":"kill""#));
    let cut = lines[..=started.unwrap()].concat();
    assert_eq!(read(&cut).unwrap().last("a").kill, Some(FROM));
    // A line without its end was not on record.
    let torn = read(&cut[..cut.len() - 1]).unwrap();
    assert_eq!(torn.last("a"), Last::default());
    // What is no decision must not be taken for "nothing happened".
    let broken = read("{}\n").unwrap_err().to_string();
    assert!(
        broken.starts_with("line 1 of the decision log is no decision"),
        "{broken}"
    );
    let long = "x".repeat(70 << 10);
    assert!(read(&long).is_err());
}

#[test]
fn what_a_leashed_monkey_would_do_binds_only_itself() {
    let last = Last {
        kill: Some(date(2026, 11, 2)),
        dry: Some(date(2026, 11, 5)),
        decided: None,
    };
    assert_eq!(last.binding(false), Some(date(2026, 11, 2)));
    assert_eq!(last.binding(true), Some(date(2026, 11, 5)));
}

/// The check for itself: the schedule never draws what it would refuse.
#[tokio::test]
async fn the_minimum_time_is_checked_once_more() {
    let monkey = monkey(vec![group("a", 5.0, 3)]);
    let days = Days::new(&monkey, 1);
    let due = monkey.calendar.minute(FROM, 0.5).unwrap();
    let with = |kill: Date| Last {
        kill: Some(kill),
        ..Last::default()
    };
    let choose = |last| checks::choose(&monkey, &monkey.groups[0], due, last, &days);
    // A weekend lies between: Wednesday is three workdays before Monday.
    assert!(choose(with(date(2026, 11, 25))).await.is_ok());
    let (reason, why) = choose(with(date(2026, 11, 26))).await.unwrap_err();
    assert_eq!(reason, NotMade::TooSoon);
    assert_eq!(
        why,
        "the last kill was on 2026-11-26, and the next is 3 workdays later"
    );
}

/// What is found, changed by `looked` while it is looked for.
struct Looking<F>(Days, F);

impl<F: Fn(&Days, &mut Vec<Instance>) + Sync> Hands for Looking<F> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    async fn sleep_until(&self, at: Timestamp) {
        self.0.sleep_until(at).await;
    }
    async fn enabled(&self, group: &MonkeyGroup) -> Answer<bool> {
        self.0.enabled(group).await
    }
    async fn outage(&self) -> Answer<Option<String>> {
        self.0.outage().await
    }
    async fn instances(&self, group: &MonkeyGroup) -> Answer<Vec<Instance>> {
        let mut found = self.0.instances(group).await?;
        (self.1)(&self.0, &mut found);
        tokio::task::yield_now().await;
        Ok(found)
    }
    fn record(&self, entry: &Entry) -> Answer<()> {
        self.0.record(entry)
    }
    async fn kill(&self, group: &MonkeyGroup, instance: &Instance) -> Answer<String> {
        self.0.kill(group, instance).await
    }
}

/// Five days on which a kill is due, each time looked for like that.
async fn five_days(looked: impl Fn(&Days, &mut Vec<Instance>) + Sync) -> Days {
    let monkey = monkey(vec![group("a", 1.0, 1)]);
    let days = Looking(Days::new(&monkey, 5), looked);
    run(&monkey, History::default(), &days, &days.0.stop)
        .await
        .unwrap();
    days.0
}

#[tokio::test]
async fn a_process_that_is_found_twice_is_one_survivor() {
    let days = five_days(|_, found| {
        for instance in found.iter_mut().filter(|one| one.name != "a-canary") {
            instance.identity.pid = 100;
        }
    })
    .await;
    assert_eq!(days.kills(), 0);
    assert_eq!(days.reasons(), BTreeSet::from([NotMade::TooFewSurvivors]));
}

#[tokio::test]
async fn an_exception_is_one_however_the_process_is_found() {
    let days = five_days(|_, found| {
        let canary = found.iter().find(|one| one.name == "a-canary").unwrap();
        let canary = canary.identity;
        found.iter_mut().for_each(|one| one.identity = canary);
    })
    .await;
    assert_eq!(days.kills(), 0);
    assert_eq!(days.reasons(), BTreeSet::from([NotMade::NobodyEligible]));
}

#[tokio::test]
async fn nothing_is_begun_once_it_was_told_to_stop() {
    let days = five_days(|days, _| days.stop.cancel()).await;
    assert_eq!((days.kills(), days.reasons()), (0, BTreeSet::new()));
}

#[tokio::test]
async fn what_took_too_long_to_find_out_is_not_done_any_more() {
    let days = five_days(|days, _| {
        let mut now = days.now.lock().unwrap();
        *now += SignedDuration::from_hours(1);
    })
    .await;
    assert_eq!(days.kills(), 0);
    assert_eq!(days.reasons(), BTreeSet::from([NotMade::Missed]));
}
