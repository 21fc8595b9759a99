//! Answers as squall's reader takes them, beside the verdict of hyper's client: the
//! same status and body, or refused by both; where they differ, the difference is
//! listed, and `docs/decisions/0021-answers-that-hyper-refuses.md` says why.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use squall_load::{AnswerReader, Looks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

mod corpus;

use corpus::{ALIKE, DIFFERENT};

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);

/// Status and body, or that it is no answer.
type Verdict = Option<(u16, Vec<u8>)>;

/// What squall makes of bytes behind which the connection is closed.
fn ours(data: &[u8]) -> Verdict {
    let looks = Looks {
        body: true,
        digest: false,
    };
    let mut reader = AnswerReader::keeping(false, looks);
    reader.read(data).ok()?;
    let done = reader.is_done() || reader.close();
    let (head, _, kept) = reader.into_parts();
    let head = head.filter(|_| done)?;
    Some((head.status, kept?.body))
}

/// What hyper makes of them.
async fn hypers(data: &[u8]) -> Verdict {
    let (client, mut server) = tokio::io::duplex(4 << 20);
    let data = data.to_vec();
    let serves = tokio::spawn(async move {
        let mut request = [0; 4096];
        // Without a body it comes at once.
        let _ = server.read(&mut request).await;
        let _ = server.write_all(&data).await;
        let _ = server.shutdown().await;
    });
    let io = TokioIo::new(client);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
    let carries = tokio::spawn(connection);
    let request = http::Request::get("/").header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let asked = async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        Some((status, body.to_vec()))
    };
    let verdict = tokio::time::timeout(HANG, asked)
        .await
        .expect("hyper hangs");
    carries.abort();
    serves.abort();
    verdict
}

/// What is fed to the fuzzer too; its first byte says what the request was.
fn fuzzed() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/http_response");
    let files = std::fs::read_dir(folder).unwrap();
    let all = files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    all.filter(|data| data.first().is_some_and(|first| first % 2 == 0))
        .map(|data| data[1..].to_vec())
        .collect()
}

#[tokio::test]
async fn answers_are_what_they_are_to_hyper() {
    let mut differ = Vec::new();
    let table = ALIKE.iter().map(|text| text.as_bytes().to_vec());
    for data in table.chain(fuzzed()) {
        let (ours, hypers) = (ours(&data), hypers(&data).await);
        if ours != hypers {
            differ.push(format!("{}\n  {ours:?} / {hypers:?}", data.escape_ascii()));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Where the two differ, squall takes an answer that hyper refuses, and what it
/// takes is what was meant.
#[tokio::test]
async fn what_hyper_refuses_is_taken_where_users_clients_take_it() {
    for (what, text, status, body) in DIFFERENT {
        let text = text.replace("{many}", &"a: b\r\n".repeat(500));
        let taken = Some((*status, body.as_bytes().to_vec()));
        assert_eq!(ours(text.as_bytes()), taken, "{what}");
        assert_eq!(hypers(text.as_bytes()).await, None, "{what}");
    }
}
