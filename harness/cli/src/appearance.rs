//! How the dashboard looks on this terminal and which keys it has, with what
//! was asked for.

use squall_dashboard::keys::KeyMap;
use squall_dashboard::terminal::Appearance;
use squall_dashboard::theme::ThemeName;

use crate::args::LookArgs;
use crate::config::Config;

/// What a dashboard is shown with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Colours and glyphs.
    pub appearance: Appearance,
    /// Which key does what.
    pub keys: KeyMap,
    /// Whether it stays after the end of its run until somebody leaves it.
    pub stay: bool,
}

/// What the command line says, else the user's configuration, else the
/// environment.
///
/// # Errors
/// The configuration cannot be read or understood, in words.
pub fn of(look: &LookArgs) -> Result<Look, String> {
    let config = Config::read()?;
    let appearance = Appearance::of_environment(|name| std::env::var(name).ok());
    let theme = look.theme.or(config.theme);
    Ok(Look {
        appearance: Appearance {
            theme: theme.map_or(ThemeName::Standard, |theme| theme.name()),
            ascii: appearance.ascii || look.ascii || config.ascii,
            ..appearance
        },
        keys: config.key_map()?,
        stay: config.stay.unwrap_or(true),
    })
}
