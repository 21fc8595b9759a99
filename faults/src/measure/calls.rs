//! A fault on calls of gRPC: what comes back over HTTP/2 of a call that its target never
//! sees.

use std::io;

use squall_scenario::inject::{GrpcAnswer, GrpcStatus, Http, HttpAction, Matching, Message};
use squall_scenario::{OnHttp, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{Pair, Stage};
use super::{Amount, Measured, NotMeasured, Observed};
use crate::http::{call_of_grpc, heard, settings};
use crate::{Fault, MessageFault, Proxy};

/// Calls of each measurement, each on a connection of its own.
const TIMES: usize = 20;
const STATUS: GrpcStatus = GrpcStatus::Unavailable;
/// What an answer may have.
const BYTES_MAX: usize = 4096;

pub(super) async fn status(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let pair = Pair::start(greet).await?;
    let answer = GrpcAnswer {
        status: STATUS,
        message: String::new(),
    };
    let fault = Fault::Messages(MessageFault {
        proxies: vec![pair.link.clone()],
        inject: OnHttp::Http(Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message: Message::Answer,
            action: HttpAction::Grpc(answer),
        }),
        scopes: None,
    });
    let mut guard = fault.inject(stage.context()).await?;
    let (mut hit, mut spared) = (0, 0);
    for _ in 0..TIMES {
        hit += usize::from(is_answered(&pair.link).await?);
        spared += usize::from(is_answered(&pair.beside).await?);
    }
    guard.remove().await?;
    pair.clear().await;
    let of = TIMES;
    Ok(vec![Measured {
        fault: format!("http grpc {}", STATUS.word()),
        requested: Amount::Always,
        observed: Observed::Happened { times: hit, of },
        beside: Observed::Happened { times: spared, of },
    }])
}

/// Says how it speaks, and says so again whenever something comes.
async fn greet(mut stream: TcpStream) {
    let mut came = [0; BYTES_MAX];
    // Whoever goes away has seen enough.
    while stream.write_all(&settings()).await.is_ok()
        && matches!(stream.read(&mut came).await, Ok(1..))
    {}
}

/// Whether a call ends with the status.
async fn is_answered(link: &Proxy) -> io::Result<bool> {
    let mut stream = TcpStream::connect(link.address()).await?;
    stream.write_all(&call_of_grpc()).await?;
    let mut came = Vec::new();
    loop {
        let heard = heard(&came);
        // Who has the call says so; a status comes before that.
        if heard.status.is_some() || heard.settings > 1 {
            return Ok(heard.status == Some(STATUS.code()));
        }
        let mut piece = [0; BYTES_MAX];
        match stream.read(&mut piece).await {
            Ok(0) => return Ok(false),
            Ok(got) if came.len() < BYTES_MAX => came.extend_from_slice(&piece[..got]),
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
