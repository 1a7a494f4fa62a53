//! Constraints of a table: PRIMARY KEY, UNIQUE, FOREIGN KEY, CHECK, by themselves or beside a column.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{ConstraintDefinition, TableConstraint};
use super::reader::Reader;
use crate::error::{Error, Result};

/// Whether a constraint of the table follows.
pub(super) fn starts(reader: &Reader) -> bool {
    matches!(
        reader.peek_word(),
        Some("constraint" | "primary" | "unique" | "check" | "foreign" | "exclude")
    )
}

/// [CONSTRAINT name] rule (columns) ….
pub(super) fn of_table(reader: &mut Reader) -> Result<TableConstraint> {
    let name = name(reader)?;
    let rule = if reader.accept(&["primary", "key"]) {
        ConstraintDefinition::PrimaryKey(reader.parenthesized(|reader| reader.name())?)
    } else if reader.accept(&["unique"]) {
        let nulls_not_distinct = nulls_not_distinct(reader)?;
        ConstraintDefinition::Unique {
            columns: reader.parenthesized(|reader| reader.name())?,
            nulls_not_distinct,
        }
    } else if reader.accept(&["foreign", "key"]) {
        let columns = reader.parenthesized(|reader| reader.name())?;
        references(reader, columns)?
    } else if reader.accept(&["check"]) {
        check(reader)?
    } else if reader.peek_words(&["exclude"]) {
        return Err(Error::unsupported("EXCLUDE").at(reader.position()));
    } else {
        return Err(reader.error_here());
    };
    let enforced = attributes(reader)?;
    Ok(TableConstraint { name, rule, enforced })
}

/// [CONSTRAINT name] rule …, beside the column of this name; `None` when none follows.
pub(super) fn of_column(reader: &mut Reader, column: &str) -> Result<Option<TableConstraint>> {
    let begins =
        |word: Option<&str>| matches!(word, Some("constraint" | "primary" | "unique" | "check" | "references"));
    if !begins(reader.peek_word()) {
        return Ok(None);
    }
    let name = name(reader)?;
    let columns = vec![column.to_string()];
    let rule = if reader.accept(&["primary", "key"]) {
        ConstraintDefinition::PrimaryKey(columns)
    } else if reader.accept(&["unique"]) {
        let nulls_not_distinct = nulls_not_distinct(reader)?;
        ConstraintDefinition::Unique {
            columns,
            nulls_not_distinct,
        }
    } else if reader.accept(&["check"]) {
        check(reader)?
    } else if reader.peek_words(&["references"]) {
        references(reader, columns)?
    } else if name.is_some() && (reader.peek_words(&["not", "null"]) || reader.peek_words(&["null"])) {
        // A named NOT NULL: the name is of no use.
        return Ok(None);
    } else {
        return Err(reader.error_here());
    };
    let enforced = attributes(reader)?;
    Ok(Some(TableConstraint { name, rule, enforced }))
}

fn name(reader: &mut Reader) -> Result<Option<String>> {
    match reader.accept(&["constraint"]) {
        true => reader.name().map(Some),
        false => Ok(None),
    }
}

fn nulls_not_distinct(reader: &mut Reader) -> Result<bool> {
    if reader.accept(&["nulls", "not", "distinct"]) {
        return Ok(true);
    }
    if reader.accept(&["nulls"]) {
        reader.expect(&["distinct"])?;
    }
    Ok(false)
}

fn check(reader: &mut Reader) -> Result<ConstraintDefinition> {
    reader.expect_token(&Token::LParen)?;
    let text = reader.expression_text()?;
    reader.expect_token(&Token::RParen)?;
    reader.accept(&["no", "inherit"]);
    Ok(ConstraintDefinition::Check(text))
}

fn references(reader: &mut Reader, columns: Vec<String>) -> Result<ConstraintDefinition> {
    reader.expect(&["references"])?;
    let table = reader.object_name()?;
    let referenced = match reader.peek() {
        Token::LParen => reader.parenthesized(|reader| reader.name())?,
        _ => vec![],
    };
    loop {
        if reader.accept(&["match"]) {
            reader.label()?;
        } else if reader.accept(&["on"]) {
            if reader.accept_any(&["delete", "update"]).is_none() {
                return Err(reader.error_here());
            }
            let position = reader.position();
            if !reader.accept(&["no", "action"]) && !reader.accept(&["restrict"]) {
                return Err(Error::unsupported("a foreign key that changes rows")
                    .with_hint("Foreign keys are declared only; leave ON DELETE and ON UPDATE out.")
                    .at(position));
            }
        } else {
            break;
        }
    }
    Ok(ConstraintDefinition::ForeignKey {
        columns,
        table,
        referenced,
    })
}

/// What says when and whether a constraint is tested; answers the latter.
fn attributes(reader: &mut Reader) -> Result<Option<bool>> {
    let mut enforced = None;
    loop {
        if reader.accept(&["not", "deferrable"]) || reader.accept(&["deferrable"]) {
        } else if reader.accept(&["initially"]) {
            reader.label()?;
        } else if reader.accept(&["not", "enforced"]) {
            enforced = Some(false);
        } else if reader.accept(&["enforced"]) {
            enforced = Some(true);
        } else if !reader.accept(&["rely"]) && !reader.accept(&["norely"]) {
            return Ok(enforced);
        }
    }
}
