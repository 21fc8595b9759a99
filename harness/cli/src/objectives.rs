//! Objectives that stand in another file than the run's scenario: a scenario,
//! a file with objectives alone, or an OpenSLO v1 file.

use std::path::Path;
use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_record::Record;
use squall_scenario::{Gate, Located, Scenario, SloBlock, Span, WHOLE_RUN, When};
use squall_scenario_file::{
    Checked, OpenSlo, ParseOptions, Source, is_objectives, is_openslo, parse_objectives,
    parse_openslo, process_environment,
};

use crate::args::JudgeArgs;
use crate::{exit, locate};

/// What a run is judged by.
pub struct Objectives {
    /// Path or name as it was given.
    given: String,
    /// Text of the file.
    text: String,
    source: Of,
}

enum Of {
    Scenario(Box<Scenario>),
    /// Only a run can say whether its windows exist.
    Alone(Source),
    OpenSlo(Source, OpenSlo),
}

/// The OpenSLO file at a path, checked; `None` when it is none.
pub fn openslo(given: &str) -> Option<Checked<OpenSlo>> {
    let source = Source::read(Path::new(given)).ok()?;
    let options = ParseOptions::new(&process_environment);
    is_openslo(&source).then(|| parse_openslo(&source, &options))
}

impl Objectives {
    /// Reads the file that `--slo` names.
    pub fn read(args: &JudgeArgs) -> Result<Self, ExitCode> {
        let given = args.slo.clone();
        let Some(checked) = openslo(&given) else {
            if args.during.is_some() {
                let message = "--during is for OpenSLO files; the blocks of a scenario say \
                               `during` themselves";
                return Err(exit::fail(RunOutcome::Usage, message));
            }
            if let Some(source) = alone(&given) {
                return Ok(Self {
                    given,
                    text: source.text.clone(),
                    source: Of::Alone(source),
                });
            }
            let found = locate::scenario(&given, &args.reading)?;
            let sound = found.into_sound()?;
            return Ok(Self {
                given,
                text: sound.text,
                source: Of::Scenario(Box::new(sound.redacted)),
            });
        };
        locate::print(&checked);
        match (checked.value, checked.sources.into_iter().next()) {
            (Some(value), Some(source)) => Ok(Self {
                given,
                text: source.text.clone(),
                source: Of::OpenSlo(source, value),
            }),
            _ => {
                let message = format!("{given}: these objectives cannot be asked of a run");
                Err(exit::fail(RunOutcome::Usage, &message))
            }
        }
    }

    /// The scenario whose objectives are judged. Those of an OpenSLO file are
    /// asked of one window of the run; its steady state is that of the run.
    pub fn of_run(&self, record: &Record, during: Option<&str>) -> Result<Scenario, String> {
        let (source, openslo) = match &self.source {
            Of::Scenario(scenario) => return Ok(scenario.as_ref().clone()),
            Of::Alone(source) => return self.alone_of_run(source, record),
            Of::OpenSlo(source, openslo) => (source, openslo),
        };
        let mut scenario = record.manifest.scenario.clone();
        let requests: Vec<&str> = scenario
            .load
            .routes()
            .map(|request| request.name.as_str())
            .collect();
        for objective in &openslo.objectives {
            if let Gate::Metric(gate) = &objective.gate.value
                && let Some(of) = &gate.of
                && !requests.contains(&of.as_str())
            {
                return Err(format!(
                    "{}:{}: no request of this run is called `{of}`; requests: {}",
                    self.given,
                    objective.gate.span.line,
                    requests.join(", ")
                ));
            }
        }
        let start = source.span(0, 0);
        place_steady_state(&mut scenario, start);
        let window = during.unwrap_or(WHOLE_RUN).to_owned();
        let gates = openslo.objectives.iter().map(|o| o.gate.clone());
        scenario.slo = vec![SloBlock {
            when: Located::new(When::During(window), start),
            settle: std::time::Duration::ZERO,
            confidence: None,
            burst: None,
            expect: gates.collect(),
        }];
        Ok(scenario)
    }

    /// The run with the objectives of a file that has nothing else; they name
    /// what the run has.
    fn alone_of_run(&self, source: &Source, record: &Record) -> Result<Scenario, String> {
        let mut scenario = record.manifest.scenario.clone();
        let options = ParseOptions::new(&process_environment);
        let checked = parse_objectives(source, &options, &scenario);
        locate::print(&checked);
        let Some(asked) = checked.redacted else {
            return Err(format!(
                "{}: these objectives cannot be asked of this run",
                self.given
            ));
        };
        match asked.steady_state {
            Some(steady) => scenario.steady_state = Some(steady),
            None => place_steady_state(&mut scenario, source.span(0, 0)),
        }
        scenario.slo = asked.slo;
        Ok(scenario)
    }

    /// Reports show the objectives the verdict is about, and where they stand.
    pub fn put_into(self, record: &mut Record, judged: Scenario) {
        let manifest = &mut record.manifest;
        manifest.scenario_path = self.given;
        manifest.scenario_text = self.text;
        manifest.scenario.slo = judged.slo;
        manifest.scenario.steady_state = judged.steady_state;
    }
}

/// Nothing of the run's own file stands in another one.
fn place_steady_state(scenario: &mut Scenario, start: Span) {
    for gate in scenario.steady_state.iter_mut().flat_map(|s| &mut s.expect) {
        gate.span = start;
    }
}

/// The file at a path, if it has objectives and no load.
fn alone(given: &str) -> Option<Source> {
    let source = Source::read(Path::new(given)).ok()?;
    is_objectives(&source).then_some(source)
}
