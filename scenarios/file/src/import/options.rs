//! Options of curl by what follows them. Whatever is in no list here is one that
//! squall does not know, and the word behind it may be a secret.

/// Options that take no value and change nothing of what is sent.
pub(super) const QUIET: &str = "sSvifN#ZOJR";
/// Others that take no value.
pub(super) const OTHER: &str = "01234:6BMVajlnpq";
/// Long ones that take no value and change nothing of what is sent.
pub(super) const QUIET_LONG: &[&str] = &[
    "silent",
    "show-error",
    "verbose",
    "include",
    "fail",
    "fail-with-body",
    "no-buffer",
    "progress-bar",
    "no-progress-meter",
    "styled-output",
    "path-as-is",
    "tcp-nodelay",
    "http1.1",
    "keepalive",
    "parallel",
];
/// Options with a value that change nothing of what is sent.
pub(super) const QUIET_WITH_VALUE: &[&str] = &[
    "output",
    "write-out",
    "trace",
    "trace-ascii",
    "stderr",
    "dump-header",
    "cookie-jar",
];

/// Other options with a value; squall has nothing like them.
#[rustfmt::skip]
const OTHER_WITH_VALUE: &[&str] = &[
    "abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert", "cert-type",
    "ciphers", "config", "connect-timeout", "connect-to", "continue-at", "create-file-mode",
    "crlfile", "curves", "delegation", "dns-interface", "dns-ipv4-addr", "dns-ipv6-addr",
    "dns-servers", "doh-url", "ech", "egd-file", "engine", "etag-compare", "etag-save",
    "expect100-timeout", "ftp-account", "ftp-alternative-to-user", "ftp-method", "ftp-port",
    "ftp-ssl-ccc-mode", "happy-eyeballs-timeout-ms", "haproxy-clientip", "help", "hostpubmd5",
    "hostpubsha256", "hsts", "interface", "ip-tos", "ipfs-gateway", "keepalive-cnt",
    "keepalive-time", "key", "key-type", "knownhosts", "krb", "libcurl", "limit-rate",
    "local-port", "login-options", "mail-auth", "mail-from", "mail-rcpt", "max-filesize",
    "netrc-file", "noproxy", "output-dir", "parallel-max", "parallel-max-host", "pass",
    "pinnedpubkey", "preproxy", "proto", "proto-default", "proto-redir", "proxy",
    "proxy-cacert", "proxy-capath", "proxy-cert", "proxy-cert-type", "proxy-ciphers",
    "proxy-crlfile", "proxy-header", "proxy-key", "proxy-key-type", "proxy-pass",
    "proxy-pinnedpubkey", "proxy-service-name", "proxy-tls13-ciphers", "proxy-tlsauthtype",
    "proxy-tlspassword", "proxy-tlsuser", "proxy-user", "proxy1.0", "pubkey", "quote",
    "random-file", "range", "rate", "request-target", "resolve", "retry", "retry-delay",
    "retry-max-time", "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a", "socks5",
    "socks5-gssapi-service", "socks5-hostname", "speed-limit", "speed-time", "ssl-sessions", "telnet-option",
    "tftp-blksize", "time-cond", "tls-max", "tls13-ciphers", "tlsauthtype", "tlspassword",
    "tlsuser", "trace-config", "unix-socket", "upload-file", "upload-flags", "url-query",
    "variable", "vlan-priority",
];

/// Other options without a value; `--no-` stands before many more.
#[rustfmt::skip]
const OTHER_ALONE: &[&str] = &[
    "alpn", "anyauth", "append", "basic", "buffer", "ca-native", "cert-status", "clobber",
    "compressed-ssh", "create-dirs", "crlf", "digest", "disable", "disable-eprt",
    "disable-epsv", "disallow-username-in-url", "doh-cert-status", "doh-insecure",
    "dump-ca-embed", "fail-early", "false-start", "follow", "form-escape", "ftp-create-dirs",
    "ftp-pasv", "ftp-pret", "ftp-skip-pasv-ip", "ftp-ssl", "ftp-ssl-ccc", "ftp-ssl-control",
    "ftp-ssl-reqd", "haproxy-protocol", "http0.9", "http1.0", "http2",
    "http2-prior-knowledge", "http3", "http3-only", "ignore-content-length", "ipv4", "ipv6",
    "junk-session-cookies", "list-only", "mail-rcpt-allowfails", "manual", "metalink", "mptcp",
    "negotiate", "netrc", "netrc-optional", "npn", "ntlm", "ntlm-wb", "out-null",
    "parallel-immediate", "post301", "post302", "post303", "progress-meter", "proxy-anyauth", "proxy-basic",
    "proxy-ca-native", "proxy-digest", "proxy-http2", "proxy-insecure", "proxy-negotiate",
    "proxy-ntlm", "proxy-ssl-allow-beast", "proxy-ssl-auto-client-cert", "proxy-tlsv1",
    "proxytunnel", "raw", "remote-header-name", "remote-name", "remote-name-all",
    "remote-time", "remove-on-error", "retry-all-errors", "retry-connrefused", "sasl-ir", "sessionid",
    "skip-existing", "socks5-basic", "socks5-gssapi", "socks5-gssapi-nec", "ssl",
    "ssl-allow-beast", "ssl-auto-client-cert", "ssl-no-revoke", "ssl-reqd",
    "ssl-revoke-best-effort", "sslv2", "sslv3", "suppress-connect-headers",
    "tcp-fastopen", "tftp-no-options", "tls-earlydata", "tlsv1", "tlsv1.0", "tlsv1.1",
    "tlsv1.2", "tlsv1.3", "tr-encoding", "trace-ids", "trace-time", "use-ascii", "version",
    "xattr",
];

/// Whether a word follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    Value,
    Nothing,
    /// It is in no list.
    Unknown,
}

/// What follows an option that squall has nothing like.
pub(super) fn follows(name: &str) -> Follows {
    if OTHER_WITH_VALUE.contains(&name) {
        Follows::Value
    } else if OTHER_ALONE.contains(&name) || name.starts_with("no-") {
        Follows::Nothing
    } else {
        Follows::Unknown
    }
}
