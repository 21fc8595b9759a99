//! A URL as it is typed: where it goes, and what is asked for there.

use std::ops::Range;

use squall_scenario::percent_encoded;

use super::arguments::Mistake;

/// Codes of the same mistakes in a file.
const BAD_ADDRESS: &str = "S0115";
const BAD_REQUEST_LINE: &str = "S0114";

/// What is spoken to a host.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Requests of HTTP and their answers, events among them.
    #[default]
    Http,
    /// Calls of gRPC.
    Grpc,
    /// Messages on WebSockets.
    Socket,
}

impl Spoken {
    /// The scheme of its URLs without TLS.
    const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Socket => "ws",
        }
    }

    /// The same with it.
    const fn secure(self) -> &'static str {
        match self {
            Self::Http => "https",
            Self::Grpc => "grpcs",
            Self::Socket => "wss",
        }
    }
}

/// All there are.
const SPOKEN: [Spoken; 3] = [Spoken::Http, Spoken::Grpc, Spoken::Socket];

/// Whether a scheme is one with TLS.
pub(super) fn is_secure(scheme: &str) -> bool {
    SPOKEN.iter().any(|spoken| spoken.secure() == scheme)
}

/// The parts of a URL that can be loaded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) spoken: Spoken,
    /// Whether over TLS.
    pub(super) secure: bool,
    /// `host:port`.
    pub(super) authority: Range<usize>,
    /// Path without query, and query with its `?`; both may be empty.
    pub(super) path: Range<usize>,
    pub(super) query: Range<usize>,
}

/// Takes a URL apart; where it does not say what is spoken, `meant` is advised.
///
/// # Errors
/// What no request can carry, and where it stands.
pub(super) fn split(url: &str, meant: Spoken) -> Result<Parts, (Range<usize>, Mistake)> {
    let (start, spoken, secure) = scheme(url, meant)?;
    let after = |from: usize, marks: &[char]| {
        let found = url[from..].find(marks);
        found.map_or(url.len(), |at| from + at)
    };
    let authority = start..after(start, &['/', '?', '#']);
    host(&url[..start], &url[authority.clone()])
        .map_err(|(part, mistake)| (shifted(part, start), mistake))?;
    let fragment = after(authority.end, &['#']);
    if fragment < url.len() {
        let mistake = bad_path(
            "a fragment is never sent",
            "this part",
            format!("write `{}`", &url[..fragment]),
        );
        return Err((fragment..url.len(), mistake));
    }
    let path = authority.end..after(authority.end, &['?']);
    let odd = url[path.start..].find(|c: char| !c.is_ascii_graphic());
    if let Some(at) = odd {
        let at = path.start + at;
        let width = url[at..].chars().next().map_or(1, char::len_utf8);
        let help = format!(
            "write `{}`",
            percent_encoded(url, |byte| byte.is_ascii_graphic())
        );
        let title = "a URL has only visible ASCII characters";
        return Err((at..at + width, bad_path(title, "not one of them", help)));
    }
    Ok(Parts {
        spoken,
        secure,
        authority,
        query: path.end..url.len(),
        path,
    })
}

/// Where the authority starts, what is spoken and whether over TLS.
fn scheme(url: &str, meant: Spoken) -> Result<(usize, Spoken, bool), (Range<usize>, Mistake)> {
    let usual = meant.scheme();
    let Some((scheme, rest)) = url.split_once("://") else {
        let help = match url.strip_prefix('/') {
            Some(_) => format!("write for instance `{usual}://127.0.0.1:8080{url}`"),
            None => format!("write `{usual}://{url}`"),
        };
        let title = "a URL says how to speak to the host".to_owned();
        return Err((0..url.len(), bad_address(title, "no http://", help)));
    };
    let found = |same: &dyn Fn(&str) -> bool| {
        let secure = SPOKEN.into_iter().find(|spoken| same(spoken.secure()));
        let plain = SPOKEN.into_iter().find(|spoken| same(spoken.scheme()));
        let secure = secure.map(|spoken| (spoken, true));
        secure.or(plain.map(|spoken| (spoken, false)))
    };
    if let Some((spoken, secure)) = found(&|known| known == scheme) {
        return Ok((url.len() - rest.len(), spoken, secure));
    }
    let title = format!("squall does not speak `{}`", scheme.escape_default());
    let near = found(&|known| known.eq_ignore_ascii_case(scheme));
    let write = match near {
        Some((spoken, true)) => spoken.secure(),
        Some((spoken, false)) => spoken.scheme(),
        None => usual,
    };
    let help = format!("write `{write}://{rest}`");
    let mistake = bad_address(title, "only http, https, ws, wss, grpc and grpcs", help);
    Err((0..scheme.len(), mistake))
}

/// Refuses what only looks like a host and a port.
fn host(scheme: &str, authority: &str) -> Result<(), (Range<usize>, Mistake)> {
    let all = 0..authority.len();
    if let Some(at) = authority.rfind('@') {
        let mistake = bad_address(
            "credentials are not sent from a URL".to_owned(),
            "these",
            format!(
                "write `{scheme}{}` and -H 'authorization: Basic ${{NAME}}'",
                &authority[at + 1..]
            ),
        );
        return Err((0..at + 1, mistake));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]%".contains(c);
    let host_end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at(host_end);
    let bracketed = name.starts_with('[') && name.ends_with(']') && name.len() > 2;
    let plain = !name.is_empty() && !name.contains(['[', ']']);
    if !authority.chars().all(fits) || !(bracketed || plain) {
        let help = "write for instance `http://127.0.0.1:8080`, or `http://[::1]:8080`";
        let title = "this is not a host".to_owned();
        return Err((all, bad_address(title, "here", help.to_owned())));
    }
    let number = port.strip_prefix(':').unwrap_or("80");
    match number.parse::<u16>() {
        Ok(1..) if port.is_empty() || port.starts_with(':') => Ok(()),
        _ => {
            let title = "this is not a port".to_owned();
            let help = "write a number from 1 to 65535, or none for the usual one".to_owned();
            let mistake = bad_address(title, "1 to 65535", help);
            Err((host_end..authority.len(), mistake))
        }
    }
}

fn shifted(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

fn bad_address(title: String, remark: &'static str, help: String) -> Mistake {
    Mistake {
        code: BAD_ADDRESS,
        title,
        remark,
        help,
    }
}

fn bad_path(title: &str, remark: &'static str, help: String) -> Mistake {
    Mistake {
        code: BAD_REQUEST_LINE,
        title: title.to_owned(),
        remark,
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> [&str; 3] {
        let parts = split(url, Spoken::Http).map_err(|(_, mistake)| mistake.title);
        let parts = parts.unwrap();
        [parts.authority, parts.path, parts.query].map(|range| &url[range])
    }

    fn refused(url: &str) -> (String, String) {
        let (range, mistake) = split(url, Spoken::Http).unwrap_err();
        (url[range].to_owned(), mistake.help)
    }

    #[test]
    fn a_url_is_taken_apart() {
        assert_eq!(parts("http://127.0.0.1:8080"), ["127.0.0.1:8080", "", ""]);
        assert_eq!(parts("http://a/b/c?d=/e?f"), ["a", "/b/c", "?d=/e?f"]);
        assert_eq!(parts("http://[::1]:80?x"), ["[::1]:80", "", "?x"]);
        assert_eq!(parts("http://[::1]/$x"), ["[::1]", "/$x", ""]);
        for (url, spoken, secure) in [
            ("http://a", Spoken::Http, false),
            ("https://a", Spoken::Http, true),
            ("grpc://a", Spoken::Grpc, false),
            ("grpcs://a", Spoken::Grpc, true),
            ("ws://a", Spoken::Socket, false),
            ("wss://a", Spoken::Socket, true),
        ] {
            let parts = split(url, Spoken::Http).map_err(|_| url).unwrap();
            assert_eq!((parts.spoken, parts.secure), (spoken, secure), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_pointed_at() {
        let cases = [
            (
                "localhost:8080/x",
                "localhost:8080/x",
                "`http://localhost:8080/x`",
            ),
            ("/items", "/items", "`http://127.0.0.1:8080/items`"),
            ("HTTPS://a/b", "HTTPS", "`https://a/b`"),
            ("WSS://a/b", "WSS", "`wss://a/b`"),
            ("ftp://a/b", "ftp", "`http://a/b`"),
            ("http://me:secret@a/b", "me:secret@", "`http://a`"),
            ("http://a/b#c", "#c", "`http://a/b`"),
            ("http://a/caf\u{e9} x", "\u{e9}", "`http://a/caf%C3%A9%20x`"),
            ("http:///x", "", "`http://127.0.0.1:8080`"),
            (
                "http://$links.api/x",
                "$links.api",
                "`http://127.0.0.1:8080`",
            ),
            ("http://a:0/", ":0", "1 to 65535"),
            ("http://a:port/", ":port", "1 to 65535"),
            ("http://[::1/", "[::1", "`http://[::1]:8080`"),
            ("http://[::1]8080/", "8080", "1 to 65535"),
        ];
        for (url, part, help) in cases {
            let (refused, said) = refused(url);
            assert_eq!(refused, part, "{url}");
            assert!(said.contains(help), "{url}: {said}");
        }
    }
}
