//! `squall monkey`: Chaos Monkey on a calendar.

mod decisions;
mod hands;
mod outage;

use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;
use squall_faults::Journal;
use squall_faults::monkey::{
    Day, Hands, eligible as eligible_of, preview as preview_days, run as run_days,
};
use squall_judge::RunOutcome;
use squall_record::terminal_line;
use squall_scenario::monkey::Monkey;
use squall_scenario_file::{ParseOptions, Source, parse_monkey, process_environment};
use tokio_util::sync::CancellationToken;

use crate::args::{Listing, MonkeyCommand, MonkeyEligibleArgs, MonkeyPreviewArgs, MonkeyRunArgs};
use crate::interrupts::Interrupts;
use crate::{exit, locate, output};
use decisions::Decisions;
use hands::OwnHands;

/// Carries out a verb of the monkey.
pub async fn monkey(command: MonkeyCommand) -> ExitCode {
    let done = match command {
        MonkeyCommand::Run(args) => run(args).await,
        MonkeyCommand::Preview(args) => preview(&args),
        MonkeyCommand::Eligible(args) => eligible(&args).await,
    };
    match done {
        Ok(()) => exit::code(RunOutcome::Pass),
        Err((outcome, why)) => exit::fail(outcome, &why),
    }
}

type Done = Result<(), (RunOutcome, String)>;

/// Reads a file; its diagnostics are printed.
fn read(file: &Path) -> Result<Monkey, (RunOutcome, String)> {
    let source = Source::read(file).map_err(|problem| (RunOutcome::Usage, problem.title))?;
    let checked = parse_monkey(&source, &ParseOptions::new(&process_environment));
    locate::print(&checked);
    let nothing = || format!("{}: no monkey can be made of this", file.display());
    let mut monkey = checked
        .value
        .ok_or_else(|| (RunOutcome::Usage, nothing()))?;
    monkey.decisions = Some(match monkey.decisions.take() {
        Some(path) => hands::folder_of(file).join(path),
        None => decisions::default_path(&monkey.name)?,
    });
    Ok(monkey)
}

/// Where its decisions are, once it was read.
fn decisions_of(monkey: &Monkey) -> &Path {
    monkey.decisions.as_deref().unwrap_or(Path::new(""))
}

async fn run(args: MonkeyRunArgs) -> Done {
    let mut monkey = read(&args.file)?;
    if args.unleash && monkey.leashed {
        let why = "the file keeps it leashed; `--unleash` needs `leashed: false` in it".to_owned();
        return Err((RunOutcome::Usage, why));
    }
    monkey.leashed |= !args.unleash;
    let (decisions, history) = Decisions::open(decisions_of(&monkey))?;
    let interrupts = Interrupts::listen();
    let stop = CancellationToken::new();
    let undo = Journal::default_dir().map_err(|error| (RunOutcome::NotReady, error.to_string()))?;
    let hands = OwnHands::new(&args.file, &monkey, decisions, &undo, &stop)?;
    output::remark(format_args!(
        "{} is {}; its decisions go to {}",
        terminal_line(&monkey.name),
        if monkey.leashed {
            "leashed: it only says what it would do"
        } else {
            "unleashed"
        },
        decisions_of(&monkey).display()
    ));
    let days = run_days(&monkey, history, &hands, &stop);
    tokio::pin!(days);
    // What was begun is ended: a decision without its outcome helps nobody.
    let lived = tokio::select! {
        lived = &mut days => lived,
        () = interrupts.heard() => {
            stop.cancel();
            days.await
        }
    };
    hands.close();
    lived.map_err(|why| (RunOutcome::NotReady, why))
}

fn preview(args: &MonkeyPreviewArgs) -> Done {
    let monkey = read(&args.file)?;
    let history = decisions::history(decisions_of(&monkey))?;
    let today = monkey.calendar.date_of(Timestamp::now());
    let last = |group: &str| history.last(group).binding(monkey.leashed);
    let days = preview_days(&monkey, args.from.unwrap_or(today), args.days, last);
    if args.format == Listing::Json {
        output::result_json(&json!(days));
        return Ok(());
    }
    let width = monkey.groups.iter().map(|group| group.name.len()).max();
    let mut kills = 0;
    for row in &days {
        let what = match row.day {
            Day::Kill { at } => {
                kills += 1;
                let wall = at.to_zoned(monkey.calendar.time_zone.clone());
                format!("kill at {}", wall.strftime("%H:%M %Z"))
            }
            Day::NotDrawn { .. } | Day::TooSoon { .. } | Day::Off(_) | Day::NoHours => {
                if !args.all {
                    continue;
                }
                row.day.to_string()
            }
        };
        let (date, width) = (row.date.strftime("%a %Y-%m-%d"), width.unwrap_or(0));
        output::result(format_args!("{date}  {:width$}  {what}", row.group));
    }
    let days = args.days;
    output::result(format_args!(
        "{kills} kills in {days} days, if each can be made"
    ));
    Ok(())
}

async fn eligible(args: &MonkeyEligibleArgs) -> Done {
    let monkey = read(&args.file)?;
    let hands = OwnHands::looking(&args.file);
    let mut rows = Vec::new();
    for group in &monkey.groups {
        let found = hands.instances(group).await;
        let mut alive =
            found.map_err(|why| (RunOutcome::NotReady, format!("{}: {why}", group.name)))?;
        alive.sort_by(|one, other| one.name.cmp(&other.name));
        let may_be_killed = eligible_of(group, alive.clone());
        for instance in alive {
            let is_eligible = may_be_killed.contains(&instance);
            if args.format == Listing::Text {
                let why = match is_eligible {
                    true => "eligible",
                    false => "never killed: an exception, or found in another way too",
                };
                output::result(format_args!(
                    "{}  {} (pid {})  {why}",
                    group.name, instance.name, instance.identity.pid
                ));
            }
            rows.push(json!({
                "group": group.name,
                "instance": instance.name,
                "pid": instance.identity.pid,
                "eligible": is_eligible,
            }));
        }
        let (count, survivors) = (may_be_killed.len(), group.survivors);
        if args.format == Listing::Text {
            output::result(format_args!(
                "{}  {count} eligible, {survivors} must be left",
                group.name
            ));
        }
    }
    if args.format == Listing::Json {
        output::result_json(&json!(rows));
    }
    Ok(())
}
