//! CREATE [OR REPLACE] VIEW. The text is kept as written, with what its names meant.

use super::default_privileges::grants_of_new;
use super::table::{missing_column, numbered};
use super::*;

/// A view after its query was bound.
#[derive(Debug, Clone, PartialEq)]
pub struct NewView {
    pub schema: Oid,
    pub name: String,
    pub query: String,
    pub search_path: Vec<Oid>,
    pub columns: Vec<NewColumn>,
    pub references: Vec<Reference>,
    pub options: ViewOptions,
}

/// Creates or replaces the view; needs CREATE on the schema, replacing needs ownership. A replacement keeps
/// id, owner and grants, and may only add columns at the end, so that other views still fit.
pub fn create_view(staged: &mut Staged, role: Oid, new: NewView, when_taken: WhenTaken) -> Result<Created> {
    require_create(staged, role, new.schema)?;
    check_name(ObjectKind::View, &new.name)?;
    super::user_type::check_row_type(staged, new.schema, &new.name)?;
    let columns = numbered(&new.columns, 1)?;
    let snapshot = staged.snapshot();
    let Some(existing) = snapshot.relation_named(new.schema, &new.name) else {
        let id = staged.new_oid()?;
        let NewView {
            schema,
            name,
            query,
            search_path,
            references,
            options,
            ..
        } = new;
        let grants = grants_of_new(staged, role, ObjectKind::View, schema);
        let (comment, owner) = (None, role);
        staged.put(View {
            id,
            schema,
            name,
            owner,
            query,
            search_path,
            columns,
            references,
            options,
            grants,
            comment,
        })?;
        return Ok(Created::New(id));
    };
    if when_taken != WhenTaken::Replace {
        return keep_existing(staged, existing, when_taken);
    }
    let Object::View(view) = existing else {
        let message = format!("\"{}\" is not a view", existing.name());
        return Err(Error::new(SqlState::WrongObjectType, message));
    };
    staged.require(Permission::Owns { role, object: view.id })?;
    check_recursion(&snapshot, view.id, &new.references, &format!("view \"{}\"", view.name))?;
    let columns = replaced(view, columns)?;
    let NewView {
        query,
        search_path,
        references,
        options,
        ..
    } = new;
    staged.put(View {
        query,
        search_path,
        columns,
        references,
        options,
        ..view.clone()
    })?;
    Ok(Created::Replaced(view.id))
}

/// Gives a column of the view another name; what its query calls it stays.
pub fn rename_view_column(staged: &mut Staged, role: Oid, view: Oid, column: &str, to: &str) -> Result<()> {
    staged.require(Permission::Owns { role, object: view })?;
    check_name(ObjectKind::Column, to)?;
    let Object::View(mut view) = staged.object(view)? else {
        return Err(Error::internal("the columns of a view are renamed, and it is none"));
    };
    if view.columns.iter().any(|existing| existing.name == to) {
        let message = format!("column \"{to}\" of relation \"{}\" already exists", view.name);
        return Err(Error::new(SqlState::DuplicateColumn, message));
    }
    let named = view.columns.iter_mut().find(|existing| existing.name == column);
    let Some(named) = named else {
        return Err(missing_column(column, &view.name));
    };
    named.name = to.to_string();
    staged.put(view)
}

/// The new columns with the grants of the old ones; PostgreSQL's 42P16 where they do not fit.
fn replaced(view: &View, mut columns: Vec<Column>) -> Result<Vec<Column>> {
    let refuse = |message: String| Err(Error::new(SqlState::InvalidTableDefinition, message));
    if columns.len() < view.columns.len() {
        return refuse("cannot drop columns from view".into());
    }
    for (new, old) in columns.iter_mut().zip(&view.columns) {
        if new.name != old.name {
            return refuse(format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                old.name, new.name
            ));
        }
        if new.sql_type != old.sql_type {
            let (name, from, to) = (&old.name, &old.sql_type, &new.sql_type);
            return refuse(format!(
                "cannot change data type of view column \"{name}\" from {from} to {to}"
            ));
        }
        (new.id, new.grants, new.comment) = (old.id, old.grants.clone(), old.comment.clone());
    }
    Ok(columns)
}

/// Refuses a definition that names itself, directly or through others.
pub(super) fn check_recursion(snapshot: &CatalogSnapshot, id: Oid, references: &[Reference], what: &str) -> Result<()> {
    let mut unvisited: Vec<Oid> = references.iter().map(|reference| reference.object).collect();
    let mut visited = std::collections::HashSet::new();
    while let Some(next) = unvisited.pop() {
        if next == id {
            let message = format!("infinite recursion detected in the definition of {what}");
            return Err(Error::new(SqlState::InvalidObjectDefinition, message));
        }
        if visited.insert(next)
            && let Some(object @ (Object::View(_) | Object::Function(_))) = snapshot.object(next)
        {
            unvisited.extend(object.depends_on());
        }
    }
    Ok(())
}
