//! How clients reach the target: TLS, where connections go, and for how long they
//! are kept.

use squall_scenario::{
    BodyFile, ClientIdentity, ClientTls, ConnectTo, Connecting, HttpVersion, Misfit, is_host,
    quoted, split_address,
};

use super::{Fields, Reader};
use crate::address::authority_misfit;
use crate::diagnostic::Diagnostic;
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

/// In front of the path of a unix socket.
const UNIX: &str = "unix:";
/// The longest path that a unix socket can have, in bytes.
const UNIX_PATH_BYTES_MAX: usize = 107;

impl Reader {
    pub(super) fn connecting(&mut self, fields: Fields<'_>) -> Connecting {
        let http = fields
            .get("http")
            .and_then(|node| self.whole_u32(node, 1, 2));
        Connecting {
            http: match http {
                Some(2) => HttpVersion::Two,
                _ => HttpVersion::One,
            },
            per_request: per_request(fields),
            to: match fields.get("connect_to") {
                Some(node) => self.connect_to(node),
                None => Vec::new(),
            },
            tls: match fields.get("tls") {
                Some(node) => self.client_tls(node).unwrap_or_default(),
                None => ClientTls::default(),
            },
        }
    }

    /// The most connections that are open at once, where there is such a number.
    pub(super) fn connections(&mut self, fields: Fields<'_>) -> Option<u32> {
        let node = fields.get("connections")?;
        if is_words(node, keys::CONNECTIONS) {
            return None;
        }
        match node.scalar() {
            // Misspelt words; else a number was meant.
            Some(scalar) if scalar.text.starts_with("per") => {
                self.word(node, keys::CONNECTIONS);
                None
            }
            _ => self.whole_u32(node, 1, 100_000),
        }
    }

    fn connect_to(&mut self, node: &Node) -> Vec<ConnectTo> {
        let one = std::slice::from_ref(node);
        let items = match node.kind {
            NodeKind::List(_) => self.list(node, "places to connect to"),
            _ => one,
        };
        let places = items.iter().filter_map(|item| self.place_to_connect(item));
        let places: Vec<_> = places.collect();
        if items.is_empty() {
            self.report_empty(node, "connections have to lead somewhere", "127.0.0.1:8080");
        }
        places
    }

    fn place_to_connect(&mut self, node: &Node) -> Option<ConnectTo> {
        let text = self.text(node)?;
        let misfit = |range, label, help: &str| Misfit {
            range,
            label,
            help: help.to_owned(),
        };
        let problem = if let Some(path) = text.strip_prefix(UNIX) {
            // As many write it who think of URLs.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.starts_with('/') && path.len() <= UNIX_PATH_BYTES_MAX {
                return Some(ConnectTo::Unix(path.to_owned()));
            }
            let help = "write the whole path, at most 107 bytes of it: `unix:/run/app.sock`";
            misfit(UNIX.len()..text.len(), "the path of a socket", help)
        } else if text.starts_with('/') {
            let help = format!("write `unix:{text}`");
            misfit(0..text.len(), "host:port, or unix:/path", &help)
        } else if let Some((scheme, rest)) = text.split_once("://") {
            let help = format!(
                "write `{}`: the target says how to speak",
                rest.trim_end_matches('/')
            );
            misfit(0..scheme.len() + "://".len(), "no scheme here", &help)
        } else if let Some(misfit) = authority_misfit(&text) {
            misfit
        } else if let Some((host, port)) = split_address(&text) {
            let host = host.to_owned();
            return Some(ConnectTo::Tcp { host, port });
        } else {
            let help = "write for instance `127.0.0.1:8443` or `unix:/run/app.sock`";
            misfit(0..text.len(), "host:port, or unix:/path", help)
        };
        let title = format!("nothing can connect to {}", quoted(&text));
        let diagnostic = Diagnostic::error(codes::BAD_ADDRESS, title)
            .at(node.part(problem.range), problem.label)
            .help(problem.help);
        self.report_value(node, diagnostic);
        None
    }

    fn client_tls(&mut self, node: &Node) -> Option<ClientTls> {
        let fields = self.fields(node, &keys::CLIENT_TLS)?;
        let ca = self.pem(fields, "ca", "CERTIFICATE");
        let certificate = self.pem(fields, "certificate", "CERTIFICATE");
        let key = self.pem(fields, "key", "PRIVATE KEY");
        let insecure = fields.get("insecure").and_then(|node| self.flag(node));
        let insecure = insecure.unwrap_or(false);
        let server_name = fields.get("server_name");
        let server_name = server_name.and_then(|node| self.server_name(node));
        for (present, missing) in [("certificate", "key"), ("key", "certificate")] {
            if fields.get(present).is_some() && fields.get(missing).is_none() {
                let title =
                    format!("`{present}` needs `{missing}`: clients show one with the other");
                let help = format!("add `{missing}: FILE`");
                self.report(
                    Diagnostic::error(codes::MISSING_KEY, title)
                        .at(fields.key_place(present), "alone here")
                        .help(help),
                );
            }
        }
        if insecure && fields.get("ca").is_some() {
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, "`insecure` asks nobody who vouches")
                    .at(
                        fields.key_place("insecure"),
                        "anybody's certificate will do",
                    )
                    .also(fields.key_place("ca"), "so this says nothing")
                    .help("leave out one of the two"),
            );
        }
        let shows = certificate.zip(key);
        Some(ClientTls {
            ca,
            shows: shows.map(|(certificate, key)| ClientIdentity { certificate, key }),
            insecure,
            server_name,
        })
    }

    /// A file in PEM that holds what is wanted; its text was read before.
    fn pem(&mut self, fields: Fields<'_>, key: &str, wanted: &str) -> Option<BodyFile> {
        let node = fields.get(key)?;
        let path = self.text(node)?;
        let found = self
            .beside
            .pems
            .iter()
            .find(|file| file.path == path)
            .cloned()?;
        let text = String::from_utf8_lossy(&found.content);
        let mut begins = text.lines().filter(|line| line.starts_with("-----BEGIN "));
        if !begins.any(|line| line.trim_end().ends_with(&format!("{wanted}-----"))) {
            let title = format!("{} holds no {}", quoted(&path), wanted.to_lowercase());
            self.report(
                Diagnostic::error(codes::UNREADABLE, title)
                    .at(node.place, "in PEM")
                    .help(format!("it has a line `-----BEGIN {wanted}-----` then")),
            );
            return None;
        }
        Some(BodyFile {
            path: self.secret_text(node)?,
            ..found
        })
    }

    fn server_name(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let bare = !text.contains(['$', '[']);
        if (bare && is_host(&text)) || text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Some(text);
        }
        let title = format!("{} is no name that a certificate can prove", quoted(&text));
        let diagnostic = Diagnostic::error(codes::BAD_ADDRESS, title)
            .at(node.place, "not a host")
            .help("write the name alone, as in `shop.example`: without scheme and port");
        self.report_value(node, diagnostic);
        None
    }
}

fn is_words(node: &Node, words: &[(&str, &str)]) -> bool {
    let text = node.scalar().map(|scalar| scalar.text.as_str());
    words.iter().any(|(word, _)| text == Some(*word))
}

/// Whether each request gets a connection of its own.
pub(super) fn per_request(fields: Fields<'_>) -> bool {
    let node = fields.get("connections");
    node.is_some_and(|node| is_words(node, keys::CONNECTIONS))
}
