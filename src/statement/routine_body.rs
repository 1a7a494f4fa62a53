//! The body of CREATE FUNCTION and CREATE PROCEDURE: one expression or one query, which calls take in, or a script.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::Statement;
use super::plpgsql::{Returns, Signature};
use super::reader::Reader;
use super::{dialect, lexer, plpgsql, source};
use crate::catalog::model::Language;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::polymorphic::is_polymorphic;

/// A body as it is written.
pub(super) enum Source {
    /// RETURN expression.
    Return(String),
    /// AS 'text', and the characters of the client's text before it where it stands there as it is.
    Text { text: String, offset: Option<usize> },
    /// The statements of BEGIN ATOMIC … END, and whether each is a query.
    Atomic(Vec<(String, bool)>),
}

/// What a call runs.
pub(super) enum Body {
    Expression(String),
    Query(String),
    Script(String, Language),
}

/// What the declaration says beside the body.
pub(super) struct Shape<'a> {
    pub name: &'a str,
    /// Names and types of all that is taken and given, in order.
    pub parameters: &'a [(String, SqlType)],
    pub returns: &'a SqlType,
    pub is_set: bool,
    pub has_outputs: bool,
    pub is_procedure: bool,
    /// It runs with rights or settings of its own.
    pub has_surroundings: bool,
}

impl Shape<'_> {
    /// Rows need a query, whatever it is.
    fn gives_rows(&self) -> bool {
        self.is_set || self.has_outputs || *self.returns == SqlType::Record
    }

    /// No query takes in what gives nothing, what runs otherwise than its caller does, or what has other types in each call.
    fn is_script(&self) -> bool {
        let mut types = self.parameters.iter().map(|(_, sql_type)| sql_type);
        self.is_procedure || self.has_surroundings || *self.returns == SqlType::Void || types.any(is_polymorphic)
    }

    fn signature(&self) -> Signature {
        Signature {
            name: self.name.to_string(),
            parameters: self.parameters.to_vec(),
            returns: Returns::of(self.is_procedure, self.is_set, self.has_outputs, self.returns),
        }
    }
}

pub(super) fn body(source: Source, language: Language, shape: &Shape<'_>) -> Result<Body> {
    match (language, source) {
        (Language::PlPgSql, Source::Text { text, offset }) => {
            plpgsql::parse(&text, &shape.signature()).map_err(|error| located(error, offset))?;
            Ok(Body::Script(text, language))
        }
        (Language::PlPgSql, _) => {
            let message = "inline SQL function body only valid for language SQL";
            Err(Error::new(SqlState::InvalidFunctionDefinition, message))
        }
        (Language::Sql, Source::Return(text)) if shape.is_script() => {
            Ok(Body::Script(format!("SELECT {text}"), language))
        }
        (Language::Sql, Source::Return(text)) => Ok(match shape.gives_rows() {
            true => Body::Query(format!("SELECT {text}")),
            false => Body::Expression(text),
        }),
        (Language::Sql, Source::Atomic(statements)) => Ok(match statements.as_slice() {
            [(only, true)] if !shape.is_script() => Body::Query(only.clone()),
            several => {
                let statements = several.iter().map(|(text, _)| format!("{text};"));
                Body::Script(statements.collect::<Vec<_>>().join("\n"), language)
            }
        }),
        (Language::Sql, Source::Text { text, offset }) => {
            let statements = super::parse(&text).map_err(|error| located(error, offset))?;
            if shape.is_script() {
                return Ok(Body::Script(text, language));
            }
            let expression = match shape.gives_rows() {
                true => None,
                false => expression_of_select(&text),
            };
            Ok(match (expression, statements.as_slice()) {
                (Some(expression), _) => Body::Expression(expression),
                (None, [only]) if matches!(only.statement, Statement::Query(_)) => Body::Query(only.text.clone()),
                _ => Body::Script(text, language),
            })
        }
    }
}

/// Positions count in the whole text; where the body is not written as it is, nobody finds them.
fn located(error: Error, offset: Option<usize>) -> Error {
    match (error.position(), offset) {
        (Some(position), Some(offset)) => error.at(position + offset),
        (Some(_), None) => error.without_position(),
        (None, _) => error,
    }
}

/// The expression of `SELECT expression [AS name] [;]`; `None` for any other text.
fn expression_of_select(text: &str) -> Option<String> {
    let source = source::Source::new(text);
    let mut tokens = lexer::tokenize(text).ok()?;
    while tokens.last().is_some_and(|token| token.token == Token::SemiColon) {
        tokens.pop();
    }
    dialect::fix(&mut tokens);
    let mut reader = Reader::new(&source, tokens, source.end(), false);
    if !reader.accept(&["select"]) {
        return None;
    }
    let start = reader.position();
    reader.expression().ok()?;
    let expression = reader.text_since(start).to_string();
    if reader.accept(&["as"]) {
        reader.label().ok()?;
    }
    reader.at_end().then_some(expression)
}
