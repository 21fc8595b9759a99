//! Links that speak TLS with their callers, and faults on that.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use squall_faults::{
    Authority, Fault, FaultContext, FaultError, FaultGuard, Journal, MessageFault, Pauses, Proxy,
    Terminal, TlsFault,
};
use squall_scenario::inject::{
    Delay, Direction, Http, HttpAction, LimitData, Matching, Message, Part, Tls, TlsDone, TlsShows,
};
use squall_scenario::{
    ByteCount, Evidence, EvidenceLevel, OnBytes, OnHttp, Share, Sighting, TlsTo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{HANG, proxy_to, serve_echo, soon, stalled, until, until_seen};

/// The name that callers ask for.
const HOST: &str = "shop.test";

struct Scene {
    authority: Arc<Authority>,
    link: Proxy,
    dir: tempfile::TempDir,
}

impl Scene {
    /// A link that speaks TLS, before a server that sends everything back.
    async fn new() -> Self {
        let authority = Arc::new(Authority::new().unwrap());
        let link = secured(&authority, serve_echo().await, TlsTo::Plain);
        let dir = tempfile::tempdir().unwrap();
        Self {
            authority,
            link,
            dir,
        }
    }

    fn context(&self, run: &str) -> FaultContext {
        FaultContext {
            fault: "tls".to_owned(),
            injection: 0,
            journal: Arc::new(Journal::create(self.dir.path(), run).unwrap()),
            guardian: None,
            pauses: Pauses::default(),
            limits: squall_faults::Limits::default(),
            deadline: HANG,
        }
    }

    async fn inject(&self, shows: TlsShows) -> Result<FaultGuard, FaultError> {
        let context = self.context(&format!("{shows:?}"));
        let proxies = vec![self.link.clone()];
        let inject = Tls { shows };
        let fault = Fault::Tls(TlsFault { proxies, inject });
        fault.inject(&context).await
    }

    async fn call(&self) -> io::Result<TlsStream<TcpStream>> {
        call(self.link.address(), &self.authority, HOST).await
    }
}

fn secured(authority: &Arc<Authority>, upstream: SocketAddr, to: TlsTo) -> Proxy {
    let link = proxy_to(upstream);
    assert!(link.speak_tls(Terminal::new(Arc::clone(authority), to)));
    link
}

/// A caller that trusts the authority of the run and nobody else.
async fn call(
    address: SocketAddr,
    authority: &Authority,
    host: &str,
) -> io::Result<TlsStream<TcpStream>> {
    call_in(&["h2", "http/1.1"], address, authority, host).await
}

/// The same, offering these protocols.
async fn call_in(
    protocols: &[&str],
    address: SocketAddr,
    authority: &Authority,
    host: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    roots.add(trusted).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|one| one.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await?;
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// Sends much, closes its side, and hears all of it.
async fn converse(stream: TlsStream<TcpStream>) {
    let said: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
    let (mut read, mut write) = tokio::io::split(stream);
    let saying = async {
        write.write_all(&said).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let hearing = async {
        read.read_to_end(&mut heard).await.unwrap();
    };
    soon(async { tokio::join!(saying, hearing) }).await;
    assert!(heard == said, "{} of {} bytes", heard.len(), said.len());
}

fn done(evidence: &Evidence) -> TlsDone {
    match evidence.seen.as_slice() {
        [Sighting::OnTls(seen) | Sighting::OffTls(seen)] => seen.done,
        seen => panic!("{seen:?}"),
    }
}

#[tokio::test]
async fn a_caller_that_speaks_http_2_only_is_taken_at_its_word() {
    let scene = Scene::new().await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])),
        (&["h2"], Some(b"h2")),
        (&[], None),
    ] {
        let called = call_in(offered, scene.link.address(), &scene.authority, HOST).await;
        assert_eq!(called.unwrap().get_ref().1.alpn_protocol(), agreed);
    }
}

#[tokio::test]
async fn what_callers_say_arrives_whole_and_comes_back_whole() {
    let scene = Scene::new().await;
    let stream = scene.call().await.unwrap();
    // The target is plain: nothing but this can be spoken with it.
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    converse(stream).await;
    // By an address as well as by a name.
    let by_address = call(scene.link.address(), &scene.authority, "127.0.0.1").await;
    converse(by_address.unwrap()).await;
}

/// Whatever fills the socket of the caller, the rest is not forgotten in the
/// link while nothing else happens on the connection.
#[tokio::test]
async fn nothing_stays_behind_where_a_caller_does_not_read() {
    let scene = Scene::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = secured(
        &scene.authority,
        listener.local_addr().unwrap(),
        TlsTo::Plain,
    );
    for size in (256..8192).step_by(24).map(|kibibytes| kibibytes << 10) {
        let (caller, accepted) = tokio::join!(
            call(link.address(), &scene.authority, HOST),
            listener.accept(),
        );
        let (mut caller, (mut target, _)) = (caller.unwrap(), accepted.unwrap());
        let says = tokio::spawn(async move {
            target.write_all(&vec![b'x'; size]).await.unwrap();
            // The connection stays open.
            target
        });
        // Until as much is in the link as fits.
        stalled(|| link.counters().bytes_from).await;
        let mut heard = vec![0; size];
        soon(caller.read_exact(&mut heard)).await.unwrap();
        drop(says.await.unwrap());
    }
}

#[tokio::test]
async fn a_link_speaks_tls_with_its_target_too() {
    let scene = Scene::new().await;
    let behind = Arc::new(Authority::new().unwrap());
    let target = secured(&behind, serve_echo().await, TlsTo::Plain);
    let link = secured(&scene.authority, target.address(), TlsTo::Tls);
    let stream = call(link.address(), &scene.authority, HOST).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    converse(stream).await;
}

#[tokio::test]
async fn a_caller_refuses_every_wrong_certificate_until_the_fault_is_gone() {
    let scene = Scene::new().await;
    for (shows, why) in [
        (TlsShows::Expired, "expired"),
        (TlsShows::NotYetValid, "not valid yet"),
        (TlsShows::WrongHost, "not valid for name"),
        (TlsShows::SelfSigned, "UnknownIssuer"),
    ] {
        let mut guard = scene.inject(shows).await.unwrap();
        let before = guard.verify().await.unwrap();
        assert_eq!(before.level, EvidenceLevel::Acted);
        let refused = scene.call().await.unwrap_err().to_string();
        assert!(refused.contains(why), "{shows:?}: {refused}");
        // The link hears of it a moment later.
        until_seen(&guard, |evidence| done(evidence).refused > 0).await;
        let removed = guard.remove().await.unwrap();
        let (met, refused, taken) = (1, 1, 0);
        let expected = TlsDone {
            met,
            refused,
            taken,
        };
        assert_eq!(
            (removed.level, done(&removed)),
            (EvidenceLevel::Felt, expected)
        );
        // Once more says the same.
        assert_eq!(done(&guard.remove().await.unwrap()), expected);
        converse(scene.call().await.unwrap()).await;
    }
}

/// Whoever does not look takes it: that is a finding.
#[tokio::test]
async fn a_caller_that_takes_a_wrong_certificate_is_counted_and_served() {
    let scene = Scene::new().await;
    let careless = secured(&scene.authority, scene.link.address(), TlsTo::Tls);
    let mut guard = scene.inject(TlsShows::Expired).await.unwrap();
    let stream = call(careless.address(), &scene.authority, HOST)
        .await
        .unwrap();
    converse(stream).await;
    let removed = guard.remove().await.unwrap();
    assert_eq!((done(&removed).refused, done(&removed).taken), (0, 1));
    assert_eq!(
        removed.to_string(),
        "taken off echo; 1 callers met an expired certificate: 0 refused it, 1 took it"
    );
}

#[tokio::test]
async fn a_stalled_handshake_ends_with_its_fault() {
    let scene = Scene::new().await;
    let mut guard = scene.inject(TlsShows::Stall).await.unwrap();
    let call = scene.call();
    let met = async {
        until_seen(&guard, |evidence| done(evidence).met > 0).await;
        guard.remove().await.unwrap()
    };
    let (called, removed) = soon(async { tokio::join!(call, met) }).await;
    called.unwrap_err();
    assert_eq!(done(&removed).met, 1);
}

/// On several threads, where a socket may be said to be ready that has nothing yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_is_reset_on_hello() {
    let scene = Scene::new().await;
    let _guard = scene.inject(TlsShows::Reset).await.unwrap();
    for _ in 0..50 {
        let error = scene.call().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        // Not before: whoever says nothing is connected.
        let mut stream = TcpStream::connect(scene.link.address()).await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        let error = soon(stream.read(&mut [0])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn faults_on_bytes_work_on_what_is_inside() {
    let scene = Scene::new().await;
    let mut stream = scene.call().await.unwrap();
    stream.write_all(b"a").await.unwrap();
    stream.read_exact(&mut [0]).await.unwrap();
    let delay = OnBytes::Delay(Delay::of(
        Duration::from_millis(1),
        Duration::ZERO,
        Direction::Both,
    ));
    scene.link.attach("slow", &delay, Share::WHOLE).unwrap();
    converse(stream).await;
    let done = scene.link.counters().toxics[0].done;
    // Not the records of TLS, the bytes in them.
    assert_eq!(done.bytes, 2 * 1_000_003);
}

#[tokio::test]
async fn a_link_without_tls_cannot_have_the_fault() {
    let scene = Scene::new().await;
    let plain = Scene {
        link: proxy_to(serve_echo().await),
        ..scene
    };
    let error = plain.inject(TlsShows::Expired).await.unwrap_err();
    assert!(matches!(error, FaultError::NoTls { .. }), "{error}");
}

fn hour(direction: Direction) -> OnBytes {
    let hour = Duration::from_secs(3600);
    OnBytes::Delay(Delay::of(hour, Duration::ZERO, direction))
}

/// Waits until the one toxic of a link holds so many bytes, and the end behind.
async fn until_held(link: &Proxy, bytes: u64, ends: u64) {
    let held = || {
        let done = link.counters().toxics[0].done;
        (done.bytes, done.ends) == (bytes, ends)
    };
    until("it is held", held).await;
}

#[tokio::test]
async fn a_caller_that_closes_without_saying_so_has_closed() {
    let scene = Scene::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let link = secured(&scene.authority, target, TlsTo::Plain);
    let caller = call(link.address(), &scene.authority, HOST);
    let (caller, accepted) = tokio::join!(caller, listener.accept());
    let (mut caller, (mut target, _)) = (caller.unwrap(), accepted.unwrap());
    link.attach("held", &hour(Direction::To), Share::WHOLE)
        .unwrap();
    caller.write_all(b"all of it").await.unwrap();
    until_held(&link, 9, 0).await;
    drop(caller.into_inner().0);
    until_held(&link, 9, 1).await;
    link.detach("held");
    let mut heard = Vec::new();
    soon(target.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"all of it");
}

/// Carries one connection to `target` until it is told to; then the caller reads
/// the end of its stream, and nothing else of how it came.
async fn serve_cut_off(target: SocketAddr, cut: Arc<Notify>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(target).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            () = cut.notified() => near.shutdown().await.unwrap(),
        }
        // It stays open to what comes the other way.
        tokio::io::copy(&mut near, &mut tokio::io::sink()).await
    });
    address
}

#[tokio::test]
async fn a_target_that_closes_without_saying_so_has_closed() {
    let scene = Scene::new().await;
    let behind = Arc::new(Authority::new().unwrap());
    let target = secured(&behind, serve_echo().await, TlsTo::Plain);
    let cut = Arc::new(Notify::new());
    let relay = serve_cut_off(target.address(), Arc::clone(&cut)).await;
    let link = secured(&scene.authority, relay, TlsTo::Tls);
    let mut caller = call(link.address(), &scene.authority, HOST).await.unwrap();
    link.attach("held", &hour(Direction::From), Share::WHOLE)
        .unwrap();
    caller.write_all(b"all of it").await.unwrap();
    until_held(&link, 9, 0).await;
    cut.notify_one();
    until_held(&link, 9, 1).await;
    link.detach("held");
    let mut heard = Vec::new();
    soon(caller.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"all of it");
}

/// A caller of `link` that reads only when nothing moves any more hears all that
/// it may, and that it is over.
async fn hears_exactly(scene: &Scene, link: &Proxy, listener: &TcpListener, says: String) -> usize {
    let caller = call(link.address(), &scene.authority, HOST);
    let (caller, accepted) = tokio::join!(caller, listener.accept());
    let (mut caller, (mut target, _)) = (caller.unwrap(), accepted.unwrap());
    caller.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    target.read_exact(&mut [0; 18]).await.unwrap();
    let says = tokio::spawn(async move {
        // Refused when the connection has ended.
        let _ = target.write_all(says.as_bytes()).await;
        target
    });
    stalled(|| link.counters().bytes_from).await;
    let mut heard = Vec::new();
    soon(caller.read_to_end(&mut heard)).await.unwrap();
    drop(soon(says).await.unwrap());
    heard.len()
}

#[tokio::test]
async fn a_caller_that_is_slow_hears_all_up_to_an_end_that_a_fault_makes() {
    let scene = Scene::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    // Some of these just do not fit into the sockets in between.
    for kept in (256..8192)
        .step_by(48)
        .map(|kibibytes: usize| kibibytes << 10)
    {
        let bytes = ByteCount(kept as u64);
        let all = "x".repeat(kept + 100_000);

        let limited = secured(&scene.authority, target, TlsTo::Plain);
        let direction = Direction::From;
        let limit = OnBytes::LimitData(LimitData { bytes, direction });
        limited.attach("limit", &limit, Share::WHOLE).unwrap();
        let heard = hears_exactly(&scene, &limited, &listener, all.clone()).await;
        assert_eq!(heard, kept);

        let truncated = secured(&scene.authority, target, TlsTo::Plain);
        let fault = Fault::Messages(MessageFault {
            proxies: vec![truncated.clone()],
            inject: OnHttp::Http(Http {
                when: Matching::default(),
                share: Share::WHOLE,
                at_most: None,
                scoped: false,
                message: Message::Answer,
                action: HttpAction::Truncate(Part::Bytes(bytes)),
            }),
            scopes: None,
        });
        let context = scene.context(&kept.to_string());
        let _guard = fault.inject(&context).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", all.len());
        let says = head.clone() + &all;
        let heard = hears_exactly(&scene, &truncated, &listener, says).await;
        assert_eq!(heard, head.len() + kept);
    }
}
