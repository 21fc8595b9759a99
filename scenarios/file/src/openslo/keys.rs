//! Keys of OpenSLO v1 objects, and of the metric sources that squall knows.

use crate::shape::Kind::{Flag, List, Names, Object, Text, Words};
use crate::shape::{Key, Kind, Shape, key, needed};

/// Anything: a part of an object that is another tool's business.
const FREE: Kind = Names(&Text);

pub(super) static OBJECT: Shape = Shape {
    noun: "an OpenSLO object",
    about: "One document of an OpenSLO file.",
    reads: "apiVersion: openslo/v1, kind …, metadata …, spec …",
    keys: &[
        needed("apiVersion", Text, "openslo/v1."),
        needed("kind", Words(KINDS), "What it describes."),
        needed("metadata", Object(&METADATA), "Its name."),
        needed("spec", FREE, "What it says."),
    ],
};

pub(super) const KINDS: &[(&str, &str)] = &[
    ("SLO", "Objectives."),
    ("SLI", "How something is measured."),
    ("DataSource", "Where it is measured."),
    ("Service", "What objectives belong to."),
    ("AlertPolicy", "When somebody is told."),
    ("AlertCondition", "When somebody is told."),
    ("AlertNotificationTarget", "Who is told."),
];

pub(super) static METADATA: Shape = Shape {
    noun: "`metadata`",
    about: "What an object is called.",
    reads: "metadata: { name: … }",
    keys: &[
        needed("name", Text, "Its name."),
        key("displayName", Text, "Its name for people."),
        key("labels", FREE, "What it is filed under."),
        key("annotations", FREE, "What tools say about it."),
    ],
};

pub(super) static SLO: Shape = Shape {
    noun: "the `spec` of an SLO",
    about: "Objectives and what they are about.",
    reads: "",
    keys: &[
        key("description", Text, "What it is for."),
        key("service", Text, "What it belongs to."),
        key("indicator", Object(&INDICATOR), "What is measured."),
        key("indicatorRef", Text, "An SLI of the same file."),
        key("timeWindow", List(&FREE), "What the budget is of."),
        key("budgetingMethod", Words(METHODS), "What is counted."),
        needed("objectives", List(&Object(&OBJECTIVE)), "The targets."),
        key("alertPolicies", List(&FREE), "When somebody is told."),
    ],
};

pub(super) const METHODS: &[(&str, &str)] = &[
    ("Occurrences", "Good events over all events."),
    ("Timeslices", "Good slices of time over all of them."),
    ("RatioTimeslices", "The mean of what the slices gave."),
];

pub(super) static OBJECTIVE: Shape = Shape {
    noun: "an objective",
    about: "A target.",
    reads: "target: 0.999",
    keys: &[
        key("displayName", Text, "Its name for people."),
        key("op", Words(OPERATORS), "How a threshold is compared."),
        key("value", Text, "What a threshold is compared with."),
        key("target", Text, "The share that must be good, from 0 to 1."),
        key("targetPercent", Text, "The same in percent."),
        key("timeSliceTarget", Text, "Of slices of time."),
        key("timeSliceWindow", Text, "Of slices of time."),
        key("indicator", Object(&INDICATOR), "What is measured."),
        key("indicatorRef", Text, "An SLI of the same file."),
        key("compositeWeight", Text, "Its weight among others."),
    ],
};

pub(super) const OPERATORS: &[(&str, &str)] =
    &[("lte", "<="), ("gte", ">="), ("lt", "<"), ("gt", ">")];

pub(super) static INDICATOR: Shape = Shape {
    noun: "an indicator",
    about: "How something is measured.",
    reads: "indicator: { metadata: …, spec: … }",
    keys: &[
        key("metadata", Object(&METADATA), "Its name."),
        needed("spec", Object(&SLI), "How it is measured."),
    ],
};

pub(super) static SLI: Shape = Shape {
    noun: "the `spec` of an SLI",
    about: "How something is measured.",
    reads: "ratioMetric: … or thresholdMetric: …",
    keys: &[
        key("description", Text, "What it is for."),
        key("thresholdMetric", Object(&METRIC), "A number."),
        key("ratioMetric", Object(&RATIO), "A share."),
    ],
};

pub(super) static RATIO: Shape = Shape {
    noun: "`ratioMetric`",
    about: "A share: good of total, 1 minus bad of total, or as it is.",
    reads: "good: …, total: …",
    keys: &[
        key("counter", Flag, "Whether the numbers only ever rise."),
        key("good", Object(&METRIC), "What is good."),
        key("bad", Object(&METRIC), "What is not."),
        key("total", Object(&METRIC), "All of it."),
        key("rawType", Words(RAW), "What `raw` is the share of."),
        key("raw", Object(&METRIC), "The share itself."),
    ],
};

pub(super) const RAW: &[(&str, &str)] = &[
    ("success", "Of what is good."),
    ("failure", "Of what is not."),
];

pub(super) static METRIC: Shape = Shape {
    noun: "a metric",
    about: "Where a number comes from.",
    reads: "metricSource: { type: squall, spec: … }",
    keys: &[needed("metricSource", Object(&SOURCE), "Where from.")],
};

pub(super) static SOURCE: Shape = Shape {
    noun: "`metricSource`",
    about: "Where a number comes from.",
    reads: "metricSource: { type: squall, spec: … }",
    keys: &[
        key("metricSourceRef", Text, "A DataSource of the same file."),
        key("type", Text, "squall or Prometheus."),
        needed("spec", FREE, "What is asked there."),
    ],
};

pub(super) static DATA_SOURCE: Shape = Shape {
    noun: "the `spec` of a DataSource",
    about: "Where it is measured.",
    reads: "",
    keys: &[
        key("description", Text, "What it is for."),
        needed("type", Text, "squall or Prometheus."),
        key("connectionDetails", FREE, "How it is reached."),
    ],
};

/// `spec` of a source of type `squall` in a ratio.
pub(super) static COUNT: Shape = Shape {
    noun: "a count of squall",
    about: "How many arrivals.",
    reads: "spec: { count: good, of: checkout, within: 300ms }",
    keys: &[
        needed("count", Words(COUNTS), "Which arrivals."),
        key("of", Text, "Name of a request; all of them when absent."),
        key("within", Text, "Good only when it took no longer."),
    ],
};

pub(super) const COUNTS: &[(&str, &str)] = &[
    ("good", "Arrivals that were answered well."),
    ("failed", "Arrivals that were not."),
    ("all", "All arrivals."),
];

/// `spec` of a source of type `squall` in a threshold.
pub(super) static MEASURE: Shape = Shape {
    noun: "a measure of squall",
    about: "A number.",
    reads: "spec: { measure: response_time of checkout, unit: ms }",
    keys: &[
        needed("measure", Text, "What is measured."),
        key("unit", Text, "Unit of `value`."),
    ],
};

/// `spec` of a source of type `Prometheus`.
pub(super) static QUERY: Shape = Shape {
    noun: "a query of Prometheus",
    about: "A number.",
    reads: "spec: { query: … }",
    keys: &[
        key("query", Text, "The query."),
        key("promql", Text, "The query, as older files call it."),
    ],
};

/// Annotations by which a file says what squall measures instead of what its
/// metric sources ask.
pub(super) const ANNOTATIONS: &[Key] = &[
    key("squall/measure", Text, "What is measured."),
    key("squall/within", Text, "Good only when it took no longer."),
    key("squall/unit", Text, "Unit of `value`."),
];
