//! Every key of scenario and system files, with its meaning.

use crate::shape::Kind::{
    self, BytesPerSecond, Decimal, Duration, Either, Failure, FaultTarget, Flag, Gate, Instances,
    List, Names, Object, OneOf, Rate, Send, Share, Status, Template, Text, Whole, Word, Words,
};
use crate::shape::{Key, Shape, key, needed};

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
        LINKS,
        SETTINGS,
        BREAKERS,
        GROUPS,
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

pub(crate) static SYSTEM: Shape = Shape {
    noun: "a system",
    about: "What is under test, described once for many scenarios.",
    reads: "",
    keys: &[
        needed("version", Whole(1, 1), "Version of the file format: 1."),
        key("name", Text, "Name, for people."),
        key("about", Text, "What the system is, in prose."),
        key(
            "target",
            Template,
            "Where the load goes unless a scenario says otherwise: a URL, or the name of a process.",
        ),
        PROCESSES,
        LINKS,
        SETTINGS,
        BREAKERS,
        GROUPS,
    ],
};

static A_PROCESS: Kind = Object(&PROCESS);
static A_LINK: Kind = Object(&LINK);

const PROCESSES: Key = key(
    "processes",
    Names(&A_PROCESS),
    "Processes in the order they are started.",
)
.otherwise(&["services"]);
const LINKS: Key = key(
    "links",
    Names(&A_LINK),
    "Named TCP routes the fault proxy owns.",
)
.otherwise(&["proxies"]);
const SETTINGS: Key = key(
    "settings",
    Names(&Text),
    "Values handed to processes as $settings.NAME; overridden by --set and by variants.",
);
const BREAKERS: Key = key(
    "breakers",
    Names(&OneOf(BREAKER_SOURCES)),
    "Where the state of each circuit breaker is read.",
)
.otherwise(&["circuit_breakers"]);
const GROUPS: Key = key(
    "groups",
    Names(&List(&FaultTarget)),
    "Names for sets of processes, instances and links.",
);

/// Keys that describe a system and may stand in a scenario instead of `system`.
pub(crate) const INLINE_SYSTEM_KEYS: [&str; 5] =
    ["processes", "links", "settings", "breakers", "groups"];

pub(crate) static PROCESS: Shape = Shape {
    noun: "a process",
    about: "A process and how to live with it.",
    reads: "",
    keys: &[
        needed(
            "command",
            List(&Template),
            "Program and arguments; $squall is squall itself.",
        )
        .otherwise(&["cmd", "run", "exec"]),
        key(
            "instances",
            Instances,
            "How many run: a number, or $settings.NAME. One when absent.",
        )
        .otherwise(&["replicas", "count"]),
        key("env", Names(&Template), "Additional environment variables.")
            .otherwise(&["environment"]),
        key(
            "ready",
            OneOf(READY),
            "How to tell that it serves; its port accepts connections when absent.",
        )
        .otherwise(&["health", "healthcheck", "readiness"]),
        key(
            "restart",
            Either(&[Words(RESTART_WORDS), Object(&RESTART)]),
            "What happens when it ends by itself or is killed; never when absent.",
        ),
        key(
            "inbound_link",
            Flag,
            "Whether the fault proxy stands in front of each instance.",
        )
        .otherwise(&["link"]),
        key("stop", Object(&STOP), "How it is ended."),
    ],
};

pub(crate) const RESTART_WORDS: &[(&str, &str)] = &[("never", "It stays down.")];

pub(crate) static RESTART: Shape = Shape {
    noun: "a restart policy",
    about: "The process is started again.",
    reads: "restart: { after: 1s }",
    keys: &[needed(
        "after",
        Duration,
        "How long after its end it is started again.",
    )],
};

pub(crate) static STOP: Shape = Shape {
    noun: "`stop`",
    about: "How a process is ended.",
    reads: "stop: { grace: 3s }",
    keys: &[needed(
        "grace",
        Duration,
        "How long it may take after SIGTERM before SIGKILL.",
    )],
};

static HTTP_FORMS: [Kind; 2] = [Text, Object(&READY_HTTP)];

pub(crate) const READY: &[Key] = &[
    needed(
        "http",
        Either(&HTTP_FORMS),
        "An HTTP GET is answered: `http: /health`.",
    ),
    key("tcp", Object(&READY_TCP), "Its port accepts connections."),
];

pub(crate) static READY_HTTP: Shape = Shape {
    noun: "an HTTP ready probe",
    about: "An HTTP GET at the process's own port is answered.",
    reads: "http: { path: /health, status: 200, within: 10s }",
    keys: &[
        needed("path", Text, "Path, starting with a slash.").otherwise(&["get", "url"]),
        key(
            "status",
            Whole(100, 599),
            "Status expected; 200 when absent.",
        ),
        key("within", Duration, "Deadline; 10s when absent.").otherwise(&["timeout"]),
    ],
};

pub(crate) static READY_TCP: Shape = Shape {
    noun: "a TCP ready probe",
    about: "The process's port accepts connections.",
    reads: "tcp: { within: 10s }",
    keys: &[key("within", Duration, "Deadline; 10s when absent.").otherwise(&["timeout"])],
};

pub(crate) static LINK: Shape = Shape {
    noun: "a link",
    about: "A TCP route: callers connect to its address, faults act in between.",
    reads: "payments: { to: 127.0.0.1:9001 }",
    keys: &[
        key(
            "listen",
            Text,
            "Address to listen on; allocated on loopback when absent.",
        ),
        needed(
            "to",
            Template,
            "Where connections go: host:port, the name of a process, or $processes.NAME.address.",
        )
        .otherwise(&["upstream"]),
    ],
};

pub(crate) const BREAKER_SOURCES: &[Key] = &[needed(
    "hystrix",
    Object(&HYSTRIX),
    "A Hystrix event stream of every instance of a process.",
)];

pub(crate) static HYSTRIX: Shape = Shape {
    noun: "a Hystrix source",
    about: "A Hystrix event stream.",
    reads: "hystrix: { of: gateway, command: recommendations }",
    keys: &[
        needed("of", Word, "The process whose instances have the breaker."),
        needed("command", Text, "Name of the command in the stream."),
        key(
            "path",
            Text,
            "Path of the stream; /hystrix.stream when absent.",
        ),
    ],
};

pub(crate) static LOAD: Shape = Shape {
    noun: "the load",
    about: "Open-loop load: arrivals come at their own times, whatever the answers do.",
    reads: "",
    keys: &[
        needed("shape", List(&OneOf(STAGES)), "Stages in order.").otherwise(&["stages", "profile"]),
        needed("requests", List(&Either(&[Send, Object(&REQUEST)])), "What an arrival sends, chosen by weight.").otherwise(&["request", "routes"]),
        key("data", Names(&OneOf(DATA)), "Values for $name in requests.").otherwise(&["variables"]),
        key("connections", Whole(1, 100_000), "The most connections open at once.").otherwise(&["max_connections"]),
        key("in_flight_max", Whole(1, 1_000_000), "The most requests in flight; arrivals above it are dropped and count as failures. 10000 when absent.").otherwise(&["max_in_flight"]),
        key("timeout", Duration, "How long a client waits for an answer; 10s when absent."),
        key("warm_up", Duration, "Load before anything is measured; 2s when absent.").otherwise(&["warmup", "warm-up"]),
    ],
};

pub(crate) const STAGES: &[Key] = &[
    needed("ramp", Object(&RAMP), "The rate changes linearly."),
    needed("hold", Object(&HOLD), "The rate stays."),
];

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
        needed("send", Send, "Method and path: GET /search?q=$word.").otherwise(&["url", "path"]),
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
        key("body", Template, "Body, sent as it is."),
        key(
            "expect",
            Object(&EXPECT),
            "Which answers are good; any status from 200 to 399 when absent.",
        ),
    ],
};

pub(crate) static EXPECT: Shape = Shape {
    noun: "`expect` of a request",
    about: "Which answers are good.",
    reads: "expect: { status: [200, 3xx] }",
    keys: &[needed(
        "status",
        Either(&[Status, List(&Status)]),
        "Status codes: 200, 2xx, or a list of them.",
    )],
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
    key("count", Object(&COUNT), "One number after the other."),
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
        needed("inject", OneOf(FAULTS), "What is done.").otherwise(&["type", "fault", "toxic"]),
        needed(
            "into",
            FaultTarget,
            "To whom: a process, a link, a group, an instance `catalog-0`, or `any 1 of catalog`.",
        )
        .otherwise(&["target", "on"]),
        key("for", Duration, "How long each injection lasts.").otherwise(&["duration", "over"]),
        key("every", Duration, "From one injection to the next.").otherwise(&["interval"]),
        key("times", Whole(1, 100_000), "Number of injections.").otherwise(&["repeat", "count"]),
    ],
};

pub(crate) const FAULTS: &[Key] = &[
    needed("delay", Object(&DELAY), "Bytes arrive later.").otherwise(&["latency", "slow"]),
    key(
        "cut",
        Object(&CUT),
        "Bytes stop arriving; connections stay up, silent.",
    )
    .otherwise(&["partition", "blackhole", "timeout"]),
    key(
        "reset",
        Object(&RESET),
        "Connections are ended with a TCP reset.",
    )
    .otherwise(&["reset_peer"]),
    needed("bandwidth", Object(&BANDWIDTH), "Bytes arrive slower."),
    key("kill", Object(&KILL), "The process is ended by a signal."),
    key(
        "pause",
        Object(&PAUSE),
        "The process is stopped and continued.",
    )
    .otherwise(&["freeze", "stop"]),
];

pub(crate) static DELAY: Shape = Shape {
    noun: "a delay",
    about: "Every chunk of bytes is passed on later, in order.",
    reads: "delay: { by: 300ms, jitter: 100ms }",
    keys: &[
        needed("by", Duration, "The delay.").otherwise(&["latency", "for"]),
        key(
            "jitter",
            Duration,
            "Half-width of a uniform spread around it; at most `by`.",
        ),
        DIRECTION,
    ],
};

const DIRECTION: Key = key(
    "direction",
    Words(DIRECTIONS),
    "Which bytes, seen from the target.",
);

pub(crate) const DIRECTIONS: &[(&str, &str)] = &[
    ("from", "Bytes from the target to its callers."),
    ("to", "Bytes from the callers to the target."),
    ("both", "Both."),
];

pub(crate) static CUT: Shape = Shape {
    noun: "a cut",
    about: "Bytes are swallowed; connections stay up, silent.",
    reads: "cut: { direction: both }",
    keys: &[DIRECTION],
};

pub(crate) static RESET: Shape = Shape {
    noun: "a reset",
    about: "Connections are ended with a TCP reset.",
    reads: "reset: { after: 100ms }",
    keys: &[key(
        "after",
        Duration,
        "How long after the first byte of a connection; at once when absent.",
    )],
};

pub(crate) static BANDWIDTH: Shape = Shape {
    noun: "a bandwidth limit",
    about: "At most so many bytes per second pass on each connection.",
    reads: "bandwidth: { rate: 64KiB/s }",
    keys: &[
        needed("rate", BytesPerSecond, "Bytes per second."),
        DIRECTION,
    ],
};

pub(crate) static KILL: Shape = Shape {
    noun: "a kill",
    about: "The process is ended by a signal.",
    reads: "kill: { signal: kill }",
    keys: &[key(
        "signal",
        Words(SIGNALS),
        "The signal; kill when absent.",
    )],
};

pub(crate) const SIGNALS: &[(&str, &str)] = &[
    ("kill", "SIGKILL: no chance to clean up."),
    ("term", "SIGTERM: an orderly end."),
    ("int", "SIGINT."),
];

pub(crate) static PAUSE: Shape = Shape {
    noun: "a pause",
    about: "The process is stopped (SIGSTOP) and continued.",
    reads: "inject: pause",
    keys: &[],
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
        needed("expect", List(&Gate), "The expectations.").otherwise(&["gates", "require"]),
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
            "Gates that must fail: `success during slow recommendations`.",
        ),
    ],
};
