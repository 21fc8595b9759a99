//! A disk that fills up during a run: the run ends early, everything is put
//! back, and the exit code says that nothing was proven.

use std::ffi::OsStr;
use std::process::Command;

use crate::support::{Ended, Running, Sandbox, one_server};

/// A pause of a minute; requests that fail one by one leave samples, which
/// fill the disk.
fn scenario(sandbox: &Sandbox) -> String {
    let text = one_server(
        "load:
  shape: [ { hold: { rate: 300/s, for: 2m } } ]
  requests: [ { name: nowhere, send: GET /no/such/page } ]
  timeout: 2s
  warm_up: 500ms
faults:
  - { name: long, at: 500ms, inject: pause, into: api-0, for: 1m }
slo:
  - during: long
    expect: [ success >= 0% ]
",
    );
    sandbox.write("long.yaml", text)
}

/// squall in a mount namespace where `out` is a disk of 40 KiB.
fn on_a_small_disk(sandbox: &Sandbox, args: &[&str]) -> Command {
    let out = sandbox.out();
    let mount = "mount -t tmpfs -o size=40k tmpfs \"$0\" && exec \"$@\"";
    let caller = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        mount,
    ];
    let mut caller = caller.map(OsStr::new).to_vec();
    caller.push(out.as_os_str());
    sandbox.command_by(&caller, args)
}

fn mounts_are_allowed() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--user", "--map-root-user", "--mount"]);
    probe.args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
    let allowed = probe.output().is_ok_and(|output| output.status.success());
    if !allowed {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"skipped: needs mount namespaces (unshare)\n",
        )
        .unwrap();
    }
    allowed
}

fn run(sandbox: &Sandbox) -> Ended {
    let file = scenario(sandbox);
    Running::start(on_a_small_disk(sandbox, &["run", &file, "--ui", "plain"])).end()
}

#[test]
fn a_full_disk_ends_the_run_and_proves_nothing() {
    if !mounts_are_allowed() {
        return;
    }
    let sandbox = Sandbox::new();
    let ended = run(&sandbox);
    ended
        .assert_code(5)
        .assert_stderr(&["could not be recorded", "No space left on device"]);
    sandbox.assert_empty();
    assert!(sandbox.journals().is_empty(), "{:?}", sandbox.journals());
}
