//! Type names in statements of our own: `character varying(40)`, `timestamp(3) with time zone`,
//! `pg_catalog.int4`, `text[]`, `array<bigint>`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::dialect::is_reserved;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::types::SqlType;

/// Words that begin the name of a type but are none by themselves.
const SPELLED_APART: [&str; 11] = [
    "double",
    "national",
    "nchar",
    "setof",
    "array",
    "serial",
    "bigserial",
    "smallserial",
    "serial2",
    "serial4",
    "serial8",
];

impl Reader<'_> {
    pub(super) fn data_type(&mut self) -> Result<SqlType> {
        let start = self.position();
        let mut sql_type = match self.users_type()? {
            Some(named) => named,
            None => self.type_text()?.parse().map_err(|error: Error| error.at(start))?,
        };
        while self.array_suffix()? {
            // PostgreSQL does not distinguish the dimensions of an array's type.
            if !matches!(sql_type, SqlType::Array(_)) {
                sql_type = SqlType::Array(Box::new(sql_type));
            }
        }
        Ok(sql_type)
    }

    /// A name that is no type of PostgreSQL's: what it means is for the catalog to say.
    fn users_type(&mut self) -> Result<Option<SqlType>> {
        let Token::Word(word) = self.peek() else {
            return Ok(None);
        };
        let is_qualified = *self.peek_nth(1) == Token::Period;
        let is_known = match word.quote_style {
            _ if is_qualified => word.value == "pg_catalog",
            Some(_) => word.value == "char" || word.value.parse::<SqlType>().is_ok(),
            None => {
                word.value.parse::<SqlType>().is_ok()
                    || SPELLED_APART.contains(&word.value.as_str())
                    || *self.peek_nth(1) == Token::Lt
            }
        };
        if is_known || is_reserved(&word.value) && word.quote_style.is_none() {
            return Ok(None);
        }
        let name = self.object_name()?;
        if *self.peek() == Token::LParen {
            let message = format!("type modifier is not allowed for type \"{name}\"");
            return Err(Error::syntax(message).at(self.position()));
        }
        Ok(Some(SqlType::Named(name.0.into())))
    }

    fn type_text(&mut self) -> Result<String> {
        let start = self.position();
        let quoted = matches!(self.peek(), Token::Word(word) if word.quote_style.is_some());
        let mut name = self.label()?;
        if self.accept_token(&Token::Period) {
            let schema = name;
            name = self.label()?;
            if schema != "pg_catalog" {
                let message = format!("type \"{schema}.{name}\" does not exist");
                return Err(Error::new(crate::error::SqlState::UndefinedObject, message).at(start));
            }
            if name == "char" {
                return Ok("\"char\"".to_string());
            }
        }
        if quoted && name == "char" {
            return Ok("\"char\"".to_string());
        }
        match name.as_str() {
            "array" if self.accept_token(&Token::Lt) => {
                if self.peek_words(&["array"]) {
                    return Err(Error::unsupported("an array of arrays").at(start));
                }
                let element = self.data_type()?;
                self.expect_token(&Token::Gt)?;
                return Ok(format!("{element}[]"));
            }
            "struct" | "map" if *self.peek() == Token::Lt => {
                return Err(Error::unsupported(format!("the type {}", name.to_uppercase())).at(start));
            }
            "serial" | "bigserial" | "smallserial" | "serial4" | "serial8" | "serial2" => {
                return Err(Error::unsupported(format!("the type {name}"))
                    .with_hint("Delta tables have no sequences. Use bigint, and a UUID or row_number() for keys.")
                    .at(start));
            }
            "national" => name = self.label()?,
            "setof" => return Err(Error::unsupported("a set-returning function").at(start)),
            _ => {}
        }
        if name == "nchar" {
            name = "character".to_string();
        }
        if name == "double" && self.accept(&["precision"]) {
            name = "double precision".to_string();
        } else if name.starts_with("char") && self.accept(&["varying"]) {
            name = "character varying".to_string();
        } else if name == "bit" && self.accept(&["varying"]) {
            name = "bit varying".to_string();
        }
        let fields = match name.as_str() {
            "interval" => self.interval_fields(),
            _ => String::new(),
        };
        let modifier = if *self.peek() == Token::LParen {
            let numbers = self.parenthesized(|reader| reader.integer())?;
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            format!("({})", numbers.join(","))
        } else {
            String::new()
        };
        if matches!(name.as_str(), "timestamp" | "time") {
            let zone = self.time_zone_suffix()?;
            return Ok(format!("{name}{modifier}{zone}"));
        }
        Ok(format!("{name}{fields}{modifier}"))
    }

    fn time_zone_suffix(&mut self) -> Result<&'static str> {
        if self.peek_words(&["with", "time"]) {
            self.expect(&["with", "time", "zone"])?;
            return Ok(" with time zone");
        }
        if self.peek_words(&["without", "time"]) {
            self.expect(&["without", "time", "zone"])?;
        }
        Ok("")
    }

    /// `day to second`, with a blank before it.
    fn interval_fields(&mut self) -> String {
        const FIELDS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];
        let Some(first) = self.accept_any(&FIELDS) else {
            return String::new();
        };
        let last = match self.accept(&["to"]) {
            true => self.accept_any(&FIELDS),
            false => None,
        };
        last.map_or_else(|| format!(" {first}"), |last| format!(" {first} to {last}"))
    }

    /// `[]`, `[3]` or ARRAY.
    fn array_suffix(&mut self) -> Result<bool> {
        if self.accept(&["array"]) {
            if self.accept_token(&Token::LBracket) {
                self.integer()?;
                self.expect_token(&Token::RBracket)?;
            }
            return Ok(true);
        }
        if !self.accept_token(&Token::LBracket) {
            return Ok(false);
        }
        if *self.peek() != Token::RBracket {
            self.integer()?;
        }
        self.expect_token(&Token::RBracket)?;
        Ok(true)
    }
}
