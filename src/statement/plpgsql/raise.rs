//! RAISE and ASSERT.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::{Parser, unknown_condition};
use super::tree::{Action, Level, Raise, RaiseOption};
use crate::error::{Error, Result, states_of_condition};

const LEVELS: [(&str, Level); 6] = [
    ("debug", Level::Debug),
    ("log", Level::Log),
    ("info", Level::Info),
    ("notice", Level::Notice),
    ("warning", Level::Warning),
    ("exception", Level::Exception),
];

impl Parser<'_> {
    /// RAISE [level] [format, values | condition | SQLSTATE state] [USING option = value, …].
    pub(super) fn raise(&mut self) -> Result<Action> {
        self.reader.expect(&["raise"])?;
        let mut raise = Raise {
            level: Level::Exception,
            again: false,
            condition: None,
            format: None,
            values: vec![],
            options: vec![],
        };
        if *self.reader.peek() == Token::SemiColon {
            raise.again = true;
            return Ok(Action::Raise(raise));
        }
        for (word, level) in LEVELS {
            if self.reader.accept(&[word]) {
                raise.level = level;
                break;
            }
        }
        if let Token::SingleQuotedString(_) = self.reader.peek() {
            let format = self.reader.string()?;
            while self.reader.accept_token(&Token::Comma) {
                raise.values.push(self.expression_until(&[",", "using"])?);
            }
            check_values(&format, raise.values.len())?;
            raise.format = Some(format);
        } else if self.reader.accept(&["sqlstate"]) {
            let state = self.state()?;
            raise.condition = Some((state.clone(), state));
        } else if !self.reader.peek_words(&["using"]) {
            let name = self.reader.label()?;
            let states = states_of_condition(&name);
            let state = states.first().ok_or_else(|| unknown_condition(&name))?;
            raise.condition = Some((name, (*state).to_string()));
        }
        if self.reader.accept(&["using"]) {
            loop {
                let position = self.reader.position();
                let name = self.reader.label()?;
                let option =
                    option(&name).ok_or_else(|| Error::syntax("unrecognized RAISE statement option").at(position))?;
                if !self.reader.accept_token(&Token::Assignment) {
                    self.reader.expect_token(&Token::Eq)?;
                }
                raise.options.push((option, self.expression_until(&[","])?));
                if !self.reader.accept_token(&Token::Comma) {
                    break;
                }
            }
        }
        Ok(Action::Raise(raise))
    }

    /// ASSERT condition [, message].
    pub(super) fn assert(&mut self) -> Result<Action> {
        self.reader.expect(&["assert"])?;
        let condition = self.expression_until(&[","])?;
        let message = match self.reader.accept_token(&Token::Comma) {
            true => Some(self.expression_until(&[])?),
            false => None,
        };
        Ok(Action::Assert { condition, message })
    }
}

/// A `%` takes a value, `%%` is a percent sign.
fn check_values(format: &str, values: usize) -> Result<()> {
    let places = format.replace("%%", "").matches('%').count();
    match values.cmp(&places) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Error::syntax("too few parameters specified for RAISE")),
        std::cmp::Ordering::Greater => Err(Error::syntax("too many parameters specified for RAISE")),
    }
}

fn option(name: &str) -> Option<RaiseOption> {
    Some(match name {
        "errcode" => RaiseOption::State,
        "message" => RaiseOption::Message,
        "detail" => RaiseOption::Detail,
        "hint" => RaiseOption::Hint,
        "column" => RaiseOption::Column,
        "constraint" => RaiseOption::Constraint,
        "datatype" => RaiseOption::DataType,
        "table" => RaiseOption::Table,
        "schema" => RaiseOption::Schema,
        _ => return None,
    })
}
