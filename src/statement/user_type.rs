//! CREATE TYPE and ALTER TYPE.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::alter::{object_action, unsupported_action};
use super::ast::{Alter, ObjectKind, Statement};
use super::composite;
use super::reader::Reader;
use crate::catalog::changes::EnumPlace;
use crate::error::{Error, Result};

/// CREATE TYPE, after these words.
pub(super) fn create(reader: &mut Reader) -> Result<Statement> {
    let name = reader.object_name()?;
    let position = reader.position();
    if !reader.accept(&["as"]) {
        return Err(match reader.at_end() || *reader.peek() == Token::LParen {
            true => Error::unsupported("CREATE TYPE of a base type").at(position),
            false => reader.error_here(),
        });
    }
    let labels = match reader.accept_any(&["enum", "range"]) {
        Some("enum") if *reader.peek_nth(1) == Token::RParen => {
            reader.expect_token(&Token::LParen)?;
            reader.expect_token(&Token::RParen)?;
            vec![]
        }
        Some("enum") => reader.parenthesized(|reader| reader.string())?,
        Some(_) => return Err(Error::unsupported("CREATE TYPE … AS RANGE").at(position)),
        None if *reader.peek() == Token::LParen => {
            return composite::create(reader, name);
        }
        None => return Err(reader.error_here()),
    };
    Ok(Statement::CreateEnum { name, labels })
}

/// ALTER TYPE, after these words.
pub(super) fn alter(reader: &mut Reader) -> Result<Statement> {
    let name = reader.object_name()?;
    let alter = if reader.accept(&["add", "value"]) {
        let if_not_exists = reader.if_not_exists();
        let label = reader.string()?;
        let place = match reader.accept_any(&["before", "after"]) {
            Some("before") => EnumPlace::Before(reader.string()?),
            Some(_) => EnumPlace::After(reader.string()?),
            None => EnumPlace::Last,
        };
        Alter::AddLabel {
            name,
            label,
            place,
            if_not_exists,
        }
    } else if reader.accept(&["rename", "value"]) {
        let from = reader.string()?;
        reader.expect(&["to"])?;
        let to = reader.string()?;
        Alter::RenameLabel { name, from, to }
    } else if composite::alters_attributes(reader) {
        composite::alter(reader, name)?
    } else {
        match object_action(reader, ObjectKind::Type, &name)? {
            Some(alter) => alter,
            None => return Err(unsupported_action(reader)),
        }
    };
    Ok(Statement::Alter {
        alter,
        if_exists: false,
    })
}
