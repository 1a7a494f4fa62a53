//! pg_stats: how many values of a column differ and how many are NULL, for who may read the table and is subject to no
//! policy on it. Values themselves (most common ones, bounds of histograms) are not kept.

use super::pg_tables::schema_name;
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

/// Where more of the rows have a value of their own, PostgreSQL tells their part, which stays when the table grows.
const SCALING_PART: f64 = 0.1;

pub(super) fn stats(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for table in lookup.tables() {
        for column in introspection.environment.column_statistics(table.id) {
            if table.column_named(&column.name).is_none() {
                continue;
            }
            rows.add([
                ("schemaname", schema_name(lookup, table.schema)),
                ("tablename", table.name.as_str().into()),
                ("attname", column.name.as_str().into()),
                ("inherited", false.into()),
                ("null_frac", column.null_part.map_or(Datum::Null, Datum::from)),
                (
                    "n_distinct",
                    column.distinct.map_or(0.0, |part| distinct(part, column.rows)).into(),
                ),
            ])?;
        }
    }
    Ok(())
}

/// Different values in PostgreSQL's spelling: how many, or less than 0, the part of the rows.
fn distinct(values: f64, rows: f64) -> f64 {
    match values > rows * SCALING_PART {
        true => -(values / rows).min(1.0),
        false => values,
    }
}
