//! How the dashboard looks.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use squall_dashboard::theme::ThemeName;

/// How the dashboard looks.
#[derive(Debug, Clone, Args)]
pub struct LookArgs {
    /// Colours of the dashboard; NO_COLOR takes all away. Else what the
    /// configuration says, else `standard`
    #[arg(long, value_enum)]
    pub theme: Option<ThemeArg>,
    /// Draw the dashboard in ASCII only
    #[arg(long)]
    pub ascii: bool,
}

/// A theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeArg {
    /// Blue is usual, orange slow, red fails.
    Standard,
    /// Blue and orange only.
    ColourBlind,
    /// Bright on black.
    HighContrast,
    /// No colours: bold, underlined, reversed.
    Mono,
}

impl ThemeArg {
    /// The theme.
    pub const fn name(self) -> ThemeName {
        match self {
            Self::Standard => ThemeName::Standard,
            Self::ColourBlind => ThemeName::ColourBlind,
            Self::HighContrast => ThemeName::HighContrast,
            Self::Mono => ThemeName::Mono,
        }
    }
}
