//! Words as Python's shlex module makes them in POSIX mode: of a command, and (in a stricter
//! alphabet) of `environment=`.

/// Splits a command into its words: `shlex.split`. There is no shell: no variable, no pattern, no
/// comment; a word that is nothing but quotes is an empty one.
///
/// ```
/// use superdaemon::supervise::config::words::split;
///
/// assert_eq!(split("/bin/sh -c 'a \"b\"' x\\ y").unwrap(), ["/bin/sh", "-c", "a \"b\"", "x y"]);
/// ```
///
/// # Errors
/// `No closing quotation`, or `No escaped character` for a backslash at the end.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let tokens = Lexer::new(text, Alphabet::Any).tokens()?;
    Ok(tokens.into_iter().map(|token| token.text).collect())
}

/// What a word is made of.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Whatever is no blank; `#` is as good as any other: `shlex.split`.
    Any,
    /// The letters of Latin-1, digits, and `_/.+-():`; `#` begins a comment, and any other
    /// character is a token by itself: `shlex.shlex` as supervisord sets it up.
    Names,
}

/// A word, or a character by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Nothing in it was quoted or escaped.
    pub(super) plain: bool,
    /// It is one character that belongs to no word.
    pub(super) punctuation: bool,
    /// A letter or digit that had a backslash before it, outside quotes.
    pub(super) escaped: Option<char>,
    /// A comment followed, and ended it or what comes after it.
    pub(super) comment: bool,
}

/// Reads tokens from a text.
pub(super) struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    alphabet: Alphabet,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, alphabet: Alphabet) -> Self {
        Self { rest: text.chars().peekable(), alphabet }
    }

    /// All tokens.
    pub(super) fn tokens(mut self) -> Result<Vec<Token>, String> {
        let mut tokens: Vec<Token> = Vec::new();
        while let Some(&c) = self.rest.peek() {
            if is_blank(c) {
                self.rest.next();
            } else if self.is_comment(c) {
                self.pass_comment();
                if let Some(last) = tokens.last_mut() {
                    last.comment = true;
                }
            } else {
                tokens.push(self.token()?);
            }
        }
        Ok(tokens)
    }

    /// The token that begins here.
    fn token(&mut self) -> Result<Token, String> {
        let mut token = Token {
            text: String::new(),
            plain: true,
            punctuation: false,
            escaped: None,
            comment: false,
        };
        while let Some(&c) = self.rest.peek() {
            if is_blank(c) || self.is_comment(c) {
                break;
            }
            let quoting = matches!(c, '\\' | '\'' | '"');
            if !quoting && !self.is_word(c) {
                // By itself if nothing is before it; else it is the next token.
                if token.plain && token.text.is_empty() {
                    self.rest.next();
                    token.text.push(c);
                    token.punctuation = true;
                }
                break;
            }
            self.rest.next();
            token.plain &= !quoting;
            match c {
                '\\' => {
                    let escaped = self.rest.next().ok_or("No escaped character")?;
                    if escaped.is_alphanumeric() {
                        token.escaped = Some(escaped);
                    }
                    token.text.push(escaped);
                }
                '\'' | '"' => self.quoted(c, &mut token.text)?,
                _ => token.text.push(c),
            }
        }
        Ok(token)
    }

    /// What stands up to the closing quote. In double quotes a backslash escapes a double quote or
    /// a backslash and is itself otherwise.
    fn quoted(&mut self, quote: char, text: &mut String) -> Result<(), String> {
        loop {
            match self.rest.next().ok_or("No closing quotation")? {
                c if c == quote => return Ok(()),
                '\\' if quote == '"' => {
                    let escaped = self.rest.next().ok_or("No escaped character")?;
                    if !matches!(escaped, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(escaped);
                }
                c => text.push(c),
            }
        }
    }

    fn is_comment(&self, c: char) -> bool {
        c == '#' && self.alphabet == Alphabet::Names
    }

    fn pass_comment(&mut self) {
        for c in self.rest.by_ref() {
            if c == '\n' {
                break;
            }
        }
    }

    fn is_word(&self, c: char) -> bool {
        match self.alphabet {
            Alphabet::Any => true,
            Alphabet::Names => match c {
                '_' | '/' | '.' | '+' | '-' | '(' | ')' | ':' => true,
                '×' | '÷' => false,
                'À'..='ÿ' => true,
                _ => c.is_ascii_alphanumeric(),
            },
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_as_by_shlex() {
        let table: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \t\r\n", &[]),
            ("/bin/cat", &["/bin/cat"]),
            ("/bin/cat\n-n", &["/bin/cat", "-n"]),
            ("\n/bin/cat", &["/bin/cat"]),
            ("/bin/sh -c \"a;b\"", &["/bin/sh", "-c", "a;b"]),
            ("/bin/echo \"x\\ty\"", &["/bin/echo", "x\\ty"]),
            ("/bin/echo 'it''s'", &["/bin/echo", "its"]),
            ("a 'b \"c\\' d", &["a", "b \"c\\", "d"]),
            ("\"a \\\"b\\\" \\\\ \\$ \\'\"", &["a \"b\" \\ \\$ \\'"]),
            ("a\\ b\\\\ \\\"", &["a b\\", "\""]),
            ("a\\\nb", &["a\nb"]),
            ("\\#x #y a#b", &["#x", "#y", "a#b"]),
            ("'' \"\" a''", &["", "", "a"]),
            ("a=\"b c\"d", &["a=b cd"]),
            ("x;y|z&&$w *~", &["x;y|z&&$w", "*~"]),
            ("a\u{b}b\u{a0}c é", &["a\u{b}b\u{a0}c", "é"]),
        ];
        for (text, words) in table {
            assert_eq!(split(text).unwrap(), *words, "{text:?}");
        }
    }

    #[test]
    fn what_is_left_open_is_an_error() {
        for (text, error) in [
            ("/bin/sh -c \"a", "No closing quotation"),
            ("'", "No closing quotation"),
            ("a'b\\'c'", "No closing quotation"),
            ("\"a'", "No closing quotation"),
            ("a\\", "No escaped character"),
            ("\"\\", "No escaped character"),
            ("'\\' \\", "No escaped character"),
        ] {
            assert_eq!(split(text), Err(error.to_owned()), "{text:?}");
        }
    }
}
