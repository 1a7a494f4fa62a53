//! INSERT: rows are coerced to the table's columns, written as files, and handed to the transaction.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast as sql;
use futures::StreamExt;

use super::CommandContext;
use crate::binding::table_address;
use crate::catalog::Scope;
use crate::catalog::model::{Object, Privilege, Table};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::execution::transaction::TableWrite;
use crate::statement::ast::Insert;
use crate::storage::{DeltaTable, Freshness, Operation, Removal, TableSnapshot};
use crate::types::SqlType;
use crate::types::cast::{Assignment, TargetColumn};
use crate::types::format::FormatSettings;

/// Writes the rows. `None` is DEFAULT VALUES: one row of nulls.
pub async fn run(
    command: &mut CommandContext<'_>,
    insert: &Insert,
    rows: Option<SendableRecordBatchStream>,
) -> Result<String> {
    let table = command.table(&insert.table)?;
    let rows = rows.ok_or_else(|| Error::unsupported("INSERT with DEFAULT VALUES").with_hint("List the values."))?;
    let columns = target_columns(&table, &insert.columns)?;
    require_insert(command, &table, &columns, insert.overwrite)?;
    let (delta, base) = open(command, &table).await?;
    let rows = assigned(rows, base.schema(), &table, &columns, &command.format_settings)?;
    let files = delta.stage(&base, vec![rows]).await?;
    let written = files.row_count();
    let mode = if insert.overwrite { "Overwrite" } else { "Append" };
    let operation = Operation::new("WRITE")
        .with_parameter("mode", mode)
        .with_user(&command.context.principal.role_name);
    let write = TableWrite {
        delta,
        base,
        removal: if insert.overwrite { Removal::All } else { Removal::None },
        files,
        complete: false,
        operation,
    };
    command.transaction.add_write(&table, write).await?;
    Ok(format!("INSERT 0 {written}"))
}

/// The table's log and the version that this transaction writes to.
pub(super) async fn open(command: &CommandContext<'_>, table: &Table) -> Result<(Arc<DeltaTable>, Arc<TableSnapshot>)> {
    command.transaction.check_may_write(table)?;
    let delta = command
        .services
        .storage
        .table(&table_address(&command.context.catalog, table)?)?;
    let base = match command.transaction.pinned(table.id) {
        Some(pinned) => pinned,
        None => delta.snapshot(Freshness::Strict).await?,
    };
    Ok((delta, base))
}

/// The columns that the statement names, or all of them.
pub(super) fn target_columns(table: &Table, named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() {
        return Ok(table.columns.iter().map(|column| column.name.clone()).collect());
    }
    for (position, name) in named.iter().enumerate() {
        if table.column_named(name).is_none() {
            let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
            return Err(Error::new(SqlState::UndefinedColumn, message));
        }
        if named[..position].contains(name) {
            return Err(Error::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
    }
    Ok(named.to_vec())
}

pub(super) fn require_insert(
    command: &CommandContext<'_>,
    table: &Table,
    columns: &[String],
    overwrite: bool,
) -> Result<()> {
    let access = command.context.catalog.access(command.role());
    let object = Object::Table(table.clone());
    let may_column = |name: &String| {
        table
            .column_named(name)
            .is_some_and(|column| access.has_column(&object, column.id, Privilege::Insert))
    };
    let may_insert = columns.iter().all(may_column);
    let may_replace = !overwrite || access.has(&object, Privilege::Truncate) || access.has(&object, Privilege::Delete);
    match may_insert && may_replace {
        true => Ok(()),
        false => Err(Error::denied("table", &table.name)),
    }
}

/// Rows as the table stores them: the statement's columns put in their places, the others null.
pub(super) fn assigned(
    rows: SendableRecordBatchStream,
    stored: SchemaRef,
    table: &Table,
    columns: &[String],
    settings: &FormatSettings,
) -> Result<SendableRecordBatchStream> {
    let given = rows.schema().fields().len();
    if given > columns.len() {
        return Err(Error::new(
            SqlState::SyntaxError,
            "INSERT has more expressions than target columns",
        ));
    }
    let columns = if given < columns.len() {
        &columns[..given]
    } else {
        columns
    };
    let targets = stored.fields().iter().map(|field| {
        let column = table.column_named(field.name());
        TargetColumn {
            source: columns.iter().position(|name| name == field.name()),
            name: field.name().clone(),
            sql_type: column.map_or_else(|| SqlType::from_field(field), |column| column.sql_type.clone()),
            nullable: column.is_none_or(|column| column.nullable),
        }
    });
    let assignment = Assignment::new(&table.name, targets.collect(), &stored, settings)?;
    let stream = rows.map(move |batch| Ok(assignment.apply(&batch?)?));
    Ok(Box::pin(RecordBatchStreamAdapter::new(stored, stream)))
}

/// The parameters' types of an INSERT: a lone `$n` in VALUES has its column's type.
pub fn declared_types(
    context: &QueryContext,
    insert: &Insert,
    declared: &[Option<SqlType>],
) -> Result<Vec<Option<SqlType>>> {
    let mut declared = declared.to_vec();
    let names = Scope {
        database: context.database,
        search_path: &context.search_path,
    };
    let Object::Table(table) = context.catalog.resolve_relation(names, &insert.table.0)? else {
        return Ok(declared);
    };
    let columns = target_columns(table, &insert.columns)?;
    let Some(sql::SetExpr::Values(values)) = insert.source.as_ref().map(|query| query.body.as_ref()) else {
        return Ok(declared);
    };
    for row in &values.rows {
        for (expression, name) in row.iter().zip(&columns) {
            let sql::Expr::Value(value) = expression else { continue };
            let sql::Value::Placeholder(placeholder) = &value.value else {
                continue;
            };
            let number = placeholder
                .trim_start_matches('$')
                .parse::<usize>()
                .ok()
                .filter(|number| (1..=65535).contains(number));
            let (Some(number), Some(column)) = (number, table.column_named(name)) else {
                continue;
            };
            if declared.len() < number {
                declared.resize(number, None);
            }
            declared[number - 1].get_or_insert_with(|| column.sql_type.clone());
        }
    }
    Ok(declared)
}
