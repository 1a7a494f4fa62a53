//! DO [LANGUAGE name] body [LANGUAGE name].

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Inline, Statement};
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};

pub(super) fn inline(reader: &mut Reader) -> Result<Statement> {
    let statement = reader.position();
    reader.expect(&["do"])?;
    let mut language = None;
    let mut body = None;
    while !reader.at_end() {
        let position = reader.position();
        let is_repeated = if reader.accept(&["language"]) {
            language.replace(reader.language()?).is_some()
        } else {
            let text = reader.string()?;
            let written = reader.text_since(position);
            let before = written.find(&text).map(|byte| written[..byte].chars().count());
            let offset = before.map(|before| position - statement + before);
            body.replace(Inline { body: text, offset }).is_some()
        };
        if is_repeated {
            return Err(Error::syntax("conflicting or redundant options").at(position));
        }
    }
    if language.is_none() && body.is_none() {
        return Err(reader.error_here());
    }
    let body = body.ok_or_else(|| Error::syntax("no inline code specified"))?;
    match language.as_deref() {
        None | Some("plpgsql") => Ok(Statement::Do(body)),
        Some(known @ ("sql" | "internal" | "c")) => Err(Error::new(
            SqlState::FeatureNotSupported,
            format!("language \"{known}\" does not support inline code execution"),
        )),
        Some(unknown) => Err(Error::new(
            SqlState::UndefinedObject,
            format!("language \"{unknown}\" does not exist"),
        )),
    }
}

impl Reader<'_> {
    /// A language's name, which may be a string.
    pub(super) fn language(&mut self) -> Result<String> {
        match self.peek() {
            Token::SingleQuotedString(_) => self.string(),
            _ => self.label(),
        }
    }
}
