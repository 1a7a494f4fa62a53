//! sequences, but for those of identity columns, which belong to the columns.

use super::{catalog, schema_name, yes_or_no};
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::pg_catalog::pg_sequence;
use crate::introspection::{Introspection, Rows};
use crate::types::SqlType;

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for sequence in pg_sequence::sequences(introspection) {
        if lookup.is_of_identity(sequence) {
            continue;
        }
        let text = |number: i64| Datum::from(number.to_string());
        rows.add([
            ("sequence_catalog", catalog(introspection)),
            ("sequence_schema", schema_name(introspection, Some(sequence.schema))),
            ("sequence_name", sequence.name.as_str().into()),
            ("data_type", sequence.sql_type.to_string().into()),
            (
                "numeric_precision",
                match sequence.sql_type {
                    SqlType::Int2 => 16,
                    SqlType::Int4 => 32,
                    _ => 64,
                }
                .into(),
            ),
            ("numeric_precision_radix", 2.into()),
            ("numeric_scale", 0.into()),
            ("start_value", text(sequence.start)),
            ("minimum_value", text(sequence.minimum)),
            ("maximum_value", text(sequence.maximum)),
            ("increment", text(sequence.increment)),
            ("cycle_option", yes_or_no(sequence.cycle)),
        ])?;
    }
    Ok(())
}
