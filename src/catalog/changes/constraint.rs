//! Constraints and defaults of a table. Nothing is proved here: a CHECK, and a key that says so,
//! is enforced by whoever writes rows.

use super::column::owned_table;
use super::table::missing_column;
use super::*;

const OTHERS_WRITE: &str = "Other engines write to it, and know nothing of the key.";
/// Said of a foreign key that PostgreSQL would act upon.
const ACTIONS: &str = "Delta tables have no triggers: rows that refer to one that goes or changes stay as they are.";

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
    },
    Check(StoredExpression),
}

/// Declares a constraint on an existing table.
pub fn add_constraint(staged: &mut Staged, role: Oid, table: Oid, new: NewConstraint) -> Result<()> {
    let mut table = owned_table(staged, role, table)?;
    declare_constraint(staged, &mut table, new)?;
    staged.put(table)
}

/// Drops a constraint by name. Whether there was one.
pub fn drop_constraint(staged: &mut Staged, role: Oid, table: Oid, name: &str, if_exists: bool) -> Result<bool> {
    let mut table = owned_table(staged, role, table)?;
    let before = table.constraints.len();
    table.constraints.retain(|constraint| constraint.name != name);
    if table.constraints.len() == before {
        let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
        if !if_exists {
            return Err(Error::new(SqlState::UndefinedObject, message));
        }
        staged.notice(format!("{message}, skipping"));
        return Ok(false);
    }
    staged.put(table)?;
    Ok(true)
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
pub(super) fn declare_constraint(staged: &mut Staged, table: &mut Table, new: NewConstraint) -> Result<()> {
    let is_key = matches!(new.rule, NewRule::PrimaryKey(_) | NewRule::Unique { .. });
    if is_key && new.enforced == Some(true) && !table.holds_writers() {
        return Err(Error::unsupported("an enforced key of an external table").with_detail(OTHERS_WRITE));
    }
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
        } => {
            let ending = format!("{}_fkey", columns.join("_"));
            let columns = column_ids(table, &columns)?;
            let id = other.unwrap_or(table.id);
            let staged_table;
            let target = if id == table.id {
                &*table
            } else {
                staged_table = staged.object(id)?;
                match &staged_table {
                    Object::Table(target) => target,
                    other => {
                        let message = format!("referenced relation \"{}\" is not a table", other.name());
                        return Err(Error::new(SqlState::WrongObjectType, message));
                    }
                }
            };
            let referenced = referenced_key(target, &referenced)?;
            if referenced.len() != columns.len() {
                let message = "number of referencing and referenced columns for foreign key disagree";
                return Err(Error::new(SqlState::InvalidForeignKey, message));
            }
            if terms.on_delete.changes_rows() || terms.on_update.changes_rows() {
                let message = "foreign keys are declared only: their actions change no rows";
                staged.notice_with_detail(message.to_string(), ACTIONS.to_string());
            }
            let rule = ConstraintRule::ForeignKey {
                columns,
                table: id,
                referenced,
                terms,
            };
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
        enforced: is_key && new.enforced.unwrap_or_else(|| table.holds_writers()),
        timing: new.timing,
        comment: None,
    });
    Ok(())
}

fn column_ids(table: &Table, names: &[String]) -> Result<Vec<i16>> {
    let mut ids = vec![];
    for name in names {
        let id = table.column_named(name).map(|column| column.id);
        let id = id.ok_or_else(|| {
            let message = format!("column \"{name}\" named in key does not exist");
            Error::new(SqlState::UndefinedColumn, message)
        })?;
        ids.push(id);
    }
    Ok(ids)
}

/// The columns of a key, each once.
fn key_columns(table: &Table, names: &[String], key: &str) -> Result<Vec<i16>> {
    let ids = column_ids(table, names)?;
    match (1..ids.len()).find(|place| ids[..*place].contains(&ids[*place])) {
        Some(place) => {
            let message = format!("column \"{}\" appears twice in {key} constraint", names[place]);
            Err(Error::new(SqlState::DuplicateColumn, message))
        }
        None => Ok(ids),
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
        let columns = column_ids(target, names)?;
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
