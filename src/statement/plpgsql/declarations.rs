//! DECLARE: variables, their types and first values, and other names for them.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::Parser;
use super::tree::DeclaredType;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::ObjectName;

impl Parser<'_> {
    /// `name [CONSTANT] type [NOT NULL] [DEFAULT | := | = value];` or `name ALIAS FOR other;`
    pub(super) fn declaration(&mut self) -> Result<Option<usize>> {
        let (position, line) = (self.reader.position(), self.line());
        let quoted = matches!(self.reader.peek(), Token::Word(word) if word.quote_style.is_some());
        let name = self.reader.label()?;
        if !quoted && is_reserved(&name) {
            let message = format!("syntax error at or near \"{name}\"");
            return Err(Error::syntax(message).at(position));
        }
        if self.names.declares(self.place, &name) {
            let message = format!("duplicate declaration at or near \"{name}\"");
            return Err(Error::syntax(message).at(position));
        }
        if self.reader.accept(&["alias"]) {
            self.reader.expect(&["for"])?;
            let position = self.reader.position();
            let aliased = self.variable_name()?;
            let variable = self
                .known(&aliased)
                .ok_or_else(|| Error::syntax(format!("variable \"{aliased}\" does not exist")).at(position))?;
            self.place = self.names.variable(self.place, &name, variable);
            self.reader.expect_token(&Token::SemiColon)?;
            return Ok(None);
        }
        if self.reader.peek_words(&["cursor"])
            || self.reader.peek_words(&["scroll", "cursor"])
            || self.reader.peek_words(&["no", "scroll", "cursor"])
            || self.reader.peek_words(&["refcursor"])
        {
            return Err(Error::unsupported("a cursor variable").at(self.reader.position()));
        }
        let constant = self.reader.accept(&["constant"]);
        let declared = self.declared_type()?;
        if self.reader.accept(&["collate"]) {
            self.reader.object_name()?;
        }
        let null_position = self.reader.position();
        let not_null = self.reader.accept(&["not"]);
        if not_null {
            self.reader.expect(&["null"])?;
        }
        let has_default = self.reader.accept(&["default"])
            || self.reader.accept_token(&Token::Assignment)
            || self.reader.accept_token(&Token::Eq);
        let default = match has_default {
            true => Some(self.expression_until(&[])?),
            false => None,
        };
        if not_null && default.is_none() {
            let message = format!("variable \"{name}\" must have a default value, since it's declared NOT NULL");
            return Err(Error::new(SqlState::NullValueNotAllowed, message).at(null_position));
        }
        self.reader.expect_token(&Token::SemiColon)?;
        let variable = self.declare(&name, declared);
        if let Some(last) = self.variables.get_mut(variable) {
            (last.constant, last.not_null, last.default, last.line) = (constant, not_null, default, line);
        }
        Ok(Some(variable))
    }

    /// A name that a variable may be called by, `$1` included.
    pub(super) fn variable_name(&mut self) -> Result<String> {
        if let Token::Placeholder(name) = self.reader.peek() {
            let name = name.clone();
            self.reader.advance();
            return Ok(name);
        }
        self.reader.label()
    }

    fn declared_type(&mut self) -> Result<DeclaredType> {
        if self.reader.accept(&["record"]) {
            return Ok(DeclaredType::Record);
        }
        if let Some(copied) = self.copied_type()? {
            return Ok(copied);
        }
        Ok(DeclaredType::Type(self.reader.data_type()?))
    }

    /// `name%TYPE` and `name%ROWTYPE`.
    fn copied_type(&mut self) -> Result<Option<DeclaredType>> {
        let mut length = 1;
        while *self.reader.peek_nth(length) == Token::Period {
            length += 2;
        }
        if *self.reader.peek_nth(length) != Token::Mod {
            return Ok(None);
        }
        let mut parts = vec![self.reader.label()?];
        while self.reader.accept_token(&Token::Period) {
            parts.push(self.reader.label()?);
        }
        self.reader.advance();
        if self.reader.accept(&["rowtype"]) {
            return Ok(Some(DeclaredType::RowOf(ObjectName(parts))));
        }
        self.reader.expect(&["type"])?;
        let variable = match parts.as_slice() {
            [name] => self.known(name),
            [label, name] => self.names.find_in(self.place, label, name),
            _ => None,
        };
        Ok(Some(match variable {
            Some(variable) => DeclaredType::OfVariable(variable),
            None => DeclaredType::OfColumn(ObjectName(parts)),
        }))
    }
}

/// PL/pgSQL's reserved words, which name no variable.
fn is_reserved(word: &str) -> bool {
    const RESERVED: &str = " all begin by case declare else end execute for foreach from if in into loop not null or \
        strict then to using when while ";
    RESERVED.split_whitespace().any(|reserved| reserved == word)
}
