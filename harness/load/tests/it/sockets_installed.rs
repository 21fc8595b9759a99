//! WebSockets against a server of somebody else's, where it is installed.

use squall_scenario::Request;

use crate::grpc::{CALLS, json, run_against};
use crate::installed_python::serve;
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

#[tokio::test]
async fn websockets_of_python_answer_as_our_own_servers_do() {
    let Some(server) = serve(SERVER, "websockets", "python3-websockets") else {
        return;
    };
    let address = server.address;
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
