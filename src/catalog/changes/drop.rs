//! DROP with RESTRICT and CASCADE. What depends on an object goes with it or keeps it; a function that
//! protects a table is kept by that table even under CASCADE, because dropping it would bare the rows.

use std::collections::BTreeSet;

use super::*;
use crate::catalog::resolve::Scope;

/// Resolves the names and drops what they mean, in one step, so that they may depend on each other. With IF
/// EXISTS, missing ones become notices. Roles are `drop_role`'s. What was dropped, CASCADE's victims included.
pub fn drop_named(
    staged: &mut Staged,
    role: Oid,
    kind: ObjectKind,
    scope: Scope<'_>,
    names: &[Vec<String>],
    if_exists: bool,
    cascade: bool,
) -> Result<Vec<Object>> {
    let snapshot = staged.snapshot();
    let mut ids = vec![];
    for name in names {
        match snapshot.resolve_object(kind, scope, name) {
            Ok(object) => ids.push(object.id()),
            Err(error)
                if kind == ObjectKind::Index && is_missing(&error) && snapshot.find_key(scope, name)?.is_some() =>
            {
                return Err(index_of_key(&snapshot, scope, name)?);
            }
            Err(error) if if_exists && is_missing(&error) => {
                staged.notice(format!("{}, skipping", error.message()));
            }
            Err(error) if error.state() == SqlState::WrongObjectType => {
                let hint = snapshot.find_relation(scope, name)?.and_then(right_drop);
                return Err(match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                });
            }
            Err(error) => return Err(error),
        }
    }
    drop(snapshot);
    drop_objects(staged, role, &ids, cascade)
}

/// The statement that drops what another one was asked to.
fn right_drop(found: &Object) -> Option<String> {
    let word = found.kind().word();
    Some(match found.kind() {
        ObjectKind::Index => format!("Use DROP INDEX to remove an {word}."),
        ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Sequence => {
            format!("Use DROP {} to remove a {word}.", word.to_uppercase())
        }
        _ => return None,
    })
}

/// The index of a declared key goes with its constraint only.
fn index_of_key(snapshot: &CatalogSnapshot, scope: Scope<'_>, name: &[String]) -> Result<Error> {
    let Some((table, constraint)) = snapshot.find_key(scope, name)? else {
        return Err(Error::internal("a key vanished"));
    };
    let (key, relation) = (&constraint.name, &table.name);
    let what = format!("constraint {key} on table {relation}");
    let message = format!("cannot drop index {key} because {what} requires it");
    Ok(Error::new(SqlState::DependentObjectsStillExist, message).with_hint(format!("You can drop {what} instead.")))
}

fn is_missing(error: &Error) -> bool {
    matches!(
        error.state(),
        SqlState::UndefinedTable
            | SqlState::UndefinedObject
            | SqlState::UndefinedFunction
            | SqlState::InvalidSchemaName
            | SqlState::InvalidCatalogName
    )
}

/// The columns, by table and name, whose types CASCADE takes away from tables that stay. A materialized view goes as a
/// whole.
pub fn columns_of_dropped_types(
    staged: &mut Staged,
    role: Oid,
    kind: ObjectKind,
    scope: Scope<'_>,
    names: &[Vec<String>],
) -> Result<Vec<(Oid, String)>> {
    let snapshot = staged.snapshot();
    let mut ids = vec![];
    for name in names {
        if let Ok(object) = snapshot.resolve_object(kind, scope, name) {
            staged.require(Permission::OwnsOrParent {
                role,
                object: object.id(),
            })?;
            ids.push(object.id());
        }
    }
    Ok(columns_of_types_among(&snapshot, &ids))
}

/// The same of objects that are known.
pub fn columns_of_types_among(snapshot: &CatalogSnapshot, ids: &[Oid]) -> Vec<(Oid, String)> {
    let (all, edges) = closure(snapshot, ids.iter().copied().collect());
    let edges = edges
        .iter()
        .filter(|edge| edge.is_column && !all.contains(&edge.dependent));
    let columns = edges.flat_map(|edge| {
        let table = snapshot.table(edge.dependent);
        let columns = table.into_iter().flat_map(|table| &table.columns);
        let of_type = columns.filter(|column| column.sql_type.user_type() == Some(edge.on));
        of_type
            .map(|column| (edge.dependent, column.name.clone()))
            .collect::<Vec<_>>()
    });
    columns.collect()
}

/// Drops the objects; needs ownership of each, or of the schema that it lies in. What was dropped.
pub fn drop_objects(staged: &mut Staged, role: Oid, ids: &[Oid], cascade: bool) -> Result<Vec<Object>> {
    let snapshot = staged.snapshot();
    for id in ids {
        if let Some(system) = snapshot.schema(*id).filter(|schema| schema.database == 0) {
            let message = format!(
                "cannot drop schema {} because it is required by the database system",
                system.name
            );
            return Err(Error::new(SqlState::DependentObjectsStillExist, message));
        }
        staged.require(Permission::OwnsOrParent { role, object: *id })?;
        check_location_is_unused(staged, &snapshot, *id)?;
    }
    let asked: BTreeSet<Oid> = ids.iter().copied().collect();
    let implied: BTreeSet<Oid> = ids
        .iter()
        .filter_map(|id| empty_public_schema(&snapshot, *id))
        .collect();
    let (all, edges) = closure(&snapshot, asked.union(&implied).copied().collect());
    for id in ids {
        check_numbering(&snapshot, *id, &all)?;
    }
    let name = |id: Oid| {
        snapshot
            .object(id)
            .map(|object| describe(&snapshot, object))
            .unwrap_or_default()
    };

    let extra: Vec<&Edge> = edges
        .iter()
        .filter(|edge| !asked.contains(&edge.dependent) && !implied.contains(&edge.dependent))
        .filter(|edge| !(edge.is_column || edge.is_reference) || !all.contains(&edge.dependent))
        .filter(|edge| !goes_silently(&snapshot, edge.dependent))
        .collect();
    if let Some(policy) = edges
        .iter()
        .find(|edge| edge.is_policy && !all.contains(&edge.dependent))
    {
        let (function, table) = (name(policy.on), name(policy.dependent));
        let message = format!("cannot drop {function} because {table} is protected by it");
        return Err(Error::new(SqlState::DependentObjectsStillExist, message)
            .with_detail(format!("A row filter or column mask of {table} calls {function}."))
            .with_hint("Drop the row filter or column mask first."));
    }
    if !cascade && !extra.is_empty() {
        let what = match ids {
            [one] => name(*one),
            _ => "desired object(s)".to_string(),
        };
        let lines: Vec<String> = extra
            .iter()
            .flat_map(|edge| {
                let on = name(edge.on);
                let dependents = dependents_by(&snapshot, edge).into_iter();
                dependents.map(move |dependent| format!("{dependent} depends on {on}"))
            })
            .collect();
        return Err(still_needed(&what, &lines));
    }
    let goes_with_schema = |id: Oid| {
        let mut edges = edges.iter().filter(|edge| edge.dependent == id);
        edges.any(|edge| snapshot.schema(edge.on).is_some())
    };
    let loses_a_field = |edge: &&&Edge| {
        let outer = snapshot.user_type(edge.dependent);
        let has_fields = outer.is_some_and(|outer| outer.attributes().is_some());
        has_fields && snapshot.user_type(edge.on).is_some() && !goes_with_schema(edge.dependent)
    };
    if let Some(edge) = extra.iter().find(loses_a_field) {
        let what = format!(
            "taking the fields of {} away from {}",
            name(edge.on),
            name(edge.dependent)
        );
        return Err(Error::unsupported(what));
    }
    let victims: Vec<Oid> = all
        .iter()
        .copied()
        .filter(|id| !asked.contains(id) && !implied.contains(id) && !goes_silently(&snapshot, *id))
        .collect();
    let references = extra.iter().filter(|edge| edge.is_reference);
    let references = references.flat_map(|edge| dependents_by(&snapshot, edge));
    let victims: Vec<String> = victims.into_iter().map(name).chain(references).collect();
    match victims.as_slice() {
        [] => {}
        [one] => staged.notice(format!("drop cascades to {one}")),
        several => {
            let lines: Vec<String> = several.iter().map(|one| format!("drop cascades to {one}")).collect();
            staged.notice_with_detail(
                format!("drop cascades to {} other objects", several.len()),
                lines.join("\n"),
            );
        }
    }
    let dropped = all.iter().filter_map(|id| snapshot.object(*id).cloned()).collect();
    drop(snapshot);
    remove(staged, all)?;
    Ok(dropped)
}

/// What is a part of its table: a column's sequence, an index. It goes without a word.
fn goes_silently(snapshot: &CatalogSnapshot, id: Oid) -> bool {
    match snapshot.object(id) {
        Some(Object::Sequence(sequence)) => sequence.owned_by.is_some(),
        Some(Object::Index(_)) => true,
        _ => false,
    }
}

/// Refuses to drop a sequence that numbers a column which stays.
fn check_numbering(snapshot: &CatalogSnapshot, id: Oid, all: &BTreeSet<Oid>) -> Result<()> {
    let Some(Object::Sequence(sequence)) = snapshot.object(id) else {
        return Ok(());
    };
    let Some(Object::Table(table)) = sequence.owned_by.and_then(|(table, _)| snapshot.object(table)) else {
        return Ok(());
    };
    let numbers = |column: &&Column| column.numbering.is_some_and(|numbering| numbering.sequence == id);
    match table.columns.iter().find(numbers).filter(|_| !all.contains(&table.id)) {
        None => Ok(()),
        Some(column) => {
            let message = format!(
                "cannot drop sequence {} because other objects depend on it",
                sequence.name
            );
            let detail = format!(
                "default value for column {} of table {} depends on sequence {}",
                column.name, table.name, sequence.name
            );
            Err(Error::new(SqlState::DependentObjectsStillExist, message)
                .with_detail(detail)
                .with_hint("Drop the column, or its table."))
        }
    }
}

/// Drops the objects with all that depends on them, for a statement that has said so already.
pub(super) fn drop_without_asking(staged: &mut Staged, ids: &[Oid]) -> Result<()> {
    let snapshot = staged.snapshot();
    let (all, edges) = closure(&snapshot, ids.iter().copied().collect());
    if edges
        .iter()
        .any(|edge| edge.is_policy && !all.contains(&edge.dependent))
    {
        let message = "cannot drop a function that protects a table";
        return Err(Error::new(SqlState::DependentObjectsStillExist, message));
    }
    drop(snapshot);
    remove(staged, all)
}

fn remove(staged: &mut Staged, all: BTreeSet<Oid>) -> Result<()> {
    super::references::release_dropped(staged, &all)?;
    for id in all {
        if let Some(schema) = staged.view().schema(id).cloned() {
            super::default_privileges::forget_schema(staged, &schema)?;
        }
        staged.rely_on_dependents(id);
        staged.drop_object(id)?;
    }
    Ok(())
}

/// One object that keeps another.
struct Edge {
    dependent: Oid,
    on: Oid,
    /// The dependent is a table whose policy calls the function: it does not go with it.
    is_policy: bool,
    /// The dependent is a table with columns of the type: they go, it stays.
    is_column: bool,
    /// The dependent is a table whose foreign keys refer to the other: they go, it stays.
    is_reference: bool,
}

/// The objects with all that must go with them, and why.
fn closure(snapshot: &CatalogSnapshot, start: BTreeSet<Oid>) -> (BTreeSet<Oid>, Vec<Edge>) {
    let mut edges = vec![];
    let mut unvisited: Vec<Oid> = start.iter().copied().collect();
    let mut all = start;
    while let Some(on) = unvisited.pop() {
        for object in snapshot.dependents(on) {
            let dependent = object.id();
            let is_policy = matches!(object, Object::Table(table) if table.policy_functions().any(|id| id == on));
            let is_column = matches!(object, Object::Table(table) if table.materialized.is_none())
                && snapshot.user_type(on).is_some();
            let is_reference =
                matches!(object, Object::Table(table) if table.foreign_keys().any(|key| key.table == on));
            if !is_policy && !is_column && !is_reference && all.insert(dependent) {
                unvisited.push(dependent);
            }
            edges.push(Edge {
                dependent,
                on,
                is_policy,
                is_column,
                is_reference,
            });
        }
    }
    edges.sort_by_key(|edge| (edge.on, edge.dependent));
    (all, edges)
}

/// A database's own `public` goes with it while nothing is in it.
fn empty_public_schema(snapshot: &CatalogSnapshot, database: Oid) -> Option<Oid> {
    snapshot.database(database)?;
    let schema = snapshot.schema_named(database, "public")?;
    snapshot.dependents(schema.id).next().is_none().then_some(schema.id)
}

/// An external location stays while tables lie below it; relies on none being put there meanwhile.
fn check_location_is_unused(staged: &mut Staged, snapshot: &CatalogSnapshot, id: Oid) -> Result<()> {
    let Some(location) = snapshot.external_location(id) else {
        return Ok(());
    };
    let below =
        |table: &&Table| matches!(&table.location, TableLocation::External(url) if url.starts_with(&location.url));
    let mut tables: Vec<&Table> = snapshot.tables().filter(below).collect();
    tables.sort_by_key(|table| table.id);
    if tables.is_empty() {
        staged.occupant(&location.url);
        return Ok(());
    }
    let lines: Vec<String> = tables
        .iter()
        .map(|table| format!("table {} lies below it", table.name))
        .collect();
    let message = format!(
        "cannot drop external location {} because tables lie below it",
        location.name
    );
    Err(Error::new(SqlState::DependentObjectsStillExist, message)
        .with_detail(lines.join("\n"))
        .with_hint("Drop the tables first; their files stay."))
}

/// 2BP01 with a line for each dependent.
pub(super) fn dependents_exist<'a>(
    snapshot: &CatalogSnapshot,
    what: &str,
    dependents: impl Iterator<Item = (&'a Object, &'a str)>,
) -> Error {
    let lines: Vec<String> = dependents
        .map(|(object, on)| format!("{} depends on {on}", describe(snapshot, object)))
        .collect();
    still_needed(what, &lines)
}

/// What an edge keeps, as messages name it: of a table that stays, the columns of the type.
fn dependents_by(snapshot: &CatalogSnapshot, edge: &Edge) -> Vec<String> {
    let Some(object) = snapshot.object(edge.dependent) else {
        return vec![];
    };
    let described = describe(snapshot, object);
    if let (true, Object::Table(table)) = (edge.is_reference, object) {
        let keys = table.foreign_keys().filter(|key| key.table == edge.on);
        return keys
            .map(|key| super::references::described(snapshot, table, &key).described)
            .collect();
    }
    if !edge.is_column {
        return vec![described];
    }
    let of_type = object
        .columns()
        .iter()
        .filter(|column| column.sql_type.user_type() == Some(edge.on));
    of_type
        .map(|column| format!("column {} of {described}", column.name))
        .collect()
}

pub(super) fn still_needed(what: &str, lines: &[String]) -> Error {
    let them = if what == "desired object(s)" { "them" } else { "it" };
    let message = format!("cannot drop {what} because other objects depend on {them}");
    Error::new(SqlState::DependentObjectsStillExist, message)
        .with_detail(lines.join("\n"))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
}
