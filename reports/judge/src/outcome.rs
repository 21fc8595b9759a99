//! How a run ended: one table of outcomes, exit codes and their order.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run ended. The one table of exit codes is [`OUTCOMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// Every gate passed, and there was one.
    Pass,
    /// The load ran to its end without a gate: there is nothing that could
    /// have failed.
    Measured,
    /// At least one gate failed.
    Fail,
    /// The command line or the scenario is wrong.
    Usage,
    /// The run proves neither.
    Inconclusive,
    /// A guard of `abort_when` ended the run.
    Aborted,
    /// The system under test could not be made ready.
    NotReady,
    /// Something could not be put back.
    UndoFailed,
    /// squall itself is wrong.
    Internal,
    /// Ended by SIGINT, everything was put back.
    Interrupted,
    /// Ended by SIGTERM, everything was put back.
    Terminated,
}

/// One row of the table of exit codes.
#[derive(Debug, Clone, Copy)]
pub struct OutcomeRow {
    /// The outcome.
    pub outcome: RunOutcome,
    /// Exit code of the process.
    pub exit_code: u8,
    /// The word reports lead with.
    pub word: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
}

const fn row(
    outcome: RunOutcome,
    exit_code: u8,
    word: &'static str,
    meaning: &'static str,
) -> OutcomeRow {
    OutcomeRow {
        outcome,
        exit_code,
        word,
        meaning,
    }
}

/// Every outcome, the loudest first: where several apply, the earliest row
/// decides the exit code.
pub const OUTCOMES: [OutcomeRow; 11] = [
    row(
        RunOutcome::UndoFailed,
        6,
        "UNDO FAILED",
        "a fault, process or link could not be put back; `squall recover` shows what is left",
    ),
    row(
        RunOutcome::Internal,
        70,
        "INTERNAL ERROR",
        "squall contradicts itself; please report it with the record",
    ),
    row(
        RunOutcome::Interrupted,
        130,
        "INTERRUPTED",
        "ended by SIGINT; everything was put back",
    ),
    row(
        RunOutcome::Terminated,
        143,
        "TERMINATED",
        "ended by SIGTERM; everything was put back",
    ),
    row(
        RunOutcome::Usage,
        2,
        "USAGE ERROR",
        "the command line or the scenario is wrong; nothing was run",
    ),
    row(
        RunOutcome::NotReady,
        5,
        "NOT READY",
        "the system under test could not be made ready and nothing was broken, or what was \
         asked for could not be written or printed",
    ),
    row(
        RunOutcome::Aborted,
        4,
        "ABORTED",
        "a guard of `abort_when` ended the run early",
    ),
    row(RunOutcome::Fail, 1, "FAIL", "at least one gate failed"),
    row(
        RunOutcome::Inconclusive,
        3,
        "INCONCLUSIVE",
        "no gate failed, but at least one could not be decided",
    ),
    row(
        RunOutcome::Measured,
        0,
        "MEASURED",
        "the load ran to its end without a gate: nothing is said about the system",
    ),
    row(RunOutcome::Pass, 0, "PASS", "every gate passed"),
];

impl RunOutcome {
    /// Place in [`OUTCOMES`]; less is louder.
    fn place(self) -> usize {
        OUTCOMES
            .iter()
            .position(|row| row.outcome == self)
            .unwrap_or(OUTCOMES.len())
    }

    /// Its row of the table.
    #[must_use]
    pub fn row(self) -> &'static OutcomeRow {
        // A test shows that every outcome has a row.
        OUTCOMES.get(self.place()).unwrap_or(&OUTCOMES[1])
    }

    /// Exit code of the process.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().exit_code
    }

    /// The word reports lead with, for instance `PASS`.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// The louder of two outcomes, which decides when both apply.
    #[must_use]
    pub fn louder(self, other: Self) -> Self {
        if other.place() < self.place() {
            other
        } else {
            self
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The table of exit codes as Markdown, by code; documentation is generated
/// from it.
#[must_use]
pub fn exit_code_table() -> String {
    let mut rows = OUTCOMES;
    rows.sort_by_key(|row| row.exit_code);
    let mut text = String::from("| exit code | outcome | meaning |\n|---:|---|---|\n");
    for row in rows {
        text.push_str(&format!(
            "| {} | {} | {} |\n",
            row.exit_code,
            row.word.to_lowercase(),
            row.meaning
        ));
    }
    let mut order: Vec<String> = OUTCOMES
        .iter()
        .map(|row| row.exit_code.to_string())
        .collect();
    order.dedup();
    text.push_str(&format!(
        "\nWhere several apply, the first of these decides: {}.\n",
        order.join(" > ")
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_documented_one() {
        let codes: Vec<u8> = OUTCOMES.iter().map(|row| row.exit_code).collect();
        assert_eq!(codes, [6, 70, 130, 143, 2, 5, 4, 1, 3, 0, 0]);
        assert_eq!(
            RunOutcome::Fail.louder(RunOutcome::Inconclusive),
            RunOutcome::Fail
        );
        assert_eq!(
            RunOutcome::Fail.louder(RunOutcome::Aborted),
            RunOutcome::Aborted
        );
        assert_eq!(
            RunOutcome::Pass.louder(RunOutcome::UndoFailed),
            RunOutcome::UndoFailed
        );
    }

    #[test]
    fn the_generated_table_stands() {
        insta::assert_snapshot!(exit_code_table());
    }
}
