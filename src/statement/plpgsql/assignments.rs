//! Assignments, and what they and INTO may name.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::Parser;
use super::tree::{Action, DeclaredType, Target};
use crate::error::{Error, Result, SqlState};
use crate::functions::ASSIGNED_PART;
use crate::types::SqlType;

impl Parser<'_> {
    /// Whether a variable follows that something is assigned to.
    pub(super) fn is_assignment(&self) -> bool {
        let name = match self.reader.peek() {
            Token::Word(word) => word.value.as_str(),
            Token::Placeholder(name) => name.as_str(),
            _ => return false,
        };
        match self.reader.peek_nth(1) {
            Token::Assignment | Token::Eq => true,
            Token::Period | Token::LBracket => {
                let label_and_name = match self.reader.peek_nth(2) {
                    Token::Word(word) => self.names.find_in(self.place, name, &word.value),
                    _ => None,
                };
                self.known(name).or(label_and_name).is_some()
            }
            _ => false,
        }
    }

    /// `target := value` and `array[number] := value`.
    pub(super) fn assignment(&mut self) -> Result<Action> {
        let start = self.reader.position();
        let target = self.target()?;
        if *self.reader.peek() == Token::LBracket {
            let whole = self.slice(start, self.reader.end_position());
            return self.element_assignment(target, whole);
        }
        if !self.reader.accept_token(&Token::Assignment) {
            self.reader.expect_token(&Token::Eq)?;
        }
        let value = self.expression_until(&[])?;
        Ok(Action::Assign { target, value })
    }

    /// The whole array with the element in it is assigned.
    fn element_assignment(&mut self, target: Target, whole: &str) -> Result<Action> {
        let position = self.reader.position();
        self.reader.expect_token(&Token::LBracket)?;
        let start = self.reader.position();
        let mut depth = 0_usize;
        while depth > 0 || *self.reader.peek() != Token::RBracket {
            match self.reader.peek() {
                Token::LBracket | Token::LParen => depth += 1,
                Token::RBracket | Token::RParen => depth = depth.saturating_sub(1),
                Token::Colon if depth == 0 => {
                    return Err(Error::unsupported("an assignment to a slice in PL/pgSQL").at(position));
                }
                Token::EOF | Token::SemiColon => return Err(self.reader.error_here()),
                _ => {}
            }
            self.reader.advance();
        }
        let number = self.expression_between(start, self.reader.position())?;
        self.reader.advance();
        if *self.reader.peek() == Token::LBracket {
            return Err(Error::unsupported("an assignment to an element of a nested array in PL/pgSQL").at(position));
        }
        if !self.reader.accept_token(&Token::Assignment) {
            self.reader.expect_token(&Token::Eq)?;
        }
        let value = self.expression_until(&[])?;
        let declared = self.variables.get(target.variable).map(|variable| &variable.declared);
        let element = match (declared, &target.field) {
            (Some(DeclaredType::Type(SqlType::Array(element))), None) => element.to_string(),
            _ => return Err(Error::unsupported("an assignment to an element of a value of this type").at(position)),
        };
        let text = format!(
            "SELECT {ASSIGNED_PART}({whole}, CAST(({}) AS {element}), {})",
            value.shown, number.shown
        );
        let value = self.sql(text, &value.shown, |_| position)?;
        Ok(Action::Assign { target, value })
    }

    /// A variable or its field.
    pub(super) fn target(&mut self) -> Result<Target> {
        let start = self.reader.position();
        let name = self.variable_name()?;
        let mut variable = self.known(&name);
        if variable.is_none() && *self.reader.peek() == Token::Period {
            let inner = match self.reader.peek_nth(1) {
                Token::Word(word) => self.names.find_in(self.place, &name, &word.value),
                _ => None,
            };
            if inner.is_some() {
                self.reader.advance();
                self.reader.advance();
                variable = inner;
            }
        }
        let unknown = || Error::syntax(format!("\"{name}\" is not a known variable")).at(start);
        let variable = variable.ok_or_else(unknown)?;
        if let Some(declared) = self.variables.get(variable)
            && declared.constant
        {
            let message = format!("variable \"{}\" is declared CONSTANT", declared.name);
            return Err(Error::new(SqlState::ErrorInAssignment, message).at(start));
        }
        let field = match self.reader.accept_token(&Token::Period) {
            true => Some(self.reader.label()?),
            false => None,
        };
        Ok(Target { variable, field })
    }
}
