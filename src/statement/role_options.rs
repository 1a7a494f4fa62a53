//! CREATE ROLE | USER | GROUP and the options that ALTER ROLE shares with it.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ast::{RoleOptions, Statement};
use super::reader::Reader;
use crate::error::{Error, Result};

/// After CREATE and one of `role`, `user`, `group`.
pub(super) fn create_role(reader: &mut Reader, kind: &str) -> Result<Statement> {
    let if_not_exists = reader.if_not_exists();
    let name = reader.name()?;
    let mut options = role_options(reader)?;
    if kind == "user" && options.login.is_none() {
        options.login = Some(true);
    }
    Ok(Statement::CreateRole {
        name,
        if_not_exists,
        options,
    })
}

pub(super) fn role_options(reader: &mut Reader) -> Result<RoleOptions> {
    let mut options = RoleOptions::default();
    reader.accept(&["with"]);
    while !reader.at_end() {
        option(reader, &mut options)?;
    }
    Ok(options)
}

fn option(reader: &mut Reader, options: &mut RoleOptions) -> Result<()> {
    let position = reader.position();
    let Some(word) = reader.peek_word().map(str::to_string) else {
        return Err(reader.error_here());
    };
    let (name, value) = match word.strip_prefix("no") {
        Some(
            rest @ ("login" | "superuser" | "createdb" | "createrole" | "inherit" | "replication" | "bypassrls"
            | "createuser"),
        ) => (rest, false),
        _ => (word.as_str(), true),
    };
    let slot = match name {
        "login" => &mut options.login,
        "superuser" => &mut options.superuser,
        "createdb" => &mut options.create_database,
        "createrole" | "createuser" => &mut options.create_role,
        "inherit" => &mut options.inherit,
        "replication" | "bypassrls" => {
            if value {
                return Err(Error::unsupported(format!("the role option {}", name.to_uppercase()))
                    .with_hint("Only superusers pass by the policies.")
                    .at(position));
            }
            reader.advance();
            return Ok(());
        }
        _ => return valued_option(reader, options, name, position),
    };
    reader.advance();
    set(slot, value, position)
}

fn valued_option(reader: &mut Reader, options: &mut RoleOptions, name: &str, position: usize) -> Result<()> {
    match name {
        "password" | "encrypted" => {
            reader.accept(&["encrypted"]);
            reader.expect(&["password"])?;
            let password = if reader.accept(&["null"]) {
                None
            } else {
                Some(reader.string()?)
            };
            set(&mut options.password, password, position)
        }
        "unencrypted" => Err(Error::new(
            crate::error::SqlState::FeatureNotSupported,
            "UNENCRYPTED PASSWORD is no longer supported",
        )
        .with_hint("Remove UNENCRYPTED to store the password in encrypted form instead.")
        .at(position)),
        "connection" => {
            reader.expect(&["connection", "limit"])?;
            let limit = reader.integer()?;
            let limit = i32::try_from(limit).ok().filter(|limit| *limit >= -1).ok_or_else(|| {
                let message = format!("invalid connection limit: {limit}");
                Error::new(crate::error::SqlState::InvalidParameterValue, message).at(position)
            })?;
            set(&mut options.connection_limit, limit, position)
        }
        "valid" => {
            reader.expect(&["valid", "until"])?;
            let until = reader.string()?;
            set(&mut options.valid_until, until, position)
        }
        "in" => {
            reader.advance();
            if reader.accept_any(&["role", "group"]).is_none() {
                return Err(reader.error_here());
            }
            options.in_roles.extend(reader.list(|reader| reader.role_name())?);
            Ok(())
        }
        "role" | "user" => {
            reader.advance();
            options.members.extend(reader.list(|reader| reader.role_name())?);
            Ok(())
        }
        "admin" => {
            reader.advance();
            options.admins.extend(reader.list(|reader| reader.role_name())?);
            Ok(())
        }
        "sysid" => {
            reader.advance();
            reader.integer().map(drop)
        }
        _ if matches!(reader.peek(), Token::Word(_)) => {
            Err(Error::syntax(format!("unrecognized role option \"{name}\"")).at(position))
        }
        _ => Err(reader.error_here()),
    }
}

fn set<T>(slot: &mut Option<T>, value: T, position: usize) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(Error::syntax("conflicting or redundant options").at(position));
    }
    Ok(())
}
