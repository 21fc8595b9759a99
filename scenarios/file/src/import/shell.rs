//! Words of a shell's command line, as far as lines of curl need them.

/// A command of a line: its words.
pub(super) type Command = Vec<String>;

/// What is said of what only a shell replaces.
const VARIABLE: &str = "a variable of the shell, which is sent as it is written";

/// Whether a text is a line of curl, a prompt before it left aside.
pub(super) fn starts_with_curl(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let first = first.unwrap_or_default();
    let mut first = first.strip_prefix("$ ").unwrap_or(first);
    while let Some((word, rest)) = first.split_once(' ')
        && sets_variable(word)
    {
        first = rest.trim_start();
    }
    let rest = first
        .strip_prefix("curl.exe")
        .or_else(|| first.strip_prefix("curl"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\\']))
}

/// Whether a word sets a variable for the command behind it.
pub(super) fn sets_variable(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(fits)
}

/// The commands of a text, and what of it is no word: pipes, redirections,
/// variables.
///
/// # Errors
/// A quote that is never closed, in words.
pub(super) fn commands(text: &str) -> Result<(Vec<Command>, Vec<String>), String> {
    let mut shell = Shell {
        rest: text.chars().peekable(),
        commands: Vec::new(),
        words: Vec::new(),
        word: None,
        odd: Vec::new(),
    };
    shell.run()?;
    shell.end_command();
    Ok((shell.commands, shell.odd))
}

struct Shell<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    commands: Vec<Command>,
    words: Vec<String>,
    /// The word that is read; an empty one may be there, in quotes.
    word: Option<String>,
    odd: Vec<String>,
}

impl Shell<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => match self.rest.next() {
                    // A line that goes on.
                    Some('\n') | None => {}
                    Some('\r') => {
                        self.rest.next_if_eq(&'\n');
                    }
                    Some(other) => self.push(other),
                },
                '\'' => self.single()?,
                '"' => self.double()?,
                '$' if self.rest.next_if_eq(&'\'').is_some() => self.ansi()?,
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '\n' | ';' => self.end_command(),
                '&' | '|' => {
                    self.end_command();
                    // Two of them end a command as one does.
                    self.rest.next_if_eq(&character);
                    if character == '|' {
                        self.skip_pipe();
                    }
                }
                '>' | '<' => {
                    // A number says what is redirected; any other word ends here.
                    let is_number = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
                    self.word = self.word.take().filter(|word| !is_number(word));
                    self.end_word();
                    self.odd.push("a redirection".to_owned());
                    self.skip_word();
                }
                space if space.is_whitespace() => self.end_word(),
                // The prompt before a line that was copied.
                '$' if self.word.is_none()
                    && self.words.is_empty()
                    && self.rest.next_if_eq(&' ').is_some() => {}
                '$' | '`' => {
                    self.odd.push(VARIABLE.to_owned());
                    self.push(character);
                }
                other => self.push(other),
            }
        }
        Ok(())
    }

    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().push(character);
    }

    fn single(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(character) => self.push(character),
                None => return Err("a `'` is never closed".to_owned()),
            }
        }
    }

    fn double(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.rest.next() {
                    Some('\n') => {}
                    Some(escaped @ ('"' | '\\' | '$' | '`')) => self.push(escaped),
                    Some(other) => {
                        self.push('\\');
                        self.push(other);
                    }
                    None => return Err("a `\"` is never closed".to_owned()),
                },
                Some(character) => {
                    let next = self.rest.peek();
                    let names = |c: &char| c.is_ascii_alphanumeric() || "_{(*@#?!$-".contains(*c);
                    if character == '`' || character == '$' && next.is_some_and(names) {
                        self.odd.push(VARIABLE.to_owned());
                    }
                    self.push(character);
                }
                None => return Err("a `\"` is never closed".to_owned()),
            }
        }
    }

    /// `$'…'`, as browsers write what has quotes and line breaks in it.
    fn ansi(&mut self) -> Result<(), String> {
        let open = || "a `$'` is never closed".to_owned();
        self.word.get_or_insert_default();
        loop {
            let character = self.rest.next().ok_or_else(open)?;
            let made = match character {
                '\'' => return Ok(()),
                '\\' => match self.rest.next().ok_or_else(open)? {
                    'n' => Some('\n'),
                    'r' => Some('\r'),
                    't' => Some('\t'),
                    '0' => Some('\0'),
                    'x' => self.number(2),
                    'u' => self.number(4),
                    'U' => self.number(8),
                    other => Some(other),
                },
                other => Some(other),
            };
            self.push(made.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }

    /// A character by its number, of so many hexadecimal digits at most.
    fn number(&mut self, digits: usize) -> Option<char> {
        let mut value = 0_u32;
        for _ in 0..digits {
            let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit) else {
                break;
            };
            value = value << 4 | digit.to_digit(16)?;
        }
        char::from_u32(value)
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.commands.push(words);
        }
    }

    /// What reads the answer is nothing that is sent.
    fn skip_pipe(&mut self) {
        self.odd
            .push("what reads the answer behind a pipe".to_owned());
        while self.rest.next_if(|c| *c != '\n').is_some() {}
    }

    fn skip_word(&mut self) {
        while self
            .rest
            .next_if(|c| c.is_whitespace() && *c != '\n' || ">&".contains(*c))
            .is_some()
        {}
        while self
            .rest
            .next_if(|c| !c.is_whitespace() && !";|&".contains(*c))
            .is_some()
        {}
    }
}
