//! The table: what servers do wrong, and what a request is called that met it.

use squall_record::{BadKind, Outcome};

/// What a server does in its turn; `{id}` is the id of the request.
pub(super) enum Act {
    /// Sends a text.
    Say(&'static str),
    /// Sends it byte by byte.
    Drip(&'static str),
    /// Sends it so many times.
    Times(u64, &'static str),
    /// Sends it until the client has had enough.
    Forever(&'static str),
    /// Closes the connection.
    Close,
    /// Breaks it.
    Reset,
}

/// One way to misbehave. A script that comes to its end leaves the connection
/// open and waits for the next request.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) script: &'static [Act],
    pub(super) expected: Outcome,
}

const fn case(name: &'static str, expected: Outcome, script: &'static [Act]) -> Case {
    Case {
        name,
        script,
        expected,
    }
}

use Act::{Close, Drip, Forever, Reset, Say, Times};

const GOOD: Outcome = Outcome::Good;
const BROKEN: Outcome = Outcome::Bad(BadKind::Broken);
const TIMEOUT: Outcome = Outcome::Bad(BadKind::Timeout);
const MALFORMED: Outcome = Outcome::Bad(BadKind::Malformed);

const CHUNKED: Act = Say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
/// Two bytes, as ids are.
const PLAIN: Act = Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{id}");

pub(super) const CASES: &[Case] = &[
    case("closes before the answer", BROKEN, &[Close]),
    case("resets before the answer", BROKEN, &[Reset]),
    case(
        "closes within the head",
        BROKEN,
        &[Say("HTTP/1.1 200 OK\r\ncontent-le"), Close],
    ),
    case(
        "resets within the head",
        BROKEN,
        &[Say("HTTP/1.1 200 OK\r\ncontent-le"), Reset],
    ),
    case(
        "closes before the body that it promised ends",
        BROKEN,
        &[
            Say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{id}"),
            Close,
        ],
    ),
    case(
        "resets within the body",
        BROKEN,
        &[
            Say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{id}"),
            Reset,
        ],
    ),
    case(
        "closes within a chunk",
        BROKEN,
        &[CHUNKED, Say("ff\r\n{id}"), Close],
    ),
    case(
        "closes before the last chunk",
        BROKEN,
        &[CHUNKED, Say("2\r\n{id}\r\n"), Close],
    ),
    case(
        "resets a body that ends with the connection",
        BROKEN,
        &[Say("HTTP/1.1 200 OK\r\n\r\n{id}"), Reset],
    ),
    case(
        "promises the largest chunk there is, and closes",
        BROKEN,
        &[CHUNKED, Say("ffffffffffffffff\r\n{id}"), Close],
    ),
    case(
        "promises the longest body there is, and closes",
        BROKEN,
        &[
            Say("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n{id}"),
            Close,
        ],
    ),
    case(
        "only interim answers, and closes",
        BROKEN,
        &[Say("HTTP/1.1 100 Continue\r\n\r\n"), Close],
    ),
    case("never answers", TIMEOUT, &[]),
    case(
        "drips a head that never ends",
        TIMEOUT,
        &[Drip("HTTP/1.1 200 OK\r\nx: slow")],
    ),
    case(
        "drips a body that never ends",
        TIMEOUT,
        &[Drip("HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\nslow")],
    ),
    case(
        "drips chunks that never end",
        TIMEOUT,
        &[CHUNKED, Drip("1\r\ns\r\n1\r\nl\r\n")],
    ),
    case(
        "says less than it promised, and stays",
        TIMEOUT,
        &[Say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{id}")],
    ),
    case(
        "has an end that never comes",
        TIMEOUT,
        &[Say("HTTP/1.1 200 OK\r\n\r\n{id}")],
    ),
    case(
        "speaks another protocol from now on",
        TIMEOUT,
        &[Say(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        )],
    ),
    case(
        "a status of letters",
        MALFORMED,
        &[Say("HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n")],
    ),
    case(
        "a status of four digits",
        MALFORMED,
        &[Say("HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n")],
    ),
    case("no status", MALFORMED, &[Say("HTTP/1.1\r\n\r\n")]),
    case(
        "HTTP/2 where HTTP/1 was spoken",
        MALFORMED,
        &[Say("HTTP/2 200\r\ncontent-length: 0\r\n\r\n")],
    ),
    case(
        "a page without a head",
        MALFORMED,
        &[Say("<html>{id}"), Close],
    ),
    case("TLS", MALFORMED, &[Say("\x15\x03\x01\0\x02\x02\x28")]),
    case("no bytes but zeros", MALFORMED, &[Forever("\0")]),
    case(
        "heads without end",
        MALFORMED,
        &[Say("HTTP/1.1 200 OK\r\n"), Forever("x-more: of it\r\n")],
    ),
    case(
        "a field without end",
        MALFORMED,
        &[Say("HTTP/1.1 200 OK\r\nx: "), Forever("more ")],
    ),
    case(
        "a status line without end",
        MALFORMED,
        &[Say("HTTP/1.1 200 "), Forever("O")],
    ),
    case("line breaks without end", MALFORMED, &[Forever("\r\n")]),
    case(
        "too many fields",
        MALFORMED,
        &[
            Say("HTTP/1.1 200 OK\r\n"),
            Times(16_385, "a: b\r\n"),
            Say("\r\n"),
        ],
    ),
    case(
        "interim answers without end",
        MALFORMED,
        &[Forever("HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n")],
    ),
    case(
        "two lengths that differ",
        MALFORMED,
        &[Say(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{id}",
        )],
    ),
    case(
        "two lengths that differ, in one field",
        MALFORMED,
        &[Say("HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\n{id}")],
    ),
    case(
        "a negative length",
        MALFORMED,
        &[Say("HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{id}")],
    ),
    case(
        "a length that is no number",
        MALFORMED,
        &[Say("HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\n{id}")],
    ),
    case(
        "a length beyond all numbers",
        MALFORMED,
        &[Say(
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n{id}",
        )],
    ),
    case("a chunk of no size", MALFORMED, &[CHUNKED, Say("\r\n{id}")]),
    case(
        "a chunk whose size is no number",
        MALFORMED,
        &[CHUNKED, Say("2g\r\n{id}\r\n0\r\n\r\n")],
    ),
    case(
        "a chunk of a negative size",
        MALFORMED,
        &[CHUNKED, Say("-2\r\n{id}\r\n0\r\n\r\n")],
    ),
    case(
        "a chunk whose size is beyond all numbers",
        MALFORMED,
        &[CHUNKED, Say("10000000000000000\r\n{id}\r\n0\r\n\r\n")],
    ),
    case(
        "a chunk longer than its size",
        MALFORMED,
        &[CHUNKED, Say("1\r\n{id}\r\n0\r\n\r\n")],
    ),
    case(
        "a chunk whose size has no end",
        MALFORMED,
        &[CHUNKED, Forever("0")],
    ),
    case(
        "a chunk with notes without end",
        MALFORMED,
        &[CHUNKED, Say("2;"), Forever("note=")],
    ),
    case(
        "fields behind the chunks without end",
        MALFORMED,
        &[CHUNKED, Say("2\r\n{id}\r\n0\r\n"), Forever("x: y\r\n")],
    ),
    case(
        "ends with the connection",
        GOOD,
        &[Say("HTTP/1.1 200 OK\r\n\r\n{id}"), Close],
    ),
    case("answers and closes", GOOD, &[PLAIN, Close]),
    case(
        "answers byte by byte",
        GOOD,
        &[
            Drip("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 2\r\n"),
            Drip("\r\n"),
            Say("{id}"),
        ],
    ),
    case(
        "says more than it promised",
        GOOD,
        &[PLAIN, Say("and what belongs to nobody")],
    ),
    case(
        "answers twice at once",
        GOOD,
        &[Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{id}\
             HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n99")],
    ),
    case(
        "says more than it promised, at once",
        GOOD,
        &[Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{id}more")],
    ),
    case(
        "a body where there is none",
        GOOD,
        &[Say(
            "HTTP/1.1 204 No Content\r\nx-fallback: {id}\r\ncontent-length: 2\r\n\r\n99",
        )],
    ),
    case(
        "chunks and a length",
        GOOD,
        &[Say(
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n{id}\r\n0\r\n\r\n",
        )],
    ),
    case(
        "chunks and a length, with another answer in what the length has of it",
        GOOD,
        &[Say(
            "HTTP/1.1 200 OK\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n{id}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n99",
        )],
    ),
    case(
        "the same length twice",
        GOOD,
        &[Say(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{id}",
        )],
    ),
    case(
        "some interim answers first",
        GOOD,
        &[
            Times(1_000, "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"),
            PLAIN,
        ],
    ),
    case(
        "as many fields as are read",
        GOOD,
        &[
            Say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"),
            Times(16_383, "a: b\r\n"),
            Say("\r\n{id}"),
        ],
    ),
];
