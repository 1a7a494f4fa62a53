//! pg_cursors and pg_prepared_statements: what the session that asks has open and prepared.

use crate::catalog::model::Oid;
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

pub(super) fn cursors(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for cursor in introspection.lookup.context.session.cursors.lock().values() {
        rows.add([
            ("name", cursor.name.as_str().into()),
            ("statement", cursor.statement.as_str().into()),
            ("is_holdable", cursor.holdable.into()),
            ("is_binary", cursor.binary.into()),
            ("is_scrollable", cursor.scrollable.into()),
            ("creation_time", Datum::Micros(cursor.created.timestamp_micros())),
        ])?;
    }
    Ok(())
}

pub(super) fn prepared_statements(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let types = |oids: &[Oid]| Datum::List(oids.iter().map(|oid| Datum::Int(i64::from(*oid))).collect());
    for statement in introspection.lookup.context.session.prepared.lock().values() {
        rows.add([
            ("name", statement.name.as_str().into()),
            ("statement", statement.statement.as_str().into()),
            ("prepare_time", Datum::Micros(statement.prepared.timestamp_micros())),
            ("parameter_types", types(&statement.parameters)),
            ("result_types", statement.results.as_deref().map_or(Datum::Null, types)),
            ("from_sql", statement.from_sql.into()),
            // Plans are kept without values, whoever prepared them.
            ("generic_plans", 0.into()),
            ("custom_plans", 0.into()),
        ])?;
    }
    Ok(())
}
