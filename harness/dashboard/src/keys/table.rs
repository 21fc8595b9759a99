//! The table of keys: what each does, and in which words help says so.

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Opens or closes the list of keys.
    Help,
    /// Shows a view, counted from 0.
    View(u8),
    /// Shows the next view.
    NextView,
    /// Shows the view before.
    PreviousView,
    /// Moves up in a list.
    Up,
    /// Moves down in a list.
    Down,
    /// Moves up a page.
    PageUp,
    /// Moves down a page.
    PageDown,
    /// Moves to the first row.
    Top,
    /// Moves to the last row.
    Bottom,
    /// Opens what is selected.
    Open,
    /// Goes back; never quits.
    Back,
    /// Shows less time.
    ZoomIn,
    /// Shows more time.
    ZoomOut,
    /// Shows the whole run.
    ZoomWhole,
    /// Moves the axis to earlier times.
    PanLeft,
    /// Moves the axis to later times.
    PanRight,
    /// Follows the run again.
    Follow,
    /// Freezes the screen; in a replay, pauses it.
    Freeze,
    /// Filters lists.
    Filter,
    /// Orders the routes otherwise.
    Sort,
    /// Switches between the present window and the whole run.
    Scope,
    /// Changes the theme.
    Theme,
    /// Draws everything anew.
    Redraw,
    /// Writes times in another unit.
    Unit,
    /// Copies the selected row.
    Copy,
    /// Takes the mouse, or gives it back to the terminal.
    Mouse,
    /// Opens the report of a run that is over.
    Report,
    /// Marks the present moment.
    Mark,
    /// Stops one fault.
    StopFault,
    /// Stops every fault.
    RecoverAll,
    /// Ends the run early.
    Finish,
    /// Leaves the screen; a run of this very terminal is finished for it.
    Leave,
    /// As Ctrl-C at a plain run.
    Interrupt,
    /// Says why the program is not suspended.
    Suspend,
    /// Goes back ten seconds.
    SeekBack,
    /// Goes on ten seconds.
    SeekOn,
    /// Goes to the edge of a fault before.
    PreviousEdge,
    /// Goes to the next edge of a fault.
    NextEdge,
    /// Goes to the start.
    Start,
    /// Goes to the end.
    End,
    /// Plays at half the speed.
    Slower,
    /// Plays at twice the speed.
    Faster,
}

/// Where help lists a key, and when it is there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Looking around.
    Look,
    /// Time.
    Time,
    /// Acting on a run.
    GameDay,
    /// Moving through a record.
    Replay,
}

impl Section {
    /// Its title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Look => "look around",
            Self::Time => "time",
            Self::GameDay => "act on the run",
            Self::Replay => "move through the record",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What is done.
    pub action: Action,
    /// Its name in the configuration.
    pub name: &'static str,
    /// The keys that do it.
    pub keys: &'static [&'static str],
    /// What it does, in words.
    pub words: &'static str,
    /// Where it is listed.
    pub section: Section,
}

const fn row(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    words: &'static str,
    section: Section,
) -> Binding {
    Binding {
        action,
        name,
        keys,
        words,
        section,
    }
}

use Section::{GameDay, Look, Replay, Time};

/// Every key, in the order of help.
pub const BINDINGS: &[Binding] = &[
    row(
        Action::Help,
        "help",
        &["?", "f1"],
        "list the keys; type to search them",
        Look,
    ),
    row(
        Action::View(0),
        "overview",
        &["1"],
        "everything at once",
        Look,
    ),
    row(
        Action::View(1),
        "routes",
        &["2"],
        "routes; enter shows one's histogram",
        Look,
    ),
    row(
        Action::View(2),
        "faults",
        &["3"],
        "faults, asked for and seen",
        Look,
    ),
    row(
        Action::View(3),
        "system",
        &["4"],
        "breakers and processes",
        Look,
    ),
    row(
        Action::View(4),
        "gates",
        &["5"],
        "gates with the figures behind them",
        Look,
    ),
    row(Action::View(5), "events", &["6"], "events in words", Look),
    row(
        Action::NextView,
        "next-view",
        &["tab"],
        "the next view",
        Look,
    ),
    row(
        Action::PreviousView,
        "previous-view",
        &["backtab"],
        "the view before",
        Look,
    ),
    row(Action::Up, "up", &["up", "k"], "up in a list", Look),
    row(Action::Down, "down", &["down", "j"], "down in a list", Look),
    row(Action::PageUp, "page-up", &["pageup"], "up a page", Look),
    row(
        Action::PageDown,
        "page-down",
        &["pagedown"],
        "down a page",
        Look,
    ),
    row(Action::Top, "top", &["g"], "to the first row", Look),
    row(Action::Bottom, "bottom", &["G"], "to the last row", Look),
    row(
        Action::Open,
        "open",
        &["enter"],
        "open the selected row",
        Look,
    ),
    row(Action::Back, "back", &["esc"], "back; never quits", Look),
    row(
        Action::Filter,
        "filter",
        &["/"],
        "show only rows that hold some words",
        Look,
    ),
    row(
        Action::Sort,
        "sort",
        &["s"],
        "order the routes otherwise",
        Look,
    ),
    row(
        Action::Scope,
        "scope",
        &["w"],
        "figures of this window, or of the whole run",
        Look,
    ),
    row(Action::Theme, "theme", &["t"], "the next theme", Look),
    row(
        Action::Unit,
        "unit",
        &["u"],
        "times with the unit that fits, in ms, in s",
        Look,
    ),
    row(
        Action::Copy,
        "copy",
        &["y"],
        "copy the selected row, if the terminal lets it",
        Look,
    ),
    row(
        Action::Mouse,
        "mouse",
        &["m"],
        "take the mouse: wheel and clicks; give it back",
        Look,
    ),
    row(
        Action::Report,
        "report",
        &["r"],
        "open the report, once the run is over",
        Look,
    ),
    row(
        Action::Redraw,
        "redraw",
        &["ctrl-l"],
        "draw everything anew",
        Look,
    ),
    row(
        Action::ZoomIn,
        "zoom-in",
        &["+", "="],
        "show less time",
        Time,
    ),
    row(Action::ZoomOut, "zoom-out", &["-"], "show more time", Time),
    row(
        Action::ZoomWhole,
        "zoom-whole",
        &["0"],
        "show the whole run",
        Time,
    ),
    row(
        Action::PanLeft,
        "pan-left",
        &["left", "h"],
        "to earlier times",
        Time,
    ),
    row(
        Action::PanRight,
        "pan-right",
        &["right", "l"],
        "to later times",
        Time,
    ),
    row(
        Action::Follow,
        "follow",
        &["f"],
        "follow the run again",
        Time,
    ),
    row(
        Action::Freeze,
        "freeze",
        &["space"],
        "freeze the screen, never the load; pause a replay",
        Time,
    ),
    row(
        Action::Mark,
        "mark",
        &["a"],
        "mark this moment; the mark goes into the record",
        GameDay,
    ),
    row(
        Action::StopFault,
        "stop-fault",
        &["x"],
        "stop one fault and put it back",
        GameDay,
    ),
    row(
        Action::RecoverAll,
        "recover-all",
        &["!"],
        "stop every fault and put all back",
        GameDay,
    ),
    row(
        Action::Leave,
        "leave",
        &["q"],
        "leave; asks to finish a run of this terminal",
        GameDay,
    ),
    row(
        Action::Finish,
        "finish",
        &["Q"],
        "finish the run early, judge what there is",
        GameDay,
    ),
    row(
        Action::Interrupt,
        "interrupt",
        &["ctrl-c"],
        "interrupt and put all back; again: do not wait",
        GameDay,
    ),
    row(
        Action::Suspend,
        "suspend",
        &["ctrl-z"],
        "not here: it would stop the load too",
        GameDay,
    ),
    row(Action::SeekBack, "seek-back", &["["], "10 s back", Replay),
    row(Action::SeekOn, "seek-on", &["]"], "10 s on", Replay),
    row(
        Action::PreviousEdge,
        "previous-edge",
        &["{", "p"],
        "to the edge of a fault before",
        Replay,
    ),
    row(
        Action::NextEdge,
        "next-edge",
        &["}", "n"],
        "to the next edge of a fault",
        Replay,
    ),
    row(Action::Start, "start", &["home"], "to the start", Replay),
    row(Action::End, "end", &["end"], "to the end", Replay),
    row(
        Action::Slower,
        "slower",
        &["<", ","],
        "half the speed",
        Replay,
    ),
    row(
        Action::Faster,
        "faster",
        &[">", "."],
        "twice the speed",
        Replay,
    ),
];
