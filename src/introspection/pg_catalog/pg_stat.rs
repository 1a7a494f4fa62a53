//! Statistics as far as they may be told: tables, indexes and databases with counters at zero, as after a reset. How many
//! rows a table has shows to whom no policy hides any.

use super::pg_tables::schema_name;
use crate::catalog::model::{Object, Oid};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::builtin_relations;
use crate::introspection::{Introspection, Rows};
use crate::types::SqlType;

/// A relation's OID, schema and name.
type Named = (Oid, Datum, String);

fn user_tables(introspection: &Introspection<'_>) -> Vec<Named> {
    let lookup = &introspection.lookup;
    let tables = lookup.tables();
    tables
        .map(|table| (table.id, schema_name(lookup, table.schema), table.name.clone()))
        .collect()
}

fn system_tables() -> Vec<Named> {
    let tables = builtin_relations().iter().filter(|relation| relation.kind == 'r');
    tables
        .map(|relation| (relation.oid, relation.schema.into(), relation.name.to_string()))
        .collect()
}

/// pg_stat_user_tables, pg_statio_user_tables and pg_stat_xact_user_tables.
pub(super) fn of_user_tables(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    add(introspection, user_tables(introspection), rows)
}

/// The same of the system's tables.
pub(super) fn of_system_tables(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    add(introspection, system_tables(), rows)
}

/// The same of all tables.
pub(super) fn of_all_tables(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    add(introspection, system_tables(), rows)?;
    add(introspection, user_tables(introspection), rows)
}

fn add(introspection: &Introspection<'_>, tables: Vec<Named>, rows: &mut Rows) -> Result<()> {
    let counts_rows = rows.relation().columns.iter().any(|column| column.name == "n_live_tup");
    for (oid, schema, name) in tables {
        let named = [("relid", oid.into()), ("schemaname", schema), ("relname", name.into())];
        match introspection.environment.relation_rows(oid).filter(|_| counts_rows) {
            Some(live) => {
                let [relid, schema, name] = named;
                rows.add_counters([
                    relid,
                    schema,
                    name,
                    ("n_live_tup", live.into()),
                    ("n_dead_tup", 0.into()),
                ])?;
            }
            None => rows.add_counters(named)?,
        }
    }
    Ok(())
}

/// pg_stat_user_indexes and pg_statio_user_indexes; no index is ever scanned.
pub(super) fn of_indexes(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for index in lookup.indexes() {
        let table = index.table();
        rows.add_counters([
            ("relid", table.id.into()),
            ("indexrelid", index.oid().into()),
            ("schemaname", schema_name(lookup, table.schema)),
            ("relname", table.name.as_str().into()),
            ("indexrelname", index.name().into()),
        ])?;
    }
    Ok(())
}

/// pg_statio_user_sequences and its kin.
pub(super) fn of_sequences(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for object in lookup.relations() {
        if let Object::Sequence(sequence) = object {
            let schema = schema_name(lookup, sequence.schema);
            rows.add_counters([
                ("relid", sequence.id.into()),
                ("schemaname", schema),
                ("relname", sequence.name.as_str().into()),
            ])?;
        }
    }
    Ok(())
}

/// pg_stat_database.
pub(super) fn of_databases(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let sessions = introspection.monitoring.sessions();
    for database in introspection.lookup.catalog.databases() {
        let connected = sessions
            .iter()
            .filter(|session| session.database == database.id)
            .count();
        let transactions = introspection.monitoring.transactions(database.id);
        rows.add_counters([
            ("datid", database.id.into()),
            ("datname", database.name.as_str().into()),
            ("numbackends", (connected as i64).into()),
            ("xact_commit", (transactions.committed as i64).into()),
            ("xact_rollback", (transactions.rolled_back as i64).into()),
        ])?;
    }
    Ok(())
}

/// What a counter shows; estimates of rows are unknown.
pub(in crate::introspection) fn counter(name: &str, sql_type: &SqlType) -> Datum {
    match sql_type {
        _ if matches!(name, "n_live_tup" | "n_dead_tup") => Datum::Null,
        SqlType::Int8 => 0.into(),
        SqlType::Float8 => Datum::Float(0.0),
        _ => Datum::Null,
    }
}
