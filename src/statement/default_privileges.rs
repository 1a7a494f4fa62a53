//! ALTER DEFAULT PRIVILEGES [FOR ROLE …] [IN SCHEMA …] GRANT … | REVOKE ….

use super::ast::{DefaultPrivilegesStatement, Statement};
use super::grant::{grantee, privileges};
use super::reader::Reader;
use crate::catalog::DefaultsOf;
use crate::error::{Error, Result, SqlState};

/// What follows ALTER.
pub(super) fn alter(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["default", "privileges"])?;
    let (mut roles, mut schemas) = (None, None);
    loop {
        let position = reader.position();
        let again = Error::syntax("conflicting or redundant options").at(position);
        if reader.accept(&["for", "role"]) || reader.accept(&["for", "user"]) {
            if roles.replace(reader.list(|reader| reader.role_name())?).is_some() {
                return Err(again);
            }
        } else if reader.accept(&["in", "schema"]) {
            if schemas.replace(reader.list(|reader| reader.object_name())?).is_some() {
                return Err(again);
            }
        } else {
            break;
        }
    }
    let revoke = match reader.accept_any(&["grant", "revoke"]) {
        Some(word) => word == "revoke",
        None => return Err(reader.error_here()),
    };
    let mut option = revoke && reader.accept(&["grant", "option", "for"]);
    let mut named = vec![];
    for (privilege, columns) in privileges(reader)? {
        if !columns.is_empty() {
            let message = "default privileges cannot be set for columns";
            return Err(Error::new(SqlState::InvalidGrantOperation, message));
        }
        named.push(privilege);
    }
    reader.expect(&["on"])?;
    let kinds = ["tables", "sequences", "functions", "routines", "types", "schemas"];
    let of = match reader.accept_any(&kinds) {
        Some("tables") => DefaultsOf::Tables,
        Some("sequences") => DefaultsOf::Sequences,
        Some("functions" | "routines") => DefaultsOf::Functions,
        Some("types") => DefaultsOf::Types,
        Some(_) => DefaultsOf::Schemas,
        None => return Err(reader.error_here()),
    };
    reader.expect(&[if revoke { "from" } else { "to" }])?;
    let grantees = reader.list(grantee)?;
    match revoke {
        // Nobody passes a default on, so nothing hangs on it.
        true => drop(reader.cascade()),
        false => option = reader.accept(&["with", "grant", "option"]),
    }
    Ok(Statement::DefaultPrivileges(DefaultPrivilegesStatement {
        roles: roles.unwrap_or_default(),
        schemas: schemas.unwrap_or_default(),
        of,
        revoke,
        privileges: named,
        grantees,
        option,
    }))
}
