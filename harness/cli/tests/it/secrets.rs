//! What came through `${NAME}` stands in nothing that squall writes or prints,
//! and what it writes is for its owner.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::{Ended, Running, Sandbox, entries, one_server};

const KEY: &str =
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqXYZZY\tqKBgQDX\"quo\\te%41&\n-----END KEY-----";
/// Parts of it, and of what base64 makes of it at its three alignments.
const PARTS: [&str; 7] = [
    "MIIEvQIB",
    "XYZZY",
    "qKBgQDX",
    "te%41",
    "TUlJRXZRSUJBREFOQmdrcVhZWlpZ",
    "JRXZRSUJBREFOQmdrcVhZWlpZCXFL",
    "1JSUV2UUlCQURBTkJna3FYWVpaWQ",
];

/// Says the key in every way it knows, and ends.
const TALKER: &str = r#"
printf 'as it is: %s\n' "$KEY"
printf '%s\n' "$KEY" | while read -r line; do echo "line: $line"; done
printf 'one line: %s\n' "$(printf %s "$KEY" | tr '\n\t' '  ')"
for before in '' x xx; do printf '%s%s' "$before" "$KEY" | base64; done
printf '{"key": "%s"}\n' "$(printf %s "$KEY" | sed 's/[\\"]/\\&/g' | tr '\n' '~' | sed 's/~/\\n/g')"
printf 'cut: %.45s\n' "$KEY"
exit 3
"#;

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = entries(dir).into_iter();
    all.flat_map(|path| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    })
    .collect()
}

fn assert_silent(sandbox: &Sandbox, ended: &Ended) {
    let printed = format!("{ended}");
    let mut texts = vec![("the terminal".to_owned(), printed)];
    for file in files(&sandbox.run()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        texts.push((file.display().to_string(), text));
    }
    for (place, text) in texts {
        for part in PARTS {
            assert!(!text.contains(part), "{part:?} stands in {place}: {text}");
        }
    }
}

fn run_with_key(sandbox: &Sandbox, scenario: &str) -> Ended {
    let mut command = sandbox.command(&[
        "run", scenario, "--report", "junit", "--report", "markdown", "--report", "github",
    ]);
    command.env("KEY", KEY);
    Running::start(command).end()
}

#[test]
fn the_last_words_of_a_process_hold_no_secret() {
    let sandbox = Sandbox::new();
    sandbox.write("talker.sh", TALKER);
    let scenario = sandbox.write(
        "talks.yaml",
        "version: 1\nname: talks\nprocesses:\n  api:\n    command: [ sh, talker.sh ]\n    env:\n      \
         KEY: ${KEY}\ntarget: api\nload: { shape: [ { hold: { rate: 5/s, for: 1s } } ], requests: [ \
         GET / ] }\n",
    );
    let ended = run_with_key(&sandbox, &scenario);
    ended
        .assert_code(5)
        .assert_stderr(&["its last output", "${KEY}"]);
    assert_silent(&sandbox, &ended);
    let log = std::fs::read_to_string(sandbox.run().join("logs/api-0.log")).unwrap();
    assert!(log.starts_with("as it is: ${KEY}\n"), "{log}");
}

#[test]
fn what_a_probe_could_not_read_is_cut_after_secrets_were_taken_out() {
    let sandbox = Sandbox::new();
    // The limit of such texts lies within the key, and within what a server
    // says.
    sandbox.write(
        "odd.sh",
        "printf '%0255d %s\\n' 0 \"$(printf %s \"$KEY\" | tr '\\n' ' ')\"\n",
    );
    let scenario = sandbox.write(
        "probes.yaml",
        one_server(
            "load:
  shape: [ { hold: { rate: 20/s, for: 2s } } ]
  requests:
    - name: key
      send: GET /health
      headers:
        x-key: ${SHORT}
probes: [ { name: odd, every: 500ms, within: 400ms, read: { command: { run: [ sh, odd.sh ] } } } ]
slo: [ { during: whole run, expect: [ success >= 10% ] } ]
",
        )
        .replace("target: api", "about: ${KEY}\ntarget: api"),
    );
    let mut command = sandbox.command(&["run", &scenario]);
    command.env("KEY", KEY).env("SHORT", "qKBgQDX-short");
    let ended = Running::start(command).end();
    ended.assert_code(0);
    assert_silent(&sandbox, &ended);
    let events = std::fs::read_to_string(sandbox.run().join("events.ndjson")).unwrap();
    assert!(events.contains("its last line is no number"), "{events}");
}

#[test]
fn a_run_is_for_its_owner() {
    let sandbox = Sandbox::new();
    sandbox.write("talker.sh", "exit 3");
    let scenario = sandbox.write(
        "ends.yaml",
        "version: 1\nname: ends\nprocesses: { api: { command: [ sh, talker.sh ] } }\ntarget: \
         api\nload: { shape: [ { hold: { rate: 5/s, for: 1s } } ], requests: [ GET / ] }\n",
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    std::fs::set_permissions(sandbox.out(), PermissionsExt::from_mode(0o755)).unwrap();
    sandbox.squall(&["run", &scenario]).assert_code(5);
    assert_eq!(mode(&sandbox.out()), 0o755, "it was there");
    let run = sandbox.run();
    assert_eq!(mode(run.parent().unwrap()), 0o700);
    assert_eq!(mode(&run), 0o700);
    assert_eq!(mode(&run.join("logs")), 0o700);
    for file in files(&run) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}
