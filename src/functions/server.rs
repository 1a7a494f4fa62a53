//! The server about itself: version(), uptime, transactions, sleeping, signals to other sessions.

use datafusion::logical_expr::Volatility;

use super::datum::Datum;
use super::row_function::{Argument, Call, RowFunction};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::encoding;

const NOTHING: &[&[Argument]] = &[&[]];
const INTEGER: &[&[Argument]] = &[&[Argument::Int]];
const OID: &[&[Argument]] = &[&[Argument::Oid]];

fn integers() -> SqlType {
    SqlType::Array(Box::new(SqlType::Int4))
}

/// No session waits for another's lock on a table.
fn no_processes() -> Datum {
    Vec::<i64>::new().into()
}

/// What version() answers; clients read the PostgreSQL version out of its start.
pub const VERSION: &str = concat!(
    "PostgreSQL 17.0 (Boathouse ",
    env!("CARGO_PKG_VERSION"),
    ") on ",
    "x86_64-linux"
);

pub(super) fn functions() -> Vec<RowFunction> {
    let stable = RowFunction::stable;
    vec![
        stable("version", NOTHING, SqlType::Text, |_, _| Ok(VERSION.into())),
        stable("pg_is_in_recovery", NOTHING, SqlType::Bool, |_, _| Ok(false.into())),
        stable("pg_jit_available", NOTHING, SqlType::Bool, |_, _| Ok(false.into())),
        stable("pg_blocking_pids", INTEGER, integers(), |_, _| Ok(no_processes())),
        stable("pg_safe_snapshot_blocking_pids", INTEGER, integers(), |_, _| {
            Ok(no_processes())
        }),
        stable("pg_encoding_max_length", INTEGER, SqlType::Int4, |_, row| {
            let number = row.first().and_then(Datum::as_int);
            Ok(match number.and_then(|number| usize::try_from(number).ok()) {
                Some(6 | 4 | 7 | 39) => 4.into(),
                Some(1 | 2 | 3 | 5 | 40) => 3.into(),
                Some(35..=38 | 41) => 2.into(),
                Some(number) if number < encoding::NAMES.len() => 1.into(),
                _ => Datum::Null,
            })
        }),
        stable(
            "pg_relation_filepath",
            &[&[Argument::NameOrOid]],
            SqlType::Text,
            |_, _| Ok(Datum::Null),
        ),
        stable("pg_is_wal_replay_paused", NOTHING, SqlType::Bool, |_, _| {
            Ok(false.into())
        }),
        // What a server tells that follows no other one, has no triggers and no log files that clients may read.
        stable(
            "pg_last_xact_replay_timestamp",
            NOTHING,
            SqlType::Timestamptz(None),
            |_, _| Ok(Datum::Null),
        ),
        stable(
            "pg_current_logfile",
            &[&[], &[Argument::Text]],
            SqlType::Text,
            |_, _| Ok(Datum::Null),
        ),
        stable("pg_trigger_depth", NOTHING, SqlType::Int4, |_, _| Ok(0.into())),
        stable("pg_collation_actual_version", OID, SqlType::Text, |_, _| {
            Ok(Datum::Null)
        }),
        stable("pg_database_collation_actual_version", OID, SqlType::Text, |_, _| {
            Ok(Datum::Null)
        }),
        stable(
            "pg_postmaster_start_time",
            NOTHING,
            SqlType::Timestamptz(None),
            |call, _| Ok(Datum::Micros(call.environment()?.server_start().timestamp_micros())),
        ),
        stable("pg_conf_load_time", NOTHING, SqlType::Timestamptz(None), |call, _| {
            Ok(Datum::Micros(call.environment()?.server_start().timestamp_micros()))
        }),
        stable("txid_current", NOTHING, SqlType::Int8, transaction),
        stable("pg_current_xact_id", NOTHING, SqlType::Int8, transaction),
        stable("txid_current_if_assigned", NOTHING, SqlType::Int8, |_, _| {
            Ok(Datum::Null)
        }),
        stable("pg_current_xact_id_if_assigned", NOTHING, SqlType::Int8, |_, _| {
            Ok(Datum::Null)
        }),
        stable("pg_my_temp_schema", NOTHING, SqlType::Oid, |call, _| {
            let context = call.environment()?.context();
            Ok(context.catalog.temporary_schema().unwrap_or_default().into())
        }),
        stable("pg_is_other_temp_schema", &[&[Argument::Oid]], SqlType::Bool, |_, _| {
            Ok(false.into())
        }),
        stable(
            "transaction_timestamp",
            NOTHING,
            SqlType::Timestamptz(None),
            |call, _| {
                Ok(Datum::Micros(
                    call.environment()?.context().transaction_start.timestamp_micros(),
                ))
            },
        ),
        stable("statement_timestamp", NOTHING, SqlType::Timestamptz(None), |call, _| {
            Ok(Datum::Micros(
                call.environment()?.context().statement_start.timestamp_micros(),
            ))
        }),
        RowFunction::immutable("clock_timestamp", NOTHING, SqlType::Timestamptz(None), |_, _| {
            Ok(Datum::Micros(chrono::Utc::now().timestamp_micros()))
        })
        .with_volatility(Volatility::Volatile),
    ]
}

/// Transactions have no numbers; the moment one began tells it from the others of its session.
fn transaction(call: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(call
        .environment()?
        .context()
        .transaction_start
        .timestamp_micros()
        .into())
}
