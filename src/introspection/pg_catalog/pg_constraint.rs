//! pg_constraint: the keys of the system catalogs, and the declared constraints of tables.

use std::sync::OnceLock;

use crate::catalog::model::{Constraint, ConstraintRule, PG_CATALOG_SCHEMA, Table, Timing};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::{builtin_indexes, index_of_constraint};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for index in builtin_indexes().iter().filter(|index| index.constraint != 0) {
            rows.add([
                ("oid", index.constraint.into()),
                ("conname", index.name.into()),
                ("connamespace", PG_CATALOG_SCHEMA.into()),
                ("contype", if index.is_primary { "p" } else { "u" }.into()),
                ("condeferrable", false.into()),
                ("condeferred", false.into()),
                ("convalidated", true.into()),
                ("conrelid", index.relation.into()),
                ("contypid", 0.into()),
                ("conindid", index.oid.into()),
                ("conparentid", 0.into()),
                ("confrelid", 0.into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
                ("conislocal", true.into()),
                ("coninhcount", 0.into()),
                ("connoinherit", true.into()),
                ("conkey", index.keys.clone().into()),
            ])?;
        }
        Ok(())
    })?;
    for table in introspection.lookup.tables() {
        for constraint in &table.constraints {
            add(introspection, rows, table, constraint)?;
        }
    }
    for user_type in introspection.lookup.user_types() {
        for check in user_type.domain().into_iter().flat_map(|domain| &domain.checks) {
            let schema = introspection.lookup.namespace_oid(user_type.schema);
            rows.add([
                ("oid", check.id.into()),
                ("conname", check.name.as_str().into()),
                ("connamespace", schema.into()),
                ("contype", "c".into()),
                ("condeferrable", false.into()),
                ("condeferred", false.into()),
                ("convalidated", true.into()),
                ("conrelid", 0.into()),
                ("contypid", user_type.id.into()),
                ("conindid", 0.into()),
                ("conparentid", 0.into()),
                ("confrelid", 0.into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
                ("conislocal", true.into()),
                ("coninhcount", 0.into()),
                ("connoinherit", false.into()),
                ("conbin", check.condition.text.as_str().into()),
            ])?;
        }
    }
    Ok(())
}

fn add(introspection: &Introspection<'_>, rows: &mut Rows, table: &Table, constraint: &Constraint) -> Result<()> {
    let numbers = |ids: &[i16]| ids.iter().copied().map(i64::from).collect::<Vec<i64>>();
    let mut actions = (" ", " ", " ");
    let (mut index, mut other, mut other_columns, mut condition) = (0, 0, Datum::Null, Datum::Null);
    let (mut set_columns, mut is_valid) = (Datum::Null, true);
    let (kind, columns) = match &constraint.rule {
        ConstraintRule::PrimaryKey { columns } => ("p", numbers(columns)),
        ConstraintRule::Unique { columns, .. } => ("u", numbers(columns)),
        ConstraintRule::ForeignKey {
            columns,
            table: referenced_table,
            referenced,
            terms,
        } => {
            actions = (
                if terms.match_full { "f" } else { "s" },
                terms.on_update.code(),
                terms.on_delete.code(),
            );
            if !terms.set_columns.is_empty() {
                set_columns = numbers(&terms.set_columns).into();
            }
            is_valid = constraint.enforced && !terms.not_valid;
            other = *referenced_table;
            other_columns = numbers(referenced).into();
            let mut keys = introspection.lookup.keys();
            let key = keys.find(|key| key.table.id == other && key.columns == referenced.as_slice());
            index = key.map_or(0, |key| key.index());
            ("f", numbers(columns))
        }
        ConstraintRule::Check { condition: stored } => {
            condition = stored.text.as_str().into();
            ("c", stored.columns.iter().map(|(id, _)| i64::from(*id)).collect())
        }
    };
    if matches!(kind, "p" | "u") {
        index = index_of_constraint(constraint.id);
    }
    rows.add([
        ("oid", constraint.id.into()),
        ("conname", constraint.name.as_str().into()),
        ("connamespace", introspection.lookup.namespace_oid(table.schema).into()),
        ("contype", kind.into()),
        ("condeferrable", constraint.timing.is_deferrable().into()),
        ("condeferred", (constraint.timing == Timing::Deferred).into()),
        ("convalidated", is_valid.into()),
        ("conrelid", table.id.into()),
        ("contypid", 0.into()),
        ("conindid", index.into()),
        ("conparentid", 0.into()),
        ("confrelid", other.into()),
        ("confupdtype", actions.1.into()),
        ("confdeltype", actions.2.into()),
        ("confmatchtype", actions.0.into()),
        ("conislocal", true.into()),
        ("coninhcount", 0.into()),
        ("connoinherit", (kind != "c").into()),
        ("conkey", columns.into()),
        ("confkey", other_columns),
        ("confdelsetcols", set_columns),
        ("conbin", condition),
    ])
}
