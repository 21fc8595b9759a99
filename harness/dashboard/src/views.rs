//! The views that a screen may show.

/// The views, reached by the keys 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Everything at once.
    Overview,
    /// Routes, sortable, each with its histogram.
    Routes,
    /// Faults, asked for and seen.
    Faults,
    /// Breakers and processes.
    System,
    /// Gates with the figures behind them.
    Gates,
    /// Events.
    Events,
}

/// Every view, in the order of its keys.
pub const VIEWS: [View; 6] = [
    View::Overview,
    View::Routes,
    View::Faults,
    View::System,
    View::Gates,
    View::Events,
];

impl View {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Routes => "routes",
            Self::Faults => "faults",
            Self::System => "system",
            Self::Gates => "gates",
            Self::Events => "events",
        }
    }
}
