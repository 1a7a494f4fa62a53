//! system.row_filters and system.column_masks: which policies hold on the tables that the principal sees.

use crate::catalog::model::{Object, Table};
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::pg_catalog::pg_policy::function_name;
use crate::introspection::{Introspection, Rows};

pub(super) fn row_filters(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::Table(table) = object else { continue };
        let Some(filter) = &table.row_filter else { continue };
        rows.add([
            (
                "schema_name",
                lookup
                    .catalog
                    .schema(table.schema)
                    .map(|schema| schema.name.as_str())
                    .into(),
            ),
            ("table_name", table.name.as_str().into()),
            ("function_name", function_name(lookup, filter.function).into()),
            ("columns", column_names(table, &filter.columns)),
        ])?;
    }
    Ok(())
}

pub(super) fn column_masks(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        let Object::Table(table) = object else { continue };
        for column in &table.columns {
            let Some(mask) = &column.mask else { continue };
            rows.add([
                (
                    "schema_name",
                    lookup
                        .catalog
                        .schema(table.schema)
                        .map(|schema| schema.name.as_str())
                        .into(),
                ),
                ("table_name", table.name.as_str().into()),
                ("column_name", column.name.as_str().into()),
                ("function_name", function_name(lookup, mask.function).into()),
                ("using_columns", column_names(table, &mask.using_columns)),
            ])?;
        }
    }
    Ok(())
}

fn column_names(table: &Table, columns: &[i16]) -> Datum {
    let names = columns
        .iter()
        .filter_map(|id| table.column(*id))
        .map(|column| column.name.as_str());
    names.collect::<Vec<_>>().into()
}
