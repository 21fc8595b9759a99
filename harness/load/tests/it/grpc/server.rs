//! A server of gRPC that does right and wrong by the method's name.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::response::Builder;
use http::{HeaderMap, HeaderValue, Request as HttpRequest, Response};

use crate::serving::server;

pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// `Played { name: "Storm", seen_by: id }`.
fn played(id: u8) -> Vec<u8> {
    [b"\x0a\x05Storm\x10".as_slice(), &[id]].concat()
}

/// What a call said of itself, and its message.
pub(super) type Asked = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

pub(super) async fn serve(asked: Asked) -> SocketAddr {
    let (address, _) = server(move |_, stream| {
        let asked = Arc::clone(&asked);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, to))) = connection.accept().await {
                tokio::spawn(answer(request, to, Arc::clone(&asked)));
            }
        }
    })
    .await;
    address
}

fn grpc(status: u16) -> Builder {
    let head = Response::builder().status(status);
    head.header("content-type", "application/grpc")
}

/// An answer that is nothing but a head.
fn alone(method: &str) -> Option<Response<()>> {
    let head = match method {
        "TrailersOnly" => {
            let head = grpc(200).header("grpc-status", "5");
            head.header("grpc-message", "no%20such%20title")
        }
        "AwayAtOnce" => grpc(200).header("grpc-status", "14"),
        "Proxy" => Response::builder().status(503),
        "BadProxy" => Response::builder().status(502),
        "WatchPage" => Response::builder().status(404),
        _ => return None,
    };
    Some(head.body(()).unwrap())
}

async fn answer(request: HttpRequest<RecvStream>, mut to: SendResponse<Bytes>, asked: Asked) {
    let (head, mut body) = request.into_parts();
    let mut message = Vec::new();
    while let Some(Ok(part)) = body.data().await {
        message.extend_from_slice(&part);
        let _ = body.flow_control().release_capacity(part.len());
    }
    let id = message.get(6).copied().unwrap_or_default();
    asked.lock().unwrap().push((head.headers, message));
    let method = head.uri.path().rsplit('/').next().unwrap_or_default();
    if method == "Reset" {
        return to.send_reset(Reason::INTERNAL_ERROR);
    }
    if let Some(head) = alone(method) {
        let _ = to.send_response(head, true);
        return;
    }
    let (head, data, trailers) = match method {
        "WatchWide" => {
            // The second has no room until something was read of what came before it.
            let all = [framed(&played(id)), framed(&[0; 2 << 20])];
            (grpc(200), all.concat(), "0")
        }
        "WatchText" => {
            let head = Response::builder().header("content-type", "text/plain");
            (head, b"hello".to_vec(), "0")
        }
        "WatchDenied" => (grpc(200), framed(&played(id)), "7"),
        "WatchThree" => {
            let all = (id..id + 3).map(|id| framed(&played(id)));
            (grpc(200), all.collect::<Vec<_>>().concat(), "0")
        }
        "WatchCut" => {
            let all = [framed(&played(id)), framed(&played(id))[..9].to_vec()];
            (grpc(200), all.concat(), "0")
        }
        "WatchNothing" => (grpc(200), vec![], "0"),
        "Twice" => (
            grpc(200),
            [framed(&played(id)), framed(&played(id))].concat(),
            "0",
        ),
        "Nothing" => (grpc(200), vec![], "0"),
        "Cut" => (grpc(200), framed(&played(id))[..8].to_vec(), "0"),
        "Huge" => (grpc(200), vec![0, 0xff, 0xff, 0xff, 0xff, 1], "0"),
        "Packed" => (grpc(200), vec![1, 0, 0, 0, 1, 7], "0"),
        "Other" => (grpc(200), framed(b"\x0a\xff\xff"), "0"),
        "Silent" => (grpc(200), framed(&played(id)), ""),
        "Denied" => (grpc(200), vec![], "7"),
        "Away" => (grpc(200), vec![], "14"),
        _ => (grpc(200), framed(&played(id)), "0"),
    };
    let Ok(mut stream) = to.send_response(head.body(()).unwrap(), false) else {
        return;
    };
    let _ = stream.send_data(Bytes::from(data), trailers.is_empty());
    if trailers.is_empty() {
        return;
    }
    let mut last = HeaderMap::new();
    last.insert("grpc-status", HeaderValue::from_static(trailers));
    last.insert("x-cost", HeaderValue::from_static("7"));
    let _ = stream.send_trailers(last);
}
