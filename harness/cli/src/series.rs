//! What commands have in common that run a scenario several times.

use squall_judge::RunOutcome;
use squall_record::json_document;
use squall_record::store::files;

use crate::args::{Listing, ResultArgs, Ui};
use crate::output;
use crate::output_paths::refuse_unwritable;
use crate::session::{Attempt, Failed, Finished, Session};

/// One attempt of a series: carried out, shown, and its reports written.
pub async fn attempt(
    session: &mut Session,
    what: &Attempt<'_>,
    ui: Ui,
    result: &ResultArgs,
) -> Result<Finished, Failed> {
    let finished = session.attempt(what).await?;
    let pages = [finished.page()];
    // Standard output is for the result of the series alone.
    if result.format == Listing::Json {
        output::remark_text(finished.block(&pages, None));
    } else {
        finished.print(ui, &pages, None);
    }
    if let Err(message) = finished.write() {
        output::remark(format_args!("warning: {message}"));
    }
    Ok(finished)
}

/// Whether no further attempt may follow: somebody asked to stop, or what is
/// left behind would disturb the next one.
pub const fn ends_with(outcome: RunOutcome) -> bool {
    matches!(
        outcome,
        RunOutcome::Interrupted | RunOutcome::Terminated | RunOutcome::UndoFailed
    )
}

/// Prints and saves the result of a series; `text` for people.
///
/// # Errors
/// In words, when it cannot be saved.
pub fn tell(
    result: &ResultArgs,
    ui: Ui,
    json: &serde_json::Value,
    text: &str,
) -> Result<(), String> {
    let pretty = json_document(json).map_err(|error| error.to_string())?;
    match (result.format, ui) {
        (Listing::Json, _) => output::result(&pretty),
        // One more line after those of the events.
        (Listing::Text, Ui::Json) => {
            output::result_json(&json);
        }
        (Listing::Text, _) => output::result_text(format_args!("\n{text}")),
    }
    let Some(path) = &result.save else {
        return Ok(());
    };
    files::write_named(path, (pretty + "\n").as_bytes())
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Refuses what cannot work, before the first run.
///
/// # Errors
/// In words.
pub fn refuse(result: &ResultArgs, ui: Ui) -> Result<(), String> {
    if result.format == Listing::Json && ui == Ui::Json {
        return Err(
            "`--ui json` and `--format json` would both write to standard output; \
                    take `--ui plain` or leave out `--format`"
                .to_owned(),
        );
    }
    match &result.save {
        Some(path) => refuse_unwritable(path).map_err(|why| format!("--save {why}")),
        None => Ok(()),
    }
}
