//! pg_get_indexdef() and pg_get_constraintdef(): the indexes and keys of the system catalogs.

use super::builtin::{BuiltinIndex, builtin_index, builtin_indexes, builtin_relation};
use super::datum::Datum;
use super::lookup::quote_identifier;
use super::row_function::{Argument, RowFunction};
use crate::types::SqlType;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::stable(
            "pg_get_indexdef",
            &[&[Argument::Oid], &[Argument::Oid, Argument::Int, Argument::Bool]],
            SqlType::Text,
            |_, row| {
                let index = row.first().and_then(Datum::as_oid).and_then(builtin_index);
                let column = row.get(1).and_then(Datum::as_int).unwrap_or(0);
                Ok(index.map(|index| index_definition(index, column)).into())
            },
        ),
        RowFunction::stable(
            "pg_get_constraintdef",
            &[&[Argument::Oid], &[Argument::Oid, Argument::Bool]],
            SqlType::Text,
            |_, row| {
                let oid = row.first().and_then(Datum::as_oid).unwrap_or(0);
                let mut keys = builtin_indexes()
                    .iter()
                    .filter(|index| index.constraint == oid && oid != 0);
                Ok(keys.next().map(key_definition).into())
            },
        ),
    ]
}

fn column_names(index: &BuiltinIndex) -> Vec<String> {
    let columns = builtin_relation(index.relation).map_or(&[][..], |relation| &relation.columns);
    index
        .keys
        .iter()
        .filter_map(|key| columns.get(usize::try_from(key - 1).ok()?))
        .map(|column| quote_identifier(column.name))
        .collect()
}

/// The whole index, or the name of one of its columns.
fn index_definition(index: &BuiltinIndex, column: i64) -> String {
    let names = column_names(index);
    if column != 0 {
        let name = usize::try_from(column - 1).ok().and_then(|column| names.get(column));
        return name.cloned().unwrap_or_default();
    }
    let unique = if index.is_unique { "UNIQUE " } else { "" };
    let relation = builtin_relation(index.relation).map_or("?", |relation| relation.name);
    format!(
        "CREATE {unique}INDEX {} ON pg_catalog.{relation} USING btree ({})",
        index.name,
        names.join(", ")
    )
}

fn key_definition(index: &BuiltinIndex) -> String {
    let kind = if index.is_primary { "PRIMARY KEY" } else { "UNIQUE" };
    format!("{kind} ({})", column_names(index).join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_read_as_in_postgres() {
        let index = builtin_indexes()
            .iter()
            .find(|index| index.name == "pg_class_relname_nsp_index")
            .unwrap();
        assert_eq!(
            index_definition(index, 0),
            "CREATE UNIQUE INDEX pg_class_relname_nsp_index ON pg_catalog.pg_class USING btree (relname, relnamespace)"
        );
        assert_eq!(index_definition(index, 2), "relnamespace");
        assert_eq!(key_definition(index), "UNIQUE (relname, relnamespace)");
    }
}
