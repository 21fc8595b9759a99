//! What is shown on standard error while a run is under way.

mod json;
mod plain;

use squall_harness::experiment::RunView;
use squall_reports::format::Style;
use squall_scenario::Scenario;
use tokio::task::JoinHandle;

use crate::args::Ui;

/// A console that follows a run.
pub struct Console {
    task: Option<JoinHandle<()>>,
}

impl Console {
    /// Starts to follow.
    pub fn start(ui: Ui, scenario: &Scenario, view: &RunView) -> Self {
        let events = view.hub.subscribe();
        let task = match ui {
            Ui::Auto | Ui::Plain => {
                let lines = plain::PlainLines::new(scenario, view);
                Some(tokio::spawn(lines.follow(events)))
            }
            Ui::Json => Some(tokio::spawn(json::follow(events))),
            Ui::None => None,
        };
        Self { task }
    }

    /// Waits until the last event was shown.
    pub async fn finish(self) {
        if let Some(task) = self.task {
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), task).await;
        }
    }
}

/// How the verdict block is drawn on this terminal.
pub fn text_style() -> Style {
    let color = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_none_or(|value| value.to_ascii_lowercase().contains("utf"));
    let width = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let width = width.unwrap_or(Style::default().width);
    Style {
        color,
        ascii: !utf8,
        width,
    }
}
