//! `shape`: the stages of a load.

use std::time::Duration;

use squall_scenario::{Arrivals, Rate, Replay, Stage};

use super::{Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::Kind;
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

/// Holds that one entry may stand for.
const STEPS_MAX: u32 = 1_000;
/// Users of a closed loop.
const USERS_MAX: u32 = 100_000;

impl Reader {
    /// All stages, whether every one could be read, and where the last one ends.
    pub(super) fn stages(&mut self, fields: Fields<'_>) -> (Vec<Stage>, bool, Place) {
        let Some(node) = fields.get("shape") else {
            return (Vec::new(), false, fields.node.place);
        };
        let items = self.list(node, "stages");
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            self.report_empty(
                node,
                "the load has no stage",
                "ramp: { from: 10/s, to: 200/s, over: 5s }",
            );
        }
        let mut end = node.place;
        let mut stages = Vec::new();
        let mut complete = !items.is_empty();
        for item in items {
            match self.stage(item) {
                Some((some, place)) => {
                    stages.extend(some);
                    end = place;
                }
                None => complete = false,
            }
        }
        (stages, complete, end)
    }

    /// What one entry stands for, and where its length is written.
    fn stage(&mut self, node: &Node) -> Option<(Vec<Stage>, Place)> {
        let (key, value) = self.one_of(node, "a stage", keys::STAGES)?;
        let Kind::Object(shape) = key.kind else {
            return None;
        };
        let fields = self.fields(value?, shape)?;
        let (stages, length) = match key.name {
            "ramp" => (vec![self.ramp(fields)?], "over"),
            "wave" => (vec![self.wave(fields)?], "for"),
            "steps" => (self.steps(fields)?, "each"),
            "spike" => (self.spike(fields)?, "for"),
            "replay" => (vec![self.replay(fields)?], "for"),
            "closed" => (vec![self.closed(fields)?], "for"),
            _ => (vec![self.hold(fields)?], "for"),
        };
        let place = fields.place(length);
        if stages.iter().any(|stage| stage.duration().is_zero()) {
            self.report(
                Diagnostic::error(codes::OUT_OF_RANGE, "a stage has to last some time")
                    .at(place, "no time at all")
                    .help("leave the stage out, or give it a length"),
            );
            return None;
        }
        Some((stages, place))
    }

    fn steps(&mut self, fields: Fields<'_>) -> Option<Vec<Stage>> {
        let from = self.rate_of(fields, "from");
        let to = self.rate_of(fields, "to");
        let by = self.rate_of(fields, "by");
        let each = fields.get("each").and_then(|node| self.duration(node));
        let (from, to, by) = (from?, to?, by?);
        let whole = (to.as_per_second() - from.as_per_second()).abs() / by.as_per_second();
        // Rates are decimal fractions, which are seldom exact.
        let steps = (whole + 1e-9).floor();
        if !(0.0..f64::from(STEPS_MAX)).contains(&steps) {
            let (label, help) = match by.as_per_second() > 0.0 {
                true => ("too small", "take larger steps"),
                false => ("no difference", "write for instance `by: 100/s`"),
            };
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("from {from} to {to} there would be more than {STEPS_MAX} steps"),
                )
                .at(fields.place("by"), label)
                .help(help),
            );
            return None;
        }
        if (whole - steps).abs() > 1e-6 {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("steps of {by} from {from} do not come to {to}"),
                )
                .at(fields.place("by"), "no whole number of steps")
                .help(format!("the last hold would be at another rate than {to}; choose a `by` that divides the difference")),
            );
            return None;
        }
        let sign = if to < from { -1.0 } else { 1.0 };
        let rate = |step: u32| {
            let rate = from.as_per_second() + sign * f64::from(step) * by.as_per_second();
            // Nine decimals: 0.3 - 0.1 is shown as people write it.
            Rate::per_second((rate.max(0.0) * 1e9).round() / 1e9)
        };
        let each = each?;
        (0..=steps as u32)
            .map(|step| Some(hold_at(rate(step)?, each)))
            .collect()
    }

    fn spike(&mut self, fields: Fields<'_>) -> Option<Vec<Stage>> {
        let from = self.rate_of(fields, "from");
        let to = self.rate_of(fields, "to");
        let lengths = ["before", "for", "after"].map(|key| {
            let node = fields.get(key)?;
            self.some_time(node, "each part of a spike has to last some time")
        });
        let [before, length, after] = lengths;
        let (from, to) = (from?, to?);
        let parts = [(from, before?), (to, length?), (from, after?)];
        Some(parts.map(|(rate, length)| hold_at(rate, length)).to_vec())
    }

    fn ramp(&mut self, fields: Fields<'_>) -> Option<Stage> {
        let from = self.rate_of(fields, "from");
        let to = self.rate_of(fields, "to");
        let over = fields.get("over").and_then(|node| self.duration(node));
        Some(Stage::Ramp {
            from: from?,
            to: to?,
            over: over?,
        })
    }

    fn wave(&mut self, fields: Fields<'_>) -> Option<Stage> {
        let from = self.rate_of(fields, "from");
        let to = self.rate_of(fields, "to");
        let every = fields.get("every");
        let every = every.and_then(|node| self.some_time(node, "nothing swings in no time"));
        let duration = fields.get("for").and_then(|node| self.duration(node));
        Some(Stage::Wave {
            from: from?,
            to: to?,
            every: every?,
            duration: duration?,
        })
    }

    fn hold(&mut self, fields: Fields<'_>) -> Option<Stage> {
        let rate = self.rate_of(fields, "rate");
        let duration = fields.get("for").and_then(|node| self.duration(node));
        let arrivals = match fields.get("arrivals") {
            Some(node) => self.word(node, keys::ARRIVALS),
            None => Some("even"),
        };
        let arrivals = match arrivals? {
            "poisson" => Arrivals::Poisson,
            _ => Arrivals::Even,
        };
        Some(Stage::Hold {
            rate: rate?,
            duration: duration?,
            arrivals,
        })
    }

    fn closed(&mut self, fields: Fields<'_>) -> Option<Stage> {
        let users = fields.get("users");
        let users = users.and_then(|node| self.whole_u32(node, 1, USERS_MAX));
        let duration = fields.get("for").and_then(|node| self.duration(node));
        let think = match fields.get("think") {
            Some(node) => Some(self.think(node)?),
            None => None,
        };
        Some(Stage::Closed {
            users: users?,
            // Who thinks for no time does not think.
            think: think.filter(|think| !think.to.is_zero()),
            duration: duration?,
        })
    }

    /// Arrivals of a file; its text was read before, and what was wrong with it is told
    /// already.
    fn replay(&mut self, fields: Fields<'_>) -> Option<Stage> {
        let file = fields.get("file");
        let path = file.and_then(|node| self.text(node));
        let speed = match fields.get("speed") {
            Some(node) => self.speed(node),
            None => Some(1.0),
        };
        let length = match fields.get("for") {
            Some(node) => Some(self.some_time(node, "a stage has to last some time")?),
            None => None,
        };
        let column = match fields.get("column") {
            Some(node) => Some(self.text(node)?),
            None => None,
        };
        let (path, speed) = (path?, speed?);
        let found = self.beside.arrivals_of(&path, column.as_deref()).cloned()?;
        let shown = self.secret_text(file?)?;
        let replay = Replay::new((shown, found.sha256), &found.times, speed, length);
        Some(Stage::Replay(replay))
    }

    fn rate_of(&mut self, fields: Fields<'_>, key: &str) -> Option<Rate> {
        fields.get(key).and_then(|node| self.rate(node))
    }
}

const fn hold_at(rate: Rate, duration: Duration) -> Stage {
    Stage::Hold {
        rate,
        duration,
        arrivals: Arrivals::Even,
    }
}
