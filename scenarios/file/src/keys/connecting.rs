//! Keys of `load` that say how clients reach the target.

use crate::shape::Kind::{Flag, Text};
use crate::shape::{Shape, key};

pub(crate) static CLIENT_TLS: Shape = Shape {
    noun: "`tls` of the load",
    about: "How clients speak TLS to an https:// target.",
    reads: "tls: { ca: ca.pem, certificate: client.pem, key: client.key }",
    keys: &[
        key(
            "ca",
            Text,
            "Certificates of those who are trusted, PEM, relative to this file; the system's when absent.",
        )
        .otherwise(&["cacert", "root", "roots", "ca_file"]),
        key(
            "certificate",
            Text,
            "The client's certificate, then those that vouch for it, PEM; needs `key`.",
        )
        .otherwise(&["cert", "client_certificate"]),
        key("key", Text, "The private key of `certificate`, PEM; it is not recorded.")
            .otherwise(&["private_key"]),
        key(
            "insecure",
            Flag,
            "Whether anybody's certificate will do; false when absent.",
        )
        .otherwise(&["skip_verify", "insecure_skip_verify"]),
        key(
            "server_name",
            Text,
            "The name that is asked for and has to be proven; that of the target when absent.",
        )
        .otherwise(&["sni", "name", "host"]),
    ],
};

pub(crate) const CONNECTIONS: &[(&str, &str)] = &[(
    "per request",
    "Every request has a connection of its own, which is closed after the answer.",
)];
