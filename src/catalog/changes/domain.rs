//! CREATE DOMAIN and ALTER DOMAIN.

use super::user_type::{create, owned_type};
use super::*;
use crate::types::SqlType;

/// What ALTER DOMAIN changes.
#[derive(Debug, Clone, PartialEq)]
pub enum DomainChange {
    Default(Option<StoredExpression>),
    NotNull(bool),
    Add {
        name: Option<String>,
        condition: StoredExpression,
    },
    Drop {
        name: String,
        if_exists: bool,
    },
    Rename {
        from: String,
        to: String,
    },
}

/// Creates a domain; needs CREATE on the schema.
pub fn create_domain(
    staged: &mut Staged,
    role: Oid,
    schema: Oid,
    name: &str,
    mut domain: Domain,
    checks: Vec<(Option<String>, StoredExpression)>,
) -> Result<Oid> {
    for (check, condition) in checks {
        add_check(staged, &mut domain, name, check, condition)?;
    }
    create(staged, role, schema, name, TypeDefinition::Domain(domain))
}

/// Changes a domain; needs ownership. Rows that exist are for the caller to look at.
pub fn alter_domain(staged: &mut Staged, role: Oid, id: Oid, change: DomainChange) -> Result<()> {
    let mut user_type = owned_type(staged, role, id)?;
    let name = user_type.name.clone();
    let TypeDefinition::Domain(domain) = &mut user_type.definition else {
        let message = format!("\"{name}\" is not a domain");
        return Err(Error::new(SqlState::WrongObjectType, message));
    };
    let missing = |check: &str| {
        let message = format!("constraint \"{check}\" of domain \"{name}\" does not exist");
        Error::new(SqlState::UndefinedObject, message)
    };
    match change {
        DomainChange::Default(default) => domain.default = default,
        DomainChange::NotNull(not_null) => domain.not_null = not_null,
        DomainChange::Add { name: check, condition } => {
            // Nobody may store a value meanwhile that the condition is false of.
            staged.rely_on_dependents(id);
            add_check(staged, domain, &name, check, condition)?;
        }
        DomainChange::Drop { name: check, if_exists } => {
            let before = domain.checks.len();
            domain.checks.retain(|known| known.name != check);
            if domain.checks.len() == before {
                if !if_exists {
                    return Err(missing(&check));
                }
                staged.notice(format!("{}, skipping", missing(&check).message()));
            }
        }
        DomainChange::Rename { from, to } => {
            if domain.checks.iter().any(|known| known.name == to) {
                return Err(taken(&to, &name));
            }
            let found = domain.checks.iter_mut().find(|known| known.name == from);
            found.ok_or_else(|| missing(&from))?.name = to;
            domain.checks.sort_by(|one, other| one.name.cmp(&other.name));
        }
    }
    staged.put(user_type)
}

fn taken(check: &str, domain: &str) -> Error {
    let message = format!("constraint \"{check}\" for domain \"{domain}\" already exists");
    Error::new(SqlState::DuplicateObject, message)
}

fn add_check(
    staged: &mut Staged,
    domain: &mut Domain,
    of: &str,
    name: Option<String>,
    condition: StoredExpression,
) -> Result<()> {
    let is_taken = |name: &str| domain.checks.iter().any(|known| known.name == name);
    let name = match name {
        Some(name) if is_taken(&name) => return Err(taken(&name, of)),
        Some(name) => name,
        None => {
            let numbered = (1..).map(|number| format!("{of}_check{number}"));
            let mut names = std::iter::once(format!("{of}_check")).chain(numbered);
            names.find(|name| !is_taken(name)).unwrap_or_default()
        }
    };
    domain.checks.push(DomainCheck {
        id: staged.new_oid()?,
        name,
        condition,
        comment: None,
    });
    domain.checks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(())
}

/// The tables that have columns of the domain, or of one over it, and these columns.
pub fn domain_columns(snapshot: &CatalogSnapshot, id: Oid) -> Vec<(Table, Vec<Column>)> {
    let is_over = |mut sql_type: &SqlType| loop {
        match sql_type {
            SqlType::Domain(domain) if domain.oid == id => return true,
            SqlType::Domain(domain) => sql_type = &domain.base,
            _ => return false,
        }
    };
    let tables = snapshot.tables().filter_map(|table| {
        let columns = table.columns.iter().filter(|column| is_over(&column.sql_type));
        let columns: Vec<Column> = columns.cloned().collect();
        (!columns.is_empty()).then(|| (table.clone(), columns))
    });
    let mut tables: Vec<(Table, Vec<Column>)> = tables.collect();
    tables.sort_by_key(|(table, _)| table.id);
    tables
}

/// A column whose values have fields of the domain: their rows cannot be looked at by a new rule.
pub fn column_with_fields(snapshot: &CatalogSnapshot, id: Oid) -> Option<(&str, &str)> {
    let tables = snapshot.tables().filter_map(|table| {
        let mut columns = table.columns.iter();
        let column = columns.find(|column| has_part(snapshot, &column.sql_type, id, false))?;
        Some((table.name.as_str(), column.name.as_str()))
    });
    tables.min()
}

fn has_part(snapshot: &CatalogSnapshot, sql_type: &SqlType, id: Oid, is_part: bool) -> bool {
    match sql_type {
        SqlType::Domain(domain) => (is_part && domain.oid == id) || has_part(snapshot, &domain.base, id, is_part),
        SqlType::Array(element) => has_part(snapshot, element, id, true),
        SqlType::Composite(composite) => {
            let attributes = snapshot.user_type(composite.relation).and_then(Type::attributes);
            let mut attributes = attributes.unwrap_or_default().iter();
            attributes.any(|attribute| has_part(snapshot, &attribute.sql_type, id, true))
        }
        _ => false,
    }
}
