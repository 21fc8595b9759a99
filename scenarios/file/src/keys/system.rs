//! Keys of system files, which may also stand in a scenario.

use crate::shape::Kind::{
    self, Duration, Either, FaultTarget, Flag, Instances, List, Names, Object, OneOf, Size,
    Template, Text, Whole, Word, Words,
};
use crate::shape::{Key, Shape, key, needed};

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
        EXISTING,
        LINKS,
        SETTINGS,
        BREAKERS,
        GROUPS,
        HOST_NAMES,
        super::PROBES,
    ],
};

static A_PROCESS: Kind = Object(&PROCESS);
static A_LINK: Kind = Object(&LINK);

pub(super) const PROCESSES: Key = key(
    "processes",
    Names(&A_PROCESS),
    "Processes in the order they are started.",
)
.otherwise(&["services"]);
static HOW_TO_FIND: Kind = OneOf(FIND);

pub(super) const EXISTING: Key = key(
    "existing",
    Names(&HOW_TO_FIND),
    "Processes that squall did not start; a fault hits them only with --allow-process.",
)
.otherwise(&["external", "foreign"]);

pub(crate) const FIND: &[Key] = &[
    needed("pid_file", Text, "The number stands in this file.").otherwise(&["pidfile", "pid"]),
    needed(
        "unit",
        Text,
        "Everything in the control group of this systemd unit: `nginx.service`.",
    )
    .otherwise(&["systemd", "service"]),
    needed(
        "command",
        Text,
        "Its command line matches this regular expression.",
    )
    .otherwise(&["cmdline", "match"]),
    needed("port", Whole(1, 65535), "It listens on this TCP port."),
    needed(
        "instance",
        Text,
        "It is this instance of a system that another squall runs: `catalog-0`.",
    ),
];

pub(super) const LINKS: Key = key(
    "links",
    Names(&A_LINK),
    "Named TCP routes the fault proxy owns.",
)
.otherwise(&["proxies"]);
pub(super) const SETTINGS: Key = key(
    "settings",
    Names(&Text),
    "Values handed to processes as $settings.NAME; overridden by --set and by variants.",
);
pub(super) const BREAKERS: Key = key(
    "breakers",
    Names(&OneOf(BREAKER_SOURCES)),
    "Where the state of each circuit breaker is read.",
)
.otherwise(&["circuit_breakers"]);
pub(super) const GROUPS: Key = key(
    "groups",
    Names(&List(&FaultTarget)),
    "Names for sets of processes, instances and links.",
);

pub(super) const HOST_NAMES: Key = key(
    "names",
    Names(&Template),
    "Names that processes may look up, each with the address behind it: host:port, the name of a process or a link, or $processes.NAME.address. With any of them processes ask the run's own resolver, which knows no others; $names.NAME is the name with its port, $dns.address the resolver.",
)
.otherwise(&["hosts", "dns", "host_names"]);

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
        key(
            "keep_output",
            Size,
            "How much of each instance's output is kept, half from its beginning and half from its end; 16MiB when absent.",
        )
        .otherwise(&["log", "logs", "output", "log_size"]),
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
        key(
            "tls",
            Words(TLS),
            "Whether it speaks TLS with its callers, by a certificate of the authority in $run.ca.",
        )
        .otherwise(&["https", "ssl"]),
    ],
};

pub(crate) const TLS: &[(&str, &str)] = &[
    (
        "terminate",
        "TLS with callers, plain bytes with the target.",
    ),
    (
        "both",
        "TLS with callers and with the target, whose certificate is not looked at.",
    ),
];

pub(crate) const BREAKER_SOURCES: &[Key] = &[
    needed(
        "hystrix",
        Object(&HYSTRIX),
        "A Hystrix event stream of every instance of a process.",
    ),
    needed(
        "metrics",
        Object(&BREAKER_METRICS),
        "A metric that every instance of a process exposes, as resilience4j and Envoy do.",
    )
    .otherwise(&["prometheus", "resilience4j", "envoy"]),
    needed(
        "log",
        Object(&BREAKER_LOG),
        "Lines in the output of every instance of a process.",
    )
    .otherwise(&["logs", "output"]),
];

pub(crate) static BREAKER_METRICS: Shape = Shape {
    noun: "a metrics source",
    about: "A metric in the exposition text of every instance, read twice a second. With a `state` label, the series with value 1 says the state; without, 0 is closed and anything else open.",
    reads: "metrics: { of: api, name: resilience4j_circuitbreaker_state, labels: { name: payments } }",
    keys: &[
        needed("of", Word, "The process whose instances have the breaker."),
        key(
            "path",
            Text,
            "Path of the exposition; /metrics when absent.",
        ),
        needed("name", Text, "Name of the metric.").otherwise(&["metric"]),
        key("labels", Names(&Text), "Labels that a series must have."),
    ],
};

pub(crate) static BREAKER_LOG: Shape = Shape {
    noun: "a log source",
    about: "Lines in the output of every instance; the last line that matches says the state. Until one does nothing is known of the breaker, unless `starts` says it.",
    reads: "log: { of: api, open: \"circuit .* opened\", closed: \"circuit .* closed\" }",
    keys: &[
        needed("of", Word, "The process whose instances have the breaker."),
        needed(
            "open",
            Text,
            "Regular expression of a line that says: open.",
        ),
        needed(
            "closed",
            Text,
            "Regular expression of a line that says: closed.",
        ),
        key(
            "half_open",
            Text,
            "Regular expression of a line that says: half-open.",
        )
        .otherwise(&["half-open", "halfopen"]),
        key(
            "starts",
            Words(BREAKER_STARTS),
            "What it is until a line matches, for a service that says nothing before its breaker opens.",
        )
        .otherwise(&["initial", "default"]),
    ],
};

pub(crate) const BREAKER_STARTS: &[(&str, &str)] = &[(
    "closed",
    "It counts as closed in every process that starts, on the scenario's word.",
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
