//! What a request of HTTP/1.1 says, as HTTP/2 says it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header, uri};
use httparse::{EMPTY_HEADER, Status};

/// Fields that speak of a connection, which HTTP/2 has no words for (RFC 9113 §8.2.2).
const OF_CONNECTIONS: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
];

/// The head and the body of a request, which was made for HTTP/1.1.
///
/// # Errors
/// It cannot be said in HTTP/2; in words.
pub(super) fn translated(bytes: &Bytes, secure: bool) -> Result<(Request<()>, Bytes), String> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let mut fields = vec![EMPTY_HEADER; lines];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Err("its head has no end".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    let wrong = |error: http::Error| error.to_string();
    let mut host = None;
    let mut request = Request::new(());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|it| wrong(it.into()))?;
        let value = HeaderValue::from_bytes(field.value).map_err(|it| wrong(it.into()))?;
        if name == header::HOST {
            host = Some(value);
        } else if name == header::TE {
            // The only thing that it may say.
            if value.as_bytes().eq_ignore_ascii_case(b"trailers") {
                request.headers_mut().append(name, value);
            }
        } else if !OF_CONNECTIONS.contains(&name) {
            request.headers_mut().append(name, value);
        }
    }
    let method = parsed.method.unwrap_or_default().as_bytes();
    *request.method_mut() = Method::from_bytes(method).map_err(|it| wrong(it.into()))?;
    *request.version_mut() = Version::HTTP_2;
    let scheme = match secure {
        true => uri::Scheme::HTTPS,
        false => uri::Scheme::HTTP,
    };
    let uri = Uri::builder().scheme(scheme);
    let uri = uri.path_and_query(parsed.path.unwrap_or_default());
    let uri = uri.authority(host.as_ref().map_or(&b""[..], HeaderValue::as_bytes));
    *request.uri_mut() = uri.build().map_err(wrong)?;
    Ok((request, bytes.slice(length..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_not_of_the_connection_is_said_again() {
        let bytes = Bytes::from_static(
            b"PUT /a%20b?c={d} HTTP/1.1\r\nhost: shop.test:8443\r\nconnection: close\r\n\
              keep-alive: timeout=5\r\nproxy-connection: close\r\nte: gzip\r\nte: trailers\r\n\
              x-user: 1\r\nx-user: 2\r\ncontent-length: 4\r\n\r\nbody",
        );
        let (request, body) = translated(&bytes, true).unwrap();
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.uri(), "https://shop.test:8443/a%20b?c={d}");
        let fields: Vec<_> = request.headers().iter().collect();
        let shown: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        let fields = [
            "te: trailers",
            "x-user: 1",
            "x-user: 2",
            "content-length: 4",
        ];
        assert_eq!(shown, fields);
        assert_eq!(body, &b"body"[..]);
        let (request, _) = translated(&bytes, false).unwrap();
        assert_eq!(request.uri().scheme_str(), Some("http"));
    }

    #[test]
    fn what_cannot_be_said_is_not_sent() {
        let bytes = Bytes::from_static(b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n");
        assert!(translated(&bytes, false).is_err());
        let bytes = Bytes::from_static(b"GET / HTTP/1.1\r\nhost: a\r\n");
        assert!(translated(&bytes, false).is_err());
    }
}
