//! COPY's options: `WITH (FORMAT csv, …)` and the spelling of before 9.0 (`CSV HEADER DELIMITER ','`),
//! with PostgreSQL's defaults and its checks of what fits together.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{CopyDirection, CopyFormat, CopyOptions, Forced, Header};
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};
use crate::types::encoding::{self, Named};

/// What was written, before defaults.
#[derive(Default)]
pub(super) struct OptionReader {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<Header>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<Forced>,
    force_not_null: Option<Forced>,
    force_null: Option<Forced>,
    encoding: Option<Named>,
    /// Whether rows with faulty values are left out.
    on_error: Option<bool>,
}

impl OptionReader {
    /// COPY BINARY t.
    pub(super) fn set_binary(&mut self) {
        self.format = Some(CopyFormat::Binary);
    }

    pub(super) fn read(&mut self, reader: &mut Reader) -> Result<()> {
        if reader.accept(&["using"]) {
            reader.expect(&["delimiters"])?;
            self.delimiter = Some(reader.string()?);
        }
        let with = reader.accept(&["with"]);
        if *reader.peek() == Token::LParen {
            reader.parenthesized(|reader| self.modern(reader))?;
            return Ok(());
        }
        let mut any = false;
        while self.legacy(reader)? {
            any = true;
        }
        if with && !any { Err(reader.error_here()) } else { Ok(()) }
    }

    fn modern(&mut self, reader: &mut Reader) -> Result<()> {
        let position = reader.position();
        match reader.label()?.as_str() {
            "format" => {
                let word = word_or_string(reader)?;
                let format = match word.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    _ => {
                        let message = format!("COPY format \"{word}\" not recognized");
                        return Err(Error::new(SqlState::InvalidParameterValue, message).at(position));
                    }
                };
                once(&mut self.format, format, position)?;
            }
            "delimiter" => once(&mut self.delimiter, reader.string()?, position)?,
            "null" => once(&mut self.null, reader.string()?, position)?,
            "quote" => once(&mut self.quote, reader.string()?, position)?,
            "escape" => once(&mut self.escape, reader.string()?, position)?,
            "header" => {
                let header = header(reader)?;
                once(&mut self.header, header, position)?;
            }
            "force_quote" => once(&mut self.force_quote, forced(reader, true)?, position)?,
            "force_not_null" => once(&mut self.force_not_null, forced(reader, true)?, position)?,
            "force_null" => once(&mut self.force_null, forced(reader, true)?, position)?,
            "encoding" => {
                let named = encoding_named(&reader.string()?, position)?;
                once(&mut self.encoding, named, position)?;
            }
            "freeze" => {
                flag("freeze", reader)?;
            }
            "on_error" => {
                let word = word_or_string(reader)?;
                let skips = match word.as_str() {
                    "stop" => false,
                    "ignore" => true,
                    _ => {
                        let message = format!("COPY ON_ERROR \"{word}\" not recognized");
                        return Err(Error::new(SqlState::InvalidParameterValue, message).at(position));
                    }
                };
                once(&mut self.on_error, skips, position)?;
            }
            "log_verbosity" => {
                let word = word_or_string(reader)?;
                if word != "default" {
                    return Err(Error::unsupported(format!("COPY … LOG_VERBOSITY {word}")).at(position));
                }
            }
            other @ ("default" | "reject_limit") => {
                return Err(Error::unsupported(format!("COPY … {}", other.to_uppercase())).at(position));
            }
            other => return Err(Error::syntax(format!("option \"{other}\" not recognized")).at(position)),
        }
        Ok(())
    }

    fn legacy(&mut self, reader: &mut Reader) -> Result<bool> {
        let position = reader.position();
        let words = [
            "binary",
            "csv",
            "header",
            "delimiter",
            "null",
            "quote",
            "escape",
            "force",
            "encoding",
            "freeze",
        ];
        let Some(word) = reader.accept_any(&words) else {
            return Ok(false);
        };
        match word {
            "binary" => once(&mut self.format, CopyFormat::Binary, position)?,
            "csv" => once(&mut self.format, CopyFormat::Csv, position)?,
            "header" => once(&mut self.header, Header::Line, position)?,
            "delimiter" => once(&mut self.delimiter, string_after_as(reader)?, position)?,
            "null" => once(&mut self.null, string_after_as(reader)?, position)?,
            "quote" => once(&mut self.quote, string_after_as(reader)?, position)?,
            "escape" => once(&mut self.escape, string_after_as(reader)?, position)?,
            "encoding" => {
                let named = encoding_named(&reader.string()?, position)?;
                once(&mut self.encoding, named, position)?;
            }
            "freeze" => {}
            _ if reader.accept(&["quote"]) => once(&mut self.force_quote, forced(reader, false)?, position)?,
            _ if reader.accept(&["not", "null"]) => once(&mut self.force_not_null, forced(reader, false)?, position)?,
            _ => {
                reader.expect(&["null"])?;
                once(&mut self.force_null, forced(reader, false)?, position)?;
            }
        }
        Ok(true)
    }

    /// Fills in the format's defaults and refuses what does not fit together.
    pub(super) fn finish(self, direction: CopyDirection) -> Result<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let (csv, binary) = (format == CopyFormat::Csv, format == CopyFormat::Binary);
        if binary && (self.delimiter.is_some() || self.null.is_some() || self.header.is_some()) {
            let option = [
                (self.delimiter.is_some(), "DELIMITER"),
                (self.null.is_some(), "NULL"),
                (true, "HEADER"),
            ];
            let name = option
                .iter()
                .find(|(given, _)| *given)
                .map_or("HEADER", |(_, name)| name);
            return Err(Error::syntax(format!("cannot specify {name} in BINARY mode")));
        }
        if binary && self.on_error == Some(true) {
            return Err(Error::syntax("only ON_ERROR STOP is allowed in BINARY mode"));
        }
        let csv_only = [
            (self.quote.is_some(), "quote"),
            (self.escape.is_some(), "escape"),
            (self.force_quote.is_some(), "FORCE_QUOTE"),
            (self.force_not_null.is_some(), "FORCE_NOT_NULL"),
            (self.force_null.is_some(), "FORCE_NULL"),
        ];
        if let Some((_, name)) = csv_only.iter().find(|(given, _)| *given && !csv) {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                format!("COPY {name} requires CSV mode"),
            ));
        }
        if self.on_error.is_some() && !matches!(direction, CopyDirection::FromStdin) {
            let message = "COPY ON_ERROR cannot be used with COPY TO";
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        let misplaced = match direction {
            CopyDirection::FromStdin => self
                .force_quote
                .is_some()
                .then_some("FORCE_QUOTE cannot be used with COPY FROM"),
            CopyDirection::ToStdout if self.force_not_null.is_some() => {
                Some("FORCE_NOT_NULL cannot be used with COPY TO")
            }
            CopyDirection::ToStdout => self
                .force_null
                .is_some()
                .then_some("FORCE_NULL cannot be used with COPY TO"),
        };
        if let Some(message) = misplaced {
            return Err(Error::new(SqlState::FeatureNotSupported, format!("COPY {message}")));
        }
        let delimiter = single_byte(
            "delimiter",
            self.delimiter.as_deref().unwrap_or(if csv { "," } else { "\t" }),
        )?;
        let null = self
            .null
            .unwrap_or_else(|| if csv { String::new() } else { "\\N".to_string() });
        let quote = single_byte("quote", self.quote.as_deref().unwrap_or("\""))?;
        let escape = match self.escape {
            Some(escape) => single_byte("escape", &escape)?,
            None => quote,
        };
        let invalid = |message: &str| Err(Error::new(SqlState::InvalidParameterValue, message));
        if matches!(delimiter, b'\n' | b'\r') {
            return invalid("COPY delimiter cannot be newline or carriage return");
        }
        if null.contains(['\n', '\r']) {
            return invalid("COPY null representation cannot use newline or carriage return");
        }
        if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) {
            return invalid(&format!("COPY delimiter cannot be \"{}\"", char::from(delimiter)));
        }
        if csv && delimiter == quote {
            return invalid("COPY delimiter and quote must be different");
        }
        if null.as_bytes().contains(&delimiter) {
            return invalid("COPY delimiter character must not appear in the NULL specification");
        }
        if csv && null.as_bytes().contains(&quote) {
            return invalid("CSV quote character must not appear in the NULL specification");
        }
        let header = self.header.unwrap_or_default();
        if header == Header::Match && direction == CopyDirection::ToStdout {
            let message = "cannot use \"match\" with HEADER in COPY TO";
            return Err(Error::new(SqlState::FeatureNotSupported, message));
        }
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header,
            quote,
            escape,
            force_quote: self.force_quote.unwrap_or_default(),
            force_not_null: self.force_not_null.unwrap_or_default(),
            force_null: self.force_null.unwrap_or_default(),
            encoding: self.encoding,
            skips_faults: self.on_error.unwrap_or(false),
        })
    }
}

/// `*` or names of columns, in parentheses in the modern spelling.
fn forced(reader: &mut Reader, modern: bool) -> Result<Forced> {
    if reader.accept_token(&Token::Mul) {
        return Ok(Forced::All);
    }
    let names = match modern {
        true => reader.parenthesized(|reader| reader.name())?,
        false => reader.list(|reader| reader.name())?,
    };
    Ok(Forced::Named(names))
}

fn once<T>(slot: &mut Option<T>, value: T, position: usize) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(Error::syntax("conflicting or redundant options").at(position));
    }
    Ok(())
}

fn single_byte(name: &str, text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Error::new(
            SqlState::FeatureNotSupported,
            format!("COPY {name} must be a single one-byte character"),
        )),
    }
}

fn string_after_as(reader: &mut Reader) -> Result<String> {
    reader.accept(&["as"]);
    reader.string()
}

fn word_or_string(reader: &mut Reader) -> Result<String> {
    match reader.peek() {
        Token::SingleQuotedString(_) => reader.string(),
        _ => reader.label(),
    }
}

/// A Boolean value, or `match`.
fn header(reader: &mut Reader) -> Result<Header> {
    let is_match = match reader.peek() {
        Token::SingleQuotedString(text) => text.eq_ignore_ascii_case("match"),
        Token::Word(word) => word.value.eq_ignore_ascii_case("match"),
        _ => false,
    };
    if is_match {
        reader.advance();
        return Ok(Header::Match);
    }
    match flag("header", reader) {
        Ok(true) => Ok(Header::Line),
        Ok(false) => Ok(Header::None),
        Err(_) => Err(Error::syntax("header requires a Boolean value or \"match\"")),
    }
}

/// An optional Boolean value; nothing means true.
fn flag(name: &str, reader: &mut Reader) -> Result<bool> {
    if matches!(reader.peek(), Token::Comma | Token::RParen) {
        return Ok(true);
    }
    let text = match reader.peek() {
        Token::Number(digits, _) => {
            let digits = digits.clone();
            reader.advance();
            digits
        }
        _ => word_or_string(reader)?.to_lowercase(),
    };
    match text.as_str() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(Error::syntax(format!("{name} requires a Boolean value"))),
    }
}

fn encoding_named(name: &str, position: usize) -> Result<Named> {
    encoding::named(name).ok_or_else(|| {
        let message = "argument to option \"encoding\" must be a valid encoding name";
        Error::new(SqlState::InvalidParameterValue, message).at(position)
    })
}
