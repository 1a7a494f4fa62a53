//! Statements about SQL: commands with INTO, PERFORM, EXECUTE, GET DIAGNOSTICS, COMMIT and ROLLBACK.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::Parser;
use super::tree::{Action, Dynamic, Into, Item};
use crate::error::{Error, Result};
use crate::statement::dialect::is_word;

impl Parser<'_> {
    /// Any statement of SQL; INTO is taken out of it.
    pub(super) fn command(&mut self) -> Result<Action> {
        let start = self.reader.position();
        if !matches!(self.reader.peek(), Token::Word(_) | Token::LParen) {
            return Err(self.reader.error_here());
        }
        let mut into = None;
        // The pieces around INTO; what is between is blank, so that positions stay.
        let mut blank = (0, 0);
        let mut depth = 0_usize;
        let mut takes_into = false;
        let end = loop {
            let into_here = is_word(self.reader.peek(), "into") && !takes_into;
            takes_into = ["insert", "merge", "import"]
                .iter()
                .any(|word| is_word(self.reader.peek(), word));
            match self.reader.peek() {
                Token::EOF => return Err(self.reader.error_here()),
                Token::SemiColon if depth == 0 => break self.reader.end_position(),
                Token::SemiColon => {
                    return Err(Error::syntax("mismatched parentheses").at(self.reader.position()));
                }
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Word(_) if into_here => {
                    let position = self.reader.position();
                    if into.is_some() {
                        return Err(Error::syntax("INTO specified more than once").at(position));
                    }
                    into = Some(self.into()?);
                    blank = (position, self.reader.end_position());
                    continue;
                }
                _ => {}
            }
            self.reader.advance();
        };
        let shown = self.slice(start, end);
        let text = match into {
            None => shown.to_string(),
            Some(_) => {
                let (before, after) = (self.slice(start, blank.0), self.slice(blank.1, end.max(blank.1)));
                format!("{before}{:1$}{after}", "", blank.1 - blank.0)
            }
        };
        let sql = self.sql(text.clone(), &text, |position| position + start - 1)?;
        Ok(Action::Command { sql, into })
    }

    /// INTO [STRICT] targets.
    fn into(&mut self) -> Result<Into> {
        self.reader.expect(&["into"])?;
        let strict = self.reader.accept(&["strict"]);
        let targets = self.targets()?;
        Ok(Into { strict, targets })
    }

    pub(super) fn perform(&mut self) -> Result<Action> {
        self.reader.expect(&["perform"])?;
        let mut sql = self.expression_until(&[])?;
        sql.shown = sql.text.clone();
        Ok(Action::Perform(sql))
    }

    /// EXECUTE text [INTO …] [USING …], the two in any order.
    pub(super) fn execute(&mut self) -> Result<Action> {
        self.reader.expect(&["execute"])?;
        let text = self.expression_until(&["into", "using"])?;
        let mut into = None;
        let mut using = vec![];
        loop {
            if self.reader.peek_words(&["into"]) && into.is_none() {
                into = Some(self.into()?);
            } else if self.reader.peek_words(&["using"]) && using.is_empty() {
                using = self.using(&[])?;
            } else {
                break;
            }
        }
        let dynamic = Dynamic { text, using };
        Ok(Action::Execute { dynamic, into })
    }

    /// GET [CURRENT | STACKED] DIAGNOSTICS variable = item, ….
    pub(super) fn diagnostics(&mut self) -> Result<Action> {
        let start = self.reader.position();
        self.reader.expect(&["get"])?;
        let stacked = self.reader.accept_any(&["current", "stacked"]) == Some("stacked");
        self.reader.expect(&["diagnostics"])?;
        let mut items = vec![];
        loop {
            let target = self.target()?;
            if !self.reader.accept_token(&Token::Assignment) {
                self.reader.expect_token(&Token::Eq)?;
            }
            let position = self.reader.position();
            let name = self.reader.label()?;
            let shown = self.slice(position, self.reader.end_position());
            let Some(item) = item(&name) else {
                let message = format!("unrecognized GET DIAGNOSTICS item at or near \"{shown}\"");
                return Err(Error::syntax(message).at(position));
            };
            let is_current = matches!(item, Item::RowCount | Item::Context);
            if stacked == is_current && item != Item::Context {
                let kind = if stacked { "STACKED" } else { "CURRENT" };
                let message = format!(
                    "diagnostics item {} is not allowed in GET {kind} DIAGNOSTICS",
                    name.to_uppercase()
                );
                return Err(Error::syntax(message).at(start));
            }
            items.push((target, item));
            if !self.reader.accept_token(&Token::Comma) {
                return Ok(Action::Diagnostics { stacked, items });
            }
        }
    }

    /// COMMIT and ROLLBACK [AND [NO] CHAIN].
    pub(super) fn end_transaction(&mut self) -> Result<Action> {
        let commits = self.reader.accept_any(&["commit", "rollback"]) == Some("commit");
        let mut chain = false;
        if self.reader.accept(&["and"]) {
            chain = !self.reader.accept(&["no"]);
            self.reader.expect(&["chain"])?;
        }
        Ok(match commits {
            true => Action::Commit { chain },
            false => Action::Rollback { chain },
        })
    }
}

fn item(name: &str) -> Option<Item> {
    Some(match name {
        "row_count" => Item::RowCount,
        "pg_context" => Item::Context,
        "returned_sqlstate" => Item::State,
        "message_text" => Item::Message,
        "pg_exception_detail" => Item::Detail,
        "pg_exception_hint" => Item::Hint,
        "pg_exception_context" => Item::ExceptionContext,
        "column_name" => Item::Column,
        "constraint_name" => Item::Constraint,
        "pg_datatype_name" => Item::DataType,
        "table_name" => Item::Table,
        "schema_name" => Item::Schema,
        _ => return None,
    })
}
