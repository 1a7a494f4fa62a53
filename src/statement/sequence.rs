//! CREATE and ALTER SEQUENCE, and the options that identity columns share with them.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::alter::object_action;
use super::ast::{Alter, ObjectKind, ObjectName, Statement};
use super::reader::Reader;
use crate::catalog::changes::SequenceOptions;
use crate::error::{Error, Result};

/// CREATE SEQUENCE, after these words.
pub(super) fn create_sequence(reader: &mut Reader, temporary: bool) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.object_name()?;
    let (options, owned_by) = options(reader)?;
    Ok(Statement::CreateSequence {
        name,
        temporary,
        if_not_exists,
        options,
        owned_by: owned_by.flatten(),
    })
}

/// ALTER SEQUENCE, after these words.
pub(super) fn alter_sequence(reader: &mut Reader) -> Result<Statement> {
    let if_exists = reader.if_exists();
    let name = reader.object_name()?;
    if let Some(alter) = object_action(reader, ObjectKind::Sequence, &name)? {
        return Ok(Statement::Alter { alter, if_exists });
    }
    let (options, owned_by) = options(reader)?;
    if options == SequenceOptions::default() && owned_by.is_none() {
        return Err(reader.error_here());
    }
    let alter = Alter::Sequence {
        name,
        options,
        owned_by,
    };
    Ok(Statement::Alter { alter, if_exists })
}

/// Table and column after OWNED BY; `None` is NONE.
pub(super) type Owner = Option<(ObjectName, String)>;

/// Options in any order, as many as there are.
pub(super) fn options(reader: &mut Reader) -> Result<(SequenceOptions, Option<Owner>)> {
    let mut options = SequenceOptions::default();
    let mut owned_by = None;
    loop {
        if reader.accept(&["owned", "by"]) {
            owned_by = Some(owner(reader)?);
        } else if !option(reader, &mut options)? {
            return Ok((options, owned_by));
        }
    }
}

/// Reads one option; whether there was one.
pub(super) fn option(reader: &mut Reader, options: &mut SequenceOptions) -> Result<bool> {
    if reader.accept(&["as"]) {
        options.sql_type = Some(reader.data_type()?);
    } else if reader.accept(&["increment"]) {
        reader.accept(&["by"]);
        options.increment = Some(reader.integer()?);
    } else if reader.accept(&["minvalue"]) {
        options.minimum = Some(Some(reader.integer()?));
    } else if reader.accept(&["no", "minvalue"]) {
        options.minimum = Some(None);
    } else if reader.accept(&["maxvalue"]) {
        options.maximum = Some(Some(reader.integer()?));
    } else if reader.accept(&["no", "maxvalue"]) {
        options.maximum = Some(None);
    } else if reader.accept(&["start"]) {
        reader.accept(&["with"]);
        options.start = Some(reader.integer()?);
    } else if reader.accept(&["restart"]) {
        reader.accept(&["with"]);
        let follows = matches!(reader.peek(), Token::Number(..) | Token::Minus | Token::Plus);
        options.restart = Some(if follows { Some(reader.integer()?) } else { None });
    } else if reader.accept(&["cache"]) {
        options.cache = Some(reader.integer()?);
    } else if reader.accept(&["cycle"]) {
        options.cycle = Some(true);
    } else if reader.accept(&["no", "cycle"]) {
        options.cycle = Some(false);
    } else if reader.accept(&["sequence", "name"]) {
        // It lies in the table's schema.
        options.name = reader.object_name()?.0.pop();
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn owner(reader: &mut Reader) -> Result<Owner> {
    if reader.accept(&["none"]) {
        return Ok(None);
    }
    let mut name = reader.object_name()?;
    match (name.0.pop(), name.0.is_empty()) {
        (Some(column), false) => Ok(Some((name, column))),
        _ => Err(Error::syntax("invalid OWNED BY option").with_hint("Specify OWNED BY table.column or OWNED BY NONE.")),
    }
}
