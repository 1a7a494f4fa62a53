//! has_table_privilege() and its family: may a role do this? Several privileges in one text mean any of them.

use super::datum::Datum;
use super::lookup::{Lookup, Relation};
use super::names::relation_argument;
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::Access;
use crate::catalog::model::{Function, Object, Oid, Privilege};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const NAMED: Argument = Argument::NameOrOid;
const TEXT: Argument = Argument::Text;
/// [role,] object, privilege
const OBJECT: &[&[Argument]] = &[&[NAMED, TEXT], &[NAMED, NAMED, TEXT]];
/// [role,] relation, column, privilege
const COLUMN: &[&[Argument]] = &[&[NAMED, NAMED, TEXT], &[NAMED, NAMED, NAMED, TEXT]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    vec![
        stable("has_table_privilege", OBJECT, SqlType::Bool, |call, row| {
            on_relation(call, row, false)
        }),
        stable("has_any_column_privilege", OBJECT, SqlType::Bool, |call, row| {
            on_relation(call, row, true)
        }),
        stable("has_column_privilege", COLUMN, SqlType::Bool, on_column),
        stable("has_schema_privilege", OBJECT, SqlType::Bool, |call, row| {
            on_object(call, row, |lookup, argument| match argument.as_text() {
                Some(name) => lookup
                    .catalog
                    .resolve_schema(lookup.context.database, &[name.to_string()])
                    .map(|schema| Some(schema.id)),
                None => Ok(argument.as_oid().map(|oid| lookup.schema_of_namespace(oid))),
            })
        }),
        stable("has_database_privilege", OBJECT, SqlType::Bool, |call, row| {
            if names_template(row) {
                return Ok(Lookup::of(call)?.access.is_superuser().into());
            }
            on_object(call, row, |lookup, argument| match argument.as_text() {
                Some(name) => lookup.catalog.resolve_database(name).map(|database| Some(database.id)),
                None => Ok(argument.as_oid()),
            })
        }),
        stable("has_function_privilege", OBJECT, SqlType::Bool, on_function),
        // Built-in languages and types are everybody's; tablespaces, servers and wrappers are nobody's.
        stable("has_language_privilege", OBJECT, SqlType::Bool, |_, _| Ok(true.into())),
        stable("has_type_privilege", OBJECT, SqlType::Bool, |call, row| {
            let named = row.len().checked_sub(2).and_then(|place| row.get(place));
            let lookup = Lookup::of(call)?;
            let found = match named.and_then(Datum::as_text) {
                Some(name) => super::names::registered_oid(&lookup, &SqlType::Regtype, name)?.unwrap_or_default(),
                None => named.and_then(Datum::as_oid).unwrap_or_default(),
            };
            match lookup.user_type(found) {
                Some((user_type, _)) => on_object(call, row, |_, _| Ok(Some(user_type.id))),
                None => Ok(true.into()),
            }
        }),
        stable("has_tablespace_privilege", OBJECT, SqlType::Bool, |call, _| {
            Ok(Lookup::of(call)?.access.is_superuser().into())
        }),
        stable("has_sequence_privilege", OBJECT, SqlType::Bool, |call, row| {
            on_relation(call, row, false)
        }),
        stable("has_server_privilege", OBJECT, SqlType::Bool, |_, _| Ok(Datum::Null)),
        stable("has_foreign_data_wrapper_privilege", OBJECT, SqlType::Bool, |_, _| {
            Ok(Datum::Null)
        }),
        stable("has_parameter_privilege", OBJECT, SqlType::Bool, |call, _| {
            Ok(Lookup::of(call)?.access.is_superuser().into())
        }),
        stable("pg_has_role", OBJECT, SqlType::Bool, has_role),
        stable("row_security_active", &[&[NAMED]], SqlType::Bool, |call, row| {
            let lookup = Lookup::of(call)?;
            let relation = relation_argument(&lookup, row.first().unwrap_or(&Datum::Null))?;
            Ok(relation
                .map(
                    |relation| matches!(relation, Relation::Object(Object::Table(table)) if table.row_filter.is_some()),
                )
                .into())
        }),
    ]
}

/// Databases that every PostgreSQL has, which clients look for. Here they have no content.
pub const TEMPLATE_DATABASES: [(Oid, &str); 2] = [(1, "template1"), (4, "template0")];

/// Whether the last argument but one is a template database.
fn names_template(row: &[Datum]) -> bool {
    let named = row.len().checked_sub(2).and_then(|index| row.get(index));
    named.is_some_and(is_template_database)
}

pub(super) fn is_template_database(named: &Datum) -> bool {
    let is_named = |(oid, name): &(Oid, &str)| match named {
        Datum::Text(text) => text == name,
        other => other.as_oid() == Some(*oid),
    };
    TEMPLATE_DATABASES.iter().any(is_named)
}

/// The questions of the role that the first argument names when there is one more than needed.
fn asked<'a>(lookup: &Lookup<'a>, row: &[Datum], without_role: usize) -> Result<(Access<'a>, usize)> {
    if row.len() == without_role {
        return Ok((lookup.access.clone(), 0));
    }
    let role = role_argument(lookup, row.first())?;
    Ok((lookup.catalog.access(role), 1))
}

fn role_argument(lookup: &Lookup<'_>, argument: Option<&Datum>) -> Result<Oid> {
    match argument {
        Some(Datum::Text(name)) if name == "public" => Ok(crate::catalog::model::PUBLIC_ROLE),
        Some(Datum::Text(name)) => match lookup.catalog.role_named(name) {
            None if PREDEFINED_ROLES.iter().any(|(_, predefined)| predefined == name) => Ok(NOBODY),
            _ => Ok(lookup.catalog.resolve_role(name)?.id),
        },
        Some(other) => Ok(other.as_oid().unwrap_or_default()),
        None => Ok(0),
    }
}

/// Roles that every PostgreSQL has and clients ask about. Here nobody is a member; superusers may all.
pub const PREDEFINED_ROLES: [(Oid, &str); 15] = [
    (3373, "pg_monitor"),
    (3374, "pg_read_all_settings"),
    (3375, "pg_read_all_stats"),
    (3377, "pg_stat_scan_tables"),
    (4200, "pg_signal_backend"),
    (4544, "pg_checkpoint"),
    (4550, "pg_use_reserved_connections"),
    (4569, "pg_read_server_files"),
    (4570, "pg_write_server_files"),
    (4571, "pg_execute_server_program"),
    (6171, "pg_database_owner"),
    (6181, "pg_read_all_data"),
    (6182, "pg_write_all_data"),
    (6304, "pg_create_subscription"),
    (6337, "pg_maintain"),
];

/// An OID that no role has.
const NOBODY: Oid = Oid::MAX;

/// Privileges with and without the right to pass them on.
fn wanted(text: Option<&Datum>) -> Result<Vec<(Option<Privilege>, bool)>> {
    let text = text.and_then(Datum::as_text).unwrap_or_default();
    text.split(',')
        .map(|part| {
            let upper = part.trim().to_ascii_uppercase();
            let (name, passes_on) = match upper.strip_suffix(" WITH GRANT OPTION") {
                Some(name) => (name.trim().to_string(), true),
                None => (upper, false),
            };
            match Privilege::from_keyword(&name) {
                Some(privilege) => Ok((Some(privilege), passes_on)),
                // Privileges of PostgreSQL that nothing here has, and that nobody was granted.
                None if matches!(name.as_str(), "RULE" | "MAINTAIN" | "SET" | "ALTER SYSTEM") => Ok((None, passes_on)),
                None => Err(Error::new(
                    SqlState::InvalidParameterValue,
                    format!("unrecognized privilege type: \"{}\"", part.trim()),
                )),
            }
        })
        .collect()
}

fn holds(access: &Access<'_>, object: &Object, wanted: &[(Option<Privilege>, bool)], any_column: bool) -> bool {
    wanted.iter().any(|(privilege, passes_on)| match privilege {
        None => access.owns(object),
        Some(privilege) if *passes_on => access.may_grant(object, None, *privilege),
        Some(privilege) if any_column => access.has_any_column(object, *privilege),
        Some(privilege) => access.has(object, *privilege),
    })
}

fn on_relation(call: &Call<'_>, row: &[Datum], any_column: bool) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let (access, first) = asked(&lookup, row, 2)?;
    let wanted = wanted(row.get(first + 1))?;
    Ok(
        match relation_argument(&lookup, row.get(first).unwrap_or(&Datum::Null))? {
            Some(Relation::Object(object)) => holds(&access, object, &wanted, any_column).into(),
            Some(Relation::Builtin(_)) => is_readable(&access, &wanted).into(),
            None => Datum::Null,
        },
    )
}

/// System relations are everybody's to read.
fn is_readable(access: &Access<'_>, wanted: &[(Option<Privilege>, bool)]) -> bool {
    access.is_superuser() || wanted.contains(&(Some(Privilege::Select), false))
}

fn on_column(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let (access, first) = asked(&lookup, row, 3)?;
    let wanted = wanted(row.get(first + 2))?;
    let object = match relation_argument(&lookup, row.get(first).unwrap_or(&Datum::Null))? {
        Some(Relation::Object(object)) => object,
        Some(Relation::Builtin(_)) => return Ok(is_readable(&access, &wanted).into()),
        None => return Ok(Datum::Null),
    };
    let column = match row.get(first + 1) {
        Some(Datum::Text(name)) => match object.columns().iter().find(|column| column.name == *name) {
            Some(column) => column,
            None => {
                let message = format!("column \"{name}\" of relation \"{}\" does not exist", object.name());
                return Err(Error::new(SqlState::UndefinedColumn, message));
            }
        },
        number => {
            let number = number.and_then(Datum::as_int);
            match object
                .columns()
                .iter()
                .find(|column| Some(i64::from(column.id)) == number)
            {
                Some(column) => column,
                None => return Ok(Datum::Null),
            }
        }
    };
    let is_held = wanted.iter().any(|(privilege, passes_on)| match privilege {
        None => access.owns(object),
        Some(privilege) if *passes_on => access.may_grant(object, Some(column.id), *privilege),
        Some(privilege) => access.has_column(object, column.id, *privilege),
    });
    Ok(is_held.into())
}

fn on_object(
    call: &Call<'_>,
    row: &[Datum],
    find: impl Fn(&Lookup<'_>, &Datum) -> Result<Option<Oid>>,
) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let (access, first) = asked(&lookup, row, 2)?;
    let wanted = wanted(row.get(first + 1))?;
    let object = find(&lookup, row.get(first).unwrap_or(&Datum::Null))?.and_then(|oid| lookup.catalog.object(oid));
    Ok(object.map(|object| holds(&access, object, &wanted, false)).into())
}

fn on_function(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let (access, first) = asked(&lookup, row, 2)?;
    let wanted = wanted(row.get(first + 1))?;
    let oid = match row.get(first) {
        Some(Datum::Text(signature)) => super::names::function_argument(&lookup, signature)?,
        Some(other) => other.as_oid().unwrap_or_default(),
        None => 0,
    };
    if super::builtin::builtin_function(oid).is_some() {
        return Ok(true.into());
    }
    let function: Option<&Function> = lookup.catalog.function(oid);
    Ok(function
        .map(|function| holds(&access, &Object::Function(function.clone()), &wanted, false))
        .into())
}

fn has_role(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let (access, first) = asked(&lookup, row, 2)?;
    let role = role_argument(&lookup, row.get(first))?;
    let privileges = row
        .get(first + 1)
        .and_then(Datum::as_text)
        .unwrap_or_default()
        .to_ascii_uppercase();
    let mut held = false;
    for privilege in privileges.split(',').map(str::trim) {
        held |= match privilege {
            "USAGE" => access.has_privileges_of(role),
            "MEMBER" | "SET" => access.is_member_of(role),
            _ if privilege.ends_with(" WITH ADMIN OPTION") || privilege.ends_with(" WITH GRANT OPTION") => {
                access.administers(role)
            }
            _ => {
                let message = format!("unrecognized privilege type: \"{privilege}\"");
                return Err(Error::new(SqlState::InvalidParameterValue, message));
            }
        };
    }
    Ok(held.into())
}
