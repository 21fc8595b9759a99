//! What a cache keeps to, whatever is asked and whatever servers say; and how it is told.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LOOKS: Looks = Looks {
    body: true,
    digest: false,
};

fn fields(lines: &[&str]) -> Vec<(String, Vec<u8>)> {
    let split = |line: &&str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.as_bytes().to_vec())
    };
    lines.iter().map(split).collect()
}

fn answer(lines: &[&str], body: &str) -> Kept {
    Kept {
        fields: fields(lines),
        body: body.as_bytes().to_vec(),
        ..Kept::default()
    }
}

fn asking(method: &str, target: &str, lines: &[&str]) -> Asking {
    let own: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    Asking::of(format!("{method} {target} HTTP/1.1\r\nhost: shop\r\n{own}\r\n").as_bytes())
}

/// A client of one server, and how long it has been at it.
struct Client {
    cache: Cache,
    begun: Instant,
}

impl Client {
    fn new() -> Self {
        Self {
            cache: Cache::default(),
            begun: Instant::now(),
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.begun + Duration::from_millis(ms)
    }

    fn ask(&mut self, target: &str, ms: u64) -> Option<String> {
        let now = self.at(ms);
        let recalled = self.cache.ask(asking("GET", target, &[]), LOOKS, now)?;
        Some(String::from_utf8(recalled.kept.body).unwrap())
    }

    fn hear(&mut self, status: u16, lines: &[&str], body: &str, ms: u64) -> Came {
        let (kept, sent) = (answer(lines, body), self.at(ms));
        self.cache.came((status, &kept, body.len() as u64), sent)
    }

    fn conditions(&self) -> String {
        String::from_utf8(self.cache.conditions().to_vec()).unwrap()
    }
}

const NEW: Came = Came::New { evicted: 0 };

#[test]
fn what_is_fresh_is_used_and_what_is_stale_is_asked_for() {
    let mut client = Client::new();
    assert_eq!(client.ask("/a", 0), None);
    assert_eq!(client.conditions(), "");
    let said = [
        "Cache-Control: max-age=1",
        "ETag: \"a\"",
        "Set-Cookie: x=1",
        "X-Way: one",
    ];
    assert_eq!(client.hear(200, &said, "first", 0), NEW);
    assert_eq!(client.ask("/a", 999).as_deref(), Some("first"));
    assert_eq!(client.ask("/b", 999), None, "another target");
    assert_eq!(client.ask("/a", 1_000), None);
    assert_eq!(client.conditions(), "if-none-match: \"a\"\r\n");

    let told = [
        "cache-control: max-age=2",
        "x-way: two",
        "Content-Length: 0",
        "set-cookie: y=1",
    ];
    let Came::StillSo { answer, evicted: 0 } = client.hear(304, &told, "", 1_000) else {
        panic!("it is still so");
    };
    assert_eq!((&*answer.kept.body, answer.body_bytes), (&b"first"[..], 5));
    let merged = fields(&[
        "ETag: \"a\"",
        "cache-control: max-age=2",
        "x-way: two",
        "set-cookie: y=1",
    ]);
    assert_eq!(answer.kept.fields, merged, "cookies are set once");
    assert_eq!(client.ask("/a", 2_999).as_deref(), Some("first"));
    let again = client
        .cache
        .ask(asking("GET", "/a", &[]), LOOKS, client.at(2_999))
        .unwrap();
    assert_eq!(again.kept.fields, merged[..3]);

    assert_eq!(client.ask("/a", 3_000), None);
    assert_eq!(client.hear(200, &said, "second", 3_000), NEW);
    assert_eq!(client.ask("/a", 3_500).as_deref(), Some("second"));
}

#[test]
fn an_answer_that_is_no_good_leaves_what_was_kept() {
    let mut client = Client::new();
    let said = ["cache-control: no-cache", "etag: \"a\""];
    client.ask("/a", 0);
    client.hear(200, &said, "first", 0);
    for status in [500, 503, 404] {
        assert_eq!(client.ask("/a", 1), None);
        assert_eq!(client.hear(status, &[], "", 1), NEW);
    }
    // Its client tries again: under the same conditions.
    assert_eq!(client.conditions(), "if-none-match: \"a\"\r\n");
    let came = client.hear(304, &[], "", 1);
    assert!(matches!(came, Came::StillSo { .. }), "{came:?}");
    // One that speaks of another answer is none that can be used.
    assert_eq!(client.ask("/a", 2), None);
    assert_eq!(client.hear(304, &["etag: \"b\""], "", 2), NEW);
    client.ask("/a", 3);
    assert_eq!(client.conditions(), "");
    assert_eq!(
        client.hear(304, &[], "", 3),
        NEW,
        "nobody asked if it is still so"
    );
}

#[test]
fn what_was_changed_is_asked_for_again() {
    let said = ["cache-control: max-age=60"];
    for (method, status, stays) in [
        ("POST", 200, false),
        ("PUT", 303, false),
        ("PURGE", 204, false),
        ("DELETE", 500, true),
        ("POST", 404, true),
        ("OPTIONS", 200, true),
    ] {
        let mut client = Client::new();
        for target in ["/a", "/b"] {
            client.ask(target, 0);
            client.hear(200, &said, "first", 0);
        }
        let change = asking(method, "/a", &[]);
        assert_eq!(client.cache.ask(change, LOOKS, client.at(1)), None);
        assert_eq!(client.hear(status, &said, "", 1), Came::Apart);
        assert_eq!(client.ask("/a", 2).is_some(), stays, "{method} {status}");
        assert!(client.ask("/b", 2).is_some());
    }
}

#[test]
fn answers_of_the_past_are_no_younger_for_being_still_so() {
    let mut client = Client::new();
    client.ask("/a", 0);
    let old = ["cache-control: max-age=60", "age: 59", "etag: \"a\""];
    client.hear(200, &old, "first", 0);
    assert!(client.ask("/a", 999).is_some());
    assert!(client.ask("/a", 1_000).is_none());
    client.hear(304, &[], "", 1_000);
    assert!(
        client.ask("/a", 60_999).is_some(),
        "the age was that of one sending"
    );
    assert!(client.ask("/a", 61_000).is_none());
}

#[test]
fn bodies_are_kept_where_somebody_looks_into_them() {
    let mut client = Client::new();
    let no_looks = Looks::default();
    let now = client.at(0);
    let said = ["cache-control: max-age=60", "etag: \"a\""];
    let ask = |client: &mut Client, looks| client.cache.ask(asking("GET", "/a", &[]), looks, now);
    assert_eq!(ask(&mut client, no_looks), None);
    let large = CLIENT_BYTES_MAX as u64 + 1;
    client.cache.came((200, &answer(&said, ""), large), now);
    assert_eq!(ask(&mut client, no_looks).unwrap().body_bytes, large);
    assert_eq!(ask(&mut client, LOOKS), None, "nobody kept it");
    assert_eq!(client.conditions(), "", "it is wanted whole");
    client.hear(200, &said, "body", 0);
    assert_eq!(ask(&mut client, LOOKS).unwrap().kept.body, b"body");
    let cut = Kept {
        cut: true,
        ..answer(&said, "part of a bo")
    };
    client.cache.let_pass();
    client.cache.ask(asking("GET", "/b", &[]), LOOKS, now);
    assert_eq!(client.cache.came((200, &cut, 99), now), NEW);
    assert!(client.ask("/b", 0).is_none(), "not all of it is there");
}

#[test]
fn a_worker_has_so_much_room_for_all_its_clients() {
    let body = "x".repeat(CLIENT_BYTES_MAX - 1_024);
    let said = ["cache-control: max-age=60"];
    let full = || {
        let mut client = Client::new();
        client.ask("/a", 0);
        let came = client.hear(200, &said, &body, 0);
        (client, came)
    };
    let most = WORKER_BYTES_MAX / CLIENT_BYTES_MAX;
    let mut clients: Vec<Client> = (0..most).map(|_| full().0).collect();
    let (mut beyond, came) = full();
    assert_eq!(came, Came::New { evicted: 1 });
    assert!(beyond.ask("/a", 1).is_none());
    assert!(
        clients
            .iter_mut()
            .all(|client| client.ask("/a", 1).is_some())
    );
    clients.pop();
    assert!(full().0.ask("/a", 1).is_some(), "there is room again");
    clients.clear();
    assert_eq!(IN_USE.get(), 0);
}

#[test]
fn one_client_has_so_many_answers_and_variants() {
    let mut client = Client::new();
    let said = ["cache-control: max-age=60", "vary: x-tag"];
    let now = client.at(0);
    let tagged = |tag: usize| asking("GET", "/a", &[&format!("x-tag: {tag}")]);
    let mut evicted = 0;
    for tag in 0..VARIANTS_MAX + 2 {
        assert_eq!(client.cache.ask(tagged(tag), LOOKS, now), None);
        let kept = answer(&said, &tag.to_string());
        match client.cache.came((200, &kept, 1), now) {
            Came::New { evicted: own } => evicted += own,
            came => panic!("{came:?}"),
        }
    }
    assert_eq!(evicted, 2);
    assert_eq!(client.cache.ask(tagged(1), LOOKS, now), None);
    let second = client.cache.ask(tagged(2), LOOKS, now).unwrap();
    assert_eq!(second.kept.body, b"2");

    let evicted = (0..ANSWERS_MAX).map(|nth| {
        client.ask(&format!("/{nth}"), 0);
        match client.hear(200, &said, "", 0) {
            Came::New { evicted } => evicted as usize,
            came => panic!("{came:?}"),
        }
    });
    assert_eq!(evicted.sum::<usize>(), VARIANTS_MAX, "the oldest");
    assert_eq!(client.cache.answers, ANSWERS_MAX);
}

/// So many fields, none with more than its name.
fn short(mark: char, count: usize) -> Vec<(String, Vec<u8>)> {
    let field = |nth| (format!("{mark}{nth}"), Vec::new());
    (0..count).map(field).collect()
}

#[test]
fn an_answer_counts_for_all_that_it_takes() {
    let mut client = Client::new();
    client.ask("/a", 0);
    let mut kept = answer(&["cache-control: max-age=60", "vary: x-tag"], "body");
    kept.fields.extend(short('x', 100));
    client.cache.came((200, &kept, 4), client.at(0));
    let held = client.cache.kept.values().flatten().next().unwrap();
    let allocated = |text: usize| text.max(16) + 16;
    let of_fields = held.fields.iter().map(|(name, value)| {
        size_of::<(String, Vec<u8>)>() + allocated(name.len()) + allocated(value.len())
    });
    let least = of_fields.sum::<usize>() + size_of::<Answer>();
    assert!(held.bytes() > least, "{} of {least}", held.bytes());
    assert_eq!(held.fields.capacity(), held.fields.len());
    let names = 102 * FIELD_BYTES + FIELD_BYTES;
    assert!(client.cache.room.0 > names);
}

#[test]
fn what_has_too_many_fields_is_not_kept_nor_becomes_so() {
    let mut client = Client::new();
    let said = ["cache-control: max-age=1", "etag: \"a\""];
    for (count, stays) in [(FIELDS_MAX - 1, false), (FIELDS_MAX - 2, true)] {
        client.ask("/a", 0);
        let mut kept = answer(&said, "body");
        kept.fields.extend(short('x', count));
        let evicted = u32::from(!stays);
        let came = client.cache.came((200, &kept, 4), client.at(0));
        assert_eq!(came, Came::New { evicted });
        assert_eq!(client.ask("/a", 1).is_some(), stays, "{count}");
    }
    // The same names say nothing that is new.
    assert!(client.ask("/a", 1_000).is_none());
    let mut told = answer(&[], "");
    told.fields = short('X', FIELDS_MAX - 2);
    let came = client.cache.came((304, &told, 0), client.at(1_000));
    assert!(matches!(came, Came::StillSo { evicted: 0, .. }), "{came:?}");
    assert!(client.ask("/a", 1_001).is_some());

    assert!(client.ask("/a", 2_000).is_none());
    told.fields = short('y', 1);
    match client.cache.came((304, &told, 0), client.at(2_000)) {
        Came::StillSo { answer, evicted } => {
            assert_eq!((answer.kept.fields.len(), evicted), (FIELDS_MAX + 1, 1));
        }
        came => panic!("{came:?}"),
    }
    assert!(client.ask("/a", 2_001).is_none());
    assert_eq!(IN_USE.get(), 0);
}

/// What may happen to a client.
#[derive(Debug, Clone)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// It reads one of the targets with one of the tags. Its server says so much of how
    /// the answer may be used, or that the one before is still so.
    Read {
        target: u8,
        tag: u8,
        said: Said,
        still: bool,
    },
    /// It changes a target, which goes well or not.
    Change { target: u8, good: bool },
}

#[derive(Debug, Clone)]
struct Said {
    max_age_s: Option<u64>,
    age_s: u64,
    word: &'static str,
    etag: bool,
    varies: &'static str,
    bytes: usize,
}

fn said() -> impl Strategy<Value = Said> {
    (
        prop::option::of(0..30_u64),
        prop_oneof![3 => Just(0), 1 => 0..10_u64],
        prop_oneof![6 => Just(""), 1 => Just("no-cache"), 1 => Just("no-store"), 1 => Just("private")],
        any::<bool>(),
        prop_oneof![4 => Just(""), 2 => Just("x-tag"), 1 => Just("*")],
        prop_oneof![3 => 0..100_usize, 1 => 0..CLIENT_BYTES_MAX / 2],
    )
        .prop_map(|(max_age_s, age_s, word, etag, varies, bytes)| Said {
            max_age_s,
            age_s,
            word,
            etag,
            varies,
            bytes,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..20_000_u64).prop_map(Step::Pass),
        6 => (0..6_u8, 0..3_u8, said(), any::<bool>())
            .prop_map(|(target, tag, said, still)| Step::Read { target, tag, said, still }),
        1 => (0..6_u8, any::<bool>()).prop_map(|(target, good)| Step::Change { target, good }),
    ]
}

/// An answer that a server gave, as somebody remembers who forgets nothing.
#[derive(Debug)]
struct Given {
    target: u8,
    tag: u8,
    number: usize,
    said: Said,
    /// When it was last said that it is so, and how.
    at_ms: u64,
    changed: bool,
    /// A newer one has come in its place.
    replaced: bool,
}

impl Given {
    /// Whether it answers such a request, be it fresh or not.
    fn answers(&self, target: u8, tag: u8) -> bool {
        self.target == target && (self.said.varies.is_empty() || self.tag == tag)
    }

    /// Whether it may be used without asking.
    fn may_be_used(&self, target: u8, tag: u8, now_ms: u64) -> bool {
        let said = &self.said;
        let fresh_ms = said.max_age_s.unwrap_or(0).saturating_sub(said.age_s) * 1_000;
        self.answers(target, tag)
            && said.varies != "*"
            && !matches!(said.word, "no-cache" | "no-store")
            && now_ms < self.at_ms + fresh_ms
            && !self.changed
            && !self.replaced
    }
}

fn lines(said: &Said, number: usize) -> Vec<String> {
    let mut directives = vec![said.word.to_owned()];
    directives.extend(said.max_age_s.map(|age| format!("max-age={age}")));
    let mut lines = vec![format!("cache-control: {}", directives.join(", "))];
    if said.age_s > 0 {
        lines.push(format!("age: {}", said.age_s));
    }
    if said.etag {
        lines.push(format!("etag: \"{number}\""));
    }
    if !said.varies.is_empty() {
        lines.push(format!("vary: {}", said.varies));
    }
    lines
}

fn request(target: u8, tag: u8) -> Asking {
    asking("GET", &format!("/{target}"), &[&format!("x-tag: {tag}")])
}

/// The number of an answer stands in front of its body.
fn number_in(body: &[u8]) -> usize {
    let text = std::str::from_utf8(body).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

proptest! {
    /// Nothing is used that is over, was not to be kept, is of another target or
    /// variant, or was changed; what is kept never exceeds its room; and where nothing
    /// was let go, what may be used is.
    #[test]
    fn a_cache_uses_what_it_may_and_nothing_else(steps in prop::collection::vec(step(), 0..60)) {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut cache = Cache::default();
        let mut given: Vec<Given> = Vec::new();
        let (mut now_ms, mut evicted) = (0, 0);
        for step in steps {
            match step {
                Step::Pass(ms) => now_ms += ms,
                Step::Change { target, good } => {
                    let change = asking("POST", &format!("/{target}"), &[]);
                    prop_assert_eq!(cache.ask(change, LOOKS, at(now_ms)), None);
                    let status = if good { 201 } else { 500 };
                    cache.came((status, &Kept::default(), 0), at(now_ms));
                    let own = given.iter_mut().filter(|it| it.target == target);
                    own.for_each(|it| it.changed |= good);
                }
                Step::Read { target, tag, said, still } => {
                    let recalled = cache.ask(request(target, tag), LOOKS, at(now_ms));
                    let usable = |it: &&Given| it.may_be_used(target, tag, now_ms);
                    if let Some(recalled) = recalled {
                        let number = number_in(&recalled.kept.body);
                        prop_assert!(usable(&&given[number]), "{:?} at {now_ms}", given[number]);
                        continue;
                    }
                    // The newest word counts.
                    let mut newest = given.iter().rev();
                    let newest = newest.find(|it| it.answers(target, tag) && !it.replaced);
                    let missed = newest.filter(usable);
                    prop_assert!(evicted > 0 || missed.is_none(), "{missed:?} at {now_ms}");
                    let conditions = String::from_utf8(cache.conditions().to_vec()).unwrap();
                    let named = conditions.split('"').nth(1);
                    if let (Some(named), true) = (named, still) {
                        let named: usize = named.parse().unwrap();
                        let others = given.iter_mut().filter(|it| it.number != named);
                        let others = others.filter(|it| it.answers(target, tag));
                        others.for_each(|it| it.replaced = true);
                        let before = &mut given[named];
                        prop_assert!(before.answers(target, tag));
                        prop_assert!(!before.changed && !before.replaced);
                        prop_assert_ne!(before.said.word, "no-store");
                        // It says the same again.
                        let own = lines(&before.said, before.number);
                        let own: Vec<&str> = own.iter().map(String::as_str).collect();
                        before.at_ms = now_ms;
                        match cache.came((304, &answer(&own, ""), 0), at(now_ms)) {
                            Came::StillSo { answer, evicted: own } => {
                                prop_assert_eq!(number_in(&answer.kept.body), before.number);
                                evicted += own;
                            }
                            came => prop_assert!(false, "{came:?}"),
                        }
                        continue;
                    }
                    let number = given.len();
                    let body = format!("{number} {}", "x".repeat(said.bytes));
                    let own = lines(&said, number);
                    let own: Vec<&str> = own.iter().map(String::as_str).collect();
                    let kept = answer(&own, &body);
                    match cache.came((200, &kept, body.len() as u64), at(now_ms)) {
                        Came::New { evicted: own } => evicted += own,
                        came => prop_assert!(false, "{came:?}"),
                    }
                    let own = given.iter_mut().filter(|it| it.answers(target, tag));
                    own.for_each(|it| it.replaced = true);
                    given.push(Given {
                        target,
                        tag,
                        number,
                        said,
                        at_ms: now_ms,
                        changed: false,
                        replaced: false,
                    });
                }
            }
            prop_assert!(cache.room.0 <= CLIENT_BYTES_MAX && cache.answers <= ANSWERS_MAX);
            let held = cache.kept.iter().flat_map(|(key, answers)| {
                answers.iter().map(|it| it.bytes() + key.bytes())
            });
            let held: Vec<usize> = held.collect();
            prop_assert_eq!(held.iter().sum::<usize>(), cache.room.0);
            prop_assert_eq!(held.len(), cache.answers);
            prop_assert_eq!(IN_USE.get(), cache.room.0);
        }
    }
}
