//! Faults on names: what a resolver of its own answers whoever asks over UDP.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use squall_scenario::inject::{Dns, DnsAnswer};
use tokio::net::UdpSocket;

use super::stage::Stage;
use super::{Amount, Measured, NotMeasured, Observed};
use crate::{Fault, Names, NamesFault, Resolver};

/// Questions of each measurement.
const TIMES: usize = 20;
const HIT: &str = "measured.test";
const SPARED: &str = "beside.test";
const TRUTH: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
const WRONG: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const LATER: Duration = Duration::from_millis(20);
/// How long an answer is waited for.
const SILENCE: Duration = Duration::from_secs(5);

/// An answer: its response code and its last four bytes, which are an address where
/// there is one.
type Answer = Option<(u8, [u8; 4])>;

/// What is looked for in an answer.
type Shows = fn(&Answer) -> bool;

pub(super) async fn all(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let names = Names::new([HIT, SPARED].map(|name| (name.to_owned(), TRUTH)));
    let resolver = Resolver::start_on_any_port(names).await;
    let resolver = resolver.map_err(std::io::Error::other)?;
    let kinds: [(&str, DnsAnswer, Shows); 4] = [
        ("dns nxdomain", DnsAnswer::Nxdomain, |answer| {
            answer.is_some_and(|(code, _)| code == 3)
        }),
        ("dns servfail", DnsAnswer::Servfail, |answer| {
            answer.is_some_and(|(code, _)| code == 2)
        }),
        ("dns wrong", DnsAnswer::Wrong, |answer| {
            *answer == Some((0, WRONG.octets()))
        }),
        ("dns slow 20ms", DnsAnswer::Slow, |answer| {
            answer.is_some_and(|(code, _)| code == 0)
        }),
    ];
    let mut measured = Vec::new();
    for (what, answer, shows) in kinds {
        measured.push(take(stage, &resolver, what, answer, shows).await?);
    }
    resolver.shutdown().await;
    Ok(measured)
}

async fn take(
    stage: &Stage,
    resolver: &Resolver,
    what: &str,
    answer: DnsAnswer,
    shows: Shows,
) -> Result<Measured, NotMeasured> {
    let fault = Fault::Names(NamesFault {
        resolver: resolver.clone(),
        names: vec![HIT.to_owned()],
        inject: Dns {
            answer,
            by: (answer == DnsAnswer::Slow).then_some(LATER),
            to: (answer == DnsAnswer::Wrong).then_some(IpAddr::V4(WRONG)),
        },
    });
    let mut guard = fault.inject(stage.context()).await?;
    let (mut hit, mut spared) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        hit.push(ask(resolver, HIT).await?);
        spared.push(ask(resolver, SPARED).await?);
    }
    guard.remove().await?;
    let look = |asked: &[(Answer, Duration)]| match answer {
        DnsAnswer::Slow => Observed::times(asked.iter().map(|(_, took)| *took).collect()),
        DnsAnswer::Nxdomain | DnsAnswer::Servfail | DnsAnswer::Wrong | DnsAnswer::Timeout => {
            Observed::Happened {
                times: asked.iter().filter(|(answer, _)| shows(answer)).count(),
                of: asked.len(),
            }
        }
    };
    Ok(Measured {
        fault: what.to_owned(),
        requested: match answer {
            DnsAnswer::Slow => Amount::Time(LATER),
            DnsAnswer::Nxdomain | DnsAnswer::Servfail | DnsAnswer::Wrong | DnsAnswer::Timeout => {
                Amount::Always
            }
        },
        observed: look(&hit),
        beside: look(&spared),
    })
}

/// Asks for the address of a name, as any resolver library does.
async fn ask(resolver: &Resolver, name: &str) -> Result<(Answer, Duration), NotMeasured> {
    let mut query = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.extend(b"\0\0\x01\0\x01");
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let asked = Instant::now();
    socket.send_to(&query, resolver.address()).await?;
    let mut answer = [0; 512];
    let heard = tokio::time::timeout(SILENCE, socket.recv(&mut answer)).await;
    let answer = match heard {
        Ok(length) => {
            let answer = &answer[..length?];
            let code = answer.get(3).map(|flags| flags & 0x0f);
            code.zip(answer.last_chunk().copied())
        }
        Err(_) => None,
    };
    Ok((answer, asked.elapsed()))
}
