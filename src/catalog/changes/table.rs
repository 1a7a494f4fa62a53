//! CREATE TABLE: the catalog's half of it. A managed table gets a folder of its own by UUID; an external one
//! lies below a registered external location and shares its folder with no other table.

use std::collections::HashSet;

use uuid::Uuid;

use super::constraint::declare_constraint;
use super::default_privileges::grants_of_new;
use super::*;
use crate::types::SqlType;

/// A column as a statement or a Delta schema describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewColumn {
    pub name: String,
    pub sql_type: SqlType,
    pub nullable: bool,
    /// Delta's column-mapping id, where the table maps columns.
    pub field_id: Option<i64>,
    pub default: Option<StoredExpression>,
    /// A sequence of its own that numbers the rows.
    pub numbering: Option<(NumberingKind, SequenceOptions)>,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewTable {
    pub schema: Oid,
    pub name: String,
    pub columns: Vec<NewColumn>,
    pub partition_by: Vec<String>,
    /// The URL of an external table.
    pub location: Option<String>,
    /// The URL of a temporary table.
    pub temporary: Option<String>,
    pub unlogged: bool,
    pub constraints: Vec<NewConstraint>,
    pub comment: Option<String>,
}

/// Creates the table; needs CREATE on the schema, and READ FILES and WRITE FILES on the external location.
/// OR REPLACE makes a new table with a new id and a new folder, which keeps the grants on the whole table; a
/// governed table is not replaced, because its policies would be lost.
pub fn create_table(staged: &mut Staged, role: Oid, new: NewTable, when_taken: WhenTaken) -> Result<Created> {
    create(staged, role, new, None, when_taken)
}

/// Creates the table that keeps the rows of a materialized view.
pub fn create_materialized_view(
    staged: &mut Staged,
    role: Oid,
    new: NewTable,
    query: MaterializedQuery,
    when_taken: WhenTaken,
) -> Result<Created> {
    create(staged, role, new, Some(query), when_taken)
}

/// What REFRESH leaves of a materialized view: rows that may be read or none, and with `moved` a new folder.
pub fn set_populated(staged: &mut Staged, role: Oid, id: Oid, populated: bool, moved: bool) -> Result<()> {
    staged.require(Permission::Owns { role, object: id })?;
    let Object::Table(mut table) = staged.object(id)? else {
        return Err(Error::internal("a materialized view is none"));
    };
    if let Some(query) = &mut table.materialized {
        query.populated = populated;
    }
    if moved {
        table.location = TableLocation::Managed(Uuid::new_v4());
    }
    staged.put(table)
}

fn create(
    staged: &mut Staged,
    role: Oid,
    new: NewTable,
    materialized: Option<MaterializedQuery>,
    when_taken: WhenTaken,
) -> Result<Created> {
    require_create(staged, role, new.schema)?;
    let mut grants = grants_of_new(staged, role, ObjectKind::Table, new.schema);
    if let Some(existing) = staged.snapshot().relation_named(new.schema, &new.name) {
        if when_taken != WhenTaken::Replace {
            return keep_existing(staged, existing, when_taken);
        }
        grants = make_room(staged, role, existing)?;
    }
    check_name(ObjectKind::Table, &new.name)?;
    super::user_type::check_row_type(staged, new.schema, &new.name)?;
    let columns = numbered(&new.columns, 1)?;
    // A table that is there already keeps its names: then its own columns are meant by them.
    if new.location.is_none() {
        columns.iter().try_for_each(|column| refuse_system_name(&column.name))?;
    }
    let mut partition_columns = vec![];
    for name in &new.partition_by {
        let found = columns
            .iter()
            .find(|column| column.name == *name)
            .ok_or_else(|| missing_column(name, &new.name))?;
        if partition_columns.contains(&found.id) {
            return Err(Error::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        partition_columns.push(found.id);
    }
    if !columns.is_empty() && partition_columns.len() == columns.len() {
        let message = "a table cannot be partitioned by all of its columns";
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    let location = match (new.location, new.temporary) {
        (_, Some(url)) => TableLocation::Temporary(url),
        (Some(url), None) => TableLocation::External(external(staged, role, &url)?),
        (None, None) => TableLocation::Managed(Uuid::new_v4()),
    };
    let id = staged.new_oid()?;
    let mut table = Table {
        id,
        schema: new.schema,
        name: new.name,
        owner: role,
        location,
        next_column: columns.len() as i16 + 1,
        columns,
        unlogged: new.unlogged,
        partition_columns,
        row_filter: None,
        constraints: vec![],
        materialized,
        grants,
        comment: new.comment,
    };
    for constraint in new.constraints {
        declare_constraint(staged, role, &mut table, constraint)?;
    }
    // A column's sequence refers to the table, and the column to it.
    staged.put(table.clone())?;
    for column in &new.columns {
        if let Some(numbering) = &column.numbering {
            super::sequence::number_column(staged, "CREATE TABLE", role, &mut table, &column.name, numbering)?;
        }
    }
    if table.columns.iter().any(|column| column.numbering.is_some()) {
        staged.put(table)?;
    }
    Ok(Created::New(id))
}

/// Drops the table that OR REPLACE replaces; what was granted on it.
fn make_room(staged: &mut Staged, role: Oid, existing: &Object) -> Result<Vec<Grant>> {
    let table = match existing {
        Object::Table(table) if table.materialized.is_none() => table,
        other => {
            let message = format!("\"{}\" is not a table", other.name());
            return Err(Error::new(SqlState::WrongObjectType, message));
        }
    };
    staged.require(Permission::Owns { role, object: table.id })?;
    if table.is_governed() {
        let message = format!(
            "cannot replace table {} because row filters or column masks protect it",
            table.name
        );
        return Err(Error::new(SqlState::ObjectNotInPrerequisiteState, message)
            .with_hint("Drop the policies first, or use INSERT OVERWRITE to replace the content only."));
    }
    drop_objects(staged, role, &[table.id], false)?;
    // Grants name their grantor; from here on that is the new owner.
    let from_owner = |grant: &&Grant| grant.grantor == table.owner && grant.grantee != role;
    Ok(table
        .grants
        .iter()
        .filter(from_owner)
        .map(|grant| Grant {
            grantor: role,
            ..grant.clone()
        })
        .collect())
}

/// The columns with ids from `first` on.
pub(super) fn numbered(columns: &[NewColumn], first: i16) -> Result<Vec<Column>> {
    if columns.len() > 1600 {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            "tables can have at most 1600 columns",
        ));
    }
    let mut names = HashSet::new();
    let numbered = columns.iter().zip(first..).map(|(column, id)| {
        check_name(ObjectKind::Column, &column.name)?;
        // Delta tells columns apart without regard to case, so two that differ in case only cannot be.
        if !names.insert(column.name.to_lowercase()) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(SqlState::DuplicateColumn, message));
        }
        Ok(Column {
            id,
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            nullable: column.nullable,
            field_id: column.field_id,
            default: column.default.clone(),
            numbering: None,
            mask: None,
            grants: vec![],
            comment: column.comment.clone(),
        })
    });
    numbered.collect()
}

/// The normalized URL of an external table, if the role may put one there.
fn external(staged: &mut Staged, role: Oid, url: &str) -> Result<String> {
    let url = super::location::normalize(url)?;
    let snapshot = staged.snapshot();
    let covering = snapshot
        .external_locations()
        .filter(|location| url.starts_with(&location.url));
    let Some(location) = covering.max_by_key(|location| location.url.len()) else {
        let message = format!("location \"{url}\" lies below no external location");
        return Err(Error::new(SqlState::InvalidParameterValue, message)
            .with_hint("An administrator can register the place with CREATE EXTERNAL LOCATION."));
    };
    for privilege in [Privilege::ReadFiles, Privilege::WriteFiles] {
        staged.require(Permission::Has {
            role,
            object: location.id,
            privilege,
        })?;
    }
    staged.rely_on_definition(location.id);
    if staged.occupant(&url).is_some() {
        let message = format!("location \"{url}\" overlaps with the location of another table");
        return Err(Error::new(SqlState::InvalidTableDefinition, message)
            .with_detail("A folder belongs to one table, with everything below it."));
    }
    Ok(url)
}

pub(super) fn missing_column(column: &str, relation: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{relation}\" does not exist");
    Error::new(SqlState::UndefinedColumn, message)
}
