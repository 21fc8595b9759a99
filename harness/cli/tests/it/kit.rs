//! The kit around a run: completions, manual pages, references, run folders
//! and verdicts from old data.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Sandbox, entries, one_server};

/// Every verb of `squall --help`.
fn verbs(sandbox: &Sandbox) -> Vec<String> {
    let help = sandbox.squall(&["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    let verbs: Vec<String> = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|verb| verb != "help")
        .collect();
    assert!(verbs.len() > 8, "{help}");
    verbs
}

#[test]
fn completions_know_every_verb_in_every_shell() {
    let sandbox = Sandbox::new();
    let verbs = verbs(&sandbox);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.squall(&["completions", shell]);
        script.assert_code(0);
        for verb in &verbs {
            script.assert_stdout(&[verb]);
        }
        script.assert_stdout(&["allow-remote"]);
    }
    sandbox
        .squall(&["completions", "cmd"])
        .assert_code(2)
        .assert_stderr(&["bash", "fish"]);
}

#[test]
fn bash_takes_its_script() {
    let sandbox = Sandbox::new();
    let script = sandbox.squall(&["completions", "bash"]).stdout;
    let file = sandbox.write("squall.bash", script);
    let ask = format!(
        ". ./{file}; COMP_WORDS=(squall prov); COMP_CWORD=1; _squall squall prov squall; echo \"${{COMPREPLY[*]}}\""
    );
    let bash = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .current_dir(sandbox.work())
        .output();
    let Ok(output) = bash else {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs bash\n").unwrap();
        return;
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "prove");
}

#[test]
fn there_is_a_manual_page_for_every_verb() {
    let sandbox = Sandbox::new();
    sandbox.squall(&["man", "pages/man1"]).assert_code(0);
    let dir = sandbox.work().join("pages/man1");
    for verb in verbs(&sandbox) {
        let page = std::fs::read_to_string(dir.join(format!("squall-{verb}.1")))
            .unwrap_or_else(|error| panic!("{verb}: {error}; {:?}", entries(&dir)));
        assert!(page.contains(".TH"), "{page}");
    }
    let run = std::fs::read_to_string(dir.join("squall-run.1")).unwrap();
    assert!(run.contains("slow\\-recommendations"), "examples: {run}");

    sandbox.write("taken", "");
    let refused = sandbox.squall(&["man", "taken"]);
    refused.assert_code(5).assert_stderr(&["taken"]);
}

#[test]
fn every_fault_is_described_with_its_parameters_and_an_example() {
    let sandbox = Sandbox::new();
    let json = sandbox.squall(&["faults", "--format", "json"]);
    json.assert_code(0);
    let all: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    let list = sandbox.squall(&["faults"]);
    for fault in &all {
        let text = |key: &str| fault[key].as_str().unwrap().to_owned();
        let name = text("name");
        list.assert_code(0).assert_stdout(&[&name, &text("about")]);
        let page = sandbox.squall(&["faults", &name]);
        page.assert_code(0)
            .assert_stdout(&[&text("verified"), &text("undone"), "inject:"]);
        for parameter in fault["parameters"].as_array().unwrap() {
            page.assert_stdout(&[parameter["name"].as_str().unwrap()]);
        }
    }
    for surface in ["delay", "kill"] {
        assert!(all.iter().any(|fault| fault["name"] == surface));
    }
    sandbox
        .squall(&["faults", "latency"])
        .assert_code(0)
        .assert_stdout(&[
            "delay: Bytes arrive later.",
            "direction",
            "from when absent",
        ]);
    sandbox
        .squall(&["faults", "magic"])
        .assert_code(2)
        .assert_stderr(&["magic", "bandwidth"]);
}

#[test]
fn init_writes_a_scenario_that_is_sound() {
    let sandbox = Sandbox::new();
    let asked: [&[&str]; 4] = [
        &["init"],
        &["init", "own.yaml", "--target", "http://127.0.0.1:8080/"],
        &["init", "plain.yaml", "--target", "http://localhost"],
        &["init", "six.yaml", "--target", "http://[::1]:8080"],
    ];
    for args in asked {
        sandbox
            .squall(args)
            .assert_code(0)
            .assert_stdout(&["wrote"]);
        let file = args.get(1).unwrap_or(&"scenario.yaml");
        let checked = sandbox.squall(&["check", "--strict", file]);
        checked.assert_code(0);
        assert_eq!(checked.stderr, "", "no finding");
        sandbox.squall(&["plan", file]).assert_code(0);
    }
    let own = std::fs::read_to_string(sandbox.work().join("own.yaml")).unwrap();
    assert!(own.contains("127.0.0.1:8080"), "{own}");
}

#[test]
fn init_overwrites_nothing_and_writes_nothing_wrong() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("mine.yaml", "mine");
    sandbox
        .squall(&["init", &file])
        .assert_code(2)
        .assert_stderr(&["mine.yaml", "left alone"]);
    let kept = std::fs::read_to_string(sandbox.work().join(&file)).unwrap();
    assert_eq!(kept, "mine");
    for wrong in [
        "localhost:8080",
        "https://127.0.0.1",
        "http://a/b",
        "http://a:b",
    ] {
        let refused = sandbox.squall(&["init", "new.yaml", "--target", wrong]);
        refused.assert_code(2);
        assert!(!sandbox.work().join("new.yaml").exists(), "{wrong}");
    }
    sandbox
        .squall(&["init", "no/such/folder.yaml"])
        .assert_code(5);
}

/// A run of a second whose only gate is `gate`.
fn passing(gate: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: 100/s, for: 1s }} }} ]
  requests: [ GET /health ]
  warm_up: 200ms
slo:
  - during: baseline
    expect: [ {gate} ]
"
    ))
}

/// A copy of a run, under another name, begun at another time.
fn copy_run(run: &Path, to: &Path, started: &str) {
    std::fs::create_dir_all(to).unwrap();
    for file in entries(run).into_iter().filter(|path| path.is_file()) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
    let manifest = std::fs::read_to_string(to.join("run.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["started_utc"] = started.into();
    std::fs::write(to.join("run.json"), manifest.to_string()).unwrap();
}

#[test]
fn runs_are_listed_newest_first_and_pruned_with_care() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("small.yaml", passing("success >= 99%"));
    sandbox.squall(&["run", &file]).assert_code(0);
    let run = sandbox.run();
    let small = sandbox.out().join("small");
    copy_run(&run, &small.join("older"), "2020-01-02T00:00:00Z");
    copy_run(&run, &small.join("oldest"), "2020-01-01T00:00:00Z");
    std::fs::remove_file(small.join("oldest/verdict.json")).unwrap();
    let other = sandbox.out().join("other/only");
    copy_run(&run, &other, "2020-01-01T00:00:00Z");

    let json = sandbox.squall(&["runs", "--format", "json"]);
    json.assert_code(0);
    let rows: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    let started: Vec<_> = rows
        .iter()
        .map(|row| row["started_utc"].as_str().unwrap())
        .collect();
    assert_eq!(started.len(), 4);
    assert!(started.is_sorted_by(|a, b| a >= b), "{started:?}");
    assert_eq!(rows[0]["outcome"], "pass");
    assert_eq!(rows[0]["load_s"], 1.0);
    sandbox
        .squall(&["runs"])
        .assert_code(0)
        .assert_stdout(&["PASS", "not judged", "1s", "small"]);

    // What squall did not write, and what only points somewhere.
    let foreign = small.join("notes");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("run.json"), "{\"mine\": 1}").unwrap();
    std::fs::create_dir(small.join("empty")).unwrap();
    let elsewhere = sandbox.work().join("elsewhere");
    copy_run(&run, &elsewhere, "2020-01-01T00:00:00Z");
    symlink(&elsewhere, small.join("link")).unwrap();
    symlink(sandbox.work(), sandbox.out().join("linked")).unwrap();
    symlink(&elsewhere, small.join("older/inside")).unwrap();

    let before = entries(&small);
    let dry = sandbox.squall(&["runs", "prune", "--keep", "1", "--dry-run"]);
    dry.assert_code(0)
        .assert_stdout(&["would delete", "older", "oldest"])
        .assert_stderr(&["notes"]);
    assert_eq!(entries(&small), before);

    sandbox
        .squall(&["runs", "prune", "--keep", "1"])
        .assert_code(0);
    let left = entries(&small);
    for kept in [run, foreign, small.join("empty"), small.join("link")] {
        assert!(left.contains(&kept), "{kept:?} of {left:?}");
    }
    assert_eq!(left.len(), 4);
    assert!(other.exists(), "the only run of its scenario");
    sandbox
        .squall(&["runs", "prune", "--older-than", "30d"])
        .assert_code(0)
        .assert_stdout(&["deleted"]);
    assert!(!other.parent().unwrap().exists());
    assert!(
        elsewhere.join("run.json").exists(),
        "links are not followed"
    );
    assert_eq!(entries(&small).len(), 4);
}

#[test]
fn pruning_asks_how_much() {
    let sandbox = Sandbox::new();
    sandbox.squall(&["runs", "prune"]).assert_code(2);
    let both = ["runs", "prune", "--keep", "1", "--older-than", "1d"];
    sandbox.squall(&both).assert_code(2);
    sandbox
        .squall(&["runs", "--out", "nowhere"])
        .assert_code(0)
        .assert_stdout(&["no runs in nowhere"]);
}

#[test]
fn a_run_under_way_is_not_pruned() {
    let sandbox = Sandbox::new();
    let file = sandbox.write(
        "long.yaml",
        passing("success >= 99%").replace("for: 1s", "for: 100s"),
    );
    let mut running = sandbox.start(&["run", &file, "--ui", "json"]);
    running.phase("load");
    sandbox
        .squall(&["runs", "prune", "--keep", "0"])
        .assert_code(0)
        .assert_stdout(&["left alone, under way"]);
    assert!(sandbox.run().join("run.json").exists());
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.end().code, Some(130));
    sandbox
        .squall(&["runs", "prune", "--keep", "0"])
        .assert_code(0);
    assert!(sandbox.runs().is_empty());
}

/// Name and bytes of every file of a run.
fn contents(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = entries(run).into_iter().filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_run_is_judged_by_other_objectives() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("small.yaml", passing("success >= 99%"));
    let strict = sandbox.write("strict.yaml", passing("goodput > 1000/s"));
    let vague = sandbox.write("vague.yaml", passing("p99.9 < 60s"));
    sandbox.squall(&["run", &file]).assert_code(0);
    let run = sandbox.run();
    let before = contents(&run);
    let dir = run.to_str().unwrap();
    let judge = |slo: &str, rest: &[&str]| {
        let mut args = vec!["judge", dir, "--slo", slo];
        args.extend(rest);
        sandbox.squall(&args)
    };
    judge(&file, &[]).assert_code(0).assert_stdout(&["PASS"]);
    judge(&strict, &[])
        .assert_code(1)
        .assert_stdout(&["FAIL", "goodput > 1000/s"]);
    judge(&vague, &[]).assert_code(3);
    judge(&strict, &["--report", "junit"])
        .assert_code(2)
        .assert_stderr(&["junit=junit.xml"]);
    judge("nosuch.yaml", &[]).assert_code(2);
    assert_eq!(contents(&run), before, "the run is as it was");

    judge(&strict, &["--report", "junit=new.xml"]).assert_code(1);
    let junit = std::fs::read_to_string(sandbox.work().join("new.xml")).unwrap();
    assert!(junit.contains("<failure"), "{junit}");
    assert_eq!(contents(&run), before, "the run is as it was");
    // Objectives alone need no load; their windows are those of the run.
    let alone = |window: &str| {
        format!("version: 1\nslo:\n  - during: {window}\n    expect: [ success >= 99% ]\n")
    };
    let good = sandbox.write("alone.yaml", alone("whole run"));
    judge(&good, &[]).assert_code(0).assert_stdout(&["PASS"]);
    let lost = sandbox.write("lost.yaml", alone("slow payments"));
    judge(&lost, &[])
        .assert_code(2)
        .assert_stderr(&["lost.yaml:3:13", "windows: baseline"]);
    sandbox
        .squall(&["judge", "nowhere", "--slo", &strict])
        .assert_code(2)
        .assert_stderr(&["nowhere"]);
}

/// An OpenSLO file with one objective about the request of [`passing`].
fn openslo(target: &str) -> String {
    format!(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: availability\n  \
         annotations: {{ squall/measure: success }}\nspec:\n  service: shop\n  \
         indicator: {{ spec: {{ ratioMetric: {{}} }} }}\n  \
         timeWindow: [ {{ duration: 28d, isRolling: true }} ]\n  \
         objectives: [ {{ target: {target} }} ]\n"
    )
}

#[test]
fn a_run_is_judged_by_an_openslo_file() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("small.yaml", passing("success >= 99%"));
    let slo = sandbox.write("slo.yaml", openslo("0.99"));
    sandbox
        .squall(&["check", &slo])
        .assert_code(0)
        .assert_stdout(&["availability: success >= 99%", "28d"]);
    sandbox.squall(&["run", &file]).assert_code(0);
    let judge = |slo: &str, rest: &[&str]| {
        let mut args = vec!["judge", "latest", "--slo", slo];
        args.extend(rest);
        sandbox.squall(&args)
    };
    judge(&slo, &[])
        .assert_code(0)
        .assert_stdout(&["PASS", "during whole run", "success >= 99%"]);
    judge(
        &slo,
        &["--during", "baseline", "--report", "github=notes.txt"],
    )
    .assert_code(0)
    .assert_stdout(&["during baseline"]);
    judge(&slo, &["--during", "outage"])
        .assert_code(2)
        .assert_stderr(&["no window called `outage`", "baseline"]);
    judge(&file, &["--during", "baseline"])
        .assert_code(2)
        .assert_stderr(&["OpenSLO"]);
    let other = openslo("0.99").replace("measure: success", "measure: success of pay");
    let other = sandbox.write("other.yaml", other);
    judge(&other, &[])
        .assert_code(2)
        .assert_stderr(&["no request of this run is called `pay`"]);
    let wrong = sandbox.write("wrong.yaml", openslo("99"));
    judge(&wrong, &[]).assert_code(2).assert_stderr(&["S0108"]);
    sandbox
        .squall(&["check", &wrong])
        .assert_code(2)
        .assert_stderr(&["S0108", "wrong.yaml:10"]);
}

#[test]
fn check_and_plan_read_a_scenario_as_run_does() {
    let sandbox = Sandbox::new();
    let remote = "version: 1\nname: remote\ntarget: http://10.255.255.1:1\nload:\n  \
                  shape: [ { hold: { rate: 50/s, for: 20s } } ]\n  requests: [ GET / ]\n";
    let remote = sandbox.write("remote.yaml", remote);
    sandbox
        .squall(&["check", &remote])
        .assert_code(2)
        .assert_stderr(&["S0410", "--allow-remote 10.255.255.1"]);
    sandbox
        .squall(&["check", &remote, "--allow-remote", "10.255.255.1"])
        .assert_code(0);
    sandbox
        .squall(&["plan", &remote, "--seed", "77"])
        .assert_code(0)
        .assert_stdout(&["seed 77"]);
}

#[test]
fn an_inconclusive_run_counts_as_what_was_asked() {
    let sandbox = Sandbox::new();
    let vague = sandbox.write("vague.yaml", passing("p99.9 < 60s"));
    let pass = sandbox.squall(&["run", &vague, "--inconclusive-as", "pass"]);
    pass.assert_code(0)
        .assert_stdout(&["INCONCLUSIVE counts as PASS here, exit code 0"]);
    let written = crate::support::verdict(&sandbox.run());
    assert_eq!(written.exit_code, 3, "the record says what was proven");

    let json = ["run", &vague, "--inconclusive-as", "fail", "--ui", "json"];
    let fail = sandbox.squall(&json);
    fail.assert_code(1);
    let last: Value = serde_json::from_str(fail.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["counts_as"], "fail");
    sandbox
        .squall(&["run", &vague])
        .assert_code(3)
        .assert_stderr(&["S0310", "vague.yaml"])
        .assert_stdout(&["INCONCLUSIVE", "p99.9 < 1m"]);

    let failing = sandbox.write("failing.yaml", passing("goodput > 1000/s"));
    let ended = sandbox.squall(&["run", &failing, "--inconclusive-as", "pass"]);
    ended.assert_code(1);
    assert!(!ended.stdout.contains("counts as"), "{ended}");
}

#[test]
fn the_action_runs_scenarios_and_points_at_the_gate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sandbox = Sandbox::new();
    let good = sandbox.write("good.yaml", passing("success >= 99%"));
    let bad = sandbox.write("bad.yaml", passing("goodput > 1000/s"));
    // The environment of squall's sandbox, for the script that calls it.
    let mut action = Command::new("bash");
    let squall = sandbox.command::<&str>(&[]);
    for (name, value) in squall.get_envs() {
        if let Some(value) = value {
            action.env(name, value);
        }
    }
    let summary = sandbox.work().join("summary.md");
    let output = action
        .arg(root.join(".ci/action"))
        .current_dir(sandbox.work())
        .env("SQUALL", env!("CARGO_BIN_EXE_squall"))
        .env("SCENARIOS", format!("{good}\n{bad}"))
        .env("OUT", sandbox.out())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_OUTPUT", sandbox.work().join("outputs"))
        .output();
    let Ok(output) = output else {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs bash\n").unwrap();
        return;
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    let text = std::fs::read_to_string(sandbox.work().join(&bad)).unwrap();
    let line = text.lines().position(|l| l.contains("goodput")).unwrap() + 1;
    let annotation = format!("::error file=bad.yaml,line={line},col=");
    assert!(stdout.contains(&annotation), "{stdout}");
    assert_eq!(sandbox.runs().len(), 2, "{stdout}");
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.contains("PASS") && summary.contains("FAIL"),
        "{summary}"
    );
    let outputs = std::fs::read_to_string(sandbox.work().join("outputs")).unwrap();
    assert_eq!(outputs, "exit-code=1\n");

    // Every variable that the script reads is set by the action.
    let yaml = std::fs::read_to_string(root.join("action.yml")).unwrap();
    for name in [
        "SQUALL",
        "SCENARIOS",
        "SEED",
        "SET",
        "ALLOW_REMOTE",
        "INCONCLUSIVE_AS",
        "OUT",
    ] {
        assert!(yaml.contains(&format!("        {name}: ${{{{")), "{name}");
    }
}
