//! The events of the run in words, newest last.

use std::collections::VecDeque;

use squall_record::{
    FaultChange, JourneyEnds, Phase, ProcessChange, RunEvent, Stamped, StopReason, Viewings,
    terminal_text,
};

/// Lines that are kept; the oldest go first.
const LINES_MAX: usize = 5000;

/// What a line is about; screens show it by a letter as well as by a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The life of the run.
    Run,
    /// A fault.
    Fault,
    /// A breaker.
    Breaker,
    /// A process.
    Process,
    /// Something is wrong.
    Trouble,
    /// Somebody did it by hand.
    ByHand,
}

impl Topic {
    /// Its letter.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Run => "r",
            Self::Fault => "f",
            Self::Breaker => "b",
            Self::Process => "p",
            Self::Trouble => "!",
            Self::ByHand => "h",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, in microseconds since time zero; `None` before it.
    pub at_us: Option<i64>,
    /// What it is about.
    pub topic: Topic,
    /// The words; safe for a terminal.
    pub text: String,
}

/// The lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// The lines, oldest first.
    pub lines: VecDeque<Line>,
    /// How many were let go.
    pub forgotten: u64,
}

impl Log {
    /// Adds a line. Some of it may be words of the system under test.
    pub fn add(&mut self, at_us: i64, topic: Topic, text: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.forgotten += 1;
        }
        self.lines.push_back(Line {
            at_us: (at_us >= 0).then_some(at_us),
            topic,
            text: terminal_text(text),
        });
    }

    /// Adds what an event says, if it says anything that stands for itself.
    pub fn hear(&mut self, stamped: &Stamped) {
        if let Some((topic, text)) = words(&stamped.event) {
            self.add(stamped.at_us, topic, &text);
        }
    }

    /// Bytes that the lines take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts: usize = self.lines.iter().map(|line| line.text.capacity()).sum();
        self.lines.capacity() * size_of::<Line>() + texts
    }
}

fn words(event: &RunEvent) -> Option<(Topic, String)> {
    Some(match event {
        RunEvent::Phase(phase) => (Topic::Run, phase_words(*phase).to_owned()),
        RunEvent::Process {
            instance, change, ..
        } => process_words(instance, change)?,
        RunEvent::Fault {
            fault,
            targets,
            change,
            ..
        } => fault_words(fault, targets, change),
        RunEvent::SteadyState { reached, detail } => match reached {
            true => (Topic::Run, format!("steady state reached: {detail}")),
            false => (
                Topic::Trouble,
                format!("steady state NOT reached: {detail}"),
            ),
        },
        RunEvent::Abort { guard, detail } => (Topic::Trouble, format!("ABORT {guard}: {detail}")),
        RunEvent::Interrupted { reason } => (
            Topic::ByHand,
            match reason {
                StopReason::Interrupt => "interrupted: removing faults",
                StopReason::Terminate => "terminated: removing faults",
                StopReason::Finish => "finishing early: removing faults",
            }
            .to_owned(),
        ),
        RunEvent::ByHand { action, from } => {
            let words = action.words_from(*from);
            (Topic::ByHand, format!("by hand: {words}"))
        }
        RunEvent::Note { text } => (Topic::Run, text.clone()),
        RunEvent::Viewings { players, .. } => {
            (Topic::Run, format!("viewers: {}", Viewings::words(players)))
        }
        RunEvent::JourneysEnded { journeys } => (
            Topic::Run,
            format!("journeys: {}", JourneyEnds::words(journeys)),
        ),
        RunEvent::LinkShort(short) => (Topic::Trouble, format!("SQUALL SHORT {}", short.words())),
        RunEvent::NotReady { detail } => (Topic::Trouble, format!("NOT READY {detail}")),
        RunEvent::UndoFailed { detail } => (Topic::Trouble, format!("UNDO FAILED {detail}")),
        RunEvent::Internal { detail } => (Topic::Trouble, format!("SQUALL FAILED {detail}")),
        RunEvent::UndoVerified { detail } => (Topic::Run, format!("put back: {detail}")),
        _ => return None,
    })
}

const fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting the system",
        Phase::WarmUp => "warming up",
        Phase::SteadyState => "checking the steady state",
        Phase::Load => "load begins",
        Phase::Drain => "load is over, waiting for answers",
        Phase::Stopping => "ending the system",
        Phase::Finished => "finished",
    }
}

fn process_words(instance: &str, change: &ProcessChange) -> Option<(Topic, String)> {
    match change {
        ProcessChange::Started { .. } => None,
        ProcessChange::Ready => Some((Topic::Process, format!("{instance} serves"))),
        ProcessChange::Exited { status, expected } => {
            let (topic, how) = match expected {
                true => (Topic::Process, "ended"),
                false => (Topic::Trouble, "ended by itself"),
            };
            Some((topic, format!("{instance} {how}: {status}")))
        }
        ProcessChange::Restarting => Some((Topic::Process, format!("{instance} will restart"))),
    }
}

fn fault_words(fault: &str, targets: &[String], change: &FaultChange) -> (Topic, String) {
    let text = match change {
        FaultChange::Requested => format!("{fault}: asked for, into {}", targets.join(", ")),
        FaultChange::Active { evidence } => format!("{fault}: in force ({evidence})"),
        FaultChange::Observed { evidence, .. } => format!("{fault}: felt by traffic: {evidence}"),
        FaultChange::RemovalRequested => format!("{fault}: removing"),
        FaultChange::Removed { evidence } => format!("{fault}: removed ({evidence})"),
        FaultChange::Spared { why } => format!("{fault}: no kill: {why}"),
        FaultChange::Withheld => format!("{fault}: withheld on purpose, nothing is injected"),
        FaultChange::WithheldEnds => format!("{fault}: its time is over"),
        FaultChange::Failed { detail } => {
            return (Topic::Trouble, format!("{fault}: FAILED {detail}"));
        }
    };
    (Topic::Fault, text)
}
