//! Foreign keys: what may refer to what, whether rows are held to it, and what goes with a key that others refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::constraint::column_ids;
use super::*;
use crate::types::compared_as;

const OTHERS_WRITE: &str = "Other engines write to external tables, and know nothing of the key.";

/// Where a column is that messages call missing.
pub(super) const IN_FOREIGN_KEY: &str = "referenced in foreign key constraint";

/// A foreign key as a statement declares it, with its columns found.
pub(super) struct NewReference {
    /// For messages.
    pub name: String,
    pub columns: Vec<i16>,
    pub table: Oid,
    /// None are the other table's primary key.
    pub referenced: Vec<String>,
    pub terms: ForeignKeyTerms,
    pub set_columns: Vec<i16>,
    pub enforced: Option<bool>,
}

/// The rule, and whether rows are held to it. Needs REFERENCES on the columns that it refers to.
pub(super) fn declare(
    staged: &mut Staged,
    role: Oid,
    table: &Table,
    new: NewReference,
) -> Result<(ConstraintRule, bool)> {
    let staged_table;
    let target = if new.table == table.id {
        table
    } else {
        staged_table = staged.object(new.table)?;
        match &staged_table {
            Object::Table(target) if target.materialized.is_none() => target,
            other => {
                let message = format!("referenced relation \"{}\" is not a table", other.name());
                return Err(Error::new(SqlState::WrongObjectType, message));
            }
        }
    };
    let kinds = match (table.is_temporary(), target.is_temporary()) {
        (false, true) => Some("permanent"),
        (true, false) => Some("temporary"),
        _ => None,
    };
    if let Some(kind) = kinds {
        let message = format!("constraints on {kind} tables may reference only {kind} tables");
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    let referenced = referenced_key(target, &new.referenced)?;
    if new.table != table.id {
        let object = Object::Table(target.clone());
        let snapshot = staged.snapshot();
        let access = snapshot.access(role);
        if !referenced
            .iter()
            .all(|id| access.has_column(&object, *id, Privilege::References))
        {
            return Err(Error::denied("table", &target.name));
        }
    }
    if referenced.len() != new.columns.len() {
        let message = "number of referencing and referenced columns for foreign key disagree";
        return Err(Error::new(SqlState::InvalidForeignKey, message));
    }
    for (own, other) in new.columns.iter().zip(&referenced) {
        let (Some(own), Some(other)) = (table.column(*own), target.column(*other)) else {
            return Err(Error::internal("a foreign key lost a column"));
        };
        if compared_as(&own.sql_type, &other.sql_type).is_none() {
            let message = format!("foreign key constraint \"{}\" cannot be implemented", new.name);
            let detail = format!(
                "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                own.name,
                other.name,
                own.sql_type.without_modifier(),
                other.sql_type.without_modifier()
            );
            return Err(Error::new(SqlState::DatatypeMismatch, message).with_detail(detail));
        }
    }
    if let Some(id) = new.set_columns.iter().find(|id| !new.columns.contains(id)) {
        let column = table.column(*id).map_or("", |column| column.name.as_str());
        let message = format!("column \"{column}\" referenced in ON DELETE SET action must be part of foreign key");
        return Err(Error::new(SqlState::InvalidColumnReference, message));
    }
    let enforced = is_enforced(staged, &new, table.holds_writers() && target.holds_writers())?;
    let rule = ConstraintRule::ForeignKey {
        columns: new.columns,
        table: new.table,
        referenced,
        terms: ForeignKeyTerms {
            set_columns: new.set_columns,
            ..new.terms
        },
    };
    Ok((rule, enforced))
}

/// Where all writers can be held to it a foreign key is enforced unless the statement says otherwise.
fn is_enforced(staged: &mut Staged, new: &NewReference, holds_writers: bool) -> Result<bool> {
    match (new.enforced, holds_writers) {
        (Some(true), false) => {
            Err(Error::unsupported("an enforced foreign key of an external table").with_detail(OTHERS_WRITE))
        }
        (None, false) => {
            let message = format!("foreign key \"{}\" is declared only and not enforced", new.name);
            staged.notice_with_detail(message, OTHERS_WRITE.to_string());
            Ok(false)
        }
        (enforced, _) => Ok(enforced.unwrap_or(true)),
    }
}

/// The key that a foreign key refers to.
fn referenced_key(target: &Table, names: &[String]) -> Result<Vec<i16>> {
    let (key, columns) = if names.is_empty() {
        let mut keys = target.keys();
        let primary = keys.find(|(constraint, _)| matches!(constraint.rule, ConstraintRule::PrimaryKey { .. }));
        let (key, columns) = primary.ok_or_else(|| {
            let message = format!("there is no primary key for referenced table \"{}\"", target.name);
            Error::new(SqlState::UndefinedObject, message)
        })?;
        (key, columns.to_vec())
    } else {
        let columns = column_ids(target, names, IN_FOREIGN_KEY)?;
        let same = |key: &[i16]| key.len() == columns.len() && key.iter().all(|id| columns.contains(id));
        let found = target.keys().filter(|(_, key)| same(key));
        let (key, _) = found.min_by_key(|(key, _)| key.timing.is_deferrable()).ok_or_else(|| {
            let message = format!(
                "there is no unique constraint matching given keys for referenced table \"{}\"",
                target.name
            );
            Error::new(SqlState::InvalidForeignKey, message)
        })?;
        (key, columns)
    };
    if key.timing.is_deferrable() {
        let kind = if names.is_empty() {
            "primary key"
        } else {
            "unique constraint"
        };
        let message = format!(
            "cannot use a deferrable {kind} for referenced table \"{}\"",
            target.name
        );
        return Err(Error::new(SqlState::ObjectNotInPrerequisiteState, message));
    }
    Ok(columns)
}

/// A foreign key that refers to a table.
pub(super) struct Referring {
    pub table: Oid,
    pub constraint: Oid,
    /// As messages name it.
    pub described: String,
}

/// The foreign keys of all tables that refer to this one and are wanted; the table itself is as it will be.
pub(super) fn referring(staged: &Staged, table: &Table, is_wanted: impl Fn(&ForeignKey<'_>) -> bool) -> Vec<Referring> {
    let snapshot = staged.snapshot();
    let others = snapshot.referencing(table.id).filter(|(other, _)| other.id != table.id);
    let own = table.foreign_keys().filter(|key| key.table == table.id);
    own.map(|key| (table, key))
        .chain(others)
        .filter(|(_, key)| is_wanted(key))
        .map(|(other, key)| described(&snapshot, other, &key))
        .collect()
}

pub(super) fn described(snapshot: &CatalogSnapshot, table: &Table, key: &ForeignKey<'_>) -> Referring {
    let name = describe(snapshot, &Object::Table(table.clone()));
    Referring {
        table: table.id,
        constraint: key.constraint.id,
        described: format!("constraint {} on {name}", key.constraint.name),
    }
}

/// Drops foreign keys with `on`, a part of `table`, or without CASCADE refuses to drop `what` for their sake.
pub(super) fn release(
    staged: &mut Staged,
    table: &mut Table,
    referring: &[Referring],
    what: &str,
    on: &str,
    cascade: bool,
) -> Result<()> {
    if referring.is_empty() {
        return Ok(());
    }
    if !cascade {
        let lines = referring.iter().map(|key| format!("{} depends on {on}", key.described));
        return Err(super::drop::still_needed(what, &lines.collect::<Vec<_>>()));
    }
    for key in referring {
        staged.notice(format!("drop cascades to {}", key.described));
    }
    let gone: BTreeSet<Oid> = referring.iter().map(|key| key.constraint).collect();
    table.constraints.retain(|constraint| !gone.contains(&constraint.id));
    let others = referring.iter().map(|key| key.table).filter(|id| *id != table.id);
    for id in others.collect::<BTreeSet<Oid>>() {
        if let Object::Table(mut other) = staged.object(id)? {
            other.constraints.retain(|constraint| !gone.contains(&constraint.id));
            staged.put(other)?;
        }
    }
    Ok(())
}

/// Takes from the tables that stay the foreign keys that refer to those that go.
pub(super) fn release_dropped(staged: &mut Staged, dropped: &BTreeSet<Oid>) -> Result<()> {
    let snapshot = staged.snapshot();
    let mut changed: BTreeMap<Oid, Table> = BTreeMap::new();
    for id in dropped {
        for (other, key) in snapshot
            .referencing(*id)
            .filter(|(other, _)| !dropped.contains(&other.id))
        {
            let other = changed.entry(other.id).or_insert_with(|| other.clone());
            other
                .constraints
                .retain(|constraint| constraint.id != key.constraint.id);
        }
    }
    drop(snapshot);
    changed.into_values().try_for_each(|table| staged.put(table))
}
