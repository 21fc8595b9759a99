//! A headless browser that a test can ask what its page shows, and what went
//! wrong in it.
//!
//! It is spoken to over the pipes of its debugging protocol: messages of JSON,
//! each ended by a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{HANG, Sandbox, pause};

/// Chromium with one page; killed when dropped.
pub(crate) struct Chromium {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    number: u64,
    /// Of the page.
    session: String,
    /// What takes the place of what the page asks the web for, by the end of
    /// its URL.
    instead: Vec<(&'static str, Vec<u8>)>,
    complaints: Vec<Value>,
}

impl Chromium {
    /// Whether there is one.
    pub(crate) fn is_there() -> bool {
        let mut chromium = Command::new("chromium");
        chromium.arg("--version").stdin(Stdio::null());
        chromium
            .output()
            .is_ok_and(|output| output.status.success())
    }

    /// An empty page, in the sandbox's world. Nothing but 127.0.0.1 is found
    /// from it; `instead` stands in for files of the web, by the end of their
    /// URLs.
    pub(crate) fn start(sandbox: &Sandbox, instead: Vec<(&'static str, Vec<u8>)>) -> Self {
        let profile = sandbox.work().join("profile");
        // Its protocol is on file descriptors 3 and 4.
        let pipes = r#"exec chromium "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;
        let mut child = sandbox
            .program("sh")
            .args(["-c", pipes, "sh"])
            .args("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(' '))
            .args(["--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--remote-debugging-pipe"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg("--window-size=1280,1024")
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, messages) = channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while output.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
                let message = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes));
                bytes.clear();
                if message.is_ok_and(|message| sender.send(message).is_ok()) {
                    continue;
                }
                return;
            }
        });
        let input = child.stdin.take().unwrap();
        let mut chromium = Self {
            child,
            input,
            messages,
            number: 0,
            session: String::new(),
            instead,
            complaints: Vec::new(),
        };
        chromium.make_page();
        chromium
    }

    fn make_page(&mut self) {
        let page = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach);
        self.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Runtime", "Log", "Page"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        let pattern = |(end, _): &(&str, _)| json!({ "urlPattern": format!("*{end}") });
        let patterns: Vec<Value> = self.instead.iter().map(pattern).collect();
        self.call("Fetch.enable", json!({ "patterns": patterns }));
    }

    /// Leaves the page for another.
    pub(crate) fn open(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
    }

    /// What an expression of JavaScript is in the page, as JSON; null while the
    /// page cannot say.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", ask)["result"]["value"].take()
    }

    /// Waits until the page shows what is wanted; what it showed last is told
    /// where it never does.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        expression: &str,
        mut is_it: impl FnMut(&Value) -> bool,
    ) -> Value {
        let start = Instant::now();
        loop {
            let value = self.value(expression);
            if is_it(&value) {
                return value;
            }
            let complaints = &self.complaints;
            assert!(
                start.elapsed() < HANG,
                "no {what}: {value:#}; the page complains: {complaints:#?}"
            );
            pause();
        }
    }

    /// What the pages have written to the console, have thrown or could not
    /// load.
    pub(crate) fn complaints(&mut self) -> &[Value] {
        // An answer comes after everything that was said before it.
        self.value("null");
        &self.complaints
    }

    /// Asks the browser and waits for its answer.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        let number = self.send(method, parameters);
        let start = Instant::now();
        loop {
            let left = HANG.saturating_sub(start.elapsed());
            let mut message = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("the browser hangs at {method}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser ended at {method}"),
            };
            if message["id"] == number {
                let error = message.get("error");
                assert!(error.is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.hear(message);
        }
    }

    fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).unwrap();
        self.number
    }

    /// What the browser tells unasked.
    fn hear(&mut self, message: Value) {
        let said = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                self.complaints.push(message);
            }
            "Fetch.requestPaused" => {
                let url = said["request"]["url"].as_str().unwrap_or_default();
                let stand_in = self.instead.iter().find(|(end, _)| url.ends_with(end));
                let body = stand_in.map(|(_, body)| BASE64_STANDARD.encode(body));
                let answer = json!({
                    "requestId": said["requestId"],
                    "responseCode": 200,
                    "body": body.unwrap_or_default(),
                });
                self.send("Fetch.fulfillRequest", answer);
            }
            _ => {}
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
