//! Calls of gRPC against a server of somebody else's, where it is installed.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use squall_scenario::Request;

use crate::grpc::{CALLS, calls, json, load, run_against};

/// Knows nothing of protobuf: it reads and writes the bytes of two fields by hand.
const SERVER: &str = r#"
import grpc
from concurrent import futures

def play(request, context):
    title = request[1]
    if title % 2 == 0:
        context.abort(grpc.StatusCode.NOT_FOUND, "no title %d, s\u00fcrely" % title)
    context.set_trailing_metadata((("x-cost", "7"),))
    return b"\x0a\x05Storm\x10" + bytes([title])

handlers = {"Play": grpc.unary_unary_rpc_method_handler(play)}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers(
    (grpc.method_handlers_generic_handler("shop.v1.Catalog", handlers),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"#;

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python that has grpcio.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let imports = Command::new(python).args(["-c", "import grpc"]).output();
        imports.is_ok_and(|output| output.status.success())
    })
}

#[tokio::test]
async fn grpcio_answers_as_our_own_server_does() {
    let Some(python) = python() else {
        // Past the capture of the test harness: nobody shall take it for a pass.
        let skipped = b"skipped: needs python3-grpcio\n";
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
    let request = Request {
        checks: vec![json("/name", "Storm"), json("/seenBy", "$n")],
        ..calls("Play")
    };
    let ran = run_against(address, load(vec![request], vec![])).await;
    let counts = ran.counts[0];
    assert_eq!(
        (counts.good, counts.status),
        (CALLS / 2, CALLS / 2),
        "{:?}",
        ran.samples
    );
    let details = ran.samples.iter().filter_map(|it| it.detail.as_deref());
    assert!(
        details
            .into_iter()
            .any(|it| it == "NOT_FOUND: no title 2, sürely")
    );
}
