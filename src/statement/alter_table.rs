//! ALTER TABLE: columns, row filters, column masks and properties.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::alter::{object_action, unsupported_action};
use super::ast::{Alter, ColumnDefinition, ObjectKind, ObjectName, Statement};
use super::constraint;
use super::create::properties;
use super::create_table::{column_definition, column_mask, generated, identity, row_filter};
use super::reader::Reader;
use super::sequence;
use crate::catalog::changes::{IdentityChange, SequenceOptions};
use crate::error::{Error, Result};

pub(super) fn alter_table(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["table"])?;
    if reader.peek_words(&["all", "in", "tablespace"]) {
        return Err(Error::unsupported("ALTER TABLE ALL"));
    }
    let if_exists = reader.if_exists();
    reader.accept(&["only"]);
    let table = reader.object_name()?;
    reader.accept_token(&Token::Mul);
    let first = action(reader, &table)?;
    if *reader.peek() != Token::Comma {
        return Ok(Statement::Alter {
            alter: first,
            if_exists,
        });
    }
    let mut actions = vec![first];
    while reader.accept_token(&Token::Comma) {
        match (actions.last_mut(), action(reader, &table)?) {
            (Some(Alter::AddColumns { columns, .. }), Alter::AddColumns { columns: more, .. }) => columns.extend(more),
            (_, Alter::Rename { .. } | Alter::SetSchema { .. } | Alter::RenameColumn { .. }) => {
                return Err(reader.error_here());
            }
            (_, next) => actions.push(next),
        }
    }
    let alter = match <[Alter; 1]>::try_from(actions) {
        Ok([alter]) => alter,
        Err(actions) => Alter::Several(actions),
    };
    Ok(Statement::Alter { alter, if_exists })
}

fn action(reader: &mut Reader, table: &ObjectName) -> Result<Alter> {
    if let Some(alter) = object_action(reader, ObjectKind::Table, table)? {
        return Ok(alter);
    }
    let table = table.clone();
    if reader.accept(&["set", "row", "filter"]) {
        let policy = row_filter(reader)?;
        return Ok(Alter::SetRowFilter {
            table,
            function: policy.function,
            columns: policy.columns,
        });
    }
    if reader.accept(&["drop", "row", "filter"]) {
        return Ok(Alter::DropRowFilter { table });
    }
    if let Some(word) = accept_logged(reader) {
        return Ok(Alter::SetLogged {
            table,
            unlogged: word == "unlogged",
        });
    }
    if reader.accept(&["set", "tblproperties"]) {
        return Ok(Alter::TableProperties {
            table,
            properties: properties(reader)?,
        });
    }
    match reader.peek_word().unwrap_or_default() {
        "add" => add(reader, table),
        "drop" => drop_column(reader, table),
        "alter" => alter_column(reader, table),
        "rename" => rename_column(reader, table),
        "validate" => validate(reader, table),
        _ => Err(unsupported_action(reader)),
    }
}

/// VALIDATE CONSTRAINT name.
fn validate(reader: &mut Reader, table: ObjectName) -> Result<Alter> {
    reader.advance();
    reader.expect(&["constraint"])?;
    let name = reader.name()?;
    Ok(Alter::ValidateConstraint { table, name })
}

/// SET LOGGED or UNLOGGED.
fn accept_logged(reader: &mut Reader) -> Option<&'static str> {
    let mut words = ["logged", "unlogged"].into_iter();
    words.find(|word| reader.accept(&["set", word]))
}

fn add(reader: &mut Reader, table: ObjectName) -> Result<Alter> {
    reader.advance();
    if reader.peek_words(&["partition"]) {
        return Err(Error::unsupported("ALTER TABLE … ADD PARTITION").at(reader.position()));
    }
    if constraint::starts(reader) {
        let constraint = constraint::of_table(reader)?;
        let not_valid = reader.accept(&["not", "valid"]);
        return Ok(Alter::AddConstraint {
            table,
            constraint,
            not_valid,
        });
    }
    if reader.accept(&["columns"]) || *reader.peek() == Token::LParen {
        let columns = reader.parenthesized(column_definition)?;
        return Ok(Alter::AddColumns {
            table,
            columns: columns.into_iter().map(|column| (column, false)).collect(),
        });
    }
    reader.accept(&["column"]);
    let if_not_exists = reader.if_not_exists();
    let column: ColumnDefinition = column_definition(reader)?;
    Ok(Alter::AddColumns {
        table,
        columns: vec![(column, if_not_exists)],
    })
}

fn drop_column(reader: &mut Reader, table: ObjectName) -> Result<Alter> {
    if let Token::Word(word) = reader.peek_nth(1)
        && matches!(word.value.as_str(), "partition" | "columns" | "primary")
        && word.quote_style.is_none()
    {
        return Err(
            Error::unsupported(format!("ALTER TABLE … DROP {}", word.value.to_uppercase())).at(reader.position()),
        );
    }
    reader.advance();
    if reader.accept(&["constraint"]) {
        let if_exists = reader.if_exists();
        let name = reader.name()?;
        let cascade = reader.cascade();
        return Ok(Alter::DropConstraint {
            table,
            name,
            if_exists,
            cascade,
        });
    }
    reader.accept(&["column"]);
    let if_exists = reader.if_exists();
    let column = reader.name()?;
    let cascade = reader.cascade();
    Ok(Alter::DropColumn {
        table,
        column,
        if_exists,
        cascade,
    })
}

fn rename_column(reader: &mut Reader, table: ObjectName) -> Result<Alter> {
    reader.advance();
    if reader.accept(&["constraint"]) {
        let name = reader.name()?;
        reader.expect(&["to"])?;
        let to = reader.name()?;
        return Ok(Alter::RenameConstraint { table, name, to });
    }
    renamed_column(reader, ObjectKind::Table, table)
}

/// [COLUMN] name TO name.
pub(super) fn renamed_column(reader: &mut Reader, kind: ObjectKind, table: ObjectName) -> Result<Alter> {
    reader.accept(&["column"]);
    let column = reader.name()?;
    reader.expect(&["to"])?;
    Ok(Alter::RenameColumn {
        kind,
        table,
        column,
        to: reader.name()?,
    })
}

fn alter_column(reader: &mut Reader, table: ObjectName) -> Result<Alter> {
    reader.advance();
    reader.accept(&["column"]);
    let column = reader.name()?;
    if reader.accept(&["set", "mask"]) {
        let policy = column_mask(reader)?;
        return Ok(Alter::SetColumnMask {
            table,
            column,
            function: policy.function,
            using_columns: policy.columns,
        });
    }
    if reader.accept(&["drop", "mask"]) {
        return Ok(Alter::DropColumnMask { table, column });
    }
    if reader.accept(&["set", "not", "null"]) {
        return Ok(Alter::SetNotNull {
            table,
            column,
            not_null: true,
        });
    }
    if reader.accept(&["drop", "not", "null"]) {
        return Ok(Alter::SetNotNull {
            table,
            column,
            not_null: false,
        });
    }
    if reader.accept(&["drop", "default"]) {
        let default = None;
        return Ok(Alter::SetDefault { table, column, default });
    }
    if reader.accept(&["set", "default"]) {
        let start = reader.position();
        reader.expression()?;
        let default = Some(reader.text_since(start).to_string());
        return Ok(Alter::SetDefault { table, column, default });
    }
    if let Some(change) = identity_change(reader)? {
        return Ok(Alter::Identity { table, column, change });
    }
    if reader.accept(&["type"]) || reader.accept(&["set", "data", "type"]) {
        let sql_type = reader.data_type()?;
        if reader.accept(&["collate"]) {
            reader.object_name()?;
        }
        let using = match reader.accept(&["using"]) {
            true => Some(reader.expression_text()?),
            false => None,
        };
        return Ok(Alter::SetType {
            table,
            column,
            sql_type,
            using,
        });
    }
    if reader.peek_words(&["comment"]) {
        return Err(Error::unsupported("ALTER COLUMN … COMMENT")
            .with_hint(format!("Use COMMENT ON COLUMN {table}.{column} IS '…'."))
            .at(reader.position()));
    }
    Err(unsupported_action(reader))
}

/// ADD GENERATED … AS IDENTITY, SET GENERATED …, SET option, RESTART, DROP IDENTITY.
fn identity_change(reader: &mut Reader) -> Result<Option<IdentityChange>> {
    if reader.peek_words(&["add", "generated"]) {
        reader.advance();
        let (kind, options) = identity(reader)?;
        return Ok(Some(IdentityChange::Add(kind, options)));
    }
    if reader.accept(&["drop", "identity"]) {
        let if_exists = reader.if_exists();
        return Ok(Some(IdentityChange::Drop { if_exists }));
    }
    let (mut kind, mut options) = (None, SequenceOptions::default());
    loop {
        let restart = reader.peek_words(&["restart"]);
        if reader.peek_words(&["set", "generated"]) {
            reader.advance();
            kind = Some(generated(reader)?);
        } else if restart || (reader.peek_words(&["set"]) && is_sequence_option(reader.peek_nth(1))) {
            if !restart {
                reader.advance();
            }
            sequence::option(reader, &mut options)?;
        } else {
            let is_none = kind.is_none() && options == SequenceOptions::default();
            return Ok((!is_none).then_some(IdentityChange::Set(kind, options)));
        }
    }
}

fn is_sequence_option(token: &Token) -> bool {
    const WORDS: [&str; 8] = [
        "increment",
        "minvalue",
        "maxvalue",
        "no",
        "start",
        "restart",
        "cache",
        "cycle",
    ];
    matches!(token, Token::Word(word) if word.quote_style.is_none() && WORDS.contains(&word.value.to_lowercase().as_str()))
}
