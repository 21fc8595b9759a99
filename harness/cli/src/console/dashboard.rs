//! The dashboard of a run of this process, on a thread of its own.

use std::io;
use std::sync::Arc;

use crate::live_feed::{LiveFeed, Stage};
use squall_dashboard::model::{self, Facts, Model};
use squall_dashboard::terminal::show;
use squall_harness::hub::EventHub;
use squall_judge::Verdict;
use tokio::sync::{oneshot, watch};

use super::plain::PlainLines;
use super::{Ask, Watched};
use crate::appearance::Look;
use crate::output;

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
    let facts = Facts::new(watched.scenario.clone(), watched.seed, model::Source::Own);
    let facts = facts.in_folder(watched.dir);
    let look = look.clone();
    let on_screen = move || {
        let model = Model::new(facts);
        show(
            model,
            &look.keys,
            look.appearance,
            output::screen(false),
            &mut feed,
        )
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
    mut stage: watch::Receiver<Stage>,
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
        output::remark(format_args!(
            "the dashboard ended ({error}); plain lines from here on"
        ));
    }
    // The last event may have been told before the lines began to listen.
    tokio::select! {
        biased;
        () = lines.follow(hub.subscribe()) => {}
        _ = stage.wait_for(|stage| !matches!(stage, Stage::UnderWay)) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_harness::clock::RunClock;
    use squall_harness::experiment::RunView;
    use squall_load::Gauges;
    use squall_record::{Phase, RunEvent};
    use squall_scenario_file::{ParseOptions, Source, parse_scenario};

    use super::*;

    const SCENARIO: &str = "version: 1
name: small
target: http://127.0.0.1:9
load:
  shape: [ { hold: { rate: 1/s, for: 1s } } ]
  requests: [ GET / ]
";

    /// Longer than anything may hang.
    const HANG: Duration = Duration::from_secs(60);

    fn view() -> RunView {
        RunView {
            hub: EventHub::without_record(RunClock::start(Duration::from_secs(1))),
            gauges: watch::channel(Gauges::default()).1,
        }
    }

    fn lines(view: &RunView) -> (PlainLines, EventHub) {
        let source = Source::new("small.yaml", SCENARIO);
        let checked = parse_scenario(&source, &ParseOptions::new(&|_| None));
        let scenario = checked.value.unwrap();
        (PlainLines::new(&scenario, view), view.hub.clone())
    }

    #[tokio::test]
    async fn a_screen_that_panics_is_followed_by_lines_to_the_end_of_the_run() {
        let view = view();
        let screen = spawn(|| panic!("a screen that is broken on purpose"));
        let (told, stage) = watch::channel(Stage::UnderWay);
        let mut following = tokio::spawn(follow(screen, stage, lines(&view)));
        let early = tokio::time::timeout(Duration::from_millis(500), &mut following).await;
        assert!(early.is_err(), "the run goes on, and so do its lines");
        view.hub.emit(RunEvent::Phase(Phase::Finished)).await;
        told.send_replace(Stage::Over);
        let ended = tokio::time::timeout(HANG, following).await;
        ended.expect("lines end with the run").unwrap();
    }

    #[tokio::test]
    async fn lines_that_begin_after_the_last_event_end_with_the_run() {
        let view = view();
        view.hub.emit(RunEvent::Phase(Phase::Finished)).await;
        let screen = Err(io::Error::other("no thread"));
        let (told, stage) = watch::channel(Stage::UnderWay);
        let following = tokio::spawn(follow(screen, stage, lines(&view)));
        // On this one thread the lines listen before the stage changes.
        tokio::task::yield_now().await;
        told.send_replace(Stage::Over);
        let ended = tokio::time::timeout(HANG, following).await;
        ended.expect("lines end with the run").unwrap();
    }

    #[tokio::test]
    async fn a_screen_that_is_left_after_the_end_is_followed_by_nothing() {
        let view = view();
        let screen = spawn(|| Ok(()));
        let (told, stage) = watch::channel(Stage::UnderWay);
        told.send_replace(Stage::Over);
        let ended = tokio::time::timeout(HANG, follow(screen, stage, lines(&view))).await;
        ended.expect("nothing more is waited for");
    }
}
