//! What `squall load` takes.

use clap::{Args, ValueEnum};

use super::{Listing, RunOptions};

/// Examples of `squall load`.
pub const LOAD_EXAMPLES: &str = r#"Examples:
  squall load http://127.0.0.1:8080/items
  squall load http://127.0.0.1:8080/items -r 200/s -d 30s -e 'p99 < 300ms' -e 'success >= 99.9%'
  squall load 'http://127.0.0.1:8080/search?q=a&page=2' --arrivals poisson --within 1s
  squall load http://127.0.0.1:8080/orders --json '{"title": 7}' --status 201
  squall load http://127.0.0.1:8080/photos -F title=storm -F 'photo=@storm.jpg;type=image/jpeg'
  squall load http://127.0.0.1:8080/me --user 'me:${PASSWORD}'
  squall load http://127.0.0.1:8080/me --bearer '${TOKEN}' -H 'accept: application/json'
  squall load https://localhost:8443/items --http2 --cacert ca.pem
  squall load http://shop.example/items --connect-to 127.0.0.1:8080 --disable-keepalive
  squall load grpc://127.0.0.1:50051 --proto greet.proto --call pkg.Svc/Method -b '{"name": "x"}'
  squall load http://127.0.0.1:8080/prices --events 20 --events-for 8s
  squall load ws://127.0.0.1:8080/echo --message '{"n": 1}' --receive 1
  squall load http://127.0.0.1:8080/items -r 200/s -e 'p99 < 300ms' --print-scenario > items.yaml
  squall load http://127.0.0.1:8080/items --closed -c 64 -d 30s
  squall load http://127.0.0.1:8080/items -d 20s --find-limit 'p99 < 200ms' --up-to 5000/s

Requests start when the schedule says so, whatever the answers do, and response
time counts from then. Without --expect the run is measured and not judged:
exit code 0 says that the load ran to its end, and no more. With --find-limit it
says that a rate was found, 1 that none keeps the gate.

In a header, in --user and in --bearer, ${NAME} is taken from the environment and
never shown or recorded; quote it for the shell. What needs more than one kind of request, test data or
a fault is a scenario: --print-scenario writes one to start from."#;

/// What `squall load` takes.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// What is requested: http://HOST:PORT/PATH?QUERY, sent as it is written; a
    /// WebSocket at ws://HOST:PORT/PATH; a call of gRPC to grpc://HOST:PORT. With
    /// https://, wss:// and grpcs:// over TLS
    #[arg(value_name = "URL")]
    pub url: String,
    /// Arrivals per second, minute or hour
    #[arg(short, long, value_name = "RATE", default_value = "50/s")]
    pub rate: String,
    /// How long the rate stays
    #[arg(short, long, value_name = "TIME", default_value = "10s")]
    pub duration: String,
    /// Rise from 0 to the rate over this time first; measured and judged too
    #[arg(long, value_name = "TIME")]
    pub ramp: Option<String>,
    /// Spacing of the arrivals
    #[arg(long, value_enum, default_value_t = ArrivalsArg::Even)]
    pub arrivals: ArrivalsArg,
    /// Load that is not measured, before the rest; 2s when absent, none with
    /// --ramp
    #[arg(long, value_name = "TIME")]
    pub warm_up: Option<String>,
    /// Method; GET when absent, POST with a body
    #[arg(short, long, value_name = "METHOD")]
    pub method: Option<String>,
    /// A header, 'NAME: VALUE' (may be repeated)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// What is sent, and who asks.
    #[command(flatten)]
    pub content: ContentArgs,
    /// What is no request and its one answer.
    #[command(flatten)]
    pub streams: StreamArgs,
    /// Follow so many redirects to the same target within a request; none when absent
    #[arg(long, value_name = "N")]
    pub redirect: Option<String>,
    /// Response time above which an answer is not good
    #[arg(long, value_name = "TIME")]
    pub within: Option<String>,
    /// Good statuses, such as 200,404 or 2xx; any from 200 to 399 when absent. Of calls
    /// by name, OK when absent; of WebSockets the codes of their close
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub status: Vec<String>,
    /// How long a client waits for an answer; 10s when absent
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// The most connections open at once; as many as needed when absent
    #[arg(short, long, value_name = "N")]
    pub connections: Option<String>,
    /// How the target is reached.
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How many threads send; one for each 20000/s when absent, at most one for
    /// each core
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// A closed loop instead of a rate: -c users (50 when absent), each with a
    /// connection, send the next request when the last was answered. What the target
    /// holds up is not sent then, and quantiles do not show it
    #[arg(long, conflicts_with_all = ["rate", "ramp", "arrivals", "find_limit"])]
    pub closed: bool,
    /// How long each user of --closed waits before its next request, such as 1s..3s
    #[arg(long, value_name = "TIME", requires = "closed")]
    pub think: Option<String>,
    /// A gate on the whole run, such as 'p99 < 300ms' or 'success >= 99.9%'
    /// (may be repeated)
    #[arg(short, long = "expect", value_name = "GATE")]
    pub expect: Vec<String>,
    /// Search the highest rate that keeps this gate, such as 'p99 < 200ms' (may be
    /// repeated): from --rate on it is doubled until the gate breaks, then the
    /// distance is halved until 5 % are left. Every rate is a run of its own
    #[arg(long, value_name = "GATE", conflicts_with_all = ["print_scenario", "expect", "ramp"])]
    pub find_limit: Vec<String>,
    /// The highest rate that --find-limit tries
    #[arg(
        long,
        value_name = "RATE",
        default_value = "100000/s",
        requires = "find_limit"
    )]
    pub up_to: String,
    /// How the end is told on standard output; with json, what is for people goes
    /// to standard error
    #[arg(long, value_enum, default_value_t = Listing::Text, conflicts_with = "find_limit")]
    pub format: Listing,
    /// Print the scenario that this line stands for, and run nothing
    #[arg(long)]
    pub print_scenario: bool,
    /// What is the same as for a scenario.
    #[command(flatten)]
    pub options: RunOptions,
}

/// The body of the requests, in one of its forms, and who asks.
#[derive(Debug, Clone, Default, Args)]
pub struct ContentArgs {
    /// Body of every request: a text, or @FILE; of a call its message, as JSON
    #[arg(short, long, value_name = "TEXT|@FILE", group = "sent")]
    pub body: Option<String>,
    /// Body that is JSON: a text, or @FILE; says so in content-type and accept, as
    /// curl does
    #[arg(long, value_name = "JSON|@FILE", group = "sent")]
    pub json: Option<String>,
    /// A part of a multipart body, as curl takes it: NAME=TEXT or NAME=@FILE, with
    /// ';type=MEDIA' and ';filename=NAME' behind it (may be repeated)
    #[arg(
        short = 'F',
        long = "form",
        value_name = "NAME=CONTENT",
        group = "sent"
    )]
    pub form: Vec<String>,
    /// A field of a urlencoded form, encoded here (may be repeated)
    #[arg(long, value_name = "NAME=TEXT", group = "sent")]
    pub data_urlencode: Vec<String>,
    /// Who asks, by name and password; ${NAME} is taken from the environment
    #[arg(short, long, value_name = "NAME:PASSWORD", conflicts_with = "bearer")]
    pub user: Option<String>,
    /// Who asks, by a token; ${NAME} is taken from the environment
    #[arg(long, value_name = "TOKEN")]
    pub bearer: Option<String>,
}

impl ContentArgs {
    /// Whether the requests have a body.
    pub const fn is_sent(&self) -> bool {
        self.body.is_some()
            || self.json.is_some()
            || !self.form.is_empty()
            || !self.data_urlencode.is_empty()
    }
}

/// Calls of gRPC, server-sent events and WebSockets.
#[derive(Debug, Clone, Default, Args)]
pub struct StreamArgs {
    /// The method that is called at grpc://HOST:PORT, as package.Service/Method
    #[arg(long, value_name = "METHOD")]
    pub call: Option<String>,
    /// What describes the method: a .proto file or a descriptor set
    #[arg(long, value_name = "FILE")]
    pub proto: Option<String>,
    /// Read the answer as server-sent events and leave behind so many; `all` waits for
    /// its end
    #[arg(long, value_name = "N|all")]
    pub events: Option<String>,
    /// The same, and leave so long after the request was sent
    #[arg(long, value_name = "TIME")]
    pub events_for: Option<String>,
    /// A text that is said on the WebSocket as soon as it is open (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub message: Vec<String>,
    /// Leave the WebSocket behind so many messages; `all` waits for its close. One for
    /// each --message when absent
    #[arg(long, value_name = "N|all")]
    pub receive: Option<String>,
    /// Leave it so long after it was asked for
    #[arg(long, value_name = "TIME")]
    pub receive_for: Option<String>,
}

/// How the target is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct ReachArgs {
    /// Close each connection after its answer; with -c only in a closed loop
    #[arg(long)]
    pub disable_keepalive: bool,
    /// Speak HTTP/2: agreed by TLS (ALPN), else from the first byte
    #[arg(long)]
    pub http2: bool,
    /// Trust whoever answers, whatever its certificate
    #[arg(short = 'k', long, conflicts_with = "cacert")]
    pub insecure: bool,
    /// Certificates that are trusted, PEM; the system's when absent
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<String>,
    /// The client's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<String>,
    /// The private key of --cert, PEM; it is not recorded
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<String>,
    /// Where connections go instead of where the URL's name leads: HOST:PORT, or as
    /// curl has it NAME:PORT:HOST:PORT (may be repeated; they are taken in turn)
    #[arg(long, value_name = "PLACE", conflicts_with = "unix_socket")]
    pub connect_to: Vec<String>,
    /// Connect to a unix socket
    #[arg(long, value_name = "PATH")]
    pub unix_socket: Option<String>,
}

/// Spacing of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArrivalsArg {
    /// Equal gaps.
    Even,
    /// Exponential gaps: independent users.
    Poisson,
}
