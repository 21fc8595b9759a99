//! `squall scenarios`: the embedded library.

use std::process::ExitCode;

use squall_judge::RunOutcome;
use squall_scenario_file::library;

use crate::args::{Listing, ScenarioArgs};
use crate::{exit, locate, output};

/// Lists the scenarios of the library with what they are about.
pub fn scenarios(format: Listing) -> ExitCode {
    let mut rows = Vec::new();
    for (name, _) in library::scenarios() {
        let reading = ScenarioArgs { set: Vec::new() };
        let found = locate::scenario(name, &reading).ok();
        let about = found
            .and_then(|f| f.checked.value)
            .and_then(|scenario| scenario.about);
        let about = about.unwrap_or_default();
        rows.push((
            (*name).to_owned(),
            about.split_whitespace().collect::<Vec<_>>().join(" "),
        ));
    }
    match format {
        Listing::Text => {
            for (name, about) in &rows {
                output::result(format_args!("{name:<24} {about}"));
            }
        }
        Listing::Json => {
            let json: Vec<_> = rows
                .iter()
                .map(|(name, about)| serde_json::json!({ "name": name, "about": about }))
                .collect();
            output::result_json(&serde_json::Value::Array(json));
        }
    }
    exit::code(RunOutcome::Pass)
}
