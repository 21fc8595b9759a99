//! `squall replay`: a finished run on the dashboard.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use squall_dashboard::keys::KeyMap;
use squall_dashboard::model::Model;
use squall_dashboard::replay::{Player, facts};
use squall_dashboard::terminal::{Feed, show};
use squall_dashboard::update::Command;
use squall_judge::{RunOutcome, judge};

use crate::args::ReplayArgs;
use crate::interrupts::Interrupts;
use crate::{appearance, exit, output, run_names};

/// Plays the record of a run until somebody leaves.
pub async fn replay(args: ReplayArgs) -> ExitCode {
    if !stdout().is_terminal() {
        let message = "a replay needs a terminal on standard output; \
                       `squall report RUN --report text=-` writes the run as text";
        return exit::fail(RunOutcome::Usage, message);
    }
    let run_names::NamedRun { dir, record } = match run_names::read(&args.run, &args.place.out) {
        Ok(run) => run,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let look = match appearance::of(&args.look) {
        Ok(look) => look,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    let model = Model::new(facts(&record).in_folder(dir));
    let verdict = judge(&record);
    let mut feed = Replay {
        player: Player::new(record, verdict, args.speed),
        interrupts: Interrupts::listen(),
    };
    let shown = tokio::task::block_in_place(|| {
        show(
            model,
            &look.keys,
            look.appearance,
            output::screen(true),
            &mut feed,
        )
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::fail(RunOutcome::NotReady, &format!("the terminal: {error}")),
    }
}

struct Replay {
    player: Player,
    interrupts: Interrupts,
}

impl Feed for Replay {
    fn poll(&mut self, model: &mut Model, _keys: &KeyMap, elapsed: Duration) {
        self.player.advance(model, elapsed);
    }

    fn act(&mut self, model: &mut Model, command: Command) {
        if let Command::Play(play) = command {
            self.player.play(model, play);
        }
    }

    fn over(&self) -> bool {
        self.interrupts.first().is_some()
    }
}
