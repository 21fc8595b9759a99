//! Keys of probes.

use crate::shape::Kind::{self, Duration, List, Names, Object, OneOf, Template, Text, Whole, Word};
use crate::shape::{Key, Shape, key, needed};

static A_PROBE: Kind = Object(&PROBE);

pub(crate) const PROBES: Key = key(
    "probes",
    List(&A_PROBE),
    "Numbers that are read beside the load; gates write `probe NAME < 100`.",
)
.otherwise(&["probe", "metrics", "checks"]);

pub(crate) static PROBE: Shape = Shape {
    noun: "a probe",
    about: "A number that is read again and again beside the load.",
    reads: "name …, every 1s, within 500ms, read { http: … }",
    keys: &[
        needed("name", Text, "Name, as gates write it."),
        key(
            "every",
            Duration,
            "From one reading to the next; 1s when absent.",
        )
        .otherwise(&["interval"]),
        key(
            "within",
            Duration,
            "Deadline of one reading; 1s when absent.",
        )
        .otherwise(&["timeout"]),
        needed("read", OneOf(PROBE_READS), "Where the number comes from.")
            .otherwise(&["from", "type"]),
    ],
};

pub(crate) const PROBE_READS: &[Key] = &[
    needed(
        "http",
        Object(&PROBE_HTTP),
        "An HTTP GET: a number in its JSON, or 1 when the status fits and 0 otherwise.",
    ),
    needed(
        "command",
        Object(&PROBE_COMMAND),
        "A command with a number on the last line of its output.",
    )
    .otherwise(&["exec", "run", "shell"]),
    needed(
        "prometheus",
        Object(&PROBE_PROMETHEUS),
        "An instant query to a Prometheus server.",
    ),
    needed(
        "metrics",
        Object(&PROBE_METRICS),
        "A metric that every instance of a process exposes, summed.",
    ),
    needed(
        "log",
        Object(&PROBE_LOG),
        "Lines that match in the output of a process so far.",
    ),
];

pub(crate) static PROBE_HTTP: Shape = Shape {
    noun: "an HTTP probe",
    about: "An HTTP GET. Redirects are not followed.",
    reads: "http: { get: http://127.0.0.1:9000/stats, json: /queue/length }",
    keys: &[
        needed("get", Template, "The URL; $processes.NAME.address works.")
            .otherwise(&["url", "path"]),
        key(
            "status",
            Whole(100, 599),
            "Status expected; 200 when absent.",
        ),
        key(
            "json",
            Text,
            "JSON pointer to a number or a truth value: /queue/length.",
        )
        .otherwise(&["pointer"]),
    ],
};

pub(crate) static PROBE_COMMAND: Shape = Shape {
    noun: "a command probe",
    about: "A command, started anew for every reading and ended at its deadline.",
    reads: "command: { run: [ sh, -c, \"ls queue | wc -l\" ] }",
    keys: &[needed("run", List(&Template), "Program and arguments.").otherwise(&["command", "cmd"])],
};

pub(crate) static PROBE_PROMETHEUS: Shape = Shape {
    noun: "a Prometheus probe",
    about: "An instant query that gives a scalar or a vector of one sample.",
    reads: "prometheus: { at: http://127.0.0.1:9090, query: \"sum(queue_length)\" }",
    keys: &[
        needed("at", Template, "Base URL of the server.").otherwise(&["url"]),
        needed("query", Text, "The query."),
    ],
};

pub(crate) static PROBE_METRICS: Shape = Shape {
    noun: "a metrics probe",
    about: "A metric in the exposition text of every instance of a process, summed.",
    reads: "metrics: { of: catalog, name: jobs_waiting }",
    keys: &[
        needed("of", Word, "The process."),
        key(
            "path",
            Text,
            "Path of the exposition; /metrics when absent.",
        ),
        needed("name", Text, "Name of the metric.").otherwise(&["metric"]),
        key("labels", Names(&Text), "Labels that a series must have."),
    ],
};

pub(crate) static PROBE_LOG: Shape = Shape {
    noun: "a log probe",
    about: "How many lines of a process's output matched since the run began.",
    reads: "log: { of: catalog, pattern: \"OutOfMemory|panic\" }",
    keys: &[
        needed("of", Word, "The process."),
        needed("pattern", Text, "Regular expression of a line.").otherwise(&["matches", "regex"]),
    ],
};
