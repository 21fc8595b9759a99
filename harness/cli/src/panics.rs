//! Panics of squall: told without secrets, in the log too, and an event of the
//! run under way, which proves nothing then.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::{Mutex, MutexGuard, PoisonError};

use squall_harness::hub::EventHub;
use squall_record::RunEvent;
use squall_scenario::Secrets;

use crate::output;

/// What a panic has to know.
struct Known {
    /// Of every scenario that was read.
    secrets: Vec<Secrets>,
    /// The run under way.
    run: Option<EventHub>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known {
    secrets: Vec::new(),
    run: None,
});

/// Tells panics from now on, for the whole process.
pub fn prepare() {
    std::panic::set_hook(Box::new(tell));
}

/// The same for a guardian, which squall listens to.
pub fn prepare_guardian() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{}", one_line(&words(panic)))
    }));
}

/// Keeps these values out of the words of every panic from now on.
pub fn keep(secrets: &Secrets) {
    let mut known = known();
    if !secrets.is_empty() && !known.secrets.contains(secrets) {
        known.secrets.push(secrets.clone());
    }
}

/// Makes panics from now on events of this run; of none where there is none.
pub fn belong_to(run: Option<EventHub>) {
    known().run = run;
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(panic: &PanicHookInfo<'_>) {
    let mut text = known().hear(words(panic));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("\n{backtrace}"));
    }
    output::remark(text);
}

impl Known {
    /// Passes the words of a panic on to the log and the run; they come back
    /// without secrets.
    fn hear(&self, words: String) -> String {
        let text = self
            .secrets
            .iter()
            .fold(words, |text, secrets| secrets.redact(&text));
        let detail = one_line(&text);
        tracing::error!("{detail}");
        if let Some(run) = &self.run {
            run.emit_at_once(RunEvent::Internal { detail });
        }
        text
    }
}

fn words(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    format!("thread '{name}' {panic}")
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use squall_harness::clock::RunClock;
    use squall_scenario_file::{ParseOptions, Source, parse_scenario};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_event_of_the_run_and_tells_no_secrets() {
        let environment = |name: &str| (name == "TOKEN").then(|| "s3cret-value".to_owned());
        let source = Source::new(
            "x.yaml",
            "version: 1\nname: x\ntarget: http://127.0.0.1:1\nload:\n  shape: [ { hold: { rate: 1/s, \
             for: 1s } } ]\n  requests:\n    - name: a\n      send: GET /?key=${TOKEN}\n",
        );
        let checked = parse_scenario(&source, &ParseOptions::new(&environment));
        assert!(checked.value.is_some(), "{}", checked.render(false));
        let run = EventHub::without_record(RunClock::start(Duration::from_secs(1)));
        let mut events = run.subscribe();
        let known = Known {
            secrets: vec![Secrets::default(), checked.secrets],
            run: Some(run),
        };
        let told = known.hear("thread 'x' panicked at x.rs:1:2:\nno s3cret-value".to_owned());
        assert_eq!(told, "thread 'x' panicked at x.rs:1:2:\nno ${TOKEN}");
        let RunEvent::Internal { detail } = events.recv().await.unwrap().event.clone() else {
            panic!("another event");
        };
        assert_eq!(detail, "thread 'x' panicked at x.rs:1:2: no ${TOKEN}");
    }
}
