//! How the dashboard looks on this terminal, with what was asked for.

use squall_dashboard::terminal::Appearance;

use crate::args::LookArgs;

/// What the environment and the command line say.
pub fn of(look: &LookArgs) -> Appearance {
    let appearance = Appearance::of_environment(|name| std::env::var(name).ok());
    Appearance {
        theme: look.theme.name(),
        ascii: appearance.ascii || look.ascii,
        ..appearance
    }
}
