//! Netflix's own dashboard of Hystrix, as published, watches the reference
//! backend: it shows every circuit and pool, complains about nothing, and turns
//! red what opens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use squall_reference::dependencies;

use crate::reference_up::{addresses, get};
use crate::support::chromium::Chromium;
use crate::support::{HANG, Running, Sandbox, listeners, pause, skip, wait_until};

/// Names the folder that `.ci/hystrix-dashboard` has filled.
const FOLDER: &str = "SQUALL_HYSTRIX_DASHBOARD";
const ARCHIVE: &str = "hystrix-dashboard-1.5.18.war";
const SERVER: &str = "jetty-runner-9.4.57.v20241219.jar";
/// What the page takes from the web.
const SCRIPT: &str = "underscore-min.js";

/// Streams of one page: of the six connections that a browser has to a server, one
/// is for the next page.
const STREAMS_MAX: usize = 5;

/// What each circuit and each pool of the page shows.
const SHOWN: &str = "[...document.querySelectorAll('div.monitor')].map(shown => ({
    id: shown.id,
    name: shown.querySelector('p.name').textContent,
    state: (shown.querySelector('.circuitStatus') || { textContent: '' })
        .textContent.trim().replace(/\\s+/g, ' '),
    errors: (shown.querySelector('.errorPercentage .value') || { textContent: '' }).textContent,
    circle: shown.querySelector('circle').style.fill,
}))";

/// The folder with the dashboard; none where something is missing, which is
/// said.
fn folder() -> Option<PathBuf> {
    let mut java = Command::new("java");
    java.arg("-version").stdin(Stdio::null());
    if !java.output().is_ok_and(|output| output.status.success()) {
        skip("needs Java, for the dashboard of Hystrix");
        return None;
    }
    if !Chromium::is_there() {
        skip("needs chromium, for the dashboard of Hystrix");
        return None;
    }
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let whole = |folder: &PathBuf| {
        let mut files = [ARCHIVE, SERVER, SCRIPT].iter();
        files.all(|file| folder.join(file).is_file())
    };
    let found = folder.filter(whole);
    if found.is_none() {
        skip(&format!(
            "needs the dashboard of Hystrix: .ci/hystrix-dashboard DIR fetches it, {FOLDER}=DIR names it"
        ));
    }
    found
}

/// The dashboard, served.
struct Dashboard {
    server: Running,
}

impl Dashboard {
    fn start(sandbox: &Sandbox, folder: &Path) -> Self {
        // Where it unpacks the archive.
        let unpacked = sandbox.work().join("unpacked");
        std::fs::create_dir(&unpacked).unwrap();
        let mut java = sandbox.program("java");
        java.arg(format!("-Djava.io.tmpdir={}", unpacked.display()))
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-jar")
            .arg(folder.join(SERVER))
            .args(["--host", "127.0.0.1", "--port", "0"])
            .arg(folder.join(ARCHIVE));
        Self {
            server: Running::start(java),
        }
    }

    /// Where it is, once it listens.
    fn address(&self, sandbox: &Sandbox) -> String {
        let pid = self.server.pid().as_raw_pid();
        let port = || {
            let mut processes = sandbox.processes();
            processes.retain(|process| process.pid == pid);
            assert!(!processes.is_empty(), "the server of the dashboard ended");
            listeners(&processes).first().map(|listener| listener.port)
        };
        wait_until("server of the dashboard", || port().is_some());
        format!("http://127.0.0.1:{}", port().unwrap())
    }
}

/// The address of its page that watches the streams of `instances`.
fn monitor(dashboard: &str, instances: &[(&String, &String)]) -> String {
    let stream = |(instance, place): &(&String, &String)| json!({ "name": instance, "stream": format!("{place}/hystrix.stream"), "delay": "250" });
    let streams: Value = instances.iter().map(stream).collect();
    let encoded: String = streams
        .to_string()
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    format!("{dashboard}/monitor/monitor.html?streams={encoded}")
}

/// The ids of everything that the page must show of `instances`, and of nothing
/// else.
fn expected(instances: &[(&String, &String)]) -> BTreeSet<(String, String)> {
    let commands = dependencies();
    let of = |(index, (instance, _)): (usize, &(&String, &String))| {
        let (service, _) = instance.rsplit_once('-').unwrap();
        let rows = commands.iter().filter(|row| row.service.name() == service);
        let ids = rows.flat_map(|row| {
            ["CIRCUIT", "THREAD_POOL"].map(|kind| {
                let id = format!("{kind}_{}_{index}", row.command);
                (id, row.command.to_owned())
            })
        });
        ids.collect::<Vec<_>>()
    };
    instances.iter().enumerate().flat_map(of).collect()
}

fn ids(shown: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = shown.as_array().into_iter().flatten();
    all.map(|one| (text(&one["id"]), text(&one["name"])))
        .collect()
}

fn assert_silent(browser: &mut Chromium) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "the page complains: {complaints:#?}");
}

fn circuit<'v>(shown: &'v Value, id: &str) -> &'v Value {
    let mut all = shown.as_array().into_iter().flatten();
    all.find(|one| one["id"] == id).unwrap_or(&Value::Null)
}

/// Asks a gateway for homepages, eight at a time, until told to stop.
fn load_while<T>(gateway: &str, rest: impl FnOnce() -> T) -> T {
    let done = std::sync::atomic::AtomicBool::new(false);
    let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        for caller in 0..8 {
            scope.spawn(move || {
                for number in 0.. {
                    if is_done() {
                        return;
                    }
                    get(gateway, &format!("/home/{}", caller + 8 * number), "");
                    pause();
                }
            });
        }
        // Ended as well when what is waited for fails.
        let ended = Ended(&done);
        let value = rest();
        drop(ended);
        value
    })
}

struct Ended<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Sends a signal to every instance of a service.
fn signal(sandbox: &Sandbox, service: &str, signal: Signal) {
    let name = format!(" serve {service} ");
    let mut processes = sandbox.processes();
    processes.retain(|process| process.command.contains(&name));
    assert!(!processes.is_empty(), "no process of {service}");
    for process in processes {
        kill_process(Pid::from_raw(process.pid).unwrap(), signal).unwrap();
    }
}

#[test]
fn the_dashboard_of_hystrix_shows_every_circuit_and_what_opens_turns_red() {
    let Some(folder) = folder() else { return };
    let sandbox = Sandbox::new();
    let mut up = sandbox.start(&["reference", "up", "--out", sandbox.out().to_str().unwrap()]);
    let mut places = addresses(&mut up);
    // Caches speak no HTTP.
    places.retain(|instance, _| !instance.starts_with("cache"));
    // Not beside the backend's start, for which there is a limit.
    let dashboard = Dashboard::start(&sandbox, &folder);
    let script = std::fs::read(folder.join(SCRIPT)).unwrap();
    let web = vec![
        ("/underscore.js/1.8.3/underscore-min.js", script),
        ("/favicon.ico", Vec::new()),
    ];
    let mut browser = Chromium::start(&sandbox, web);
    let address = dashboard.address(&sandbox);

    let instances: Vec<(&String, &String)> = places.iter().collect();
    for some in instances.chunks(STREAMS_MAX) {
        browser.open(&monitor(&address, some));
        let all = expected(some);
        browser.wait_for("circuits and pools", SHOWN, |shown| ids(shown) == all);
        assert_silent(&mut browser);
    }

    let gateway = places.get_key_value("gateway-0").unwrap();
    browser.open(&monitor(&address, &[gateway]));
    let id = "CIRCUIT_recommendations_0";
    let is = |shown: &Value, state: &str, circle: &str| {
        let found = circuit(shown, id);
        found["state"] == state && found["circle"] == circle
    };
    let green = "rgb(0, 77, 0)";
    browser.wait_for("closed circuit", SHOWN, |shown| {
        is(shown, "Circuit Closed", green)
    });
    signal(&sandbox, "recommendations", Signal::STOP);
    let shown = load_while(gateway.1, || {
        browser.wait_for("open circuit in red", SHOWN, |shown| {
            is(shown, "Circuit Open", "rgb(255, 0, 0)")
        })
    });
    assert_eq!(ids(&shown), expected(&[gateway]), "{shown:#}");
    assert_silent(&mut browser);
    signal(&sandbox, "recommendations", Signal::CONT);
    load_while(gateway.1, || {
        browser.wait_for("circuit that closed again", SHOWN, |shown| {
            circuit(shown, id)["state"] == "Circuit Closed"
        })
    });
    assert_silent(&mut browser);

    up.signal(Signal::INT);
    up.end().assert_code(0);
    drop((browser, dashboard));
    sandbox.wait_until_empty(&[], HANG);
}
