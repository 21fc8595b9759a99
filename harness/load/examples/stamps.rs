//! A server that tells the truth about who loads it: it notes when request
//! `/N` came and when its answer was written, and stands still on a schedule.
//! `benches/peers/truth` compares that with what a load generator says.
//!
//! ```text
//! cargo run --release -p squall-load --example stamps -- NOTES.csv [EVERY_MS FOR_MS]
//! ```
//! It prints its port, serves until its input ends, and then writes its notes:
//! number of the request, arrival and answer in nanoseconds since the first request.
#![allow(
    clippy::disallowed_macros,
    reason = "what an example prints is read by a script"
)]

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// One request, and its two moments.
struct Note {
    number: u64,
    came: Instant,
    answered: Instant,
}

/// When the server stands still: for so long, at the end of each period.
#[derive(Clone, Copy)]
struct Freeze {
    every: Duration,
    lasts: Duration,
}

#[derive(Default)]
struct Notes {
    first: Option<Instant>,
    freeze: Option<Freeze>,
    all: Vec<Note>,
}

impl Notes {
    /// Stands still if it is time to: the whole thread does, as that of a server
    /// in a long pause.
    fn freeze(&mut self, now: Instant) {
        let first = *self.first.get_or_insert(now);
        let Some(freeze) = self.freeze else { return };
        let period = freeze.every.as_nanos().max(1);
        let at = now.saturating_duration_since(first).as_nanos() % period;
        if at + freeze.lasts.as_nanos() >= period {
            let left = u64::try_from(period - at).unwrap_or(0);
            #[expect(
                clippy::disallowed_methods,
                reason = "standing still, with everything, is what is asked for"
            )]
            std::thread::sleep(Duration::from_nanos(left));
        }
    }

    fn write(&self, path: &str) -> std::io::Result<()> {
        let mut text = String::from("number,came_ns,answered_ns\n");
        let Some(first) = self.first else {
            return std::fs::write(path, text);
        };
        let since = |at: Instant| at.saturating_duration_since(first).as_nanos();
        for note in &self.all {
            let _ = writeln!(
                text,
                "{},{},{}",
                note.number,
                since(note.came),
                since(note.answered)
            );
        }
        std::fs::write(path, text)
    }
}

/// The number in `GET /N HTTP/1.1`.
fn number(head: &[u8]) -> u64 {
    let digits = head.iter().skip_while(|byte| !byte.is_ascii_digit());
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| {
        number * 10 + u64::from(digit.wrapping_sub(b'0'))
    })
}

async fn serve(mut stream: TcpStream, notes: Rc<RefCell<Notes>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
        let came = Instant::now();
        notes.borrow_mut().freeze(came);
        while let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let number = number(&read[..end]);
            read.drain(..end + 4);
            stream.write_all(ANSWER).await?;
            let answered = Instant::now();
            notes.borrow_mut().all.push(Note {
                number,
                came,
                answered,
            });
        }
    }
}

#[tokio::main(flavor = "local")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let path = words.first().ok_or("say where the notes go")?;
    let millis = |word: &String| word.parse().map(Duration::from_millis);
    let freeze = match words.get(1..3) {
        Some([every, lasts]) => Some(Freeze {
            every: millis(every)?,
            lasts: millis(lasts)?,
        }),
        _ => None,
    };
    let notes = Rc::new(RefCell::new(Notes {
        freeze,
        ..Notes::default()
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let (told, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(told);
    });
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                tokio::task::spawn_local(serve(stream, Rc::clone(&notes)));
            }
            _ = ended.recv() => break,
        }
    }
    notes.borrow().write(path)?;
    Ok(())
}
