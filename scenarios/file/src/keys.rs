//! Every key of scenario and system files, with its meaning.

mod connecting;
mod expect;
mod fault;
mod journey;
mod load;
mod monkey;
mod probe;
mod stay;
mod system;

pub(crate) use connecting::{CLIENT_TLS, CONNECTIONS};
pub(crate) use expect::*;
pub(crate) use fault::*;
pub(crate) use journey::*;
pub(crate) use load::*;
pub(crate) use monkey::*;
pub(crate) use probe::*;
pub(crate) use stay::*;
pub(crate) use system::*;

use crate::shape::Kind::{
    Duration, Failure, Fault, FaultTarget, Gate, List, Names, Object, Share, ShareOfConnections,
    Template, Text, Whole,
};
use crate::shape::{Shape, key, needed};

pub(crate) static SCENARIO: Shape = Shape {
    noun: "a scenario",
    about: "One experiment: what runs, what is sent, what is broken, what must hold.",
    reads: "",
    keys: &[
        needed("version", Whole(1, 1), "Version of the file format: 1."),
        needed("name", Text, "Name; also names the folder of a run.").otherwise(&["title"]),
        key("about", Text, "Why the scenario exists, in prose.").otherwise(&["description"]),
        key(
            "seed",
            Whole(0, u64::MAX),
            "Seed of everything random; one is chosen when absent.",
        ),
        key(
            "system",
            Text,
            "Path of the system file, relative to this file; or the name of one in the library.",
        ),
        key(
            "target",
            Template,
            "Where the load goes: a URL, or the name of a process.",
        )
        .otherwise(&["url", "host", "base_url"]),
        PROCESSES,
        EXISTING,
        LINKS,
        SETTINGS,
        BREAKERS,
        GROUPS,
        HOST_NAMES,
        PROBES,
        needed("load", Object(&LOAD), "What is sent, and how often."),
        key(
            "steady_state",
            Object(&STEADY_STATE),
            "What must be true before anything is broken; also judged until the first fault.",
        )
        .otherwise(&["steady-state", "hypothesis"]),
        key("faults", List(&Object(&FAULT)), "What is broken, and when.")
            .otherwise(&["journey", "steps", "fault", "toxics"]),
        key(
            "abort_when",
            List(&Gate),
            "When to give up and put everything back: `error_rate > 80% for 10s`.",
        )
        .otherwise(&["abort", "stop_when"]),
        key(
            "slo",
            List(&Object(&SLO)),
            "What must be true, window by window.",
        )
        .otherwise(&["slos", "expect", "gates", "thresholds"]),
        key(
            "variants",
            List(&Object(&VARIANT)),
            "Weakened forms of the scenario that must fail.",
        )
        .otherwise(&["variant"]),
    ],
};

/// Keys that describe a system and may stand in a scenario instead of `system`.
pub(crate) const INLINE_SYSTEM_KEYS: [&str; 7] = [
    "processes",
    "existing",
    "links",
    "settings",
    "breakers",
    "groups",
    "names",
];

pub(crate) static STEADY_STATE: Shape = Shape {
    noun: "`steady_state`",
    about: "What must be true, under load, before anything is broken.",
    reads: "steady_state: for 5s, expect …",
    keys: &[
        needed("for", Duration, "How long it must hold without a break.")
            .otherwise(&["over", "duration"]),
        needed("expect", List(&Gate), "The expectations."),
    ],
};

pub(crate) static FAULT: Shape = Shape {
    noun: "a fault",
    about: "What is broken, where, when and for how long. Its name is also the name of its window.",
    reads: "at 20s, inject …, into …, for 20s",
    keys: &[
        needed("name", Text, "Name of the fault and of its window."),
        needed(
            "at",
            Duration,
            "When it is injected, from the first measured arrival on.",
        )
        .otherwise(&["start", "after"]),
        needed("inject", Fault, "What is done.").otherwise(&["type", "fault", "toxic"]),
        needed(
            "into",
            FaultTarget,
            "To whom: a process, a link, a group, an instance `catalog-0`, or `any 1 of catalog`; a fault on names acts on one of `names`.",
        )
        .otherwise(&["target", "on"]),
        key(
            "share",
            ShareOfConnections,
            "For faults on bytes: which share of the connections is hit; all when absent. The seed decides for each connection, for both its directions at once.",
        )
        .otherwise(&["toxicity", "percentage", "percent", "probability"]),
        key("for", Duration, "How long each injection lasts.").otherwise(&["duration", "over"]),
        key("every", Duration, "From one injection to the next.").otherwise(&["interval"]),
        key("times", Whole(1, 100_000), "Number of injections.").otherwise(&["count"]),
        key(
            "repeat",
            Whole(1, 16),
            "Number of cycles, each of a period with the fault and one without, in random order; a period starts every `every`, twice `for` when absent. The report tests what the fault changed.",
        )
        .otherwise(&["cycles"]),
    ],
};

/// A file with objectives alone, which are asked of a run that was recorded.
pub(crate) static OBJECTIVES: Shape = Shape {
    noun: "a file of objectives",
    about: "What must hold, for a run that was recorded.",
    reads: "",
    keys: &[
        needed("version", Whole(1, 1), "Version of the file format: 1."),
        key("name", Text, "Name."),
        key("about", Text, "Why they exist, in prose."),
        key(
            "steady_state",
            Object(&STEADY_STATE),
            "What must be true until the first fault; that of the run when absent.",
        ),
        needed("slo", List(&Object(&SLO)), "What must hold."),
    ],
};

pub(crate) static SLO: Shape = Shape {
    noun: "an slo block",
    about: "What must be true in one window.",
    reads: "during …, expect …; or after …, within 10s, expect …",
    keys: &[
        key(
            "during",
            Text,
            "The window: a fault's name, baseline, recovery, hold or whole run.",
        )
        .otherwise(&["window", "while"]),
        key(
            "after",
            Text,
            "A fault; the expectations speak of the time after its removal.",
        ),
        key("settle", Duration, "Left out at the start of the window.").otherwise(&["skip"]),
        key(
            "within",
            Duration,
            "With `after`: time allowed from the fault's removal.",
        )
        .otherwise(&["timeout"]),
        key(
            "hold",
            Duration,
            "With `after`: how long the recovered state must hold; 5s when absent.",
        ),
        key(
            "confidence",
            Share,
            "Confidence asked for a statement about the system, as against this run.",
        ),
        key(
            "burst",
            Whole(1, 1_000_000),
            "With `confidence`: failures that come together, 1 if each comes alone; 10 is assumed when absent, until the run shows better.",
        ),
        key("expect", List(&Gate), "The expectations.").otherwise(&["gates", "require"]),
        key(
            "openslo",
            Text,
            "An OpenSLO v1 file, relative to this one, whose objectives are expected too; `FILE#NAME` takes one SLO of it.",
        ),
    ],
};

pub(crate) static VARIANT: Shape = Shape {
    noun: "a variant",
    about: "A weakened form of the scenario that must fail.",
    reads: "name …, with { breakers: disabled }, fails …",
    keys: &[
        needed("name", Text, "Name."),
        needed("with", Names(&Text), "Settings that differ.").otherwise(&["set", "settings"]),
        needed(
            "fails",
            List(&Failure),
            "Gates that must fail: `success during slow recommendations`, `baseline returns after slow recommendations`.",
        ),
    ],
};
