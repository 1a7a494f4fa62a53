//! pg_get_indexdef() and pg_get_constraintdef(): indexes and constraints of the system catalogs and of
//! tables.

use super::builtin::{BuiltinIndex, builtin_index, builtin_indexes, builtin_relation};
use super::datum::Datum;
use super::lookup::{Lookup, quote_identifier};
use super::row_function::{Argument, RowFunction};
use crate::catalog::model::{Constraint, ConstraintRule, Table};
use crate::types::SqlType;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        RowFunction::stable(
            "pg_get_indexdef",
            &[&[Argument::Oid], &[Argument::Oid, Argument::Int, Argument::Bool]],
            SqlType::Text,
            |call, row| {
                let Some(oid) = row.first().and_then(Datum::as_oid) else {
                    return Ok(Datum::Null);
                };
                let column = row.get(1).and_then(Datum::as_int).unwrap_or(0);
                if let Some(index) = builtin_index(oid) {
                    return Ok(index_definition(index, column).into());
                }
                let lookup = Lookup::of(call)?;
                let pretty = is_pretty(row.get(2));
                Ok(lookup
                    .index(oid)
                    .map(|index| index.definition(&lookup, column, pretty))
                    .into())
            },
        ),
        RowFunction::stable(
            "pg_get_constraintdef",
            &[&[Argument::Oid], &[Argument::Oid, Argument::Bool]],
            SqlType::Text,
            |call, row| {
                let oid = row.first().and_then(Datum::as_oid).unwrap_or(0);
                let mut keys = builtin_indexes()
                    .iter()
                    .filter(|index| index.constraint == oid && oid != 0);
                if let Some(key) = keys.next() {
                    return Ok(key_definition(key).into());
                }
                let lookup = Lookup::of(call)?;
                let domains = lookup.user_types().filter_map(|found| found.domain());
                if let Some(check) = domains.flat_map(|domain| &domain.checks).find(|check| check.id == oid) {
                    return Ok(check_definition(&check.condition.text, is_pretty(row.get(1))).into());
                }
                Ok(lookup
                    .constraint(oid)
                    .map(|(table, constraint)| constraint_definition(&lookup, table, constraint, is_pretty(row.get(1))))
                    .into())
            },
        ),
    ]
}

/// Whether the text is for people: without parentheses that only a program needs.
fn is_pretty(argument: Option<&Datum>) -> bool {
    matches!(argument, Some(Datum::Bool(true)))
}

fn check_definition(condition: &str, pretty: bool) -> String {
    match pretty {
        true => format!("CHECK ({condition})"),
        false => format!("CHECK (({condition}))"),
    }
}

fn constraint_definition(lookup: &Lookup<'_>, table: &Table, constraint: &Constraint, pretty: bool) -> String {
    let unless_enforced = if constraint.enforced { "" } else { " NOT ENFORCED" };
    let timing = constraint.timing.words();
    match &constraint.rule {
        ConstraintRule::PrimaryKey { columns } => {
            format!("PRIMARY KEY ({}){timing}{unless_enforced}", names_of(table, columns))
        }
        ConstraintRule::Unique {
            columns,
            nulls_not_distinct,
        } => {
            let nulls = if *nulls_not_distinct { "NULLS NOT DISTINCT " } else { "" };
            format!("UNIQUE {nulls}({}){timing}{unless_enforced}", names_of(table, columns))
        }
        ConstraintRule::ForeignKey {
            columns,
            table: referenced_table,
            referenced,
            terms,
        } => {
            let other = lookup.tables().find(|other| other.id == *referenced_table);
            let (name, names) = match other {
                Some(other) => {
                    let relation = lookup.relation(other.id);
                    let name = relation.map(|relation| lookup.relation_display(relation));
                    (name.unwrap_or_default(), names_of(other, referenced))
                }
                None => ("?".to_string(), "?".to_string()),
            };
            let set_columns = super::keys::column_names(table, &terms.set_columns);
            let not_valid = if terms.not_valid { " NOT VALID" } else { "" };
            format!(
                "FOREIGN KEY ({}) REFERENCES {name}({names}){}{timing}{unless_enforced}{not_valid}",
                names_of(table, columns),
                terms.words(&set_columns)
            )
        }
        ConstraintRule::Check { condition } => check_definition(&condition.text, pretty),
    }
}

fn names_of(table: &Table, columns: &[i16]) -> String {
    super::keys::column_names(table, columns).join(", ")
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
