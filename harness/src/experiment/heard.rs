//! The load as the engine hears it. Its thread shows ten times a second that it
//! lives; one that shows nothing for long is as good as dead.

use std::time::Duration;

use squall_load::{Gauges, LoadCommand, LoadOutput};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::world::seam::Load;

/// A load that shows nothing for so long is given up.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// The same once it was told to stop.
const SILENT_AFTER_STOP: Duration = Duration::from_secs(2);
/// A command that finds no room for so long finds nobody who takes it.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);
/// What a thread that has told its last may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// What was heard of the load.
#[derive(Debug)]
pub(super) enum Told {
    /// It told something.
    Output(LoadOutput),
    /// Nothing will follow, in words why: its thread has ended, or shows nothing.
    Lost(String),
}

/// A running load, listened to.
pub(super) struct HeardLoad<L> {
    load: L,
    gauges: watch::Receiver<Gauges>,
    /// Half of the longest silence each: after a stall of the whole of squall
    /// the first tick is late, and the load as well.
    ticks: Interval,
    silent_max: Duration,
    /// Ticks in silence.
    silent_ticks: u32,
}

impl<L: Load> HeardLoad<L> {
    pub(super) fn new(load: L) -> Self {
        let gauges = load.gauges();
        Self {
            load,
            gauges,
            ticks: halves(SILENT_MAX),
            silent_max: SILENT_MAX,
            silent_ticks: 0,
        }
    }

    /// The next thing it tells. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Told {
        loop {
            tokio::select! {
                biased;
                output = self.load.next() => {
                    self.silent_ticks = 0;
                    let ended = || Told::Lost("the load's thread ended by itself".to_owned());
                    return output.map_or_else(ended, Told::Output);
                }
                // Its end is told above.
                Ok(()) = self.gauges.changed() => self.silent_ticks = 0,
                _ = self.ticks.tick() => {
                    self.silent_ticks += 1;
                    if self.silent_ticks > 1 {
                        let silence = squall_scenario::format_duration(self.silent_max);
                        let why = format!("the load's thread has shown nothing for {silence}");
                        return Told::Lost(why);
                    }
                }
            }
        }
    }

    /// Tells it to send no more, and to wait so long for answers under way.
    pub(super) async fn stop(&mut self, grace: Duration) {
        tell(self.load.commands(), LoadCommand::Stop { grace }).await;
        if self.silent_max != SILENT_AFTER_STOP {
            self.silent_max = SILENT_AFTER_STOP;
            self.ticks = halves(SILENT_AFTER_STOP);
            self.silent_ticks = 0;
        }
    }

    /// Commands to it.
    pub(super) fn commands(&self) -> &mpsc::Sender<LoadCommand> {
        self.load.commands()
    }

    /// Rough live figures.
    pub(super) fn gauges(&self) -> watch::Receiver<Gauges> {
        self.load.gauges()
    }

    /// Waits for the end of its thread; whether it has ended. One that shows
    /// nothing is left to itself.
    pub(super) async fn join(self) -> bool {
        timeout(ENDS_WITHIN, self.load.join()).await.is_ok()
    }
}

/// Gives a command to a load. One that takes none for long is given up by those
/// who listen to it.
pub(super) async fn tell(commands: &mpsc::Sender<LoadCommand>, command: LoadCommand) {
    // An error also when the load has ended: then there is nothing to tell.
    let _ = commands.send_timeout(command, TAKEN_WITHIN).await;
}

fn halves(whole: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + whole / 2, whole / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
