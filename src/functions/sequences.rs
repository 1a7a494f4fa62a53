//! nextval(), currval(), lastval() and setval(): a session's view of sequences.

use datafusion::logical_expr::Volatility;

use super::datum::Datum;
use super::lookup::{Lookup, parse_name};
use super::row_function::{Argument, Call, RowFunction};
use crate::catalog::model::{Object, Oid, Sequence};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const SEQUENCE: &[&[Argument]] = &[&[Argument::NameOrOid]];
const SEQUENCE_AND_VALUE: &[&[Argument]] = &[
    &[Argument::NameOrOid, Argument::Int],
    &[Argument::NameOrOid, Argument::Int, Argument::Bool],
];

pub(super) fn functions() -> Vec<RowFunction> {
    let volatile = |name, overloads, body| {
        RowFunction::immutable(name, overloads, SqlType::Int8, body).with_volatility(Volatility::Volatile)
    };
    vec![
        volatile("nextval", SEQUENCE, |call, row| {
            let sequence = sequence(call, row)?;
            let environment = call.environment()?;
            let value = environment.next_value(&sequence)?;
            environment.context().session.sequences.lock().note(sequence.id, value);
            Ok(value.into())
        }),
        volatile("currval", SEQUENCE, |call, row| {
            let sequence = sequence(call, row)?;
            let values = call
                .environment()?
                .context()
                .session
                .sequences
                .lock()
                .value(sequence.id);
            values.map(Datum::from).ok_or_else(|| {
                let message = format!(
                    "currval of sequence \"{}\" is not yet defined in this session",
                    sequence.name
                );
                Error::new(SqlState::ObjectNotInPrerequisiteState, message)
            })
        }),
        volatile("lastval", &[&[]], |call, _| {
            let last = call.environment()?.context().session.sequences.lock().last();
            last.map(Datum::from).ok_or_else(|| {
                let message = "lastval is not yet defined in this session";
                Error::new(SqlState::ObjectNotInPrerequisiteState, message)
            })
        }),
        volatile("setval", SEQUENCE_AND_VALUE, |call, row| {
            let sequence = sequence(call, row)?;
            let Some(value) = row.get(1).and_then(Datum::as_int) else {
                return Ok(Datum::Null);
            };
            let is_called = row.get(2).and_then(Datum::as_bool).unwrap_or(true);
            let environment = call.environment()?;
            environment.set_value(&sequence, value, is_called)?;
            if is_called {
                environment.context().session.sequences.lock().note(sequence.id, value);
            }
            Ok(value.into())
        }),
    ]
}

/// The sequence that the first argument names.
fn sequence(call: &Call<'_>, row: &[Datum]) -> Result<Sequence> {
    let lookup = Lookup::of(call)?;
    let named = |parts: &[String]| -> Result<Oid> {
        let context = call.environment()?.context();
        let scope = crate::catalog::Scope {
            database: context.database,
            search_path: &context.search_path,
        };
        Ok(context.catalog.resolve_relation(scope, parts)?.id())
    };
    let oid = match row.first() {
        Some(argument) => match (argument.as_oid(), argument.as_text()) {
            (Some(oid), _) => oid,
            (None, Some(name)) => named(&parse_name(name)?)?,
            _ => return Err(Error::internal("a sequence's name is neither name nor OID")),
        },
        None => return Err(Error::internal("a sequence has no name")),
    };
    match lookup.catalog.object(oid) {
        Some(Object::Sequence(sequence)) => Ok(sequence.clone()),
        Some(other) => Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a sequence", other.name()),
        )),
        None => Err(Error::new(
            SqlState::UndefinedTable,
            format!("could not open relation with OID {oid}"),
        )),
    }
}
