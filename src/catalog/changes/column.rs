//! ALTER TABLE on columns: the catalog's half. Column ids are never reused, so policies, grants and views,
//! which name columns by id, survive renames and never meet a stranger.

use super::table::{missing_column, numbered};
use super::*;
use crate::types::SqlType;

/// Adds columns at the end; the flag is IF NOT EXISTS.
pub fn add_columns(staged: &mut Staged, role: Oid, table: Oid, columns: &[(NewColumn, bool)]) -> Result<Vec<i16>> {
    let mut table = owned_table(staged, role, table)?;
    let mut added = vec![];
    let mut numberings = vec![];
    for (column, if_not_exists) in columns {
        refuse_system_name(&column.name)?;
        let taken = |existing: &Column| existing.name.eq_ignore_ascii_case(&column.name);
        if table.columns.iter().any(taken) {
            let message = format!(
                "column \"{}\" of relation \"{}\" already exists",
                column.name, table.name
            );
            let error = Error::new(SqlState::DuplicateColumn, message);
            if !if_not_exists {
                return Err(error);
            }
            staged.skipping(&error);
            continue;
        }
        if table.columns.len() >= 1600 || table.next_column == i16::MAX {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                "tables can have at most 1600 columns",
            ));
        }
        table
            .columns
            .extend(numbered(std::slice::from_ref(column), table.next_column)?);
        added.push(table.next_column);
        table.next_column += 1;
        numberings.extend(column.numbering.as_ref().map(|numbering| (&column.name, numbering)));
    }
    staged.put(table.clone())?;
    // As in CREATE TABLE: a column's sequence refers to the table, and the column to it.
    for (column, numbering) in &numberings {
        super::sequence::number_column(staged, "ALTER TABLE", role, &mut table, column, numbering)?;
    }
    if !numberings.is_empty() {
        staged.put(table)?;
    }
    Ok(added)
}

/// Drops a column, with CASCADE the views and functions that use it as well. A column that a policy reads
/// stays. Whether there was one.
pub fn drop_column(
    staged: &mut Staged,
    role: Oid,
    table: Oid,
    column: &str,
    if_exists: bool,
    cascade: bool,
) -> Result<bool> {
    let mut table = owned_table(staged, role, table)?;
    let Some(found) = table.column_named(column) else {
        let error = missing_column(column, &table.name);
        if !if_exists {
            return Err(error);
        }
        staged.notice(format!("{}, skipping", error.message()));
        return Ok(false);
    };
    let id = found.id;
    if table.partition_columns.contains(&id) {
        let message = format!("cannot drop column \"{column}\" because the table is partitioned by it");
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    if table.columns.len() == 1 {
        let message = format!("cannot drop the last column of table \"{}\"", table.name);
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    if is_read_by_policy(&table, id) {
        let message = format!(
            "cannot drop column {column} of table {} because a policy reads it",
            table.name
        );
        return Err(Error::new(SqlState::DependentObjectsStillExist, message)
            .with_hint("Drop the row filter or column mask first."));
    }
    check_generated(&table, id, "drop")?;
    drop_users(staged, &table, id, cascade)?;
    // What a key of the column itself refers to goes with it.
    let refers = |key: &ForeignKey<'_>| {
        let is_own = key.table == table.id && table.constraints.iter().any(|own| own.id == key.constraint.id);
        key.referenced.contains(&id) && !(is_own && key.columns.contains(&id))
    };
    let referring = super::references::referring(staged, &table, refers);
    let what = format!("column {column} of table {}", table.name);
    super::references::release(staged, &mut table, &referring, &what, &what, cascade)?;
    let indexes: Vec<Oid> = staged
        .view()
        .indexes(table.id)
        .filter(|index| index.uses(id))
        .map(|index| index.id)
        .collect();
    super::drop::drop_without_asking(staged, &indexes)?;
    if let Some(numbering) = table.column(id).and_then(|column| column.numbering) {
        staged.drop_object(numbering.sequence)?;
    }
    table.columns.retain(|column| column.id != id);
    table.constraints.retain(|constraint| !constraint.uses(id));
    staged.put(table)?;
    Ok(true)
}

/// Refuses to drop or to change the type of what another column is generated from.
fn check_generated(table: &Table, id: i16, verb: &str) -> Result<()> {
    let uses = |other: &&Column| {
        let mut used = other.generated().into_iter().flat_map(|generated| &generated.columns);
        other.id != id && used.any(|(column, _)| *column == id)
    };
    let (Some(user), Some(column)) = (table.columns.iter().find(uses), table.column(id)) else {
        return Ok(());
    };
    let (name, user, relation) = (&column.name, &user.name, &table.name);
    Err(match verb {
        "drop" => {
            let message = format!("cannot drop column {name} of table {relation} because other objects depend on it");
            let detail = format!("column {user} of table {relation} depends on column {name} of table {relation}");
            Error::new(SqlState::DependentObjectsStillExist, message)
                .with_detail(detail)
                .with_hint("Drop the generated column first.")
        }
        _ => Error::new(
            SqlState::FeatureNotSupported,
            "cannot alter type of a column used by a generated column",
        )
        .with_detail(format!("Column \"{name}\" is used by generated column \"{user}\".")),
    })
}

/// Whether the row filter or another column's mask reads the column.
pub(super) fn is_read_by_policy(table: &Table, column: i16) -> bool {
    let mut masks = table
        .columns
        .iter()
        .filter(|other| other.id != column)
        .filter_map(|other| other.mask.as_ref());
    table.row_filter.iter().any(|filter| filter.columns.contains(&column))
        || masks.any(|mask| mask.using_columns.contains(&column))
}

/// Drops, or without CASCADE refuses because of, the views and functions whose text uses the column.
fn drop_users(staged: &mut Staged, table: &Table, column: i16, cascade: bool) -> Result<()> {
    staged.rely_on_dependents(table.id);
    let snapshot = staged.snapshot();
    let users = users_of(&snapshot, table, column);
    if users.is_empty() {
        return Ok(());
    }
    let name = table.column(column).map_or("?", |column| column.name.as_str());
    let what = format!("column {name} of table {}", table.name);
    if !cascade {
        return Err(super::drop::dependents_exist(
            &snapshot,
            &what,
            users.iter().map(|user| (*user, what.as_str())),
        ));
    }
    for user in &users {
        staged.notice(format!("drop cascades to {}", describe(&snapshot, user)));
    }
    let users: Vec<Oid> = users.iter().map(|user| user.id()).collect();
    super::drop::drop_without_asking(staged, &users)
}

/// The views and functions whose text uses the column.
fn users_of<'a>(snapshot: &'a CatalogSnapshot, table: &Table, column: i16) -> Vec<&'a Object> {
    let uses = |object: &&Object| {
        let references = match object {
            Object::View(view) => &view.references,
            Object::Table(Table {
                materialized: Some(query),
                ..
            }) => &query.references,
            Object::Function(function) => &function.references,
            _ => return false,
        };
        let mut of_table = references.iter().filter(|reference| reference.object == table.id);
        of_table.any(|used| used.columns.is_empty() || used.columns.iter().any(|(id, _)| *id == column))
    };
    snapshot.dependents(table.id).filter(uses).collect()
}

/// Gives the column another type; the rows are for the caller to change. What reads the column keeps it.
pub fn set_column_type(staged: &mut Staged, role: Oid, table: Oid, column: &str, sql_type: SqlType) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let known = table
        .column_named(column)
        .ok_or_else(|| missing_column(column, &table.name))?;
    let (id, masked) = (known.id, known.mask.is_some());
    if table.partition_columns.contains(&id) {
        let message = format!("cannot alter column \"{column}\" because the table is partitioned by it");
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    if masked || is_read_by_policy(&table, id) {
        let message = "cannot alter type of a column used in a policy definition";
        return Err(Error::new(SqlState::FeatureNotSupported, message));
    }
    check_generated(&table, id, "alter")?;
    let uses = |key: &ForeignKey<'_>| {
        let refers = key.table == table.id && key.referenced.contains(&id);
        refers || table.constraints.iter().any(|own| own.id == key.constraint.id) && key.columns.contains(&id)
    };
    let of_own = table.foreign_keys().any(|key| uses(&key));
    if of_own || !super::references::referring(staged, &table, uses).is_empty() {
        return Err(
            Error::unsupported("changing the type of a column that a foreign key compares")
                .with_hint("Drop the foreign key first, and add it again."),
        );
    }
    staged.rely_on_dependents(table.id);
    let snapshot = staged.snapshot();
    if let Some(user) = users_of(&snapshot, &table, id).first() {
        let message = "cannot alter type of a column used by a view or rule";
        let detail = format!("{} depends on column \"{column}\"", describe(&snapshot, user));
        return Err(Error::new(SqlState::FeatureNotSupported, message).with_detail(detail));
    }
    drop(snapshot);
    for column in table.columns.iter_mut().filter(|column| column.id == id) {
        column.sql_type = sql_type.clone();
    }
    staged.put(table)
}

/// Gives the column another name.
pub fn rename_column(staged: &mut Staged, role: Oid, table: Oid, column: &str, to: &str) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    check_name(ObjectKind::Column, to)?;
    refuse_system_name(to)?;
    let id = table
        .column_named(column)
        .ok_or_else(|| missing_column(column, &table.name))?
        .id;
    let taken = |existing: &Column| existing.id != id && existing.name.eq_ignore_ascii_case(to);
    if table.columns.iter().any(taken) {
        let message = format!("column \"{to}\" of relation \"{}\" already exists", table.name);
        return Err(Error::new(SqlState::DuplicateColumn, message));
    }
    for column in table.columns.iter_mut().filter(|column| column.id == id) {
        column.name = to.to_string();
    }
    staged.put(table)
}

/// Sets or drops NOT NULL; whether existing rows obey is for the caller to check.
pub fn set_not_null(staged: &mut Staged, role: Oid, table: Oid, column: &str, not_null: bool) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let id = table
        .column_named(column)
        .ok_or_else(|| missing_column(column, &table.name))?
        .id;
    for column in table.columns.iter_mut().filter(|column| column.id == id) {
        column.nullable = !not_null;
    }
    staged.put(table)
}

/// The table, for its owner only.
pub(super) fn owned_table(staged: &mut Staged, role: Oid, table: Oid) -> Result<Table> {
    staged.require(Permission::Owns { role, object: table })?;
    match staged.object(table)? {
        Object::Table(table) => Ok(table),
        other => Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a table", other.name()),
        )),
    }
}
