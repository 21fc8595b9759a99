//! Servers in Python, where it and a module of it are installed.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a script that needs `module` and prints the port of loopback that it listens on.
/// Where that is not installed, says that `package` is needed: nobody shall take it for a
/// pass, so it goes past the capture of the test harness.
pub(crate) fn serve(script: &str, module: &str, package: &str) -> Option<Server> {
    let python = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let import = format!("import {module}");
        let imports = Command::new(python).args(["-c", &import]).output();
        imports.is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        let skipped = format!("skipped: needs {package}\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return None;
    };
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server {
        child,
        address: unknown,
    };
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port).unwrap();
    server.address.set_port(port.trim().parse().unwrap());
    Some(server)
}
