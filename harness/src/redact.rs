//! Secrets stay out of the record: what a scenario took from the environment
//! is written back as `${NAME}` wherever words are recorded.

use squall_record::{FaultChange, HandAction, RunEvent, Sample};
use squall_scenario::Secrets;

/// Takes secrets out of an event's words. Names, numbers and histograms hold
/// none: names are checked by the parser.
pub(crate) fn event(event: &mut RunEvent, secrets: &Secrets) {
    if secrets.is_empty() {
        return;
    }
    match event {
        RunEvent::Abort { guard, detail } => {
            words(guard, secrets);
            words(detail, secrets);
        }
        RunEvent::SteadyState { detail, .. }
        | RunEvent::NotReady { detail }
        | RunEvent::UndoFailed { detail }
        | RunEvent::Internal { detail }
        | RunEvent::UndoVerified { detail }
        | RunEvent::Note { text: detail }
        | RunEvent::ByHand {
            action: HandAction::Mark { text: detail },
            ..
        } => words(detail, secrets),
        RunEvent::LinkUp { listen, to, .. } => {
            words(listen, secrets);
            words(to, secrets);
        }
        RunEvent::Probe(reading) => {
            if let Some(error) = &mut reading.error {
                words(error, secrets);
            }
        }
        RunEvent::Breaker(report) => {
            if let Some(why) = &mut report.why {
                words(why, secrets);
            }
        }
        RunEvent::Fault { change, .. } => match change {
            FaultChange::Active { evidence }
            | FaultChange::Observed { evidence, .. }
            | FaultChange::Removed { evidence } => {
                evidence.each_text(|text| words(text, secrets));
            }
            FaultChange::Failed { detail } | FaultChange::Spared { why: detail } => {
                words(detail, secrets);
            }
            FaultChange::Requested
            | FaultChange::RemovalRequested
            | FaultChange::Withheld
            | FaultChange::WithheldEnds => {}
        },
        _ => {}
    }
}

/// Takes secrets out of an arrival's words.
pub(crate) fn sample(sample: &mut Sample, secrets: &Secrets) {
    if secrets.is_empty() {
        return;
    }
    words(&mut sample.request, secrets);
    if let Some(detail) = &mut sample.detail {
        words(detail, secrets);
    }
}

fn words(text: &mut String, secrets: &Secrets) {
    *text = secrets.redact(text);
}

#[cfg(test)]
mod tests {
    use squall_scenario_file::{ParseOptions, Source, parse_scenario};

    use super::*;

    #[test]
    fn what_came_from_the_environment_goes_back_to_its_name() {
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret-value".to_owned());
        let source = Source::new(
            "x.yaml",
            "version: 1\nname: x\ntarget: http://127.0.0.1:1\nload:\n  shape: [ { hold: { rate: 1/s, \
             for: 1s } } ]\n  requests:\n    - name: page\n      send: GET /?key=${TOKEN}\n",
        );
        let checked = parse_scenario(&source, &ParseOptions::new(&environment));
        assert!(checked.value.is_some(), "{}", checked.render(false));
        let mut told = RunEvent::NotReady {
            detail: "GET /?key=s3cret-value".to_owned(),
        };
        event(&mut told, &checked.secrets);
        let RunEvent::NotReady { detail } = told else {
            panic!("another event");
        };
        assert_eq!(detail, "GET /?key=${TOKEN}");
        let detail = "panicked at s3cret-value".to_owned();
        let mut told = RunEvent::Internal { detail };
        event(&mut told, &checked.secrets);
        assert!(!format!("{told:?}").contains("s3cret-value"), "{told:?}");
    }
}
