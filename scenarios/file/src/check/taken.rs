//! Values that steps of journeys take from their answers: taken before they are
//! used, and used.

use squall_scenario::quoted;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{Context, JourneyPlaces, LoadDraft, TakenPlace, Use};

/// Whether a value is taken by a step before this one.
pub(super) fn is_before(taken: &[TakenPlace], used: &Use, step: usize) -> bool {
    let mut taken = taken.iter().filter(|it| it.name == used.variable);
    taken.any(|it| it.step < step)
}

/// What is wrong with the use of a value that no step before takes, where another
/// one of the journey does.
pub(super) fn too_late(taken: &[TakenPlace], used: &Use) -> Option<Diagnostic> {
    let later = taken.iter().find(|it| it.name == used.variable)?;
    let written = format!("${}", used.variable);
    let title = format!("{} is not known yet", quoted(&written));
    Some(
        Diagnostic::error(codes::NOT_TAKEN_YET, title)
            .at(used.place, "used here")
            .also(later.place, "taken from this answer")
            .help("take it in a step before this one"),
    )
}

/// What to say where only another journey takes a value.
pub(super) fn elsewhere(journeys: &[JourneyPlaces], variable: &str) -> Option<String> {
    let takes = |it: &&JourneyPlaces| it.taken.iter().any(|taken| taken.name == variable);
    let (name, _) = &journeys.iter().find(takes)?.name;
    let name = quoted(name);
    Some(format!(
        "the journey {name} takes it, and what a journey takes it has for itself: take it here too"
    ))
}

/// Names that mean two things, and values that nobody uses.
pub(super) fn check(load: &LoadDraft, uses: &[Use], findings: &mut Vec<Diagnostic>) {
    for (number, journey) in load.journeys.iter().enumerate() {
        for taken in &journey.taken {
            let data = load.data_names.iter().find(|(name, _)| *name == taken.name);
            let written = format!("${}", taken.name);
            if let Some((_, place)) = data {
                let title = format!("{} means two things", quoted(&written));
                findings.push(
                    Diagnostic::error(codes::DUPLICATE_NAME, title)
                        .at(taken.place, "taken from an answer")
                        .also(*place, "drawn from the data")
                        .help("rename one of them"),
                );
                continue;
            }
            let is_used = uses.iter().any(|used| {
                matches!(used.context, Context::Step { journey, .. } if journey == number)
                    && used.variable == taken.name
            });
            // One that comes too early is told where it stands.
            if !is_used {
                let title = format!("nobody uses {}", quoted(&written));
                findings.push(
                    Diagnostic::warning(codes::NEVER_USED, title)
                        .at(taken.place, "no later step has it")
                        .help(format!("write `{written}` in a step behind this one, or take nothing; to ask only whether it is there, `expect` it")),
                );
            }
        }
    }
}
