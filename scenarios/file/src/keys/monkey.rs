//! The keys of a file for `squall monkey`.

use super::FIND;
use crate::shape::Kind::{
    Duration, FaultTarget, Flag, List, Names, Object, OneOf, Text, Whole, Words,
};
use crate::shape::{Kind, Shape, key, needed};

static A_GROUP: Kind = Object(&MONKEY_GROUP);
static HOW_TO_FIND: Kind = OneOf(FIND);

pub(crate) static MONKEY: Shape = Shape {
    noun: "a monkey",
    about: "Whom a Chaos Monkey may kill, and when.",
    reads: "",
    keys: &[
        needed("version", Whole(1, 1), "Version of the file format: 1."),
        needed("name", Text, "Name."),
        key("about", Text, "Why it exists, in prose.").otherwise(&["description"]),
        needed(
            "seed",
            Whole(0, u64::MAX),
            "Seed of its schedule: the same seed, the same days and minutes.",
        ),
        key(
            "enabled",
            Flag,
            "Whether it kills at all; true when absent. Read again when a kill is due.",
        ),
        key(
            "leashed",
            Flag,
            "Whether it only says what it would do; true when absent. Without, `--unleash` is needed too.",
        ),
        needed(
            "time_zone",
            Text,
            "Where its clock hangs: `Europe/Berlin`, `UTC`.",
        )
        .otherwise(&["timezone", "tz", "zone"]),
        key(
            "hours",
            Object(&MONKEY_HOURS),
            "When it is awake; from 9:00 to 15:00 when absent.",
        ),
        key(
            "workdays",
            List(&Words(WEEKDAYS)),
            "Days on which somebody works; mon to fri when absent.",
        )
        .otherwise(&["days"]),
        key(
            "holidays",
            List(&Text),
            "Days off that would be workdays: `2026-12-25`.",
        ),
        key(
            "holidays_file",
            Text,
            "A file of more of them, relative to this one: a date on each line, or iCalendar.",
        )
        .otherwise(&["holiday_file", "holidays_from", "ical"]),
        key(
            "outage_check",
            Object(&MONKEY_OUTAGE),
            "Asked before each kill; whatever is not a clear no is an outage.",
        )
        .otherwise(&["outage", "outage_checker"]),
        key(
            "decisions",
            Text,
            "Where its decisions are written, relative to this file; beside squall's state when absent.",
        )
        .otherwise(&["log"]),
        key(
            "system",
            Text,
            "The system file that groups name parts of, relative to this one; `reference` is that of the library.",
        ),
        needed("groups", Names(&A_GROUP), "Whom it may kill.").otherwise(&["apps"]),
    ],
};

pub(crate) static MONKEY_HOURS: Shape = Shape {
    noun: "`hours`",
    about: "When a monkey is awake, on the clock of its time zone.",
    reads: "hours: { from: 9:00, to: 15:00 }",
    keys: &[
        needed("from", Text, "First minute: `9:00`.").otherwise(&["start", "start_hour"]),
        needed("to", Text, "First minute after: `15:00`.").otherwise(&["end", "end_hour", "until"]),
    ],
};

pub(crate) static MONKEY_OUTAGE: Shape = Shape {
    noun: "`outage_check`",
    about: "What is asked before each kill.",
    reads: "outage_check: { command: [./no-outage], within: 10s }",
    keys: &[
        key(
            "command",
            List(&Text),
            "A program and its arguments; it ends with 0 where there is no outage.",
        )
        .otherwise(&["run"]),
        key(
            "http",
            Text,
            "A URL; it answers with 2xx where there is no outage.",
        )
        .otherwise(&["url"]),
        key(
            "within",
            Duration,
            "How long the answer may take; 10s when absent.",
        )
        .otherwise(&["timeout"]),
    ],
};

pub(crate) static MONKEY_GROUP: Shape = Shape {
    noun: "a group",
    about: "Processes of which at most one is killed a day.",
    reads: "mean: 2 workdays, survivors: 1, members: { … }",
    keys: &[
        key(
            "enabled",
            Flag,
            "Whether any of it is killed; true when absent.",
        ),
        needed(
            "mean",
            Text,
            "Mean time between two kills: `2 workdays`.",
        )
        .otherwise(&["mean_time", "meanTimeBetweenKillsInWorkDays"]),
        key(
            "min",
            Text,
            "Least time between two kills: `1 workday`, which is also what is meant when absent.",
        )
        .otherwise(&["min_time", "minTimeBetweenKillsInWorkDays"]),
        key(
            "survivors",
            Whole(0, 1_000),
            "How many eligible instances must be left alive; 1 when absent.",
        )
        .otherwise(&["min_survivors", "leave"]),
        key(
            "signal",
            Words(SIGNALS),
            "How they are ended; kill when absent.",
        ),
        key(
            "of",
            List(&FaultTarget),
            "Parts of the system: processes, instances, groups, and what stands under `existing`.",
        )
        .otherwise(&["parts", "into"]),
        key(
            "members",
            Names(&HOW_TO_FIND),
            "Its instances and how each is found: a pid file, a systemd unit, a command line, a port.",
        )
        .otherwise(&["instances"]),
        key(
            "except",
            List(&Text),
            "Instances that are never killed; `*` stands for any characters.",
        )
        .otherwise(&["exceptions", "whitelist"]),
    ],
};

/// Monday first.
pub(crate) const WEEKDAYS: &[(&str, &str)] = &[
    ("mon", "Monday."),
    ("tue", "Tuesday."),
    ("wed", "Wednesday."),
    ("thu", "Thursday."),
    ("fri", "Friday."),
    ("sat", "Saturday."),
    ("sun", "Sunday."),
];

pub(crate) const SIGNALS: &[(&str, &str)] = &[
    ("kill", "SIGKILL: no chance to clean up."),
    ("term", "SIGTERM: an orderly end."),
    ("int", "SIGINT."),
];
