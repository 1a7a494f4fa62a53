//! Splits the text of a date, time or interval into fields, after PostgreSQL's ParseDateTime.

use super::date_fields::{FieldError, is_weekday, month_of};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Digits, with a fraction perhaps.
    Number(String),
    /// Numbers or names with `-`, `/` or `.` between them.
    Date(String),
    /// Starts with digits and a colon.
    Time(String),
    /// Sign and digits.
    Offset(String),
    /// Letters in lower case, with a sign perhaps.
    Word(String),
}

struct Reader {
    characters: Vec<char>,
    position: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    fn peek_is(&self, test: impl Fn(char) -> bool) -> bool {
        self.peek().is_some_and(test)
    }

    /// Moves characters to `taken` while the test holds.
    fn take_while(&mut self, taken: &mut String, test: impl Fn(char) -> bool) {
        while let Some(character) = self.peek().filter(|character| test(*character)) {
            taken.push(character);
            self.position += 1;
        }
    }

    fn take_one(&mut self, taken: &mut String) {
        taken.extend(self.peek());
        self.position += 1;
    }
}

pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, FieldError> {
    let mut reader = Reader {
        characters: text.to_ascii_lowercase().chars().collect(),
        position: 0,
    };
    let mut tokens = Vec::new();
    while let Some(first) = reader.peek() {
        let mut taken = String::new();
        match first {
            first if first.is_ascii_digit() => tokens.push(digits(&mut reader)),
            '.' => {
                reader.take_one(&mut taken);
                reader.take_while(&mut taken, |c| c.is_ascii_digit());
                tokens.push(Token::Number(taken));
            }
            first if first.is_ascii_alphabetic() => tokens.push(letters(&mut reader)),
            '+' | '-' => {
                reader.take_one(&mut taken);
                while reader.peek_is(|c| c.is_ascii_whitespace()) {
                    reader.position += 1;
                }
                if reader.peek_is(|c| c.is_ascii_digit()) {
                    reader.take_while(&mut taken, |c| c.is_ascii_digit() || matches!(c, ':' | '.' | '-'));
                    tokens.push(Token::Offset(taken));
                } else if reader.peek_is(|c| c.is_ascii_alphabetic()) {
                    reader.take_while(&mut taken, |c| c.is_ascii_alphabetic());
                    tokens.push(Token::Word(taken));
                } else {
                    return Err(FieldError::BadFormat);
                }
            }
            first if first.is_ascii_whitespace() || first.is_ascii_punctuation() => reader.position += 1,
            _ => return Err(FieldError::BadFormat),
        }
    }
    Ok(tokens)
}

fn digits(reader: &mut Reader) -> Token {
    let mut taken = String::new();
    reader.take_while(&mut taken, |c| c.is_ascii_digit());
    match reader.peek() {
        Some(':') => {
            reader.take_while(&mut taken, |c| c.is_ascii_digit() || c == ':' || c == '.');
            Token::Time(taken)
        }
        Some(delimiter @ ('-' | '/' | '.')) => {
            reader.take_one(&mut taken);
            if !reader.peek_is(|c| c.is_ascii_digit()) {
                reader.take_while(&mut taken, |c| c.is_ascii_alphanumeric() || c == delimiter);
                return Token::Date(taken);
            }
            reader.take_while(&mut taken, |c| c.is_ascii_digit());
            if reader.peek() == Some(delimiter) {
                reader.take_while(&mut taken, |c| c.is_ascii_digit() || c == delimiter);
                return Token::Date(taken);
            }
            if delimiter == '.' {
                Token::Number(taken)
            } else {
                Token::Date(taken)
            }
        }
        _ => Token::Number(taken),
    }
}

fn letters(reader: &mut Reader) -> Token {
    let mut taken = String::new();
    reader.take_while(&mut taken, |c| c.is_ascii_alphabetic());
    let joined = match reader.peek() {
        Some('.') if matches!(taken.as_str(), "a" | "b") => {
            reader.take_while(&mut taken, |c| c.is_ascii_alphabetic() || c == '.');
            return Token::Word(taken);
        }
        Some('-' | '/' | '.') => true,
        Some(next) if next == '+' || next.is_ascii_digit() => !is_keyword(&taken),
        _ => false,
    };
    if !joined {
        return Token::Word(taken);
    }
    reader.take_while(&mut taken, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '/' | '_' | '.' | ':')
    });
    Token::Date(taken)
}

/// A word that a number may follow directly.
fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "t" | "j" | "jd" | "julian" | "am" | "pm" | "at" | "on" | "ad" | "bc" | "y" | "m" | "d" | "h" | "s"
    ) || month_of(word).is_some()
        || is_weekday(word)
}
