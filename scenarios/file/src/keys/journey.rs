//! Keys of `personas` of a load, and of what its journeys have beside requests.

use crate::shape::Kind::{Duration, DurationRange, Flag, Names, Object, OneOf, Share, Text, Whole};
use crate::shape::{Key, Shape, key, needed};

/// What a step has beside what a request has, whose weight means nothing in it.
pub(super) const OF_STEP: [Key; 2] = [
    key(
        "take",
        Names(&OneOf(TAKE)),
        "Values of the answer for later steps, where `$NAME` stands for them.",
    )
    .otherwise(&["capture", "extract", "captures", "save"]),
    key(
        "leave",
        Share,
        "How many users leave behind this step, though it went well.",
    )
    .otherwise(&["exit", "abandon", "drop"]),
];

/// Whether two texts are the same, when this is compiled.
pub(super) const fn is(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

pub(crate) static PAUSE: Shape = Shape {
    noun: "a pause",
    about: "The user thinks before the next step.",
    reads: "think: 1s..3s",
    keys: &[needed(
        "think",
        DurationRange,
        "How long; any time between the two, equally likely.",
    )
    .otherwise(&["pause", "wait", "sleep"])],
};

pub(crate) static PLAYER: Shape = Shape {
    noun: "a step that plays",
    about: "The user watches the title whose manifest is the answer of the step before: segments are fetched as a player fetches them, at bit rates that network and buffer bear.",
    reads: "name: title, player: { buffer: 8s, for: 30s }",
    keys: &[
        key(
            "name",
            Text,
            "Name; `player` when absent. Its segments are the route JOURNEY/NAME.",
        ),
        needed("player", Object(&WATCHING), "How the user watches."),
    ],
};

pub(crate) static WATCHING: Shape = Shape {
    noun: "how a user watches",
    about: "A player of video.",
    reads: "buffer: 8s, for: 30s",
    keys: &[
        key(
            "buffer",
            Duration,
            "Playing time that is fetched ahead at most, and two segments at least; 8s when absent.",
        ),
        needed(
            "for",
            Duration,
            "How long the user stays from the request for the manifest on, picture or not.",
        )
        .otherwise(&["stay", "watch", "duration"]),
    ],
};

pub(crate) static PERSONA: Shape = Shape {
    noun: "a persona",
    about: "How a client behaves when answers are slow or bad, and whether it keeps them.",
    reads: "kiosk: { timeout: 4s, retries: 2, backoff: 250ms }",
    keys: &[
        needed("timeout", Duration, "How long one attempt may take."),
        key(
            "retries",
            Whole(0, 10),
            "Attempts behind the first one, where that fails in a way that may pass; 0 when absent.",
        )
        .otherwise(&["attempts", "retry"]),
        key(
            "backoff",
            Duration,
            "Between the first two attempts, at most, twice as long before each later one; 500ms when absent.",
        )
        .otherwise(&["delay", "wait"]),
        key(
            "cache",
            Flag,
            "Whether it keeps answers that may be used again, as `cache-control`, `expires` and `etag` say, while its journey goes on; false when absent.",
        )
        .otherwise(&["caches", "caching", "http_cache"]),
    ],
};

pub(crate) const TAKE: &[Key] = &[
    needed(
        "json",
        Text,
        "A value of a JSON body, by JSON pointer: /user/token.",
    )
    .otherwise(&["jsonpath", "pointer"]),
    needed("header", Text, "A header's value."),
    needed(
        "regex",
        Text,
        "What the first group of a regular expression holds in the body, or all that it fits where it has no group.",
    )
    .otherwise(&["pattern", "re"]),
];
