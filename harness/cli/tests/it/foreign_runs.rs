//! Run directories made by somebody else: nothing outside of them is touched,
//! nobody hangs, and what is wrong with them is said with exit code 2.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, entries, one_server};

/// A real record, as a run wrote it, in `name`.
fn record(sandbox: &Sandbox, name: &str) -> PathBuf {
    let dir = sandbox.work().join(name);
    let real = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(&dir).unwrap();
    for from in entries(&real.join("../../reports/fixtures/records/v1-0.1.0")) {
        fs::copy(&from, dir.join(from.file_name().unwrap())).unwrap();
    }
    dir
}

#[test]
fn reports_replace_links_and_leave_what_they_lead_to() {
    let sandbox = Sandbox::new();
    let run = record(&sandbox, "run");
    let kept = sandbox.work().join(sandbox.write("kept", "original"));
    for name in ["report.txt", "report.html", "junit.xml", "percentiles.hgrm"] {
        symlink(&kept, run.join(name)).unwrap();
    }
    symlink(sandbox.work().join("nowhere"), run.join("report.md")).unwrap();
    let path = run.to_str().unwrap();
    sandbox.squall(&["report", path]).assert_code(0);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "original");
    assert!(!sandbox.work().join("nowhere").exists());
    assert!(
        fs::symlink_metadata(run.join("report.txt"))
            .unwrap()
            .is_file()
    );
    let left = entries(&run);
    assert!(
        !left
            .iter()
            .any(|path| path.to_string_lossy().ends_with("partial"))
    );

    // What a person names may lead anywhere.
    symlink(&kept, sandbox.work().join("named")).unwrap();
    let named = format!("text={}", sandbox.work().join("named").display());
    sandbox
        .squall(&["report", path, "--report", &named])
        .assert_code(0);
    assert!(fs::read_to_string(&kept).unwrap().contains("Gates"));

    symlink(&kept, sandbox.work().join("index.html")).unwrap();
    let before = fs::read(&kept).unwrap();
    let here = sandbox.work();
    sandbox
        .squall(&["report", "--index", here.to_str().unwrap()])
        .assert_code(0);
    assert_eq!(fs::read(&kept).unwrap(), before);
}

#[test]
fn what_is_no_file_in_a_record_is_refused_at_once() {
    let sandbox = Sandbox::new();
    let sound = record(&sandbox, "sound");
    let sound = sound.to_str().unwrap();
    type Make = fn(&Path);
    let kinds: [(&str, &str, Make); 4] = [
        ("pipe", "it is a pipe", |path| {
            rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
        }),
        ("link", "it is a symbolic link", |path| {
            symlink("verdict.json", path).unwrap()
        }),
        ("socket", "it is a socket", |path| {
            UnixListener::bind(path).unwrap();
        }),
        ("folder", "it is a folder", |path| {
            fs::create_dir(path).unwrap()
        }),
    ];
    for (kind, why, make) in kinds {
        for file in [
            "run.json",
            "events.ndjson",
            "intervals.hlog",
            "samples.ndjson",
        ] {
            let dir = record(&sandbox, &format!("{kind}-{file}"));
            fs::remove_file(dir.join(file)).unwrap();
            make(&dir.join(file));
            let run = dir.to_str().unwrap();
            let all = [
                vec!["report", run],
                vec!["compare", sound, run],
                vec!["merge", run, sound, "--out", "merged"],
            ];
            for args in all {
                let ended = sandbox.squall(&args);
                ended.assert_code(2);
                // A manifest that is none makes it no run, which a name is
                // looked for instead.
                if file != "run.json" {
                    ended.assert_stderr(&[why, file]);
                }
            }
        }
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_told_with_its_line_and_acts_on_no_terminal() {
    let sandbox = Sandbox::new();
    let run = record(&sandbox, "run");
    let path = run.join("run.json");
    let sound = fs::read_to_string(&path).unwrap();
    let foreign = "\"A\\u001b[2J\\nPASS\\u202e\"";
    let damaged = [
        sound.replacen("\"AtLeast\"", foreign, 1),
        sound.replacen("\"seed\": 7", "\"seed\": -7", 1),
        sound[..sound.len() / 2].to_owned(),
        String::new(),
        "\u{1b}]0;x\u{7}".to_owned(),
    ];
    for text in damaged {
        fs::write(&path, text).unwrap();
        let ended = sandbox.squall(&["report", run.to_str().unwrap()]);
        ended.assert_code(2).assert_stderr(&["run.json", "line"]);
        for acting in ['\u{1b}', '\u{202e}', '\u{7}'] {
            assert!(!ended.stderr.contains(acting), "{ended}");
        }
        assert_eq!(ended.stderr.trim().lines().count(), 1, "{ended}");
    }
    fs::write(&path, b"\xff\xfe").unwrap();
    sandbox
        .squall(&["report", run.to_str().unwrap()])
        .assert_code(2);
    fs::write(
        &path,
        sound.replacen("\"schema_version\": 1", "\"schema_version\": 99", 1),
    )
    .unwrap();
    let newer = sandbox.squall(&["report", run.to_str().unwrap()]);
    newer.assert_code(2).assert_stderr(&["newer", "99"]);
}

/// Files of any size, in little memory; no byte of them is there.
#[test]
fn records_larger_than_memory_are_read_as_far_as_makes_sense() {
    let sandbox = Sandbox::new();
    for file in [
        "run.json",
        "events.ndjson",
        "intervals.hlog",
        "samples.ndjson",
    ] {
        let run = record(&sandbox, file);
        let sparse = fs::File::options()
            .write(true)
            .open(run.join(file))
            .unwrap();
        sparse.set_len(1 << 40).unwrap();
        let limited = ["sh", "-c", "ulimit -v 2000000; exec \"$@\"", "sh"];
        let args = ["report", run.to_str().unwrap(), "--report", "text=-"];
        let command = sandbox.command_by(&limited.map(std::ffi::OsStr::new), &args);
        let ended = crate::support::Running::start(command).end();
        if file == "run.json" {
            ended
                .assert_code(2)
                .assert_stderr(&["run.json", "larger than"]);
        } else {
            ended
                .assert_code(0)
                .assert_stderr(&[file, "a line is too long"]);
        }
    }
}

#[test]
fn a_record_whose_arrivals_do_not_add_up_is_a_wrong_input() {
    let sandbox = Sandbox::new();
    let run = record(&sandbox, "run");
    let events = run.join("events.ndjson");
    let text = fs::read_to_string(&events).unwrap();
    let (before, rest) = text
        .split_once("\"load-finished\":{\"scheduled\":")
        .unwrap();
    let changed = format!("{before}\"load-finished\":{{\"scheduled\":1{rest}");
    fs::write(&events, changed).unwrap();
    let scenario = one_server(
        "load:
  shape: [ { hold: { rate: 20/s, for: 4s } } ]
  requests: [ { name: health, send: GET /health } ]
slo:
  - during: whole run
    expect: [ success >= 1% ]
",
    );
    let file = sandbox.write("slo.yaml", scenario);
    let ended = sandbox.squall(&["judge", run.to_str().unwrap(), "--slo", &file]);
    ended.assert_code(2).assert_stderr(&["contradicts itself"]);
}
