//! Who and where: `current_user`, `is_member()`, `current_schema`, the two ends of the connection. The
//! effective role answers, in views and policies too; only `session_user` is the login.

use super::datum::Datum;
use super::lookup::Lookup;
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::Oid;
use crate::error::Result;
use crate::types::{Spelled, SqlType};

const NOTHING: &[&[Argument]] = &[&[]];
const ONE_TEXT: &[&[Argument]] = &[&[Argument::Text]];

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    let names = || SqlType::Array(Box::new(SqlType::Name));
    vec![
        stable("current_user", NOTHING, SqlType::Name, effective_role),
        stable("current_role", NOTHING, SqlType::Name, effective_role),
        stable("user", NOTHING, SqlType::Name, effective_role),
        stable("session_user", NOTHING, SqlType::Name, |call, _| {
            Ok(call.environment()?.context().principal.login_name.to_string().into())
        }),
        stable("system_user", NOTHING, SqlType::Text, |call, _| {
            Ok(format!("scram-sha-256:{}", call.environment()?.context().principal.login_name).into())
        }),
        stable("is_member", ONE_TEXT, SqlType::Bool, is_member),
        stable("is_account_group_member", ONE_TEXT, SqlType::Bool, is_member),
        stable("current_database", NOTHING, SqlType::Name, database),
        stable("current_catalog", NOTHING, SqlType::Name, database),
        stable("current_schema", NOTHING, SqlType::Name, |call, _| {
            let lookup = Lookup::of(call)?;
            let path = lookup.catalog.without_temporary(&lookup.context.search_path);
            let first = path.first().and_then(|schema| lookup.catalog.schema(*schema));
            Ok(first.map(|schema| schema.name.clone()).into())
        }),
        stable("current_schemas", &[&[Argument::Bool]], names(), |call, row| {
            let lookup = Lookup::of(call)?;
            let path: Vec<Oid> = match row.first().and_then(Datum::as_bool) {
                Some(true) => lookup.search_path(),
                _ => lookup.catalog.without_temporary(&lookup.context.search_path),
            };
            let names = path.into_iter().filter_map(|schema| lookup.catalog.schema(schema));
            Ok(names
                .map(|schema| Datum::text(schema.name.as_str()))
                .collect::<Vec<_>>()
                .into())
        }),
        stable("pg_backend_pid", NOTHING, SqlType::Int4, |call, _| {
            Ok(call.environment()?.context().session.process_id.into())
        }),
        stable(
            "inet_server_addr",
            NOTHING,
            SqlType::Spelled(Spelled::Inet),
            |call, _| Ok(call.environment()?.server_address().map(|(address, _)| address).into()),
        ),
        stable("inet_server_port", NOTHING, SqlType::Int4, |call, _| {
            Ok(call
                .environment()?
                .server_address()
                .map(|(_, port)| i64::from(port))
                .into())
        }),
        stable(
            "inet_client_addr",
            NOTHING,
            SqlType::Spelled(Spelled::Inet),
            |call, _| Ok(call.environment()?.client_address().map(|(address, _)| address).into()),
        ),
        stable("inet_client_port", NOTHING, SqlType::Int4, |call, _| {
            Ok(call
                .environment()?
                .client_address()
                .map(|(_, port)| i64::from(port))
                .into())
        }),
    ]
}

fn effective_role(call: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(call.environment()?.context().principal.role_name.to_string().into())
}

fn database(call: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(call.environment()?.context().database_name.to_string().into())
}

/// Whether the effective role was granted the named role, directly or not; a superuser is a member of
/// nothing by itself, so that policies hold for it as for others.
fn is_member(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let lookup = Lookup::of(call)?;
    let role = row
        .first()
        .and_then(Datum::as_text)
        .and_then(|name| lookup.catalog.role_named(name));
    Ok(role
        .is_some_and(|role| lookup.access.is_strictly_member_of(role.id))
        .into())
}
