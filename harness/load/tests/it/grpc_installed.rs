//! Calls of gRPC against a server of somebody else's, where it is installed.

use squall_scenario::Request;

use crate::grpc::{CALLS, calls, json, load, run_against};
use crate::installed_python::serve;

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

#[tokio::test]
async fn grpcio_answers_as_our_own_server_does() {
    let Some(server) = serve(SERVER, "grpc", "python3-grpcio") else {
        return;
    };
    let address = server.address;
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
