//! COPY table [(columns)] | (query) FROM STDIN | TO STDOUT with options, old spelling and new.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{Copy, CopyDirection, CopyTarget, ObjectName, Statement};
use super::copy_options::OptionReader;
use super::reader::Reader;
use crate::error::{Error, Result};

pub(super) fn copy(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["copy"])?;
    let mut options = OptionReader::default();
    if reader.peek_words(&["binary"]) {
        reader.advance();
        options.set_binary();
    }
    if reader.accept(&["into"]) {
        return Err(Error::unsupported("COPY INTO").with_hint("Use COPY t FROM STDIN, or INSERT INTO t SELECT …."));
    }
    let (target, query) = if reader.accept_token(&Token::LParen) {
        let query = reader.query()?;
        reader.expect_token(&Token::RParen)?;
        (CopyTarget::Query(query), true)
    } else {
        let name = reader.object_name()?;
        let columns = if *reader.peek() == Token::LParen {
            reader.parenthesized(|reader| reader.name())?
        } else {
            vec![]
        };
        (CopyTarget::Table { name, columns }, false)
    };
    let direction = direction(reader, query, &target)?;
    options.read(reader)?;
    let position = reader.position();
    let condition = match reader.accept(&["where"]) {
        true if direction == CopyDirection::ToStdout => {
            return Err(Error::syntax("WHERE clause not allowed with COPY TO").at(position));
        }
        true => Some(reader.expression_text()?),
        false => None,
    };
    Ok(Statement::Copy(Copy {
        target,
        direction,
        options: options.finish(direction)?,
        condition,
    }))
}

fn direction(reader: &mut Reader, query: bool, target: &CopyTarget) -> Result<CopyDirection> {
    let from = !query && reader.peek_words(&["from"]);
    if !from && !reader.peek_words(&["to"]) {
        return Err(reader.error_here());
    }
    reader.advance();
    if reader.accept_any(&["stdin", "stdout"]).is_some() {
        return Ok(if from {
            CopyDirection::FromStdin
        } else {
            CopyDirection::ToStdout
        });
    }
    let what = match reader.peek() {
        Token::SingleQuotedString(_) => "a file of the server",
        Token::Word(word) if word.value == "program" => "a program",
        _ => return Err(reader.error_here()),
    };
    let (word, stream) = if from {
        ("from", "FROM STDIN")
    } else {
        ("to", "TO STDOUT")
    };
    let name = match target {
        CopyTarget::Table {
            name: ObjectName(parts),
            ..
        } => parts.join("."),
        CopyTarget::Query(_) => "(…)".to_string(),
    };
    Err(Error::unsupported(format!("COPY {word} {what}")).with_hint(format!(
        "Use COPY {name} {stream}; psql's \\copy does it for a file beside the client."
    )))
}
