//! TLS on one connection.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, ClientConnection, Error as TlsError};
use tokio::io::Interest;

use super::socket::{Received, Socket};
use super::stamp::Stamps;
use super::tls::Tls;

/// Read at a time in a handshake.
const HANDSHAKE_BYTES: usize = 8 << 10;
/// What webpki, which is rustls's own, calls the certificate of an authority that a
/// server shows as its own.
const AUTHORITY_SHOWN: &str = "CaUsedAsEndEntity";

/// TLS as the client of a connection.
#[derive(Debug)]
pub(super) struct Session {
    tls: ClientConnection,
    /// Whether the other side has said that nothing follows.
    ended: bool,
    /// When that came, by the wall clock, if the kernel says so.
    goodbye: Option<Duration>,
}

/// Why a connection could not be encrypted.
#[derive(Debug)]
pub(super) enum Unsecured {
    /// In words.
    Refused(String),
    /// An answer came before anything was asked.
    SpokeFirst,
}

impl Session {
    /// Shakes hands on a socket that is connected.
    pub(super) async fn shake(socket: &Socket, tls: &Tls) -> Result<Self, Unsecured> {
        let refused = |error: &io::Error| {
            let why = words(error).unwrap_or_else(|| error.to_string());
            Unsecured::Refused(format!("TLS handshake: {why}"))
        };
        let mut tls = tls.begin().map_err(|error| refused(&wrapped(error)))?;
        let mut stamps = Stamps::new();
        loop {
            while !flush(&mut tls, socket).map_err(|error| refused(&error))? {
                let ready = socket.ready(Interest::WRITABLE).await;
                ready.map_err(|error| refused(&error))?;
            }
            if !tls.is_handshaking() {
                break;
            }
            let ready = socket.ready(Interest::READABLE).await;
            let came = ready.and_then(|()| take_in(&mut tls, socket, &mut stamps));
            came.map_err(|error| refused(&error))?;
        }
        let spoken = tls.process_new_packets();
        let spoken = spoken.map_err(|error| refused(&wrapped(error)))?;
        if spoken.plaintext_bytes_to_read() > 0 {
            return Err(Unsecured::SpokeFirst);
        }
        let ended = spoken.peer_has_closed();
        let goodbye = None;
        Ok(Self {
            tls,
            ended,
            goodbye,
        })
    }

    /// Takes what there is room for of `bytes`, and writes what the socket takes.
    pub(super) fn write(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.tls.writer().write(bytes)?;
        flush(&mut self.tls, socket)?;
        Ok(taken)
    }

    pub(super) fn holds_back(&self) -> bool {
        self.tls.wants_write()
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Reads once from the socket into `received`, and what that says into `plain`,
    /// which has to have room for a record more. `None` when it says nothing yet, 0
    /// bytes at the end.
    pub(super) fn read(
        &mut self,
        socket: &Socket,
        (received, stamps): (&mut [u8], &mut Stamps),
        plain: &mut [u8],
    ) -> io::Result<Option<Received>> {
        if self.ended {
            let (length, stamp) = (0, self.goodbye);
            return Ok(Some(Received { length, stamp }));
        }
        let Some(came) = socket.receive(received, stamps)? else {
            return Ok(None);
        };
        if came.length == 0 {
            // Whoever cut the connection may have cut an answer short.
            let cut = "the connection was closed without TLS's goodbye";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, cut));
        }
        let mut rest = &received[..came.length];
        let mut filled = 0;
        while !rest.is_empty() && !self.ended {
            self.tls.read_tls(&mut rest)?;
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The other side is told why; whether it hears it or not.
                    let _ = flush(&mut self.tls, socket);
                    return Err(wrapped(error));
                }
            };
            self.ended = state.peer_has_closed();
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let read = self.tls.reader().read(&mut plain[filled..])?;
                filled += read;
                left = left.saturating_sub(read.max(1));
            }
        }
        if self.ended {
            self.goodbye = came.stamp;
        }
        let brought = filled > 0 || self.ended;
        match flush(&mut self.tls, socket) {
            // What came has come, whoever listens no more.
            Err(error) if !brought => return Err(error),
            _ => {}
        }
        Ok(brought.then_some(Received {
            length: filled,
            stamp: came.stamp,
        }))
    }

    /// Says that nothing follows, if the socket takes that now.
    pub(super) fn say_goodbye(&mut self, socket: &Socket) {
        self.tls.send_close_notify();
        // Nobody waits for it.
        let _ = flush(&mut self.tls, socket);
    }
}

/// Writes what TLS has to say; whether that was all.
fn flush(tls: &mut ClientConnection, socket: &Socket) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut Direct(socket)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads once of a handshake.
fn take_in(tls: &mut ClientConnection, socket: &Socket, stamps: &mut Stamps) -> io::Result<()> {
    let mut buffer = [0; HANDSHAKE_BYTES];
    let Some(Received { length, .. }) = socket.receive(&mut buffer, stamps)? else {
        return Ok(());
    };
    if length == 0 {
        let closed = "the connection was closed";
        return Err(io::Error::new(ErrorKind::UnexpectedEof, closed));
    }
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        tls.read_tls(&mut rest)?;
        if let Err(error) = tls.process_new_packets() {
            // The other side is told why; whether it hears it or not.
            let _ = flush(tls, socket);
            return Err(wrapped(error));
        }
    }
    Ok(())
}

/// An error of TLS among those of sockets.
fn wrapped(error: TlsError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// What TLS says in an error, if it is one of TLS.
pub(super) fn words(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<TlsError>()?;
    Some(match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody who is trusted vouches for the target's certificate; name its issuer in \
             `tls: { ca: FILE }`"
                .to_owned()
        }
        TlsError::InvalidCertificate(CertificateError::Other(why))
            if format!("{why:?}").contains(AUTHORITY_SHOWN) =>
        {
            "the target shows the certificate of an authority as its own; issue one for it, or \
             say `insecure: true`"
                .to_owned()
        }
        TlsError::InvalidMessage(_) => {
            format!("what came is no TLS ({error}); does the target speak it on this port?")
        }
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            "the target asks for a client certificate; name it in \
             `tls: { certificate: FILE, key: FILE }`"
                .to_owned()
        }
        TlsError::AlertReceived(alert) => format!("the target refused: {alert:?}"),
        _ => error.to_string(),
    })
}

/// Writes to a socket at once, or not at all.
struct Direct<'s>(&'s Socket);

impl Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
