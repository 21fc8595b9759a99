//! A target whose names lead elsewhere while the load runs.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http::Method;
use squall_load::{Connector, Endpoint, Leads, Sender as _, give_up_late};
use squall_record::{BadKind, Outcome};
use squall_scenario::HttpVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

use crate::client::{Client, Sent};
use crate::serving::server;

/// Longer than anything may hang.
const HANG: Duration = Duration::from_secs(60);
const WHY: &str = "look up shop.test: there is no such name";

/// Answers every request of a connection, over HTTP/1.1.
async fn answers(_: u64, mut stream: TcpStream) {
    let mut request = [0; 1024];
    while let Ok(1..) = stream.read(&mut request).await {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if stream.write_all(ok).await.is_err() {
            return;
        }
    }
}

/// The same over HTTP/2.
async fn answers_over_2(_: u64, stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut to))) = connection.accept().await {
        // One that was given up hears nothing.
        let _ = to.send_response(http::Response::new(()), true);
    }
}

/// Sends to what leads somewhere, and is told when that is elsewhere.
struct Moving {
    client: Rc<Client>,
    leads: watch::Sender<Vec<Leads>>,
}

impl Moving {
    fn new(address: SocketAddr, connections: Option<u32>, how: Connector) -> Self {
        let (leads, told) = watch::channel(vec![to(address)]);
        let connector = Connector {
            endpoints: vec![address.into()],
            leads: Some(told),
            ..how
        };
        let client = Client::with(connector, connections);
        Self { client, leads }
    }

    fn kept(address: SocketAddr, connections: Option<u32>) -> Self {
        Self::new(address, connections, Connector::plain([]))
    }

    fn lead(&self, leads: Leads) {
        self.leads.send_replace(vec![leads]);
        self.client.transport().tick();
    }

    fn begin(&self) -> oneshot::Receiver<Sent> {
        self.client.begin(&Method::GET, b"")
    }

    /// Where one goes that is sent alone.
    async fn alone(&self) -> Endpoint {
        tokio::task::yield_now().await;
        went(self.begin()).await
    }
}

fn to(address: SocketAddr) -> Leads {
    Leads::To(vec![address.into()])
}

fn nowhere() -> Leads {
    Leads::Nowhere(WHY.to_owned())
}

async fn ended(told: oneshot::Receiver<Sent>) -> Sent {
    let sent = tokio::time::timeout(HANG, told).await;
    sent.expect("it hangs").unwrap()
}

async fn went(told: oneshot::Receiver<Sent>) -> Endpoint {
    ended(told).await.result.unwrap().address
}

async fn is_lost(told: oneshot::Receiver<Sent>) {
    let sent = ended(told).await;
    assert_eq!(sent.outcome(), Outcome::Bad(BadKind::Dns));
    assert_eq!(sent.result.unwrap_err().detail, WHY);
}

#[tokio::test(flavor = "local")]
async fn new_connections_go_where_a_name_leads_and_kept_ones_stay_in_use() {
    let (old, _) = server(answers).await;
    let (new, _) = server(answers).await;
    let moving = Moving::kept(old, None);
    assert_eq!(moving.alone().await, old.into());
    moving.lead(to(new));
    assert_eq!(moving.alone().await, old.into(), "it was kept");
    let both = [moving.begin(), moving.begin()];
    let [first, second] = both.map(went);
    assert_eq!(first.await, old.into());
    assert_eq!(second.await, new.into(), "it was made");
    // And back: nothing is made that is there already.
    moving.lead(to(old));
    let both = [moving.begin(), moving.begin()];
    let mut made = 0;
    for told in both {
        made += u32::from(ended(told).await.course.made.is_some());
    }
    assert_eq!((made, moving.client.transport().idle()), (0, 2));
}

#[tokio::test(flavor = "local")]
async fn a_connection_for_each_request_follows_at_once() {
    let (old, _) = server(answers).await;
    let (new, _) = server(answers).await;
    let how = Connector {
        per_request: true,
        ..Connector::plain([])
    };
    let moving = Moving::new(old, None, how);
    assert_eq!(moving.alone().await, old.into());
    moving.lead(to(new));
    assert_eq!(moving.alone().await, new.into());
    moving.lead(nowhere());
    is_lost(moving.begin()).await;
    moving.lead(to(old));
    assert_eq!(moving.alone().await, old.into());
}

#[tokio::test(flavor = "local")]
async fn a_name_that_vanished_is_missed_by_those_who_need_a_new_connection() {
    let (address, _) = server(answers).await;
    let moving = Moving::kept(address, None);
    assert_eq!(moving.alone().await, address.into());
    moving.lead(nowhere());
    let [kept, lost] = [moving.begin(), moving.begin()];
    is_lost(lost).await;
    assert_eq!(went(kept).await, address.into());
    // No other connection may be made, so it waits for the one that there is.
    let moving = Moving::kept(address, Some(1));
    let first = moving.begin();
    moving.lead(nowhere());
    is_lost(first).await;
    moving.lead(to(address));
    assert_eq!(moving.alone().await, address.into());
    moving.lead(nowhere());
    for told in [moving.begin(), moving.begin()] {
        assert_eq!(went(told).await, address.into());
    }
}

#[tokio::test(flavor = "local")]
async fn what_is_sent_again_needs_a_new_connection() {
    let (address, _) = server(|_, mut stream: TcpStream| async move {
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(ok).await.unwrap();
        // It dies under the next one.
        assert!(stream.read(&mut request).await.unwrap() > 0);
    })
    .await;
    let moving = Moving::kept(address, Some(1));
    assert_eq!(moving.alone().await, address.into());
    moving.lead(nowhere());
    is_lost(moving.begin()).await;
}

#[tokio::test(flavor = "local")]
async fn over_http_2_a_connection_is_used_for_as_long_as_it_lives() {
    let (old, _) = server(answers_over_2).await;
    let (new, _) = server(answers_over_2).await;
    let how = || Connector {
        http: HttpVersion::Two,
        ..Connector::plain([])
    };
    let moving = Moving::new(old, None, how());
    assert_eq!(moving.alone().await, old.into());
    moving.lead(nowhere());
    for told in [moving.begin(), moving.begin()] {
        assert_eq!(went(told).await, old.into());
    }
    moving.lead(to(new));
    assert_eq!(moving.alone().await, old.into());
    // Nobody uses it for long, and it is closed.
    let later = std::time::Instant::now() + Duration::from_secs(91);
    moving.client.transport().sweep(later);
    assert_eq!(moving.alone().await, new.into());
    let moving = Moving::new(old, None, how());
    moving.lead(nowhere());
    is_lost(moving.begin()).await;
}

/// It waits as long as there is no room, and then needs a new one.
#[tokio::test(flavor = "local")]
async fn who_waits_for_a_connection_is_lost_when_there_is_room_for_one() {
    let (address, _) = server(|_, mut stream: TcpStream| async move {
        // It never answers.
        let mut request = [0; 1024];
        while let Ok(1..) = stream.read(&mut request).await {}
    })
    .await;
    let moving = Moving::kept(address, Some(1));
    let asked = moving.begin();
    tokio::task::yield_now().await;
    moving.lead(nowhere());
    let mut waits = moving.begin();
    tokio::task::yield_now().await;
    assert!(waits.try_recv().is_err());
    let first = moving.client.transport().patience_ends(Duration::ZERO);
    give_up_late(&moving.client, first.unwrap(), Duration::ZERO);
    let outcome = ended(asked).await.outcome();
    assert_eq!(outcome, Outcome::Bad(BadKind::Timeout));
    is_lost(waits).await;
}
