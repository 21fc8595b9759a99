//! Keys of `load`.

use super::connecting::{CLIENT_TLS, CONNECTIONS};
use super::expect::EXPECT;
use super::journey::{OF_STEP, PAUSE, PERSONA, PLAYER, is};
use super::stay::{ALL, COUNT_MAX, EVENTS, RECEIVE};
use crate::shape::Kind::{
    Decimal, Duration, DurationRange, Either, Json, List, Names, Object, OneOf, Rate, Send,
    Template, Text, Whole, Word, Words,
};
use crate::shape::{Key, Shape, key, needed};

pub(crate) static LOAD: Shape = Shape {
    noun: "the load",
    about: "Open-loop load: arrivals come at their own times, whatever the answers do.",
    reads: "",
    keys: &[
        needed("shape", List(&OneOf(STAGES)), "Stages in order.").otherwise(&["stages", "profile"]),
        key("requests", List(&Either(&[Send, Object(&REQUEST)])), "What an arrival sends, chosen by weight.").otherwise(&["request", "routes"]),
        key("journeys", List(&Object(&JOURNEY)), "What an arrival starts, step by step, beside or instead of `requests`.").otherwise(&["journey", "flows", "scenarios", "users_do"]),
        key("headers", Names(&Template), "Headers of every request that does not write the same itself.").otherwise(&["header"]),
        key("auth", OneOf(AUTH), "Who asks, of every request that does not say so itself.").otherwise(&["authorization", "credentials"]),
        key("follow", Whole(0, 20), "The most redirects that are followed, of every request that does not say so itself; none when absent.").otherwise(&["redirects", "max_redirects"]),
        key("personas", Names(&Object(&PERSONA)), "Clients that journeys are made `as`, beside web, mobile, tv and console.").otherwise(&["persona", "clients"]),
        key("data", Names(&OneOf(DATA)), "Values for $name in requests.").otherwise(&["variables"]),
        key("users", Word, "Name of the data that says which virtual user asks; reports count the users that were hurt.").otherwise(&["user"]),
        key("connections", Either(&[Whole(1, 100_000), Words(CONNECTIONS)]), "The most connections open at once, or `per request`: one for each, closed after its answer; as many as requests need, and kept, when absent.").otherwise(&["max_connections"]),
        key("connect_to", Either(&[Text, List(&Text)]), "Where connections go instead of where the target's name leads: `host:port`, `unix:/path`, or a list of them, in turn.").otherwise(&["unix_socket", "resolve"]),
        key("proto", Text, "What describes the methods of gRPC, for every call that does not name a file itself.").otherwise(&["protos", "descriptor", "protoset"]),
        key("http", Whole(1, 2), "The version of HTTP that clients speak: 1 when absent; 2 carries many requests on a connection, agreed by TLS (ALPN), without TLS spoken from the first byte (prior knowledge).").otherwise(&["http_version", "protocol", "version"]),
        key("tls", Object(&CLIENT_TLS), "How clients speak TLS to an https:// target."),
        key("in_flight_max", Whole(1, 1_000_000), "The most requests in flight; arrivals above it are dropped and count as failures. 10000 when absent.").otherwise(&["max_in_flight"]),
        key("workers", Whole(1, 256), "How many threads send, each its own part of the arrivals; one for each 20000/s when absent, at most one for each core.").otherwise(&["threads"]),
        key("timeout", Duration, "How long a client waits for an answer; 10s when absent."),
        key("warm_up", Duration, "Load before anything is measured; 2s when absent.").otherwise(&["warmup", "warm-up"]),
        key("loads", List(&Object(&BESIDE)), "Loads that are sent at the same time, each of its own shape and requests.").otherwise(&["beside"]),
    ],
};

pub(crate) static BESIDE: Shape = Shape {
    noun: "a load beside the main one",
    about: "A load of its own, with threads and connections of its own, from time zero until its shape is over; never longer than the main load, whose data it may use.",
    reads: "name: telemetry, shape: [ hold: { rate: 60/s, for: 60s } ], requests: [ POST /heartbeat ]",
    keys: &[
        needed("name", Text, "Name, for people."),
        needed("shape", List(&OneOf(STAGES)), "Stages in order; not longer than the main load.").otherwise(&["stages", "profile"]),
        needed("requests", List(&Either(&[Send, Object(&REQUEST)])), "What an arrival sends, chosen by weight; names are those of no other request.").otherwise(&["request", "routes"]),
        key("connections", Whole(1, 100_000), "The most connections open at once.").otherwise(&["max_connections"]),
        key("in_flight_max", Whole(1, 1_000_000), "The most requests in flight; arrivals above it are dropped and count as failures. 10000 when absent.").otherwise(&["max_in_flight"]),
        key("workers", Whole(1, 256), "How many threads send; one for each 20000/s when absent, at most one for each core.").otherwise(&["threads"]),
        key("timeout", Duration, "How long a client waits for an answer; that of the main load when absent."),
    ],
};

pub(crate) const STAGES: &[Key] = &[
    needed("ramp", Object(&RAMP), "The rate changes linearly."),
    needed("hold", Object(&HOLD), "The rate stays."),
    needed("wave", Object(&WAVE), "The rate swings between two rates."),
    needed(
        "steps",
        Object(&STEPS),
        "The rate goes from one hold to the next.",
    ),
    needed("spike", Object(&SPIKE), "The rate jumps up and back again."),
    needed(
        "replay",
        Object(&REPLAY),
        "Arrivals come at the times that a file holds.",
    ),
    needed(
        "closed",
        Object(&CLOSED),
        "A closed loop: each user sends its next request when its last was answered.",
    ),
];

pub(crate) static CLOSED: Shape = Shape {
    noun: "a closed loop",
    about: "So many users, of whom each sends its next request when its last was answered and it has thought. What the target holds up is not sent, so that its quantiles hide waiting; all stages of a load are closed loops, or none.",
    reads: "closed: { users: 64, think: 0s..1s, for: 30s }",
    keys: &[
        needed("users", Whole(1, 100_000), "How many."),
        key(
            "think",
            DurationRange,
            "How long each waits before its next request: 2s, or 1s..3s for any time between the two; not at all when absent.",
        ),
        needed("for", Duration, "Length.").otherwise(&["over", "duration"]),
    ],
};

pub(crate) static REPLAY: Shape = Shape {
    noun: "a replay",
    about: "Arrivals at the times that a file holds, counted from its first.",
    reads: "replay: { file: arrivals.txt, speed: 2 }",
    keys: &[
        needed(
            "file",
            Text,
            "Path, relative to this file: a time in each line, as seconds or as a date with a time (RFC 3339), in order; or .csv or .jsonl with a `column`; at most 64 MiB.",
        )
        .otherwise(&["path", "from"]),
        key("column", Text, "The column of a .csv or .jsonl file that holds the times."),
        key("speed", Decimal, "By how much faster than it was, 0.001 to 100; 1 when absent."),
        key(
            "for",
            Duration,
            "Length: later arrivals are left out; to the second behind the last one when absent.",
        )
        .otherwise(&["duration", "over"]),
    ],
};

pub(crate) static STEPS: Shape = Shape {
    noun: "steps",
    about: "Holds one after the other, each higher or lower than the one before.",
    reads: "steps: { from: 100/s, to: 500/s, by: 100/s, each: 20s }",
    keys: &[
        needed("from", Rate, "Rate of the first hold."),
        needed("to", Rate, "Rate of the last hold."),
        needed("by", Rate, "The difference between one hold and the next.").otherwise(&["step"]),
        needed("each", Duration, "Length of each hold.").otherwise(&["for", "every", "duration"]),
    ],
};

pub(crate) static SPIKE: Shape = Shape {
    noun: "a spike",
    about: "A hold, a higher one, and the first again, without a ramp between them.",
    reads: "spike: { from: 100/s, to: 1000/s, before: 20s, for: 5s, after: 20s }",
    keys: &[
        needed("from", Rate, "Rate before and after.").otherwise(&["base", "rate"]),
        needed("to", Rate, "Rate of the spike.").otherwise(&["peak"]),
        needed("before", Duration, "Length of the hold before it."),
        needed("for", Duration, "Length of the spike.").otherwise(&["duration"]),
        needed("after", Duration, "Length of the hold after it."),
    ],
};

pub(crate) static RAMP: Shape = Shape {
    noun: "a ramp",
    about: "The rate changes linearly.",
    reads: "ramp: { from: 10/s, to: 200/s, over: 10s }",
    keys: &[
        needed("from", Rate, "Rate at the start."),
        needed("to", Rate, "Rate at the end."),
        needed("over", Duration, "Length.").otherwise(&["for", "duration"]),
    ],
};

pub(crate) static WAVE: Shape = Shape {
    noun: "a wave",
    about: "The rate swings smoothly between two rates, as over a day.",
    reads: "wave: { from: 50/s, to: 200/s, every: 60s, for: 180s }",
    keys: &[
        needed("from", Rate, "Rate at the start."),
        needed("to", Rate, "Rate half a period later."),
        needed("every", Duration, "Length of a period.").otherwise(&["period"]),
        needed("for", Duration, "Length.").otherwise(&["over", "duration"]),
    ],
};

pub(crate) static HOLD: Shape = Shape {
    noun: "a hold",
    about: "The rate stays.",
    reads: "hold: { rate: 200/s, for: 60s }",
    keys: &[
        needed("rate", Rate, "Arrivals per second.").otherwise(&["at"]),
        needed("for", Duration, "Length.").otherwise(&["over", "duration"]),
        key(
            "arrivals",
            Words(ARRIVALS),
            "Spacing of the arrivals; even when absent.",
        ),
    ],
};

pub(crate) const ARRIVALS: &[(&str, &str)] = &[
    ("even", "Equal gaps."),
    ("poisson", "Exponential gaps: independent users."),
];

pub(crate) static REQUEST: Shape = Shape {
    noun: "a request",
    about: "A kind of request, also called a route.",
    reads: "name: search, send: GET /search, within: 1s",
    keys: &[
        key(
            "name",
            Text,
            "Name used by gates and reports; what is sent when absent.",
        ),
        key("send", Send, "Method and path: GET /search?q=$word.").otherwise(&["url", "path"]),
        key("call", Text, "Instead of `send`: the method of gRPC that is called over HTTP/2, which is sent one message, by its full name: shop.v1.Catalog/Play.").otherwise(&["grpc", "rpc", "method"]),
        key("proto", Text, "The file that describes the method, relative to this file: `.proto`, whose imports are looked for on the way to it, or a descriptor set; that of the load when absent.").otherwise(&["descriptor", "protoset"]),
        key("message", Json, "What the method is sent: a map of its fields. A `$name` stands there as in `json`; nothing is in it when absent. What is said on a socket: a text, a map that is JSON, or a list of them, one after the other.").otherwise(&["messages", "say"]),
        key("socket", Template, "Instead of `send`: the path at which a WebSocket is opened over HTTP/1.1: /chat?room=$room.").otherwise(&["websocket", "ws"]),
        key(
            "receive",
            Either(&[Whole(1, COUNT_MAX as u64), Words(ALL), Object(&RECEIVE)]),
            "When the client leaves a socket: behind so many messages that came, or behind a time; `all` waits for the server to close it. One for each `message` when absent.",
        ),
        key(
            "weight",
            Whole(1, 1_000_000),
            "Share of the arrivals relative to the other requests; 1 when absent.",
        ),
        key(
            "within",
            Duration,
            "Response time above which an answer is not good.",
        )
        .otherwise(&["timeout", "deadline"]),
        key("headers", Names(&Template), "Headers.").otherwise(&["header"]),
        key(
            "body",
            Either(&[Template, Object(&BODY)]),
            "Body: a text, or a file that is sent as it is.",
        ),
        key(
            "json",
            Json,
            "Body that is JSON, with its content-type. A `$name` alone and without quotes is a number where its data are numbers, else a text.",
        ),
        key(
            "form",
            Names(&Either(&[Template, List(&Template)])),
            "Body of a form, with its content-type; each value is encoded.",
        )
        .otherwise(&["urlencoded", "data"]),
        key(
            "multipart",
            Names(&Either(&[
                Template,
                Object(&PART),
                List(&Either(&[Template, Object(&PART)])),
            ])),
            "Body of fields and files (multipart/form-data), with its content-type.",
        )
        .otherwise(&["parts", "files"]),
        key(
            "auth",
            OneOf(AUTH),
            "Who asks, sent as the header `authorization`; that of the load when absent.",
        )
        .otherwise(&["authorization", "credentials"]),
        key("follow", Whole(0, 20), "The most redirects to the same target that are followed within the arrival, whose response time spans them; that of the load when absent. One more, or one to another host, is a failure.").otherwise(&["redirects", "max_redirects", "location"]),
        key(
            "events",
            Either(&[Whole(1, COUNT_MAX as u64), Words(ALL), Object(&EVENTS)]),
            "The answer is read as server-sent events, and ends when the client leaves: behind so many of them, or behind a time; `all` waits for the server to end it.",
        )
        .otherwise(&["sse", "event_stream", "stream"]),
        key(
            "expect",
            Object(&EXPECT),
            "Which answers are good; any status from 200 to 399 when absent.",
        ),
    ],
};

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
        key(
            "as",
            Text,
            "How the user's client behaves: web, mobile, tv, console, or one of `personas`; one attempt of the load's `timeout` when absent.",
        )
        .otherwise(&["persona", "client"]),
        needed(
            "steps",
            List(&Either(&[Send, Object(&STEP), Object(&PAUSE), Object(&PLAYER)])),
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

pub(crate) static BODY: Shape = Shape {
    noun: "a body",
    about: "A body that stands in a file.",
    reads: "body: { file: order.json }",
    keys: &[needed(
        "file",
        Text,
        "Path, relative to this file; at most 64 MiB, sent as it is.",
    )],
};

pub(crate) static PART: Shape = Shape {
    noun: "a part of a body",
    about: "A file, or a text with a type of its own.",
    reads: "photo: { file: cat.jpg, type: image/jpeg }",
    keys: &[
        key("file", Text, "Path, relative to this file; at most 64 MiB, sent as it is.").otherwise(&["path"]),
        key("text", Template, "The text, instead of a file.").otherwise(&["value", "content"]),
        key("type", Text, "Its media type; application/octet-stream for a file when absent, none for a text.").otherwise(&["content_type", "content-type", "media"]),
        key("filename", Text, "What the server is told that the file is called; the last part of its path when absent.").otherwise(&["name"]),
    ],
};

pub(crate) const AUTH: &[Key] = &[
    needed("basic", Object(&BASIC), "A name and a password."),
    needed("bearer", Template, "A token."),
    key("none", Object(&NOBODY), "Nobody, whatever the load says."),
];

pub(crate) static BASIC: Shape = Shape {
    noun: "`basic`",
    about: "A name and a password, sent in base64.",
    reads: "basic: { user: $account.user, password: $account.password }",
    keys: &[
        needed("user", Template, "The name; it has no colon.").otherwise(&["username", "name"]),
        needed("password", Template, "The password.").otherwise(&["pass", "secret"]),
    ],
};

pub(crate) static NOBODY: Shape = Shape {
    noun: "`none`",
    about: "Nobody asks.",
    reads: "none",
    keys: &[],
};

pub(crate) const DATA: &[Key] = &[
    needed(
        "uniform",
        Object(&UNIFORM),
        "Whole numbers, equally likely.",
    ),
    needed(
        "zipf",
        Object(&ZIPF),
        "Whole numbers from 1; the lower ones are more popular.",
    ),
    needed("pick", List(&Text), "One of a list, equally likely."),
    key("count", Object(&COUNT), "One number after the other.").otherwise(&["sequence", "serial"]),
    key("uuid", Object(&UUID), "Random UUIDs, one for each arrival."),
    needed(
        "file",
        Object(&TABLE),
        "Rows of a CSV or JSON Lines file; `$NAME.COLUMN` is a value of the row.",
    ),
];

pub(crate) static UUID: Shape = Shape {
    noun: "`uuid`",
    about: "Random UUIDs of version 4, one for each arrival.",
    reads: "uuid",
    keys: &[],
};

pub(crate) static TABLE: Shape = Shape {
    noun: "`file`",
    about: "A table in a file: every arrival draws one row.",
    reads: "file: { path: accounts.csv }",
    keys: &[
        needed(
            "path",
            Text,
            "Path, relative to this file: .csv with a line of column names, or .jsonl with an object in each line; at most 64 MiB.",
        ),
        key(
            "order",
            Words(ORDERS),
            "Which row an arrival gets; random when absent.",
        ),
    ],
};

pub(crate) const ORDERS: &[(&str, &str)] = &[
    ("random", "Any row, equally likely."),
    (
        "in turn",
        "One row after the other, and from the front again.",
    ),
];

pub(crate) static UNIFORM: Shape = Shape {
    noun: "`uniform`",
    about: "Whole numbers between two, both included, equally likely.",
    reads: "uniform: { from: 1, to: 10000 }",
    keys: &[
        needed("from", Whole(0, u64::MAX), "Lowest value."),
        needed("to", Whole(0, u64::MAX), "Highest value."),
    ],
};

pub(crate) static ZIPF: Shape = Shape {
    noun: "`zipf`",
    about: "Whole numbers from 1 to `over`; number k has weight k to the power of -skew.",
    reads: "zipf: { over: 15000, skew: 1.1 }",
    keys: &[
        needed("over", Whole(1, 1_000_000_000), "Highest value."),
        needed("skew", Decimal, "Exponent, above 0.").otherwise(&["s", "exponent", "theta"]),
    ],
};

pub(crate) static COUNT: Shape = Shape {
    noun: "`count`",
    about: "One number after the other, in the order of the arrivals.",
    reads: "count: { from: 1 }",
    keys: &[key(
        "from",
        Whole(0, u64::MAX),
        "First value; 1 when absent.",
    )],
};
