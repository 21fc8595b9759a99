//! The command line as typed.

mod authoring;
mod comparing;
mod load;
mod look;
mod monkey;
mod proxy;
mod records;
mod reference;
mod series;
mod share;
mod shell;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use squall_scenario_file::Allowed;

pub use authoring::{
    DOCTOR_EXAMPLES, DoctorArgs, FAULTS_EXAMPLES, FaultsArgs, INIT_EXAMPLES, InitArgs,
    PLAN_EXAMPLES,
};
pub use comparing::{COMPARE_EXAMPLES, CompareArgs, ComparisonFormat, FailOn};
pub use load::{ArrivalsArg, ContentArgs, LOAD_EXAMPLES, LoadArgs, ReachArgs};
pub use look::{LookArgs, ThemeArg};
pub use monkey::{
    MONKEY_EXAMPLES, MonkeyCommand, MonkeyEligibleArgs, MonkeyPreviewArgs, MonkeyRunArgs,
};
pub use proxy::{
    AddToxicArgs, PROXY_EXAMPLES, ProxyArgs, ProxyCommand, ServerArgs, ToxicCommand,
    ToxicSettingArgs, UpdateToxicArgs,
};
pub use records::{
    ATTACH_EXAMPLES, AttachArgs, JUDGE_EXAMPLES, JudgeArgs, MERGE_EXAMPLES, MergeArgs, OutArgs,
    PruneArgs, REPLAY_EXAMPLES, RUNS_EXAMPLES, ReplayArgs, RunsArgs, RunsCommand,
};
pub use reference::{ReferenceCommand, ServeArgs, UpArgs};
pub use series::{CALIBRATE_EXAMPLES, CalibrateArgs, PROVE_EXAMPLES, ProveArgs, ResultArgs};
pub use share::ShareArgs;
pub use shell::{COMPLETIONS_EXAMPLES, CompletionsArgs, MAN_EXAMPLES, ManArgs};

/// Break a system on purpose while it is under honest load, and say with
/// evidence whether it kept its availability and latency targets.
#[derive(Debug, Parser)]
#[command(
    name = "squall",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "Start here:
  squall run slow-recommendations     run a scenario of the library
  squall load http://127.0.0.1:8080/  load one URL, without a file
  squall check my-scenario.yaml       find mistakes without running anything
  squall explain exit                 what the exit codes mean")]
pub struct Cli {
    /// Colours: `auto` follows the terminal and NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t = When::Auto)]
    pub color: When,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// Follow the terminal, NO_COLOR and CLICOLOR.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs of squall.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios, judge them and write their reports
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Load one URL, without a file: open loop, judged, recorded as any run
    #[command(after_help = LOAD_EXAMPLES)]
    Load(Box<LoadArgs>),
    /// Run scenarios and their weakened variants; a scenario that passes
    /// either way is toothless
    #[command(after_help = PROVE_EXAMPLES)]
    Prove(ProveArgs),
    /// Run a scenario without its faults, again and again, and count the false
    /// alarms of its gates
    #[command(after_help = CALIBRATE_EXAMPLES)]
    Calibrate(CalibrateArgs),
    /// Parse and lint scenarios and OpenSLO files; sends nothing, starts nothing
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show what a scenario would do: timeline, arrivals, samples per gate
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
    /// Render reports from a run's record
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Judge a finished run by other objectives; runs nothing
    #[command(after_help = JUDGE_EXAMPLES)]
    Judge(JudgeArgs),
    /// Watch a run of another terminal on the dashboard
    #[command(after_help = ATTACH_EXAMPLES)]
    Attach(AttachArgs),
    /// Show a finished run on the dashboard, at any speed
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Set two runs of the same load side by side: what changed, what is noise
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Put the records of all shards of one load together and judge them
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// List the runs there are, newest first, or delete old ones
    #[command(after_help = RUNS_EXAMPLES, args_conflicts_with_subcommands = true)]
    Runs(RunsArgs),
    /// Undo what a dead run left behind
    Recover(RecoverArgs),
    /// Chaos Monkey: kills one of a group now and then, in working hours
    #[command(subcommand, after_help = MONKEY_EXAMPLES)]
    Monkey(MonkeyCommand),
    /// Explain a diagnostic code, or `exit` for the exit codes
    Explain {
        /// A code such as S0110, or `exit`.
        code: String,
    },
    /// Print the JSON Schema of a file that squall reads or writes
    Schema {
        /// Which file.
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
    /// List the scenarios of the embedded library
    Scenarios {
        /// Machine-readable output.
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// Say what each fault does, how it is verified and how it is undone
    #[command(after_help = FAULTS_EXAMPLES)]
    Faults(FaultsArgs),
    /// Say what this machine can do, and what is done where it cannot
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Write a commented scenario to start from
    #[command(after_help = INIT_EXAMPLES)]
    Init(InitArgs),
    /// Break connections by hand or from tests: a proxy that clients of
    /// Toxiproxy can be pointed at, and verbs for any of its servers
    #[command(after_help = PROXY_EXAMPLES, args_conflicts_with_subcommands = true)]
    Proxy(ProxyArgs),
    /// The reference streaming backend
    #[command(subcommand)]
    Reference(ReferenceCommand),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write a manual page for each command into a folder
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

const RUN_EXAMPLES: &str = "Examples:
  squall run slow-recommendations
  squall run checkout.yaml --seed 7 --out results
  squall run checkout.yaml --variant 'no breakers'
  squall run checkout.yaml --report junit=junit.xml --report markdown=-
  squall run checkout.yaml --inconclusive-as fail
  squall run staging.yaml --shard 2/4 --start-at 2026-11-22T12:00:00Z";
const CHECK_EXAMPLES: &str = "Examples:
  squall check checkout.yaml
  squall check scenarios/*.yaml --strict --format github
  squall check staging.yaml --allow-remote staging.example.com
  squall check slos/checkout.yaml

What squall reads of a file is decided by the same options as in `squall run`.
Of an OpenSLO v1 file it shows the gates that its objectives become.";
const REPORT_EXAMPLES: &str = "Examples:
  squall report latest
  squall report squall-runs/checkout/20261122T101500Z
  squall report checkout --report markdown=-
  squall report --index squall-runs";

/// How scenarios are read; shared by every command that reads one.
#[derive(Debug, Clone, Args)]
pub struct ScenarioArgs {
    /// Override a setting of the system: NAME=VALUE. May be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
}

/// How runs are carried out.
#[derive(Debug, Clone, Args)]
pub struct ExecutionArgs {
    /// Where run directories go
    #[arg(
        long,
        value_name = "DIR",
        default_value = "squall-runs",
        env = "SQUALL_OUT"
    )]
    pub out: PathBuf,
    /// What to show on standard error
    #[arg(long, value_enum, default_value_t = Ui::Auto)]
    pub ui: Ui,
    /// What the file may not decide by itself.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// How the dashboard looks.
    #[command(flatten)]
    pub look: LookArgs,
}

/// What somebody allows on the command line.
#[derive(Debug, Clone, Args)]
pub struct ConsentArgs {
    /// A host that may be loaded although it is not on this machine
    #[arg(long, value_name = "HOST")]
    pub allow_remote: Vec<String>,
    /// A process under `existing`, which squall did not start, that faults may
    /// hit all the same
    #[arg(long, value_name = "NAME")]
    pub allow_process: Vec<String>,
}

impl ConsentArgs {
    /// The same for those who read files.
    pub fn allowed(&self) -> Allowed {
        Allowed {
            hosts: self.allow_remote.clone(),
            processes: self.allow_process.clone(),
        }
    }

    /// The same for who has to allow it again: options and their values.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let processes = self
            .allow_process
            .iter()
            .map(|name| ("--allow-process", &**name));
        let hosts = self
            .allow_remote
            .iter()
            .map(|host| ("--allow-remote", &**host));
        processes.chain(hosts)
    }
}

/// What `squall run` takes.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Paths of scenarios, or names of the embedded library
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Run this weakened variant instead of the scenario itself
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// What is the same however the load was described.
    #[command(flatten)]
    pub options: RunOptions,
    /// How scenarios are read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
}

/// What a run takes, be it of a scenario or of one URL.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// Seed of everything random; overrides the scenario's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Also write a report: FORMAT, FORMAT=PATH or FORMAT=- (may be repeated)
    #[arg(long = "report", value_name = "FORMAT[=PATH]")]
    pub reports: Vec<String>,
    /// What an inconclusive run counts as in the exit code; 3 when absent.
    /// Verdict and reports stay inconclusive
    #[arg(long, value_enum, value_name = "OUTCOME")]
    pub inconclusive_as: Option<InconclusiveAs>,
    /// Serve Prometheus metrics of the run at this address, /metrics; port 0
    /// takes a free one and prints it
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<std::net::SocketAddr>,
    /// A file whose first line readers of the metrics must send as bearer
    /// token; needed off 127.0.0.1
    #[arg(long, value_name = "FILE", requires = "metrics")]
    pub metrics_token_file: Option<PathBuf>,
    /// Which share of the load.
    #[command(flatten)]
    pub share: ShareArgs,
    /// How runs are carried out.
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// What `squall check` takes.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Paths of scenarios or OpenSLO files, or names of the embedded library
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// How diagnostics are printed
    #[arg(long, value_enum, default_value_t = DiagnosticFormat::Text)]
    pub format: DiagnosticFormat,
    /// Warnings are errors
    #[arg(long)]
    pub strict: bool,
    /// What the file may not decide by itself, as in `squall run`.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// How scenarios are read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
}

/// What `squall plan` takes.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Path of a scenario, or a name of the embedded library
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    /// Seed of everything random; overrides the scenario's
    #[arg(long)]
    pub seed: Option<u64>,
    /// Machine-readable output
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
    /// How scenarios are read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
}

/// What `squall report` takes.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// A run: its directory, the folder or name of its scenario (the newest
    /// run), or `latest`; `NAME~1` is the run before
    #[arg(
        value_name = "RUN",
        required_unless_present = "index",
        conflicts_with = "index"
    )]
    pub run: Option<String>,
    /// Where runs are looked for by name.
    #[command(flatten)]
    pub place: OutArgs,
    /// FORMAT, FORMAT=PATH or FORMAT=-; by default into the run directory, all but
    /// json, csv, hlog and ndjson, which repeat every interval of the record
    #[arg(
        long = "report",
        value_name = "FORMAT[=PATH]",
        conflicts_with = "index"
    )]
    pub reports: Vec<String>,
    /// Instead, write DIR/index.html: every run below DIR with its verdict,
    /// the trends of each scenario, and links to the reports
    #[arg(long, value_name = "DIR")]
    pub index: Option<PathBuf>,
}

/// What `squall recover` takes.
#[derive(Debug, Clone, Args)]
pub struct RecoverArgs {
    /// Only list what would be undone
    #[arg(long)]
    pub list: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ui {
    /// The dashboard on a terminal, else plain lines: in CI, with TERM=dumb,
    /// and where standard error or input is none.
    Auto,
    /// The dashboard.
    Tui,
    /// One line per second and one per event, for CI and screen readers.
    Plain,
    /// Events as JSON lines on standard output.
    Json,
    /// Nothing but the verdict.
    None,
}

/// What an inconclusive run counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InconclusiveAs {
    /// Exit code 0.
    Pass,
    /// Exit code 1.
    Fail,
}

/// How diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiagnosticFormat {
    /// For people.
    Text,
    /// One JSON array.
    Json,
    /// GitHub annotations.
    Github,
}

/// How listings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// For people.
    Text,
    /// JSON.
    Json,
}

/// Which schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files.
    Scenario,
    /// System files.
    System,
    /// `run.json` of a run directory.
    Record,
    /// A line of `events.ndjson`.
    Event,
    /// A line of `samples.ndjson`.
    Sample,
    /// `verdict.json`.
    Verdict,
    /// `report.json`.
    Report,
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("write NAME=VALUE, for instance breakers=disabled, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_setting_without_a_value_says_how() {
        assert!(
            parse_setting("breakers")
                .unwrap_err()
                .contains("NAME=VALUE")
        );
    }
}
