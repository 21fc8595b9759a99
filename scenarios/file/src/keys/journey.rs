//! Keys of `journeys` of a load.

use super::load::REQUEST;
use crate::shape::Kind::{
    DurationRange, Either, List, Names, Object, OneOf, Send, Share, Text, Whole,
};
use crate::shape::{Key, Shape, key, needed};

pub(crate) static JOURNEY: Shape = Shape {
    noun: "a journey",
    about: "What one user does, step by step; an arrival starts it.",
    reads: "name: buy, weight: 3, steps: [ GET /, think: 1s..3s, POST /buy ]",
    keys: &[
        needed(
            "name",
            Text,
            "Name; its steps are the routes NAME/STEP of gates and reports.",
        ),
        key(
            "weight",
            Whole(1, 1_000_000),
            "Share of the arrivals relative to other journeys and to requests; 1 when absent.",
        ),
        needed(
            "steps",
            List(&Either(&[Send, Object(&STEP), Object(&PAUSE)])),
            "What is done, one thing after the other.",
        )
        .otherwise(&["requests", "flow"]),
    ],
};

pub(crate) static STEP: Shape = Shape {
    noun: "a step",
    about: "A request of a journey; the journey ends where it fails.",
    reads: "name: log in, send: POST /login, take: { token: { json: /token } }",
    keys: &STEP_KEYS,
};

/// What a step has beside what a request has, whose weight means nothing in it.
const OF_STEP: [Key; 2] = [
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

const STEP_KEYS_COUNT: usize = REQUEST.keys.len() - 1 + OF_STEP.len();

static STEP_KEYS: [Key; STEP_KEYS_COUNT] = {
    let mut keys = [OF_STEP[0]; STEP_KEYS_COUNT];
    let (mut from, mut to) = (0, 0);
    while from < REQUEST.keys.len() {
        if !is(REQUEST.keys[from].name, "weight") {
            keys[to] = REQUEST.keys[from];
            to += 1;
        }
        from += 1;
    }
    let mut own = 0;
    while own < OF_STEP.len() {
        keys[to + own] = OF_STEP[own];
        own += 1;
    }
    keys
};

/// Whether two texts are the same, when this is compiled.
const fn is(one: &str, other: &str) -> bool {
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
