//! Keys of `expect` of a request.

use super::stay::COUNT_MAX;
use crate::shape::Kind::{
    Duration, Either, List, Names, Object, Size, Status, Template, Text, Whole,
};
use crate::shape::{Key, Shape, key};

pub(crate) static EXPECT: Shape = Shape {
    noun: "`expect` of a request",
    about: "Which answers are good.",
    reads: "expect: { status: [200, 3xx], json: { /rows/0: present } }",
    keys: &[
        key(
            "status",
            Either(&[Status, List(&Status)]),
            "Status codes: 200, 2xx, or a list of them; 200 to 399 when absent. Those of a call are names: NOT_FOUND; OK when absent. Of a socket, codes by which it is closed, 1000, 1001 and 1005 when absent; or those of HTTP by which it is refused.",
        )
        .otherwise(&["code"]),
        key(
            "header",
            Names(&Template),
            "Headers: present, absent, or a value in which * stands for anything.",
        )
        .otherwise(&["headers"]),
        key(
            "json",
            Names(&Template),
            "Values of a JSON body by JSON pointer: present, absent, or a value in which * stands for anything.",
        ),
        key("body", Object(&EXPECT_BODY), "What the body is like."),
        key(
            "messages",
            Either(&[Whole(0, COUNT_MAX as u64), Object(&EXPECT_MESSAGES)]),
            "Of a call that is answered with a stream, and of a socket: how many messages come, and how.",
        ),
        key(
            "events",
            Either(&[Whole(0, COUNT_MAX as u64), Object(&EXPECT_EVENTS)]),
            "Of an answer that is read as `events`: how many come, and how.",
        ),
    ],
};

pub(crate) static EXPECT_MESSAGES: Shape = Shape {
    noun: "`messages` of `expect`",
    about: "How the messages of a stream come.",
    reads: "messages: { at_least: 1, first: 200ms, gap: 1s }",
    keys: &SERIES,
};

pub(crate) static EXPECT_EVENTS: Shape = Shape {
    noun: "`events` of `expect`",
    about: "How the events of a stream come.",
    reads: "events: { at_least: 1, first: 200ms, gap: 1s }",
    keys: &SERIES,
};

static SERIES: [Key; 4] = [
    key(
        "at_least",
        Whole(0, COUNT_MAX as u64),
        "The fewest that come.",
    )
    .otherwise(&["min"]),
    key("at_most", Whole(0, COUNT_MAX as u64), "The most that come.").otherwise(&["max"]),
    key(
        "first",
        Duration,
        "How late the first may come, counted from when the request was first sent on its way.",
    ),
    key(
        "gap",
        Duration,
        "The longest time that may lie between one and the next.",
    )
    .otherwise(&["every", "between"]),
];

pub(crate) static EXPECT_BODY: Shape = Shape {
    noun: "`body` of `expect`",
    about: "What the body of a good answer is like.",
    reads: "body: { contains: \"rows\", at_most: 64KiB }",
    keys: &[
        key(
            "contains",
            Either(&[Template, List(&Template)]),
            "A text that is in it, or a list of them.",
        )
        .otherwise(&["text", "includes"]),
        key(
            "lacks",
            Either(&[Template, List(&Template)]),
            "A text that is not in it, or a list of them.",
        )
        .otherwise(&["excludes", "not_contains"]),
        key("at_least", Size, "The fewest bytes it has.").otherwise(&["min", "min_size"]),
        key("at_most", Size, "The most bytes it has.").otherwise(&["max", "max_size"]),
        key("sha256", Text, "Its SHA-256 digest: 64 hexadecimal digits.").otherwise(&["digest"]),
    ],
};
