//! `faults`: what is broken, where, when and for how long.

use std::time::Duration;

use squall_scenario::inject::Problem;
use squall_scenario::{
    CYCLES_MAX, FaultSpec, FaultTarget, Inject, Located, QuantityError, QuantityProblem, Repeat,
    Share, listed, nearest, quoted,
};

use super::{Fields, Names, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::{Kind, Shape};
use crate::yaml::Node;
use crate::{codes, keys};

/// What a share of a fault is a share of.
const OF_CONNECTIONS: &str = "connections";

/// A fault and where its parts stand.
#[derive(Debug, Clone)]
pub(crate) struct FaultDraft {
    pub(crate) spec: FaultSpec,
    pub(crate) at: Place,
    pub(crate) inject: Place,
    pub(crate) into: Place,
    /// The key `share`, or the whole where there is none.
    pub(crate) share: Place,
    /// The value of `for`, or the name where there is none.
    pub(crate) length: Place,
    pub(crate) every: Place,
    /// The key `every`, `times` or `repeat`, or the name where there is none.
    pub(crate) rhythm: Place,
    /// The value of `repeat`, or the name where there is none.
    pub(crate) cycles: Place,
    /// Whether a key was not known: `for` may be there, but misspelt.
    pub(crate) unknown_keys: bool,
}

impl Reader {
    /// Reads one fault. The name is given back even when the rest is broken,
    /// so that windows can still be checked.
    pub(crate) fn fault(
        &mut self,
        node: &Node,
        names: &Names,
    ) -> (Option<(String, Place)>, Option<FaultDraft>) {
        let Some(fields) = self.fields(node, &keys::FAULT) else {
            return (None, None);
        };
        let name = fields
            .get("name")
            .and_then(|node| Some((self.title(node)?, node.place)));
        let draft = self.fault_of(fields, name.clone(), names);
        (name, draft)
    }

    fn fault_of(
        &mut self,
        fields: Fields<'_>,
        name: Option<(String, Place)>,
        names: &Names,
    ) -> Option<FaultDraft> {
        let at = fields.get("at").and_then(|node| self.fault_start(node));
        let inject = fields.get("inject").and_then(|node| self.inject(node));
        let into = fields
            .get("into")
            .and_then(|node| Some(Located::new(self.reference(node, names)?, node.place.span)));
        let share = match fields.get("share") {
            Some(node) => Some(self.share_of_connections(node)?),
            None => None,
        };
        let duration = match fields.get("for") {
            Some(node) => Some(self.fault_length(node)?),
            None => None,
        };
        let repeat = match fields.get("repeat") {
            Some(node) => self.cycles(fields, node, duration),
            None => self.repeat(fields),
        };
        let (name, name_place) = name?;
        Some(FaultDraft {
            spec: FaultSpec {
                name: Located::new(name, name_place.span),
                at: at?,
                inject: inject?,
                into: into?,
                share,
                duration,
                repeat: repeat?,
                span: fields.node.place.span,
            },
            at: fields.place("at"),
            inject: fields.place("inject"),
            into: fields.place("into"),
            share: fields.key_place("share"),
            length: fields.get("for").map_or(name_place, |node| node.place),
            rhythm: ["repeat", "every", "times"]
                .into_iter()
                .find(|key| fields.get(key).is_some())
                .map_or(name_place, |key| fields.key_place(key)),
            every: fields.get("every").map_or(name_place, |node| node.place),
            cycles: fields.get("repeat").map_or(name_place, |node| node.place),
            unknown_keys: fields.has_unknown_keys(),
        })
    }

    fn fault_start(&mut self, node: &Node) -> Option<Duration> {
        let text = node.scalar().map_or("", |scalar| scalar.text.as_str());
        if text.starts_with('-') {
            let diagnostic = Diagnostic::error(
                codes::BEFORE_TIME_ZERO,
                "a fault cannot start before the load is measured",
            )
            .at(node.place, "before time zero")
            .help("time zero is the first measured arrival; write `0s` or later");
            self.report_value(node, diagnostic);
            return None;
        }
        self.duration(node)
    }

    fn fault_length(&mut self, node: &Node) -> Option<Duration> {
        let duration = self.duration(node)?;
        if duration.is_zero() {
            self.report(
                Diagnostic::error(codes::OUT_OF_RANGE, "a fault has to last some time")
                    .at(node.place, "no time at all")
                    .help("write how long it lasts, for instance `20s`"),
            );
            return None;
        }
        Some(duration)
    }

    /// `20% of connections`, or `20%`; not none at all.
    fn share_of_connections(&mut self, node: &Node) -> Option<Share> {
        let share = self.quantity(node, "a share", |text| {
            let part = text.trim().split_once(" of ");
            let (share, of) = part.map_or((text, OF_CONNECTIONS), |(share, of)| (share, of.trim()));
            let share: Share = share.parse()?;
            if of == OF_CONNECTIONS {
                return Ok(share);
            }
            Err(QuantityError {
                problem: QuantityProblem::UnknownUnit,
                title: format!(
                    "the share of a fault is one of connections, not of {}",
                    quoted(of)
                ),
                label: "of connections",
                help: format!("write `{share} of {OF_CONNECTIONS}`"),
            })
        })?;
        if share.get() == 0.0 {
            self.report(
                Diagnostic::error(codes::OUT_OF_RANGE, "the fault would hit nobody")
                    .at(node.place, "no connection at all")
                    .help("write for instance `20% of connections`; without `share` it hits all"),
            );
            return None;
        }
        Some(share)
    }

    /// `every` and `times`; the outer option is `None` after a mistake.
    #[expect(clippy::option_option, reason = "absent and broken are different")]
    fn repeat(&mut self, fields: Fields<'_>) -> Option<Option<Repeat>> {
        let every = fields.get("every").map(|node| self.fault_length(node));
        let times = fields
            .get("times")
            .map(|node| self.whole_u32(node, 1, 100_000));
        let (missing, present) = match (every, times) {
            (None, None) => return Some(None),
            (Some(every), Some(times)) => {
                return Some(Some(Repeat {
                    every: every?,
                    times: times?,
                    control: false,
                }));
            }
            (Some(_), None) => ("times", "every"),
            (None, Some(_)) => ("every", "times"),
        };
        self.report(
            Diagnostic::error(
                codes::REPEAT_INCOMPLETE,
                format!("`{present}` needs `{missing}` beside it"),
            )
            .at(fields.key_place(present), format!("without `{missing}`"))
            .help("a repeated fault reads: every 4s, times 8"),
        );
        None
    }

    /// `repeat: 5`, with `for` and perhaps `every`; the outer option is `None`
    /// after a mistake.
    #[expect(clippy::option_option, reason = "absent and broken are different")]
    fn cycles(
        &mut self,
        fields: Fields<'_>,
        node: &Node,
        duration: Option<Duration>,
    ) -> Option<Option<Repeat>> {
        let cycles = self.whole_u32(node, 1, CYCLES_MAX);
        if fields.get("times").is_some() {
            self.report(
                Diagnostic::error(
                    codes::KEYS_CONFLICT,
                    "a fault is repeated every time or in cycles",
                )
                .at(fields.key_place("times"), "and `times`")
                .also(fields.key_place("repeat"), "both `repeat`")
                .help("`times: 8` injects it 8 times; `repeat: 5` has 5 periods with it and 5 without, in random order"),
            );
            return None;
        }
        let Some(duration) = duration else {
            self.report(
                Diagnostic::error(codes::MISSING_KEY, "`repeat` needs `for` beside it")
                    .at(fields.key_place("repeat"), "cycles of what length?")
                    .help("write for instance `for: 10s`: periods with and without the fault are equally long"),
            );
            return None;
        };
        let every = match fields.get("every") {
            Some(node) => self.fault_length(node)?,
            // As long without anything as with it: what the fault left behind
            // must be gone before the next period.
            None => duration.saturating_mul(2),
        };
        Some(Some(Repeat {
            every,
            times: cycles?.saturating_mul(2),
            control: true,
        }))
    }

    fn inject(&mut self, node: &Node) -> Option<Inject> {
        let (key, value) = self.one_of(node, "a fault", keys::faults())?;
        let about = Inject::kinds().find(|about| about.keyword == key.name)?;
        let short = value.filter(|value| value.scalar().is_some());
        let short = short.and_then(|value| Some((value, keys::short_form(about)?)));
        let fields = match (value, object_of(&key.kind)) {
            (Some(value), Some(shape)) if short.is_none() => Some(self.fields(value, shape)?),
            _ => None,
        };
        let given = match short {
            Some((value, short)) => self.given_short(value, short, about.parameters)?,
            None => self.given(node, fields, about.parameters)?,
        };
        let inject = (about.read)(&given)?;
        if let Some(mistake) = inject.mistake() {
            let code = match mistake.problem {
                Problem::OutOfRange => codes::OUT_OF_RANGE,
                Problem::JitterAboveDelay => codes::JITTER_ABOVE_DELAY,
            };
            let place = fields.map_or(node.place, |fields| place_of(fields, mistake.parameter));
            self.report(
                Diagnostic::error(code, mistake.title)
                    .at(place, mistake.label)
                    .help(mistake.help),
            );
        }
        Some(inject)
    }

    /// The name of a process, an instance, a link or a group, or `any N of`
    /// one of them.
    pub(crate) fn reference(&mut self, node: &Node, names: &Names) -> Option<FaultTarget> {
        let text = self.text(node)?;
        let Some(rest) = text.strip_prefix("any ") else {
            return self.named(node, text.trim(), 0, names);
        };
        let parts = rest.split_once(" of ");
        let count = parts.and_then(|(count, _)| count.trim().parse::<u32>().ok());
        let (Some(count), Some((_, name))) = (count.filter(|count| *count > 0), parts) else {
            let title = format!("{} names no share", quoted(&text));
            let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
                .at(node.place, "any how many of what?")
                .help("write for instance `any 1 of catalog`");
            self.report_value(node, diagnostic);
            return None;
        };
        let of = self.named(node, name.trim(), text.len() - name.len(), names)?;
        if matches!(
            of,
            FaultTarget::Link(_)
                | FaultTarget::Existing(_)
                | FaultTarget::Instance { .. }
                | FaultTarget::Name(_)
        ) {
            let title = format!("{} is only one thing", quoted(name));
            let diagnostic = Diagnostic::error(codes::TOO_FEW_MEMBERS, title)
                .at(node.place, "nothing to choose from")
                .help(format!("write `into: {}`", name.trim()));
            self.report_value(node, diagnostic);
            return None;
        }
        Some(FaultTarget::Any {
            count,
            of: Box::new(of),
        })
    }

    fn named(
        &mut self,
        node: &Node,
        name: &str,
        offset: usize,
        names: &Names,
    ) -> Option<FaultTarget> {
        let target = names.resolve(name);
        if target.is_none() && !names.incomplete {
            let place = node.part(offset..offset + name.len());
            let diagnostic = unknown_name(name, place, names);
            self.report_value(node, diagnostic);
        }
        target
    }
}

/// The long form of a fault.
fn object_of(kind: &'static Kind) -> Option<&'static Shape> {
    match kind {
        Kind::Object(shape) => Some(shape),
        Kind::Either(forms) => forms.iter().find_map(object_of),
        _ => None,
    }
}

/// Where the value of a parameter stands; that of one of a group is named
/// behind the group and a dot.
fn place_of(fields: Fields<'_>, parameter: &str) -> Place {
    let Some((group, member)) = parameter.split_once('.') else {
        return fields.place(parameter);
    };
    let Some(node) = fields.get(group) else {
        return fields.node.place;
    };
    node.get(member).map_or(node.place, |member| member.place)
}

/// The message for a name that nothing in the file has.
pub(super) fn unknown_name(name: &str, place: Place, names: &Names) -> Diagnostic {
    let title = format!("nothing here is called {}", quoted(name));
    let diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, title).at(place, "not declared");
    let bare = name
        .strip_prefix("links.")
        .or_else(|| name.strip_prefix("processes."))
        .unwrap_or(name);
    let known = || names.declared.iter().map(|declared| declared.name.as_str());
    let instance = bare
        .rsplit_once('-')
        .filter(|(_, index)| index.parse::<u32>().is_ok())
        .and_then(|(process, _)| names.get(process))
        .filter(|declared| declared.instances > 0);
    if let Some(process) = instance {
        let (name, count) = (&process.name, process.instances);
        let last = count - 1;
        return diagnostic
            .also(process.place, format!("{count} of these"))
            .help(format!("instances are {name}-0 to {name}-{last}"));
    }
    let near = known()
        .find(|name| *name == bare)
        .or_else(|| nearest(bare, known()));
    match near.and_then(|near| names.get(near)) {
        Some(near) => diagnostic
            .also(near.place, "did you mean this one?")
            .help(format!("did you mean `{}`?", near.name)),
        None if names.declared.is_empty() => {
            diagnostic.help("this scenario declares no processes, links or groups")
        }
        None => diagnostic.help(format!(
            "names here: {}",
            listed(&known().collect::<Vec<_>>())
        )),
    }
}
