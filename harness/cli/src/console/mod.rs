//! What is shown on standard error while a run is under way.

mod choice;
mod dashboard;
mod json;
mod plain;

use std::time::Duration;

use squall_harness::experiment::RunView;
use squall_judge::Verdict;
use squall_record::RunEvent;
use squall_reports::format::Style;
use squall_scenario::Scenario;
use tokio::task::JoinHandle;

pub use crate::attach::server::Ask;
use crate::attach::server::Server;
use crate::interrupts::Interrupts;
use crate::output;
pub use choice::Progress;

/// How long the last event may take to be shown on a screen; a terminal that
/// stalls is given up after that.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// What is watched.
pub struct Watched<'w> {
    /// The scenario that is run, without secrets.
    pub scenario: &'w Scenario,
    /// Its seed.
    pub seed: u64,
    /// The run.
    pub view: &'w RunView,
    /// Its directory.
    pub dir: &'w std::path::Path,
}

/// A console that follows a run.
pub struct Console {
    task: Option<JoinHandle<()>>,
    screen: Option<dashboard::Screen>,
    stays: bool,
    /// For screens elsewhere.
    server: Option<Server>,
}

impl Console {
    /// Starts to follow; `ask` takes what a person asks of the run.
    pub fn start(progress: &Progress, watched: &Watched<'_>, ask: Ask) -> Self {
        let view = watched.view;
        let server = Server::start(watched.dir, view, Ask::clone(&ask));
        if let Err(error) = &server {
            let text = format!("no other terminal can watch this run: {error}");
            view.hub.emit_at_once(RunEvent::Note { text });
        }
        let mut screen = None;
        let task = match progress {
            Progress::Dashboard(look) => {
                let (task, shown) = dashboard::start(look, watched, ask);
                screen = Some(shown);
                Some(tokio::spawn(task))
            }
            Progress::Plain => {
                let lines = plain::PlainLines::new(watched.scenario, view);
                Some(tokio::spawn(lines.follow(view.hub.subscribe())))
            }
            Progress::Json => Some(tokio::spawn(json::follow(view.hub.subscribe()))),
            Progress::Nothing => None,
        };
        Self {
            task,
            screen,
            stays: progress.stays(),
            server: server.ok(),
        }
    }

    /// Shows the verdict on the dashboard until somebody leaves it or a signal
    /// comes; then, or where there is no dashboard that stays, as
    /// [`Console::finish`]. The run is over and holds nothing any more.
    pub async fn stay(mut self, verdict: &Verdict, interrupts: &Interrupts) {
        if let (Some(screen), Some(task), true) = (&self.screen, &mut self.task, self.stays) {
            // There is nothing left to watch or to ask for.
            self.server = None;
            screen.show_verdict(verdict.clone());
            tokio::select! {
                _ = task => return,
                _ = interrupts.heard() => {}
            }
        }
        self.finish().await;
    }

    /// Waits until the last event was shown and the terminal was given back.
    pub async fn finish(self) {
        if let Some(screen) = &self.screen {
            screen.end();
        }
        let Some(task) = self.task else {
            return;
        };
        if self.screen.is_some() {
            let _ = tokio::time::timeout(SHOWN_WITHIN, task).await;
            return;
        }
        tokio::select! {
            _ = task => {}
            () = output::abandoned() => {}
        }
    }
}

/// How the verdict block is drawn on this terminal.
pub fn text_style() -> Style {
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_none_or(|value| value.to_ascii_lowercase().contains("utf"));
    let width = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let width = width.unwrap_or(Style::default().width);
    Style {
        color: output::colour_on_stdout(),
        ascii: !utf8,
        width,
    }
}
