//! DROP of every kind of object and of all that a role owns, REASSIGN OWNED, and TRUNCATE.

use super::ast::{ObjectKind, ObjectName, Statement};
use super::reader::Reader;
use super::routine::{self, routine_kind};
use crate::error::{Error, Result};

pub(super) fn drop(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["drop"])?;
    let position = reader.position();
    let word = reader.peek_word().unwrap_or_default().to_string();
    if let Some(kind) = routine_kind(&word) {
        reader.advance();
        return routine::drop(reader, kind);
    }
    if word == "owned" {
        return drop_owned(reader);
    }
    let kind = match word.as_str() {
        "table" => ObjectKind::Table,
        "view" => ObjectKind::View,
        "materialized" => ObjectKind::MaterializedView,
        "sequence" => ObjectKind::Sequence,
        "index" => ObjectKind::Index,
        "type" => ObjectKind::Type,
        "domain" => ObjectKind::Domain,
        "schema" => ObjectKind::Schema,
        "database" | "catalog" => ObjectKind::Database,
        "role" | "user" | "group" => ObjectKind::Role,
        "external" => ObjectKind::ExternalLocation,
        "extension" | "policy" | "trigger" | "foreign" | "server" | "collation" | "aggregate" | "operator"
        | "publication" | "subscription" | "statistics" | "tablespace" | "text" | "rule" | "language" | "cast"
        | "event" | "access" | "transform" | "conversion" | "volume" | "share" | "recipient" | "connection" => {
            return Err(Error::unsupported(format!("DROP {}", word.to_uppercase())).at(position));
        }
        _ => return Err(reader.error_here()),
    };
    reader.advance();
    if kind == ObjectKind::ExternalLocation {
        reader.expect(&["location"])?;
    }
    if kind == ObjectKind::MaterializedView {
        reader.expect(&["view"])?;
    }
    if kind == ObjectKind::Index {
        reader.accept(&["concurrently"]);
    }
    let if_exists = reader.if_exists();
    let names = reader.list(|reader| match kind {
        ObjectKind::Role => Ok(ObjectName(vec![reader.role_name()?])),
        _ => reader.object_name(),
    })?;
    if kind == ObjectKind::Database {
        reader.accept(&["with"]);
        if *reader.peek() == datafusion::sql::sqlparser::tokenizer::Token::LParen {
            return Err(Error::unsupported("DROP DATABASE … WITH (FORCE)"));
        }
    }
    let cascade = reader.cascade();
    Ok(Statement::Drop {
        kind,
        names,
        if_exists,
        cascade,
    })
}

/// TRUNCATE [TABLE] [ONLY] t, … [RESTART | CONTINUE IDENTITY] [CASCADE | RESTRICT].
pub(super) fn truncate(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["truncate"])?;
    reader.accept(&["table"]);
    let tables = reader.list(|reader| {
        reader.accept(&["only"]);
        let name = reader.object_name()?;
        reader.accept_token(&datafusion::sql::sqlparser::tokenizer::Token::Mul);
        Ok(name)
    })?;
    let identity = reader.accept_any(&["restart", "continue"]);
    if identity.is_some() {
        reader.expect(&["identity"])?;
    }
    let restarts = identity == Some("restart");
    let cascade = reader.cascade();
    Ok(Statement::Truncate {
        tables,
        restarts,
        cascade,
    })
}

/// DROP OWNED BY role, … [CASCADE | RESTRICT], from OWNED on.
fn drop_owned(reader: &mut Reader) -> Result<Statement> {
    let roles = owned_by(reader)?;
    let cascade = reader.cascade();
    Ok(Statement::DropOwned { roles, cascade })
}

/// REASSIGN OWNED BY role, … TO role.
pub(super) fn reassign(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["reassign"])?;
    let roles = owned_by(reader)?;
    reader.expect(&["to"])?;
    let to = reader.role_name()?;
    Ok(Statement::ReassignOwned { roles, to })
}

fn owned_by(reader: &mut Reader) -> Result<Vec<String>> {
    reader.expect(&["owned", "by"])?;
    reader.list(|reader| reader.role_name())
}
