//! COMMENT ON object IS 'text' | NULL.

use super::ast::{ObjectKind, ObjectName, RoutineChange, Statement};
use super::reader::Reader;
use super::routine::routine_kind;
use crate::catalog::changes::CommentedPart;
use crate::error::{Error, Result};

pub(super) fn comment(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["comment", "on"])?;
    let position = reader.position();
    let word = reader.label()?;
    if let Some(kind) = routine_kind(&word) {
        return Ok(Statement::ChangeRoutine {
            routine: reader.routine_name(kind)?,
            change: RoutineChange::Comment(text(reader)?),
        });
    }
    let kind = match word.as_str() {
        "table" => ObjectKind::Table,
        "view" => ObjectKind::View,
        "materialized" => {
            reader.expect(&["view"])?;
            ObjectKind::MaterializedView
        }
        "sequence" => ObjectKind::Sequence,
        "index" => ObjectKind::Index,
        "type" => ObjectKind::Type,
        "domain" => ObjectKind::Domain,
        "schema" => ObjectKind::Schema,
        "database" | "catalog" => ObjectKind::Database,
        "role" => ObjectKind::Role,
        "column" => ObjectKind::Column,
        "constraint" => return of_constraint(reader),
        "external" => {
            reader.expect(&["location"])?;
            ObjectKind::ExternalLocation
        }
        other => return Err(Error::unsupported(format!("COMMENT ON {}", other.to_uppercase())).at(position)),
    };
    let mut name = reader.object_name()?;
    let column = (kind == ObjectKind::Column).then(|| name.0.pop()).flatten();
    if name.0.is_empty() {
        return Err(Error::syntax("column name must be qualified").at(position));
    }
    Ok(Statement::Comment {
        kind,
        name: ObjectName(name.0),
        part: column.map(CommentedPart::Column),
        text: text(reader)?,
    })
}

/// COMMENT ON CONSTRAINT, after these words.
fn of_constraint(reader: &mut Reader) -> Result<Statement> {
    let constraint = reader.name()?;
    reader.expect(&["on"])?;
    let kind = match reader.accept(&["domain"]) {
        true => ObjectKind::Domain,
        false => ObjectKind::Table,
    };
    Ok(Statement::Comment {
        kind,
        name: reader.object_name()?,
        part: Some(CommentedPart::Constraint(constraint)),
        text: text(reader)?,
    })
}

fn text(reader: &mut Reader) -> Result<Option<String>> {
    reader.expect(&["is"])?;
    match reader.accept(&["null"]) {
        true => Ok(None),
        false => reader.string().map(Some),
    }
}
