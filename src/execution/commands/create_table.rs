//! CREATE TABLE and CREATE TABLE AS. The Delta table is made at a place that nobody knows yet; the catalog
//! entry makes it a table. A crash between the two leaves an unnamed folder, never half a table.

use datafusion::arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;

use super::create::when_taken;
use super::insert::assigned;
use super::{CommandContext, constraint, like, policy};
use crate::binding::{output_name, table_address};
use crate::catalog::OnCommit;
use crate::catalog::changes::{self, Created, NewColumn, NewTable};
use crate::catalog::model::{Column, Object, Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{self, CreateTable};
use crate::storage::{ColumnDefinition, Freshness, Operation, TableAddress, TableDefinition, TableDraft};
use crate::types::SqlType;

/// Creates the table, with the rows of its query where it has one.
pub async fn run(
    command: &mut CommandContext<'_>,
    create: &CreateTable,
    rows: Option<SendableRecordBatchStream>,
) -> Result<String> {
    let in_temporary = command.names_temporary(&create.name);
    let until_commit = create.temporary.or(in_temporary.then_some(OnCommit::PreserveRows));
    let (schema, name) = match until_commit {
        Some(_) => (
            command.temporary_schema(&create.name).await?,
            create.name.last().to_string(),
        ),
        None => command.creation_place(&create.name).await?,
    };
    let temporary = match until_commit {
        Some(_) if create.location.is_some() => {
            let message = "a temporary table has no LOCATION";
            return Err(Error::new(SqlState::InvalidTableDefinition, message));
        }
        Some(_) => Some(
            command
                .services
                .temporary_location(command.context.session.process_id)?,
        ),
        None => None,
    };
    let likes = like::sources(command, create)?;
    let (columns, exists) = match &rows {
        Some(rows) => (query_columns(&rows.schema(), &create.column_names)?, false),
        None => columns_of(command, create, &likes).await?,
    };
    let numbered: Vec<(i16, String, SqlType)> = (1..)
        .zip(&columns)
        .map(|(id, column)| (id, column.name.clone(), column.sql_type.clone()))
        .collect();
    let own = (schema, create.name.last());
    let mut constraints = constraint::new_constraints(command, &create.constraints, own, &numbered).await?;
    let names: Vec<(i16, String)> = (1..).zip(columns.iter().map(|column| column.name.clone())).collect();
    for source in &likes {
        constraints.append(&mut source.constraints(&names)?);
    }
    let new = NewTable {
        schema,
        name,
        columns: columns.clone(),
        partition_by: create.partition_by.clone(),
        location: create.location.clone(),
        unlogged: create.unlogged,
        temporary,
        constraints,
        comment: create.comment.clone(),
    };
    let when = when_taken(create.if_not_exists, create.or_replace);
    let created = command
        .stage(|staged, role, _| changes::create_table(staged, role, new, when))
        .await?;
    if let Created::Existing(_) = created {
        return Ok(if create.query.is_some() {
            "CREATE TABLE AS"
        } else {
            "CREATE TABLE"
        }
        .to_string());
    }
    let table = staged_table(command, created.id()).await?;
    let rows = rows.filter(|_| !create.with_no_data);
    let operation = if rows.is_some() {
        "CREATE TABLE AS SELECT"
    } else {
        "CREATE TABLE"
    };
    let written = if exists {
        0
    } else {
        let definition = TableDefinition {
            columns: definitions(&columns),
            partition_columns: create.partition_by.clone(),
            properties: create.properties.clone(),
            comment: create.comment.clone(),
        };
        write(command, &definition, &table, rows, operation).await?
    };
    command.transaction.note_created(table.id);
    if written > 0 {
        constraint::verify_written(command, &table).await?;
    }
    let undeclared = Table {
        constraints: vec![],
        ..table.clone()
    };
    constraint::hold_new_references(command, &undeclared, written > 0).await?;
    if let Some(action) = until_commit {
        command.transaction.note_on_commit(table.id, action);
    }
    policy::set_inline(command, &table, create).await?;
    Ok(match &create.query {
        Some(_) if create.with_no_data => "CREATE TABLE AS".into(),
        Some(_) => format!("SELECT {written}"),
        None => "CREATE TABLE".into(),
    })
}

pub(super) async fn staged_table(command: &mut CommandContext<'_>, id: Oid) -> Result<Table> {
    let snapshot = command.transaction.staged(command.services).await?.snapshot();
    match snapshot.object(id) {
        Some(Object::Table(table)) => Ok(table.clone()),
        _ => Err(Error::internal("a table that was just created is not there")),
    }
}

fn definitions(columns: &[NewColumn]) -> Vec<ColumnDefinition> {
    let definitions = columns.iter().map(|column| ColumnDefinition {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: column.nullable,
        comment: column.comment.clone(),
    });
    definitions.collect()
}

/// Makes the Delta table. Answers the rows written.
pub(super) async fn write(
    command: &mut CommandContext<'_>,
    definition: &TableDefinition,
    table: &Table,
    rows: Option<SendableRecordBatchStream>,
    operation: &str,
) -> Result<u64> {
    let snapshot = command.transaction.staged(command.services).await?.snapshot();
    let delta = command.services.storage.table(&table_address(&snapshot, table)?)?;
    let draft = TableDraft::new(definition)?;
    let operation = Operation::new(operation).with_user(&*command.context.principal.role_name);
    let files = match rows {
        None => None,
        Some(rows) => {
            let names: Vec<String> = definition.columns.iter().map(|column| column.name.clone()).collect();
            let rows = assigned(rows, draft.schema(), table, &names, &command.format_settings)?;
            Some(delta.stage_new(&draft, vec![rows]).await?)
        }
    };
    let written = files.as_ref().map_or(0, |files| files.row_count());
    delta.create(&draft, files, operation).await?;
    Ok(written)
}

/// The query's columns, under the names that the statement gives.
pub(super) fn query_columns(schema: &Schema, names: &[String]) -> Result<Vec<NewColumn>> {
    if names.len() > schema.fields().len() {
        return Err(Error::new(
            SqlState::SyntaxError,
            "too many column names were specified",
        ));
    }
    if let Some(field) = schema
        .fields()
        .iter()
        .find(|field| SqlType::from_field(field) == SqlType::Record)
    {
        let message = format!("column \"{}\" has pseudo-type record", output_name(field.name()));
        return Err(Error::new(SqlState::InvalidTableDefinition, message));
    }
    let columns = schema.fields().iter().enumerate().map(|(index, field)| NewColumn {
        name: names
            .get(index)
            .map_or_else(|| output_name(field.name()).to_string(), Clone::clone),
        sql_type: match SqlType::from_field(field) {
            SqlType::Unknown | SqlType::Void => SqlType::Text,
            known => known,
        },
        nullable: true,
        field_id: None,
        default: None,
        numbering: None,
        comment: None,
    });
    Ok(columns.collect())
}

/// A column of the statement's own, or of a LIKE.
enum Element<'a> {
    Defined(&'a ast::ColumnDefinition),
    Copied(&'a like::Source<'a>, &'a Column),
}

impl Element<'_> {
    fn name(&self) -> String {
        match self {
            Element::Defined(column) => column.name.clone(),
            Element::Copied(_, column) => column.name.clone(),
        }
    }

    fn sql_type(&self) -> SqlType {
        match self {
            Element::Defined(column) => column.sql_type.clone(),
            Element::Copied(_, column) => column.sql_type.clone(),
        }
    }

    fn is_generated(&self) -> bool {
        match self {
            Element::Defined(column) => column.generated.is_some(),
            Element::Copied(_, column) => column.default.as_ref().is_some_and(|default| default.generated),
        }
    }
}

/// All columns in their order.
fn elements<'a>(create: &'a CreateTable, likes: &'a [like::Source<'a>]) -> Vec<Element<'a>> {
    let mut elements = vec![];
    for place in 0..=create.columns.len() {
        for source in likes.iter().filter(|source| source.like.place == place) {
            let columns = source.table.columns.iter();
            elements.extend(columns.map(|column| Element::Copied(source, column)));
        }
        elements.extend(create.columns.get(place).map(Element::Defined));
    }
    elements
}

/// The defined columns, or those of the Delta table that lies at the LOCATION already. Answers also whether
/// one does.
async fn columns_of(
    command: &CommandContext<'_>,
    create: &CreateTable,
    likes: &[like::Source<'_>],
) -> Result<(Vec<NewColumn>, bool)> {
    let elements = elements(create, likes);
    let numbered: Vec<(i16, String)> = (1..).zip(elements.iter().map(Element::name)).collect();
    // A generated column may use those that are none.
    let plain = (1..).zip(&elements).filter(|(_, element)| !element.is_generated());
    let plain: Vec<(i16, String, SqlType)> = plain
        .map(|(id, element)| (id, element.name(), element.sql_type()))
        .collect();
    let mut defined = vec![];
    for element in elements {
        defined.push(match element {
            Element::Defined(column) => constraint::new_column(command, column, &plain).await?,
            Element::Copied(source, column) => source.column(command, column, &numbered).await?,
        });
    }
    let Some(location) = &create.location else {
        return Ok((defined, false));
    };
    let url = changes::normalize_location(location)?;
    let locations = command.context.catalog.external_locations();
    let covering = locations
        .filter(|known| url.starts_with(&known.url))
        .max_by_key(|known| known.url.len());
    // Without a covering location the catalog refuses the table in a moment, with the right message.
    let Some(covering) = covering else {
        return Ok((defined, false));
    };
    let address = TableAddress::External {
        url,
        options: covering.options.clone(),
    };
    let delta = command.services.storage.table(&address)?;
    if !delta.exists().await? {
        if defined.is_empty() {
            let message = format!("there is no Delta table at \"{location}\"");
            return Err(Error::new(SqlState::UndefinedFile, message).with_hint("List the columns to create one."));
        }
        return Ok((defined, false));
    }
    let snapshot = delta.snapshot(Freshness::Strict).await?;
    let found = columns_of_delta(&snapshot.schema(), &snapshot.field_ids());
    let shape = |columns: &[NewColumn]| -> Vec<(String, SqlType)> {
        columns
            .iter()
            .map(|column| (column.name.clone(), column.sql_type.clone()))
            .collect()
    };
    if !defined.is_empty() && shape(&defined) != shape(&found) {
        let message = "the columns differ from those of the Delta table at the location";
        return Err(Error::new(SqlState::InvalidTableDefinition, message)
            .with_hint("Leave the columns out to take those of the Delta table."));
    }
    Ok((found, true))
}

fn columns_of_delta(schema: &Schema, field_ids: &[Option<i64>]) -> Vec<NewColumn> {
    let fields = schema.fields().iter().enumerate();
    fields
        .map(|(index, field)| NewColumn {
            name: field.name().clone(),
            sql_type: SqlType::from_field(field),
            nullable: field.is_nullable(),
            field_id: field_ids.get(index).copied().flatten(),
            default: None,
            numbering: None,
            comment: None,
        })
        .collect()
}
