//! The dashboard of a run of this process, on a thread of its own.

use std::io::{self, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use squall_dashboard::live::LiveFeed;
use squall_dashboard::model::{Facts, Model, Source};
use squall_dashboard::terminal::show;
use squall_harness::hub::EventHub;
use tokio::sync::oneshot;

use super::plain::PlainLines;
use super::{Ask, Watched};
use crate::appearance::Look;

/// Tells the dashboard that the run is over.
pub struct End(Arc<AtomicBool>);

impl End {
    /// Has the terminal given back.
    pub fn tell(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Shows the run; the task ends once the terminal was given back. A dashboard
/// that cannot be shown is followed by plain lines: a run is never blind.
pub fn start(
    look: &Look,
    watched: &Watched<'_>,
    ask: Ask,
) -> (impl Future<Output = ()> + Send + use<>, End) {
    let over = Arc::new(AtomicBool::new(false));
    let view = watched.view;
    let ask = Box::new(move |request| ask(request));
    let mut feed = LiveFeed::new(view, ask, Arc::clone(&over));
    let facts = Facts::new(watched.scenario.clone(), watched.seed, Source::Own);
    let (ended, end) = oneshot::channel();
    let look = look.clone();
    let spawned = std::thread::Builder::new()
        .name("squall-screen".to_owned())
        .spawn(move || {
            let model = Model::new(facts);
            let shown = show(model, &look.keys, look.appearance, stderr(), &mut feed);
            let _ = ended.send(shown);
        });
    let lines = PlainLines::new(watched.scenario, view);
    let follow = follow(
        spawned.map(drop),
        end,
        Arc::clone(&over),
        (lines, view.hub.clone()),
    );
    (follow, End(over))
}

async fn follow(
    spawned: io::Result<()>,
    end: oneshot::Receiver<io::Result<()>>,
    over: Arc<AtomicBool>,
    (lines, hub): (PlainLines, EventHub),
) {
    let shown = match spawned {
        Ok(()) => end.await.unwrap_or_else(|_| {
            let words = "it panicked; please report what stands above";
            Err(io::Error::other(words))
        }),
        Err(error) => Err(error),
    };
    if over.load(Ordering::SeqCst) {
        return;
    }
    if let Err(error) = shown {
        anstream::eprintln!("the dashboard ended ({error}); plain lines from here on");
    }
    lines.follow(hub.subscribe()).await;
}
