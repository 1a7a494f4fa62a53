//! Constraints of tables that the principal may know of: table_constraints, key_column_usage, referential_constraints,
//! check_constraints and what they use.

use super::{catalog, schema_name, yes_or_no};
use crate::catalog::model::{Column, Constraint, ConstraintRule, Oid, Table, Timing};
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

/// Each constraint with its table.
fn constraints<'a>(introspection: &'a Introspection<'_>) -> impl Iterator<Item = (&'a Table, &'a Constraint)> + 'a {
    let tables = introspection.lookup.tables();
    tables.flat_map(|table| table.constraints.iter().map(move |constraint| (table, constraint)))
}

pub(super) fn table_constraints(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (table, constraint) in constraints(introspection) {
        let kind = match &constraint.rule {
            ConstraintRule::PrimaryKey { .. } => "PRIMARY KEY",
            ConstraintRule::Unique { .. } => "UNIQUE",
            ConstraintRule::ForeignKey { .. } => "FOREIGN KEY",
            ConstraintRule::Check { .. } => "CHECK",
        };
        let nulls_distinct = match constraint.rule {
            ConstraintRule::Unique { nulls_not_distinct, .. } => yes_or_no(!nulls_not_distinct),
            _ => Datum::Null,
        };
        rows.add([
            ("constraint_catalog", catalog(introspection)),
            ("constraint_schema", schema_name(introspection, Some(table.schema))),
            ("constraint_name", constraint.name.as_str().into()),
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, Some(table.schema))),
            ("table_name", table.name.as_str().into()),
            ("constraint_type", kind.into()),
            ("is_deferrable", yes_or_no(constraint.timing.is_deferrable())),
            ("initially_deferred", yes_or_no(constraint.timing == Timing::Deferred)),
            ("enforced", yes_or_no(constraint.enforced || kind == "CHECK")),
            ("nulls_distinct", nulls_distinct),
        ])?;
    }
    for not_null in not_nulls(introspection) {
        rows.add([
            ("constraint_catalog", catalog(introspection)),
            (
                "constraint_schema",
                schema_name(introspection, Some(not_null.table.schema)),
            ),
            ("constraint_name", not_null.name().into()),
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, Some(not_null.table.schema))),
            ("table_name", not_null.table.name.as_str().into()),
            ("constraint_type", "CHECK".into()),
            ("is_deferrable", "NO".into()),
            ("initially_deferred", "NO".into()),
            ("enforced", "YES".into()),
        ])?;
    }
    Ok(())
}

/// A column's NOT NULL, which the standard's views show as a CHECK.
struct NotNull<'a> {
    table: &'a Table,
    column: &'a Column,
    namespace: Oid,
}

impl NotNull<'_> {
    /// Made of the numbers of the schema, the table and the column, as in PostgreSQL.
    fn name(&self) -> String {
        format!("{}_{}_{}_not_null", self.namespace, self.table.id, self.column.id)
    }
}

fn not_nulls<'a>(introspection: &'a Introspection<'_>) -> impl Iterator<Item = NotNull<'a>> + 'a {
    let lookup = &introspection.lookup;
    lookup
        .tables()
        .filter(|table| table.materialized.is_none())
        .flat_map(move |table| {
            let columns = table.columns.iter().filter(|column| !column.nullable);
            columns.map(move |column| NotNull {
                table,
                column,
                namespace: lookup.namespace_oid(table.schema),
            })
        })
}

pub(super) fn key_column_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (table, constraint) in constraints(introspection) {
        let (columns, referenced) = match &constraint.rule {
            ConstraintRule::PrimaryKey { columns } | ConstraintRule::Unique { columns, .. } => (columns, None),
            ConstraintRule::ForeignKey { columns, .. } => (columns, Some(())),
            ConstraintRule::Check { .. } => continue,
        };
        for (id, position) in columns.iter().zip(1_i64..) {
            let Some(name) = column_name(table, *id) else { continue };
            rows.add([
                ("constraint_catalog", catalog(introspection)),
                ("constraint_schema", schema_name(introspection, Some(table.schema))),
                ("constraint_name", constraint.name.as_str().into()),
                ("table_catalog", catalog(introspection)),
                ("table_schema", schema_name(introspection, Some(table.schema))),
                ("table_name", table.name.as_str().into()),
                ("column_name", name.into()),
                ("ordinal_position", position.into()),
                ("position_in_unique_constraint", referenced.map(|()| position).into()),
            ])?;
        }
    }
    Ok(())
}

pub(super) fn referential_constraints(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (table, constraint) in constraints(introspection) {
        let ConstraintRule::ForeignKey {
            table: other,
            referenced,
            terms,
            ..
        } = &constraint.rule
        else {
            continue;
        };
        let mut keys = introspection.lookup.keys();
        let key = keys.find(|key| key.table.id == *other && key.columns == referenced.as_slice());
        rows.add([
            ("constraint_catalog", catalog(introspection)),
            ("constraint_schema", schema_name(introspection, Some(table.schema))),
            ("constraint_name", constraint.name.as_str().into()),
            (
                "unique_constraint_catalog",
                key.map(|_| catalog(introspection)).unwrap_or(Datum::Null),
            ),
            (
                "unique_constraint_schema",
                schema_name(introspection, key.map(|key| key.table.schema)),
            ),
            (
                "unique_constraint_name",
                key.map(|key| key.constraint.name.as_str()).into(),
            ),
            ("match_option", if terms.match_full { "FULL" } else { "NONE" }.into()),
            ("update_rule", terms.on_update.words().into()),
            ("delete_rule", terms.on_delete.words().into()),
        ])?;
    }
    Ok(())
}

pub(super) fn check_constraints(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (table, constraint) in constraints(introspection) {
        if let ConstraintRule::Check { condition } = &constraint.rule {
            rows.add([
                ("constraint_catalog", catalog(introspection)),
                ("constraint_schema", schema_name(introspection, Some(table.schema))),
                ("constraint_name", constraint.name.as_str().into()),
                ("check_clause", format!("(({}))", condition.text).into()),
            ])?;
        }
    }
    for user_type in introspection.lookup.user_types() {
        for check in user_type.domain().map_or(&[][..], |domain| &domain.checks) {
            rows.add([
                ("constraint_catalog", catalog(introspection)),
                ("constraint_schema", schema_name(introspection, Some(user_type.schema))),
                ("constraint_name", check.name.as_str().into()),
                ("check_clause", format!("(({}))", check.condition.text).into()),
            ])?;
        }
    }
    for not_null in not_nulls(introspection) {
        rows.add([
            ("constraint_catalog", catalog(introspection)),
            (
                "constraint_schema",
                schema_name(introspection, Some(not_null.table.schema)),
            ),
            ("constraint_name", not_null.name().into()),
            ("check_clause", format!("{} IS NOT NULL", not_null.column.name).into()),
        ])?;
    }
    Ok(())
}

/// constraint_column_usage: the columns that a key names; for a foreign key, those that it refers to.
pub(super) fn column_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (table, constraint) in constraints(introspection) {
        let (used, columns) = used(introspection, table, constraint);
        let Some(used) = used else { continue };
        for name in columns.iter().filter_map(|id| column_name(used, *id)) {
            rows.add([
                ("table_catalog", catalog(introspection)),
                ("table_schema", schema_name(introspection, Some(used.schema))),
                ("table_name", used.name.as_str().into()),
                ("column_name", name.into()),
                ("constraint_catalog", catalog(introspection)),
                ("constraint_schema", schema_name(introspection, Some(table.schema))),
                ("constraint_name", constraint.name.as_str().into()),
            ])?;
        }
    }
    Ok(())
}

/// constraint_table_usage: the table that a key is of, or refers to.
pub(super) fn table_usage(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for (table, constraint) in constraints(introspection) {
        if matches!(constraint.rule, ConstraintRule::Check { .. }) {
            continue;
        }
        let (Some(used), _) = used(introspection, table, constraint) else {
            continue;
        };
        rows.add([
            ("table_catalog", catalog(introspection)),
            ("table_schema", schema_name(introspection, Some(used.schema))),
            ("table_name", used.name.as_str().into()),
            ("constraint_catalog", catalog(introspection)),
            ("constraint_schema", schema_name(introspection, Some(table.schema))),
            ("constraint_name", constraint.name.as_str().into()),
        ])?;
    }
    Ok(())
}

/// The table and columns that a constraint is about; nothing where the principal may not know of the table.
fn used<'a>(
    introspection: &'a Introspection<'_>,
    table: &'a Table,
    constraint: &'a Constraint,
) -> (Option<&'a Table>, Vec<i16>) {
    match &constraint.rule {
        ConstraintRule::PrimaryKey { columns } | ConstraintRule::Unique { columns, .. } => {
            (Some(table), columns.clone())
        }
        ConstraintRule::ForeignKey {
            table: other,
            referenced,
            ..
        } => {
            let other = introspection.lookup.tables().find(|table| table.id == *other);
            (other, referenced.clone())
        }
        ConstraintRule::Check { condition } => {
            let columns = condition.columns.iter().map(|(id, _)| *id).collect();
            (Some(table), columns)
        }
    }
}

fn column_name(table: &Table, id: i16) -> Option<&str> {
    let column = table.columns.iter().find(|column| column.id == id)?;
    Some(column.name.as_str())
}
