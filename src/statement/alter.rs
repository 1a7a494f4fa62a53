//! ALTER of everything but a table's columns: names, owners, schemas, roles and groups.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::alter_table;
use super::ast::{Alter, ObjectKind, ObjectName, Statement};
use super::reader::Reader;
use super::role_options::role_options;
use super::routine::{self, routine_kind};
use super::set::role_setting;
use super::{default_privileges, domain, sequence, user_type};
use crate::error::{Error, Result};

pub(super) fn alter(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["alter"])?;
    let position = reader.position();
    if let Some(kind) = reader.peek_word().and_then(routine_kind) {
        reader.advance();
        return routine::alter(reader, kind);
    }
    let kind = match reader.peek_word().unwrap_or_default() {
        "table" => return alter_table::alter_table(reader),
        "role" | "user" => return alter_role(reader),
        "group" => return alter_group(reader),
        "sequence" => {
            reader.advance();
            return sequence::alter_sequence(reader);
        }
        "type" => {
            reader.advance();
            return user_type::alter(reader);
        }
        "domain" => {
            reader.advance();
            return domain::alter(reader);
        }
        "view" => ObjectKind::View,
        "materialized" => ObjectKind::MaterializedView,
        "index" => ObjectKind::Index,
        "schema" => ObjectKind::Schema,
        "database" | "catalog" => ObjectKind::Database,
        "external" => ObjectKind::ExternalLocation,
        "default" => return default_privileges::alter(reader),
        "system" => {
            return Err(Error::unsupported("ALTER SYSTEM")
                .with_hint("Settings of the server are in its configuration file.")
                .at(position));
        }
        other @ ("extension" | "policy" | "trigger" | "foreign" | "server" | "collation" | "aggregate" | "operator"
        | "publication" | "subscription" | "statistics" | "tablespace" | "text" | "rule" | "language"
        | "large") => {
            return Err(Error::unsupported(format!("ALTER {}", other.to_uppercase())).at(position));
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
    let if_exists = reader.if_exists();
    let name = reader.object_name()?;
    if let Some(alter) = object_action(reader, kind, &name)? {
        return Ok(Statement::Alter { alter, if_exists });
    }
    if kind == ObjectKind::View && reader.accept(&["rename"]) {
        let alter = alter_table::renamed_column(reader, kind, name)?;
        return Ok(Statement::Alter { alter, if_exists });
    }
    Err(unsupported_action(reader))
}

/// RENAME TO, OWNER TO and SET SCHEMA, which every kind of object shares.
pub(super) fn object_action(reader: &mut Reader, kind: ObjectKind, name: &ObjectName) -> Result<Option<Alter>> {
    let name = || name.clone();
    if reader.accept(&["rename", "to"]) {
        return Ok(Some(Alter::Rename {
            kind,
            name: name(),
            to: reader.name()?,
        }));
    }
    if reader.accept(&["owner", "to"]) || reader.accept(&["set", "owner", "to"]) {
        return Ok(Some(Alter::Owner {
            kind,
            name: name(),
            to: reader.role_name()?,
        }));
    }
    let has_schema = matches!(
        kind,
        ObjectKind::Table
            | ObjectKind::View
            | ObjectKind::MaterializedView
            | ObjectKind::Type
            | ObjectKind::Domain
            | ObjectKind::Sequence
    );
    if has_schema && reader.accept(&["set", "schema"]) {
        return Ok(Some(Alter::SetSchema {
            kind,
            name: name(),
            to: reader.object_name()?,
        }));
    }
    Ok(None)
}

/// A word that begins some action is one that is not there yet; anything else is a mistake.
pub(super) fn unsupported_action(reader: &Reader) -> Error {
    let known = [
        "add",
        "alter",
        "attach",
        "cluster",
        "connection",
        "detach",
        "disable",
        "drop",
        "enable",
        "force",
        "inherit",
        "no",
        "options",
        "parallel",
        "rename",
        "replica",
        "reset",
        "set",
        "unset",
        "validate",
        "with",
        "depends",
    ];
    match reader.peek_word() {
        Some(word) if known.contains(&word) => {
            let second = match reader.peek_nth(1) {
                Token::Word(word) => format!(" {}", word.value.to_uppercase()),
                _ => String::new(),
            };
            Error::unsupported(format!("ALTER … {}{second}", word.to_uppercase())).at(reader.position())
        }
        _ => reader.error_here(),
    }
}

fn alter_role(reader: &mut Reader) -> Result<Statement> {
    reader.advance();
    if reader.peek_words(&["all"]) {
        return Err(Error::unsupported("ALTER ROLE ALL"));
    }
    let name = reader.role_name()?;
    let alter = if reader.accept(&["rename", "to"]) {
        Alter::Rename {
            kind: ObjectKind::Role,
            name: ObjectName(vec![name]),
            to: reader.name()?,
        }
    } else if reader.peek_words(&["set"]) || reader.peek_words(&["reset"]) {
        Alter::RoleSetting {
            name,
            setting: role_setting(reader)?,
        }
    } else if reader.peek_words(&["in", "database"]) {
        return Err(Error::unsupported("a role's setting in one database")
            .with_hint("Leave out IN DATABASE: the setting then holds in every database.")
            .at(reader.position()));
    } else {
        Alter::Role {
            name,
            options: role_options(reader)?,
        }
    };
    Ok(Statement::Alter {
        alter,
        if_exists: false,
    })
}

/// ALTER GROUP g ADD | DROP USER u, which is GRANT g TO u.
fn alter_group(reader: &mut Reader) -> Result<Statement> {
    reader.advance();
    let group = reader.role_name()?;
    if reader.accept(&["rename", "to"]) {
        let alter = Alter::Rename {
            kind: ObjectKind::Role,
            name: ObjectName(vec![group]),
            to: reader.name()?,
        };
        return Ok(Statement::Alter {
            alter,
            if_exists: false,
        });
    }
    let revoke = match reader.accept_any(&["add", "drop"]) {
        Some(word) => word == "drop",
        None => return Err(reader.error_here()),
    };
    reader.expect(&["user"])?;
    let members = reader.list(|reader| reader.role_name())?;
    Ok(Statement::GrantRole {
        roles: vec![group],
        members,
        admin: false,
        revoke,
    })
}
