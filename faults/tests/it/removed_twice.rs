//! Faults that are removed twice: the second time does nothing and says the same, one of
//! two leaves the other, and one that nobody met says so.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::support::run::Run;
use crate::support::{can, echo_proxy, serve_echo, soon};
use squall_faults::{
    Fault, FaultContext, Filter, MessageFault, Names, NamesFault, PacketsFault, Proxy, Resolver,
};
use squall_scenario::inject::{
    Answer, Dns, DnsAnswer, Http, HttpAction, Loss, Matching, Message, Partition, Rate, Reject,
};
use squall_scenario::{ByteCount, Direction, EvidenceLevel, OnHttp, OnNetwork, Share};

/// What faults are aimed at.
struct Bench {
    run: Run,
    server: SocketAddr,
    proxy: Proxy,
    resolver: Resolver,
}

impl Bench {
    async fn new() -> Self {
        let truth = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
        let names = Names::new([("payments.test".to_owned(), truth)]);
        Self {
            run: Run::start().await,
            server: serve_echo().await,
            proxy: echo_proxy().await,
            resolver: Resolver::start_on_any_port(names).await.unwrap(),
        }
    }

    fn named(&self, fault: &str) -> FaultContext {
        FaultContext {
            fault: fault.to_owned(),
            ..self.run.context()
        }
    }

    fn on_packets(&self, inject: &OnNetwork) -> Fault {
        let inject = inject.packets().unwrap();
        Fault::Packets(PacketsFault {
            targets: vec!["payments".to_owned()],
            filter: Filter::of(&inject, vec![self.server]),
            inject,
        })
    }

    /// Every fault that is put back by taking something away, by its keyword.
    fn faults(&self) -> Vec<(&'static str, Fault)> {
        let share = Share::new(0.3).unwrap();
        let direction = Direction::Both;
        let limit = ByteCount(64 << 10);
        let dns = |answer| {
            Fault::Names(NamesFault {
                resolver: self.resolver.clone(),
                names: vec!["payments.test".to_owned()],
                inject: Dns {
                    answer,
                    by: None,
                    to: None,
                },
            })
        };
        let http = Http {
            when: Matching::default(),
            share: Share::WHOLE,
            at_most: None,
            scoped: false,
            message: Message::Answer,
            action: HttpAction::Answer(Answer {
                status: 503,
                headers: Vec::new(),
                body: String::new(),
            }),
        };
        let packets = [
            ("loss", OnNetwork::Loss(Loss { share, direction })),
            ("rate", OnNetwork::Rate(Rate { limit, direction })),
            ("reject", OnNetwork::Reject(Reject)),
            ("partition", OnNetwork::Partition(Partition { direction })),
        ];
        let packets = packets.map(|(name, inject)| (name, self.on_packets(&inject)));
        let others = [
            ("dns", dns(DnsAnswer::Nxdomain)),
            ("dns", dns(DnsAnswer::Servfail)),
            (
                "http",
                Fault::Messages(MessageFault {
                    proxies: vec![self.proxy.clone()],
                    inject: OnHttp::Http(http),
                    scopes: None,
                }),
            ),
        ];
        // A resolver on any port needs nothing of the machine.
        let can_be_had = |name: &str| name == "dns" || can(name);
        let all = packets.into_iter().chain(others);
        all.filter(|(name, _)| can_be_had(name)).collect()
    }
}

#[tokio::test]
async fn the_second_removal_does_nothing_and_says_the_same() {
    let bench = Bench::new().await;
    for (name, fault) in bench.faults() {
        let mut first = soon(fault.inject(&bench.named("first"))).await.unwrap();
        let mut second = soon(fault.inject(&bench.named("second"))).await.unwrap();
        let removed = soon(first.remove()).await.unwrap();
        assert_ne!(removed.level, EvidenceLevel::Felt, "{name}: nobody met it");
        for _ in 0..2 {
            assert_eq!(soon(first.remove()).await.unwrap(), removed, "{name}");
            let left = soon(second.verify()).await;
            assert!(left.is_ok(), "{name}: the other is in force: {left:?}");
        }
        soon(second.remove()).await.unwrap();
        soon(second.remove()).await.unwrap();
        // It can be had again by the same name.
        let mut again = soon(fault.inject(&bench.named("first"))).await.unwrap();
        soon(again.remove()).await.unwrap();
    }
    bench.resolver.shutdown().await;
    bench.run.stop().await;
}
