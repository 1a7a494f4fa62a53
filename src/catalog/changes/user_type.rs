//! CREATE TYPE and ALTER TYPE: enumerations and their labels.

use super::default_privileges::grants_of_new;
use super::*;
use crate::catalog::names::Name;

/// Where a new label comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnumPlace {
    Last,
    Before(String),
    After(String),
}

/// Creates an enumeration; needs CREATE on the schema.
pub fn create_enum(staged: &mut Staged, role: Oid, schema: Oid, name: &str, labels: &[String]) -> Result<Oid> {
    let mut known: Vec<EnumLabel> = vec![];
    for label in labels {
        check_label(label)?;
        if known.iter().any(|earlier| earlier.label == *label) {
            // PostgreSQL meets its own index here.
            let message = "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"";
            return Err(Error::new(SqlState::UniqueViolation, message));
        }
        known.push(EnumLabel {
            id: staged.new_oid()?,
            label: label.clone(),
            order: (known.len() + 1) as f32,
        });
    }
    create(staged, role, schema, name, TypeDefinition::Enum(known))
}

fn labels_of(user_type: &mut Type) -> Result<&mut Vec<EnumLabel>> {
    match &mut user_type.definition {
        TypeDefinition::Enum(labels) => Ok(labels),
        _ => Err(Error::new(
            SqlState::WrongObjectType,
            format!("{} is not an enum", user_type.name),
        )),
    }
}

pub(super) fn create(
    staged: &mut Staged,
    role: Oid,
    schema: Oid,
    name: &str,
    definition: TypeDefinition,
) -> Result<Oid> {
    require_create(staged, role, schema)?;
    check_name(ObjectKind::Type, name)?;
    // A relation's rows have a type of its name.
    let has_rows = |object: &Object| matches!(object, Object::Table(_) | Object::View(_));
    if staged.view().relation_named(schema, name).is_some_and(has_rows) {
        return Err(taken_type(name));
    }
    let id = staged.new_oid()?;
    staged.put(Type {
        id,
        schema,
        name: name.to_string(),
        owner: role,
        definition,
        grants: grants_of_new(staged, role, ObjectKind::Type, schema),
        comment: None,
    })?;
    Ok(id)
}

/// Refuses a relation whose rows' type would have the name of another type.
pub(super) fn check_row_type(staged: &Staged, schema: Oid, name: &str) -> Result<()> {
    let taken = staged.view().named(&Name::Type(schema, name.to_string()));
    match taken {
        // It is a relation too.
        Some(Object::Type(known)) if known.attributes().is_some() => {
            let message = format!("relation \"{name}\" already exists");
            Err(Error::new(SqlState::DuplicateTable, message))
        }
        Some(_) => Err(taken_type(name)),
        None => Ok(()),
    }
}

fn taken_type(name: &str) -> Error {
    let hint = "A relation has an associated type of the same name, so you must use a name that doesn't conflict with \
                any existing type.";
    Error::new(SqlState::DuplicateObject, format!("type \"{name}\" already exists")).with_hint(hint)
}

/// Adds a label; needs ownership.
pub fn add_label(
    staged: &mut Staged,
    role: Oid,
    id: Oid,
    label: &str,
    place: &EnumPlace,
    if_not_exists: bool,
) -> Result<()> {
    check_label(label)?;
    let mut user_type = owned_type(staged, role, id)?;
    let labels = labels_of(&mut user_type)?;
    if labels.iter().any(|known| known.label == label) {
        let message = format!("enum label \"{label}\" already exists");
        let error = Error::new(SqlState::DuplicateObject, message);
        if if_not_exists {
            staged.skipping(&error);
            return Ok(());
        }
        return Err(error);
    }
    let position = |neighbor: &str| {
        let found = labels.iter().position(|known| known.label == neighbor);
        found.ok_or_else(|| missing_label(neighbor))
    };
    let at = match place {
        EnumPlace::Last => labels.len(),
        EnumPlace::Before(neighbor) => position(neighbor)?,
        EnumPlace::After(neighbor) => position(neighbor)? + 1,
    };
    let before = at
        .checked_sub(1)
        .and_then(|place| labels.get(place))
        .map(|label| label.order);
    let after = labels.get(at).map(|label| label.order);
    let new = EnumLabel {
        id: staged.new_oid()?,
        label: label.to_string(),
        order: match (before, after) {
            (Some(before), Some(after)) => (before + after) / 2.0,
            (Some(before), None) => before + 1.0,
            (None, Some(after)) => after - 1.0,
            (None, None) => 1.0,
        },
    };
    labels.insert(at, new);
    // Halves run out between two labels: all are numbered anew then.
    if labels.windows(2).any(|pair| pair[0].order >= pair[1].order) {
        for (position, label) in labels.iter_mut().enumerate() {
            label.order = (position + 1) as f32;
        }
    }
    staged.put(user_type)
}

/// Gives a label another name; the rows that have it are for the caller to change. Needs ownership.
pub fn rename_label(staged: &mut Staged, role: Oid, id: Oid, from: &str, to: &str) -> Result<()> {
    check_label(to)?;
    let mut user_type = owned_type(staged, role, id)?;
    let labels = labels_of(&mut user_type)?;
    if !labels.iter().any(|known| known.label == from) {
        return Err(missing_label(from));
    }
    if labels.iter().any(|known| known.label == to) {
        let message = format!("enum label \"{to}\" already exists");
        return Err(Error::new(SqlState::DuplicateObject, message));
    }
    for label in labels.iter_mut().filter(|known| known.label == from) {
        label.label = to.to_string();
    }
    staged.rely_on_dependents(id);
    staged.put(user_type)
}

/// The tables with columns of the type. Refuses where a stored text may name the label: it would go on doing so.
pub fn label_users(snapshot: &CatalogSnapshot, id: Oid, label: &str) -> Result<Vec<Table>> {
    let is_of_type = |column: &Column| column.sql_type.user_type() == Some(id);
    let tables = snapshot.dependents(id).filter_map(|object| match object {
        Object::Table(table) => Some(table.clone()),
        _ => None,
    });
    let tables: Vec<Table> = tables.collect();
    let of_tables = tables.iter().flat_map(|table| snapshot.dependents(table.id));
    let literal = format!("'{}'", label.replace('\'', "''"));
    for object in snapshot.dependents(id).chain(of_tables) {
        if let Object::Type(domain) = object {
            return Err(Error::unsupported(format!(
                "renaming a label that domain {} may have",
                domain.name
            )));
        }
        if stored_texts(object).iter().any(|text| text.contains(&literal)) {
            let what = describe(snapshot, object);
            return Err(Error::unsupported(format!("renaming a label that {what} may name"))
                .with_hint("Drop it first, and create it again with the label's new name."));
        }
    }
    Ok(tables
        .into_iter()
        .filter(|table| table.columns.iter().any(is_of_type))
        .collect())
}

/// What the catalog keeps as text.
pub(super) fn stored_texts(object: &Object) -> Vec<&str> {
    match object {
        Object::View(view) => vec![&view.query],
        Object::Function(function) => vec![&function.body],
        Object::Table(table) => {
            let defaults = table.columns.iter().filter_map(|column| column.default.as_ref());
            let checks = table.checks().map(|(_, condition)| condition);
            let texts = defaults.chain(checks).map(|expression| expression.text.as_str());
            texts
                .chain(table.materialized.iter().map(|query| query.query.as_str()))
                .collect()
        }
        Object::Index(index) => index.expressions().map(|expression| expression.text.as_str()).collect(),
        _ => vec![],
    }
}

fn check_label(label: &str) -> Result<()> {
    if label.len() <= 63 {
        return Ok(());
    }
    let message = format!("invalid enum label \"{label}\"");
    Err(Error::new(SqlState::InvalidName, message).with_detail("Labels must be 63 bytes or less."))
}

fn missing_label(label: &str) -> Error {
    let message = format!("\"{label}\" is not an existing enum label");
    Error::new(SqlState::InvalidParameterValue, message)
}

/// The type, for its owner only.
pub(super) fn owned_type(staged: &mut Staged, role: Oid, id: Oid) -> Result<Type> {
    staged.require(Permission::Owns { role, object: id })?;
    match staged.object(id)? {
        Object::Type(user_type) => Ok(user_type),
        other => Err(Error::new(
            SqlState::WrongObjectType,
            format!("{} is not an enum", other.name()),
        )),
    }
}
