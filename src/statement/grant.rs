//! GRANT and REVOKE: privileges on objects, and membership in roles.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{AllOf, GrantStatement, GrantTarget, ObjectKind, Statement};
use super::reader::Reader;
use super::routine::routine_kind;
use crate::catalog::model::Privilege;
use crate::error::{Error, Result};

pub(super) fn grant(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["grant"])?;
    if !names_privileges(reader) {
        return grant_role(reader, false, false);
    }
    let privileges = privileges(reader)?;
    reader.expect(&["on"])?;
    let target = target(reader)?;
    reader.expect(&["to"])?;
    let grantees = reader.list(grantee)?;
    let grant_option = reader.accept(&["with", "grant", "option"]);
    granted_by(reader)?;
    let cascade = false;
    Ok(Statement::Grant(GrantStatement {
        revoke: false,
        privileges,
        target,
        grantees,
        grant_option,
        cascade,
    }))
}

pub(super) fn revoke(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["revoke"])?;
    let admin = reader.accept(&["admin", "option", "for"]);
    if admin || !reader.peek_words(&["grant", "option"]) && !names_privileges(reader) {
        return grant_role(reader, true, admin);
    }
    let grant_option = reader.accept(&["grant", "option", "for"]);
    let privileges = privileges(reader)?;
    reader.expect(&["on"])?;
    let target = target(reader)?;
    reader.expect(&["from"])?;
    let grantees = reader.list(grantee)?;
    granted_by(reader)?;
    let cascade = reader.cascade();
    Ok(Statement::Grant(GrantStatement {
        revoke: true,
        privileges,
        target,
        grantees,
        grant_option,
        cascade,
    }))
}

/// A privilege list is followed by ON, a list of roles by TO or FROM; no role has a reserved name.
fn names_privileges(reader: &Reader) -> bool {
    if matches!(
        reader.peek_word(),
        Some("select" | "references" | "create" | "all" | "on")
    ) {
        return true;
    }
    let mut depth = 0;
    for token in reader.rest() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::Word(word) if depth == 0 && word.quote_style.is_none() => match word.value.as_str() {
                "on" => return true,
                "to" | "from" => return false,
                _ => {}
            },
            _ => {}
        }
    }
    false
}

fn grant_role(reader: &mut Reader, revoke: bool, admin: bool) -> Result<Statement> {
    let roles = reader.list(|reader| reader.role_name())?;
    reader.expect(&[if revoke { "from" } else { "to" }])?;
    let members = reader.list(grantee)?;
    let mut admin = admin;
    if !revoke && reader.accept(&["with"]) {
        admin = admin_option(reader)?;
    }
    granted_by(reader)?;
    if revoke && reader.cascade() {
        return Err(Error::unsupported("REVOKE role … CASCADE"));
    }
    Ok(Statement::GrantRole {
        roles,
        members,
        admin,
        revoke,
    })
}

/// ADMIN OPTION | TRUE | FALSE; PostgreSQL 16's INHERIT and SET options are not there.
fn admin_option(reader: &mut Reader) -> Result<bool> {
    if let Some(word @ ("inherit" | "set")) = reader.peek_word() {
        return Err(Error::unsupported(format!("GRANT role … WITH {}", word.to_uppercase())).at(reader.position()));
    }
    reader.expect(&["admin"])?;
    match reader.accept_any(&["option", "true", "false"]) {
        Some(word) => Ok(word != "false"),
        None => Err(reader.error_here()),
    }
}

/// ALL [PRIVILEGES] is the empty list.
pub(super) fn privileges(reader: &mut Reader) -> Result<Vec<(Privilege, Vec<String>)>> {
    if reader.accept(&["all"]) {
        reader.accept(&["privileges"]);
        if *reader.peek() == Token::LParen {
            let columns = reader.parenthesized(|reader| reader.name())?;
            let of_columns = Privilege::all_of(ObjectKind::Column).iter();
            return Ok(of_columns.map(|privilege| (*privilege, columns.clone())).collect());
        }
        return Ok(vec![]);
    }
    let lists = reader.list(|reader| {
        let granted = privilege(reader)?;
        let position = reader.position();
        let columns = if *reader.peek() == Token::LParen {
            reader.parenthesized(|reader| reader.name())?
        } else {
            vec![]
        };
        let for_columns = |privilege: &Privilege| {
            matches!(
                privilege,
                Privilege::Select | Privilege::Insert | Privilege::Update | Privilege::References
            )
        };
        if !columns.is_empty() && !granted.iter().all(for_columns) {
            return Err(
                Error::syntax("column privileges are only valid for SELECT, INSERT, UPDATE and REFERENCES")
                    .at(position),
            );
        }
        Ok(granted
            .into_iter()
            .map(|privilege| (privilege, columns.clone()))
            .collect::<Vec<_>>())
    })?;
    Ok(lists.into_iter().flatten().collect())
}

/// One privilege by PostgreSQL's name, or several by Databricks' (MODIFY).
fn privilege(reader: &mut Reader) -> Result<Vec<Privilege>> {
    let position = reader.position();
    if matches!(reader.peek_word(), Some("on" | "to" | "from")) {
        return Err(reader.error_here());
    }
    let word = reader.label()?;
    Ok(match word.as_str() {
        "select" => vec![Privilege::Select],
        "insert" => vec![Privilege::Insert],
        "update" => vec![Privilege::Update],
        "delete" => vec![Privilege::Delete],
        "truncate" => vec![Privilege::Truncate],
        "references" => vec![Privilege::References],
        "trigger" => vec![Privilege::Trigger],
        "create" => {
            reader.accept_any(&["table", "schema", "function"]);
            vec![Privilege::Create]
        }
        "connect" => vec![Privilege::Connect],
        "temporary" | "temp" => vec![Privilege::Temporary],
        "usage" => vec![Privilege::Usage],
        "use" if reader.accept_any(&["schema", "catalog", "database"]).is_some() => vec![Privilege::Usage],
        "execute" => vec![Privilege::Execute],
        "modify" => vec![
            Privilege::Insert,
            Privilege::Update,
            Privilege::Delete,
            Privilege::Truncate,
        ],
        "read" if reader.accept(&["files"]) => vec![Privilege::ReadFiles],
        "write" if reader.accept(&["files"]) => vec![Privilege::WriteFiles],
        "maintain" | "set" | "alter" => {
            return Err(Error::unsupported(format!("the privilege {}", word.to_uppercase())).at(position));
        }
        _ => return Err(Error::syntax(format!("unrecognized privilege type \"{word}\"")).at(position)),
    })
}

fn target(reader: &mut Reader) -> Result<GrantTarget> {
    let position = reader.position();
    if reader.accept(&["all"]) {
        let kind = match reader.accept_any(&["tables", "sequences", "functions", "procedures", "routines"]) {
            Some("tables") => AllOf::Tables,
            Some("sequences") => AllOf::Sequences,
            Some("functions") => AllOf::Functions,
            Some("procedures") => AllOf::Procedures,
            Some(_) => AllOf::Routines,
            None => return Err(reader.error_here()),
        };
        reader.expect(&["in", "schema"])?;
        let schemas = reader.list(|reader| reader.object_name())?;
        return Ok(GrantTarget::AllInSchemas { kind, schemas });
    }
    // A table may be called like a kind: only a kind is followed by another name.
    let followed_by_name = matches!(reader.peek_nth(1), Token::Word(word) if word.quote_style.is_some()
        || !matches!(word.value.as_str(), "to" | "from"));
    let word = if followed_by_name {
        reader.peek_word().unwrap_or_default().to_string()
    } else {
        String::new()
    };
    if let Some(kind) = routine_kind(&word) {
        reader.advance();
        return Ok(GrantTarget::Routines(reader.list(|reader| reader.routine_name(kind))?));
    }
    let kind = match word.as_str() {
        "table" => ObjectKind::Table,
        "view" => ObjectKind::View,
        "sequence" => ObjectKind::Sequence,
        "schema" => ObjectKind::Schema,
        "database" | "catalog" => ObjectKind::Database,
        "type" => ObjectKind::Type,
        "domain" => ObjectKind::Domain,
        "external" => {
            reader.expect(&["external", "location"])?;
            let names = reader.list(|reader| reader.object_name())?;
            return Ok(GrantTarget::Objects {
                kind: ObjectKind::ExternalLocation,
                names,
            });
        }
        "language" | "foreign" | "large" | "parameter" | "tablespace" | "volume" | "share" => {
            return Err(Error::unsupported(format!("GRANT ON {}", word.to_uppercase())).at(position));
        }
        _ => {
            let names = reader.list(|reader| reader.object_name())?;
            return Ok(GrantTarget::Objects {
                kind: ObjectKind::Table,
                names,
            });
        }
    };
    reader.advance();
    let names = reader.list(|reader| reader.object_name())?;
    Ok(GrantTarget::Objects { kind, names })
}

pub(super) fn grantee(reader: &mut Reader) -> Result<String> {
    reader.accept(&["group"]);
    reader.role_name()
}

/// GRANTED BY names the current role or is an error; the one that grants is always the current role.
fn granted_by(reader: &mut Reader) -> Result<()> {
    if reader.accept(&["granted", "by"]) && reader.accept_any(&["current_user", "current_role"]).is_none() {
        return Err(Error::unsupported("GRANTED BY another role").at(reader.position()));
    }
    Ok(())
}
