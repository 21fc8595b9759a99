//! The dashboard of a run of this process, on a thread of its own.

use std::io::{self, stderr};
use std::sync::Arc;

use squall_dashboard::live::{LiveFeed, Stage};
use squall_dashboard::model::{Facts, Model, Source};
use squall_dashboard::terminal::show;
use squall_harness::hub::EventHub;
use squall_reports::Verdict;
use tokio::sync::{oneshot, watch};

use super::plain::PlainLines;
use super::{Ask, Watched};
use crate::appearance::Look;

/// Tells the dashboard how far the run is.
pub struct Screen(watch::Sender<Stage>);

impl Screen {
    /// Has the verdict shown until somebody leaves the screen.
    pub fn show_verdict(&self, verdict: Verdict) {
        self.0.send_replace(Stage::Judged(Arc::new(verdict)));
    }

    /// Has the terminal given back.
    pub fn end(&self) {
        self.0.send_replace(Stage::Over);
    }
}

/// Shows the run; the task ends once the terminal was given back. A dashboard
/// that cannot be shown is followed by plain lines: a run is never blind.
pub fn start(
    look: &Look,
    watched: &Watched<'_>,
    ask: Ask,
) -> (impl Future<Output = ()> + Send + use<>, Screen) {
    let view = watched.view;
    let (screen, stage) = watch::channel(Stage::UnderWay);
    let ask = Box::new(move |request| ask(request));
    let mut feed = LiveFeed::new(view, ask, stage.clone());
    let facts = Facts::new(watched.scenario.clone(), watched.seed, Source::Own);
    let facts = facts.in_folder(watched.dir);
    let look = look.clone();
    let on_screen = move || {
        let model = Model::new(facts);
        show(model, &look.keys, look.appearance, stderr(), &mut feed)
    };
    let lines = PlainLines::new(watched.scenario, view);
    let follow = follow(spawn(on_screen), stage, (lines, view.hub.clone()));
    (follow, Screen(screen))
}

/// Runs `screen` on a thread of its own; what came of it, or nothing where it
/// panicked.
fn spawn(
    screen: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new().name("squall-screen".to_owned());
    thread.spawn(move || {
        // Nobody waits any more where the run was given up.
        let _ = ended.send(screen());
    })?;
    Ok(end)
}

/// Returns when the screen was left after the end of the run; before that, lines
/// take the place of a screen that is gone.
async fn follow(
    screen: io::Result<oneshot::Receiver<io::Result<()>>>,
    stage: watch::Receiver<Stage>,
    (lines, hub): (PlainLines, EventHub),
) {
    let shown = match screen {
        Ok(end) => end.await.unwrap_or_else(|_| {
            let words = "it panicked; please report what stands above";
            Err(io::Error::other(words))
        }),
        Err(error) => Err(error),
    };
    if !matches!(*stage.borrow(), Stage::UnderWay) {
        return;
    }
    if let Err(error) = shown {
        anstream::eprintln!("the dashboard ended ({error}); plain lines from here on");
    }
    lines.follow(hub.subscribe()).await;
}
