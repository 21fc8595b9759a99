//! What `doctor --measure` measures: each fault does what is asked for, and what is
//! counted beside it is nothing.

use std::sync::Arc;

use squall_faults::Journal;
use squall_faults::measure::{Amount, Measured, NotMeasured, Observed, measure, names};
use squall_scenario::Share;

use crate::support::run::FIXTURE;
use crate::support::{can, skip, soon};

/// Whether what was observed is what was asked for. Times may be longer on a busy
/// machine, and rates lower, but never the other way.
fn keeps_to(measured: &Measured) -> bool {
    match (&measured.requested, &measured.observed) {
        (Amount::Always, Observed::Happened { times, of }) => times == of,
        // One period more than there were, and what a tick of the clock is.
        (Amount::Share(share), Observed::Processor { percent }) => {
            *percent <= share.get() * 100.0 + 5.0
        }
        (Amount::Share(share), Observed::Happened { times, of }) => within(*share, *times, *of),
        // What a socket buffers may come before the first byte is held.
        (Amount::Rate(rate), Observed::Rate(seen)) => seen.0 <= rate.0 + rate.0 / 4,
        (Amount::Time(time), Observed::Times { n, p50, .. }) => *n > 0 && p50 >= time,
        // Pieces that a busy machine reads late are read as one.
        (Amount::Bytes(bytes), Observed::Sizes { min, .. }) => {
            min.0 > 0 && min.0 % bytes.0 == 0 && measured.observed != measured.beside
        }
        (
            Amount::Always
            | Amount::Share(_)
            | Amount::Rate(_)
            | Amount::Time(_)
            | Amount::Bytes(_),
            _,
        ) => false,
    }
}

/// Within five standard deviations.
fn within(share: Share, times: usize, of: usize) -> bool {
    let of = of as f64;
    let spread = (of * share.get() * (1.0 - share.get())).sqrt();
    (times as f64 - of * share.get()).abs() <= 5.0 * spread
}

/// Those that take all they can get of a processor: whoever is beside them is late.
const GREEDY: [&str; 4] = ["cpu", "cpu_burn", "freeze", "rate"];

#[tokio::test]
async fn every_fault_that_is_measured_does_what_is_asked_and_nothing_beside() {
    let dir = tempfile::tempdir().unwrap();
    let take = |name| {
        let journal = Arc::new(Journal::create(dir.path(), name).unwrap());
        async move {
            let guardian = [FIXTURE.into(), "guardian".into()];
            (name, soon(measure(name, journal, &guardian)).await)
        }
    };
    // The names of a measurement are answered on any port; others give back and take
    // what is free on the disk of this machine.
    let names = names().into_iter();
    let names = names.filter(|name| *name != "disk" && (*name == "dns" || can(name)));
    let (greedy, modest): (Vec<_>, Vec<_>) = names.partition(|name| GREEDY.contains(name));
    let mut all = tokio::task::JoinSet::new();
    for name in modest {
        all.spawn(take(name));
    }
    while let Some(done) = all.join_next().await {
        let (name, measured) = done.unwrap();
        look(name, measured.unwrap());
    }
    for name in greedy {
        let (name, measured) = take(name).await;
        look(name, measured.unwrap());
    }
}

fn look(name: &str, measured: Result<Vec<Measured>, NotMeasured>) {
    let measured = match measured {
        // What the measurement needs, though the fault does not.
        Err(NotMeasured::Missing(why)) => return skip(format_args!("more for {name}: {why}")),
        Err(error) => panic!("{name}: {error}"),
        Ok(measured) => measured,
    };
    assert!(!measured.is_empty(), "{name}");
    for one in measured {
        assert!(keeps_to(&one), "{one:?}");
        if let Observed::Happened { times, of } = one.beside {
            assert!(times == 0 && of > 0, "{one:?}");
        }
    }
}
