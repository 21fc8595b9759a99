//! WebSockets against a server of somebody else's, where it is installed.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use squall_scenario::Request;

use crate::grpc::{CALLS, json, run_against};
use crate::sockets::{count, opens, over_one};

/// Answers with what it is sent, and closes by 4000 where that is "leave".
const SERVER: &str = r#"
import asyncio, websockets

async def echo(socket, path=None):
    async for message in socket:
        if message == "leave":
            await socket.close(4000, "as you like")
            return
        await socket.send(message)

async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        print(list(server.sockets)[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
"#;

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python that has websockets.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let imports = Command::new(python)
            .args(["-c", "import websockets"])
            .output();
        imports.is_ok_and(|output| output.status.success())
    })
}

#[tokio::test]
async fn websockets_of_python_answer_as_our_own_servers_do() {
    let Some(python) = python() else {
        // Past the capture of the test harness: nobody shall take it for a pass.
        let skipped = b"skipped: needs python3-websockets\n";
        return std::io::stderr().write_all(skipped).unwrap();
    };
    let mut child = Command::new(python)
        .args(["-c", SERVER])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let _server = Server(child);
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.trim().parse().unwrap()));
    let echoed = Request {
        checks: vec![json("/0/n", "$n"), json("/1", "plain")],
        ..opens("/", &[r#"{"n":$n}"#, "plain"], count(2))
    };
    let ran = run_against(address, over_one(vec![echoed], vec![])).await;
    assert_eq!(ran.counts[0].good, CALLS, "{:?}", ran.samples);
    let left = opens("/", &["one", "leave"], count(9));
    let ran = run_against(address, over_one(vec![left], vec![])).await;
    assert_eq!(ran.counts[0].status, CALLS, "{:?}", ran.samples);
    let detail = ran.samples[0].detail.as_deref();
    assert_eq!(detail, Some("the server closed with 4000: as you like"));
}
