//! Constraints and defaults of a table. Nothing is proved here: a CHECK, and a key that says so,
//! is enforced by whoever writes rows.

use super::column::owned_table;
use super::references::IN_FOREIGN_KEY;
use super::table::missing_column;
use super::*;

const OTHERS_WRITE: &str = "Other engines write to it, and know nothing of the key.";

/// A constraint as a statement declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewConstraint {
    /// `None` chooses a name as PostgreSQL does.
    pub name: Option<String>,
    pub rule: NewRule,
    /// Of a key: whether writes are to be held to it, where the statement says.
    pub enforced: Option<bool>,
    pub timing: Timing,
}

/// What it says, by the columns' names.
#[derive(Debug, Clone, PartialEq)]
pub enum NewRule {
    PrimaryKey(Vec<String>),
    Unique {
        columns: Vec<String>,
        nulls_not_distinct: bool,
    },
    /// Without `referenced`, the other table's primary key. `table: None` is the table itself.
    ForeignKey {
        columns: Vec<String>,
        table: Option<Oid>,
        referenced: Vec<String>,
        terms: ForeignKeyTerms,
        /// What ON DELETE SET NULL or SET DEFAULT names.
        set_columns: Vec<String>,
    },
    Check(StoredExpression),
}

/// Declares a constraint on an existing table.
pub fn add_constraint(staged: &mut Staged, role: Oid, table: Oid, new: NewConstraint) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    declare_constraint(staged, role, &mut table, new)?;
    staged.put(table)
}

/// Drops a constraint by name, with CASCADE the foreign keys that refer to a key as well. Whether there was one.
pub fn drop_constraint(
    staged: &mut Staged,
    role: Oid,
    table: Oid,
    name: &str,
    if_exists: bool,
    cascade: bool,
) -> Result<bool> {
    let mut table = owned_table(staged, role, table)?;
    let found = table.constraints.iter().position(|constraint| constraint.name == name);
    let Some(found) = found else {
        let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
        if !if_exists {
            return Err(Error::new(SqlState::UndefinedObject, message));
        }
        staged.notice(format!("{message}, skipping"));
        return Ok(false);
    };
    let dropped = table.constraints.remove(found);
    let is_same = |one: &[i16], other: &[i16]| one.len() == other.len() && one.iter().all(|id| other.contains(id));
    let refers = |key: &ForeignKey<'_>| {
        let is_other = key.constraint.id != dropped.id;
        let has_another = || table.keys().any(|(_, columns)| is_same(columns, key.referenced));
        is_other
            && dropped
                .key_columns()
                .is_some_and(|columns| is_same(columns, key.referenced))
            && !has_another()
    };
    let referring = super::references::referring(staged, &table, refers);
    let what = format!("constraint {name} on table {}", table.name);
    super::references::release(staged, &mut table, &referring, &what, &format!("index {name}"), cascade)?;
    staged.put(table)?;
    Ok(true)
}

/// VALIDATE CONSTRAINT of a foreign key: the rows have been looked at.
pub fn set_valid(staged: &mut Staged, role: Oid, table: Oid, name: &str) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    for constraint in table
        .constraints
        .iter_mut()
        .filter(|constraint| constraint.name == name)
    {
        if let ConstraintRule::ForeignKey { terms, .. } = &mut constraint.rule {
            terms.not_valid = false;
        }
    }
    staged.put(table)
}

/// Gives a constraint another name, and with it the index of a key.
pub fn rename_constraint(staged: &mut Staged, role: Oid, table: Oid, name: &str, to: &str) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let relation = table.name.clone();
    let is_taken = table.constraints.iter().any(|known| known.name == to);
    let Some(found) = table.constraints.iter_mut().find(|known| known.name == name) else {
        let message = format!("constraint \"{name}\" for table \"{relation}\" does not exist");
        return Err(Error::new(SqlState::UndefinedObject, message));
    };
    if is_taken {
        let message = format!("constraint \"{to}\" for relation \"{relation}\" already exists");
        return Err(Error::new(SqlState::DuplicateObject, message));
    }
    found.name = to.to_string();
    staged.put(table)
}

/// Declares a table UNLOGGED, or no more.
pub fn set_unlogged(staged: &mut Staged, role: Oid, table: Oid, unlogged: bool) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    table.unlogged = unlogged;
    staged.put(table)
}

/// Sets or drops a column's default.
pub fn set_default(
    staged: &mut Staged,
    role: Oid,
    table: Oid,
    column: &str,
    default: Option<StoredExpression>,
) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    let found = table.columns.iter_mut().find(|known| known.name == column);
    match found {
        Some(found) => found.default = default,
        None => return Err(missing_column(column, &table.name)),
    }
    staged.put(table)
}

/// Adds the constraint to a table that is being made or changed.
pub(super) fn declare_constraint(staged: &mut Staged, role: Oid, table: &mut Table, new: NewConstraint) -> Result<()> {
    let is_key = matches!(new.rule, NewRule::PrimaryKey(_) | NewRule::Unique { .. });
    if is_key && new.enforced == Some(true) && !table.holds_writers() {
        return Err(Error::unsupported("an enforced key of an external table").with_detail(OTHERS_WRITE));
    }
    let mut is_enforced = is_key && new.enforced.unwrap_or_else(|| table.holds_writers());
    let (rule, named_after) = match new.rule {
        NewRule::PrimaryKey(columns) => {
            if table
                .constraints
                .iter()
                .any(|known| matches!(known.rule, ConstraintRule::PrimaryKey { .. }))
            {
                let message = format!("multiple primary keys for table \"{}\" are not allowed", table.name);
                return Err(Error::new(SqlState::InvalidTableDefinition, message));
            }
            let columns = key_columns(table, &columns, "primary key")?;
            let nullable = |id: &&i16| table.column(**id).is_some_and(|column| column.nullable);
            if columns.iter().find(nullable).is_some() {
                return Err(Error::unsupported("a primary key on a column that may be null"));
            }
            (ConstraintRule::PrimaryKey { columns }, "pkey".to_string())
        }
        NewRule::Unique {
            columns,
            nulls_not_distinct,
        } => {
            let ending = format!("{}_key", columns.join("_"));
            let columns = key_columns(table, &columns, "unique")?;
            let rule = ConstraintRule::Unique {
                columns,
                nulls_not_distinct,
            };
            (rule, ending)
        }
        NewRule::ForeignKey {
            columns,
            table: other,
            referenced,
            terms,
            set_columns,
        } => {
            let ending = format!("{}_fkey", columns.join("_"));
            let wanted = super::references::NewReference {
                name: new.name.clone().unwrap_or_else(|| format!("{}_{ending}", table.name)),
                columns: column_ids(table, &columns, IN_FOREIGN_KEY)?,
                table: other.unwrap_or(table.id),
                referenced,
                terms,
                set_columns: column_ids(table, &set_columns, IN_FOREIGN_KEY)?,
                enforced: new.enforced,
            };
            let (rule, enforced) = super::references::declare(staged, role, table, wanted)?;
            is_enforced = enforced;
            (rule, ending)
        }
        NewRule::Check(condition) => {
            let of_one = match condition.columns.as_slice() {
                [(_, name)] => format!("{name}_check"),
                _ => "check".to_string(),
            };
            (ConstraintRule::Check { condition }, of_one)
        }
    };
    let is_taken = |name: &str| table.constraints.iter().any(|known| known.name == name);
    let name = match new.name {
        Some(name) if is_taken(&name) => {
            let message = format!("constraint \"{name}\" for relation \"{}\" already exists", table.name);
            return Err(Error::new(SqlState::DuplicateObject, message));
        }
        Some(name) => name,
        None => {
            let base = format!("{}_{named_after}", table.name);
            let numbered = (1..).map(|number| format!("{base}{number}"));
            let mut names = std::iter::once(base.clone()).chain(numbered);
            names.find(|name| !is_taken(name)).unwrap_or(base)
        }
    };
    let id = staged.new_oid()?;
    table.constraints.push(Constraint {
        id,
        name,
        rule,
        enforced: is_enforced,
        timing: new.timing,
        comment: None,
    });
    Ok(())
}

pub(super) fn column_ids(table: &Table, names: &[String], place: &str) -> Result<Vec<i16>> {
    let mut ids = vec![];
    for name in names {
        let id = table.column_named(name).map(|column| column.id);
        let id = id.ok_or_else(|| {
            let message = format!("column \"{name}\" {place} does not exist");
            Error::new(SqlState::UndefinedColumn, message)
        })?;
        ids.push(id);
    }
    Ok(ids)
}

/// The columns of a key, each once.
fn key_columns(table: &Table, names: &[String], key: &str) -> Result<Vec<i16>> {
    let ids = column_ids(table, names, "named in key")?;
    match (1..ids.len()).find(|place| ids[..*place].contains(&ids[*place])) {
        Some(place) => {
            let message = format!("column \"{}\" appears twice in {key} constraint", names[place]);
            Err(Error::new(SqlState::DuplicateColumn, message))
        }
        None => Ok(ids),
    }
}
