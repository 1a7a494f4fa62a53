//! ALTER TABLE on columns, where it concerns the rows that exist: a new column with a default, another type, NOT NULL.
//! Rows that become others are written again, in the commit that changes the table's schema.

use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;

use super::alter::alter_log;
use super::create_table::staged_table;
use super::insert::open;
use super::numbering::Numbers;
use super::reshape::Reshape;
use super::{CommandContext, constraint, policy, row_checks};
use crate::binding;
use crate::catalog::changes::{self, ChangedFields};
use crate::catalog::model::{Column, Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::transaction::TableWrite;
use crate::functions::quote_identifier;
use crate::statement::ast::ColumnDefinition;
use crate::storage::{
    ColumnDefinition as StoredColumn, Operation, Removal, RowChange, RowCheck, SchemaChange, TableSnapshot,
};
use crate::types::SqlType;

/// ADD COLUMN: rows that exist get the default.
pub(super) async fn add(
    command: &mut CommandContext<'_>,
    table: &Table,
    columns: &[(ColumnDefinition, bool)],
) -> Result<()> {
    // An earlier action of the statement may have changed the columns.
    let table = &staged_table(command, table.id).await?;
    let (_, before) = open(command, table).await?;
    let is_empty = before.row_count() == Some(0);
    let mut new = vec![];
    for (column, if_not_exists) in columns {
        if column.generated.is_some() && !is_empty {
            return Err(Error::unsupported("a generated column for rows that exist"));
        }
        if column.not_null && column.default.is_none() && column.numbering.is_none() && !is_empty {
            return Err(contains_null(&column.name, &table.name));
        }
        let mut plain = constraint::columns_of(table);
        plain.retain(|(id, ..)| table.column(*id).is_some_and(|known| known.generated().is_none()));
        new.push((constraint::new_column(command, column, &plain).await?, *if_not_exists));
    }
    command
        .stage(|staged, role, _| changes::add_columns(staged, role, table.id, &new))
        .await?;
    let mut added = vec![];
    for (column, _) in new
        .iter()
        .filter(|(column, _)| table.column_named(&column.name).is_none())
    {
        added.push(SchemaChange::AddColumn(StoredColumn {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            nullable: true,
            comment: column.comment.clone(),
        }));
        if !column.nullable {
            let name = column.name.clone();
            added.push(SchemaChange::SetNotNull { name });
        }
    }
    for (column, _) in columns {
        if let Some(mask) = &column.mask {
            policy::set_column_mask(command, table, &column.name, &mask.function, &mask.columns).await?;
        }
    }
    if !added.is_empty() {
        alter_log(command, table, "ADD COLUMNS", added).await?;
        let after = staged_table(command, table.id).await?;
        let is_numbered = |column: &&Column| column.numbering.is_some() && table.column(column.id).is_none();
        let numbered: Vec<&Column> = after.columns.iter().filter(is_numbered).collect();
        let known = table.columns.iter().chain(numbered.iter().copied());
        let known: Vec<String> = known.map(|column| column.name.clone()).collect();
        let defaults = binding::bind_defaults(&command.binding, command.context, &after, &known).await?;
        let mut values = defaults
            .into_iter()
            .map(|(column, value)| NewValue::new(column, value, &DFSchema::empty(), &command.session))
            .collect::<Result<Vec<NewValue>>>()?;
        let mut numbers = vec![];
        for column in &numbered {
            let own = Numbers::of(command, column).await?;
            values.push(NewValue::numbered(column.name.clone(), Arc::clone(&own)));
            numbers.push(own);
        }
        if !values.is_empty() {
            rewrite(command, &after, &before, values).await?;
        }
        for own in numbers {
            own.settle(command).await?;
        }
    }
    let declared = columns.iter().flat_map(|(column, _)| &column.constraints);
    for declared in declared {
        let table = staged_table(command, table.id).await?;
        constraint::add(command, &table, declared, false).await?;
    }
    Ok(())
}

/// ALTER COLUMN … TYPE.
pub(super) async fn set_type(
    command: &mut CommandContext<'_>,
    table: &Table,
    column: &str,
    sql_type: &SqlType,
    using: Option<&str>,
) -> Result<()> {
    let table = &staged_table(command, table.id).await?;
    command
        .stage(|staged, role, _| changes::set_column_type(staged, role, table.id, column, sql_type.clone()))
        .await?;
    let known = table
        .column_named(column)
        .ok_or_else(|| Error::internal("a column that was just changed is not there"))?;
    if known.numbering.is_some() && !matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) {
        let message = "identity column type must be smallint, integer, or bigint";
        return Err(Error::new(SqlState::InvalidParameterValue, message));
    }
    let (_, before) = open(command, table).await?;
    let own = quote_identifier(column);
    let text = using.unwrap_or(&own);
    let (target, stored) = ((column, sql_type), before.schema());
    let bound = binding::bind_conversion(&command.binding, command.context, table, &stored, text, target).await;
    let (row, value) = bound.map_err(|error| match (error.state(), using) {
        (SqlState::DatatypeMismatch, None) => {
            let message = format!("column \"{column}\" cannot be cast automatically to type {sql_type}");
            let hint = format!("You might need to specify \"USING {own}::{sql_type}\".");
            Error::new(SqlState::DatatypeMismatch, message).with_hint(hint)
        }
        (SqlState::DatatypeMismatch, Some(_)) => {
            let message = format!(
                "result of USING clause for column \"{column}\" cannot be cast automatically to type {sql_type}"
            );
            Error::new(SqlState::DatatypeMismatch, message).with_hint("You might need to add an explicit cast.")
        }
        _ => error,
    })?;
    if let Some(default) = &known.default {
        let fits = binding::check_default(&command.binding, command.context, &default.text, column, sql_type).await;
        fits.map_err(|error| match error.state() {
            // A literal is read as what it is declared for, here as the new type.
            SqlState::DatatypeMismatch | SqlState::InvalidTextRepresentation | SqlState::InvalidDatetimeFormat => {
                let message =
                    format!("default for column \"{column}\" cannot be cast automatically to type {sql_type}");
                Error::new(SqlState::DatatypeMismatch, message)
            }
            _ => error,
        })?;
    }
    let changed = SchemaChange::SetColumnType(StoredColumn {
        name: column.to_string(),
        sql_type: sql_type.clone(),
        nullable: known.nullable,
        comment: known.comment.clone(),
    });
    alter_log(command, table, "CHANGE COLUMN", vec![changed]).await?;
    if using.is_none() && holds_all_of(sql_type, &known.sql_type) {
        return Ok(());
    }
    let values = vec![NewValue::new(column.to_string(), value, &row, &command.session)?];
    let after = staged_table(command, table.id).await?;
    rewrite(command, &after, &before, values).await
}

/// Whether values of the old type are stored as those of the new one: then the rows stay as they are.
fn holds_all_of(new: &SqlType, old: &SqlType) -> bool {
    let length = |sql_type: &SqlType| match sql_type {
        SqlType::Text | SqlType::Varchar(None) => Some(u32::MAX),
        SqlType::Varchar(Some(length)) => Some(*length),
        _ => None,
    };
    let is_finer = new.oid() == old.oid() && old.is_rounded() && *new == old.without_modifier();
    new == old || is_finer || matches!((length(new), length(old)), (Some(new), Some(old)) if new >= old)
}

/// Gives every value of an enumeration that is one label another, in columns of the type and of arrays of it.
pub(super) async fn rename_label(
    command: &mut CommandContext<'_>,
    table: &Table,
    id: Oid,
    from: &str,
    to: &str,
) -> Result<()> {
    let (_, before) = open(command, table).await?;
    let stored = before.schema();
    let quoted = |label: &str| format!("'{}'", label.replace('\'', "''"));
    let mut values = vec![];
    let of_type = |column: &&Column| column.sql_type.user_type() == Some(id);
    for column in table.columns.iter().filter(of_type) {
        let own = quote_identifier(&column.name);
        let (from, to) = (quoted(from), quoted(to));
        // Neither the old nor the new definition knows both labels.
        let (text, plain) = match &column.sql_type {
            SqlType::Array(_) => {
                let text = format!("array_replace({own}::text[], {from}, {to})");
                (text, SqlType::Array(Box::new(SqlType::Text)))
            }
            _ => {
                let text = format!("CASE {own}::text WHEN {from} THEN {to} ELSE {own}::text END");
                (text, SqlType::Text)
            }
        };
        let target = (column.name.as_str(), &plain);
        let bound = binding::bind_conversion(&command.binding, command.context, table, &stored, &text, target);
        let (row, value) = bound.await?;
        values.push(NewValue::new(column.name.clone(), value, &row, &command.session)?);
    }
    rewrite(command, table, &before, values).await
}

/// Gives the values of a composite type, in columns of the type and of types that are made of it, other fields.
pub(super) async fn change_fields(
    command: &mut CommandContext<'_>,
    known: &Table,
    changed: &ChangedFields,
) -> Result<()> {
    let (_, before) = open(command, known).await?;
    let stored = before.schema();
    let table = staged_table(command, known.id).await?;
    let (mut alterations, mut values) = (vec![], vec![]);
    for column in &table.columns {
        let old = known.column(column.id).filter(|old| old.sql_type != column.sql_type);
        let Some(old) = old else { continue };
        alterations.push(SchemaChange::SetColumnType(StoredColumn {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            nullable: column.nullable,
            comment: column.comment.clone(),
        }));
        let shape = Reshape::new(changed, old.sql_type.clone(), column.sql_type.clone());
        let position = stored.index_of(&column.name)?;
        values.push(NewValue {
            column: column.name.clone(),
            value: RowValue::Reshaped { position, shape },
        });
    }
    alter_log(command, &table, "CHANGE COLUMN", alterations).await?;
    rewrite(command, &table, &before, values).await
}

/// ALTER COLUMN … SET NOT NULL: 23502 where a row has no value.
pub(super) async fn set_not_null(command: &mut CommandContext<'_>, table: &Table, column: &str) -> Result<()> {
    command
        .stage(|staged, role, _| changes::set_not_null(staged, role, table.id, column, true))
        .await?;
    let (_, base) = open(command, table).await?;
    let position = base.schema().index_of(column)?;
    let (name, relation) = (column.to_string(), table.name.clone());
    let check: RowCheck = Arc::new(move |rows| match rows.column(position).logical_null_count() {
        0 => Ok(()),
        _ => Err(contains_null(&name, &relation)),
    });
    base.verify(&check, &command.session).await?;
    let name = column.to_string();
    alter_log(command, table, "CHANGE COLUMN", vec![SchemaChange::SetNotNull { name }]).await
}

fn contains_null(column: &str, relation: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{relation}\" contains null values");
    Error::new(SqlState::NotNullViolation, message)
}

/// What every row gets in one column.
struct NewValue {
    column: String,
    value: RowValue,
}

enum RowValue {
    Computed {
        value: Arc<dyn PhysicalExpr>,
        /// The row that it is computed from; none for a value without columns.
        row: Option<SchemaRef>,
    },
    Numbered(Arc<Numbers>),
    /// The column's value before, with other fields.
    Reshaped {
        position: usize,
        shape: Reshape,
    },
}

impl NewValue {
    fn new(column: String, value: Expr, row: &DFSchema, session: &dyn Session) -> Result<NewValue> {
        let has_columns = !row.fields().is_empty();
        Ok(NewValue {
            column,
            value: RowValue::Computed {
                value: session.create_physical_expr(value, row)?,
                row: has_columns.then(|| Arc::new(row.as_arrow().clone())),
            },
        })
    }

    fn numbered(column: String, numbers: Arc<Numbers>) -> NewValue {
        let value = RowValue::Numbered(numbers);
        NewValue { column, value }
    }

    fn of(&self, rows: &RecordBatch) -> Result<datafusion::arrow::array::ArrayRef> {
        let count = rows.num_rows();
        Ok(match &self.value {
            RowValue::Numbered(numbers) => numbers.take(count)?,
            RowValue::Reshaped { position, shape } => shape.of(rows.column(*position))?,
            RowValue::Computed { value, row: None } => value.evaluate(rows)?.into_array(count)?,
            RowValue::Computed { value, row: Some(row) } => {
                let rows =
                    RecordBatch::try_new_with_options(Arc::clone(row), rows.columns().to_vec(), &rows_of(count))?;
                value.evaluate(&rows)?.into_array(count)?
            }
        })
    }
}

fn rows_of(count: usize) -> RecordBatchOptions {
    RecordBatchOptions::new().with_row_count(Some(count))
}

/// Writes all rows of `before` again as `table`, whose schema the transaction has changed, with these values.
async fn rewrite(
    command: &mut CommandContext<'_>,
    table: &Table,
    before: &Arc<TableSnapshot>,
    values: Vec<NewValue>,
) -> Result<()> {
    if before.file_count() == 0 {
        return Ok(());
    }
    let (delta, base) = open(command, table).await?;
    let checks = binding::bind_checks(&command.binding, command.context, table, &base.schema()).await?;
    let check = row_checks::row_check(&checks, &table.name, &command.session)?;
    let (old, new, relation) = (before.schema(), base.schema(), table.name.clone());
    let change: RowChange = Arc::new(move |rows| {
        let strict = CastOptions {
            safe: false,
            ..Default::default()
        };
        let mut columns = vec![];
        for field in new.fields() {
            let array = match values.iter().find(|value| value.column == *field.name()) {
                Some(value) => value.of(rows)?,
                None => match old.index_of(field.name()) {
                    Ok(position) => Arc::clone(rows.column(position)),
                    Err(_) => new_null_array(field.data_type(), rows.num_rows()),
                },
            };
            if !field.is_nullable() && array.logical_null_count() > 0 {
                return Err(contains_null(field.name(), &relation));
            }
            columns.push(cast_with_options(&array, field.data_type(), &strict)?);
        }
        let rows = RecordBatch::try_new_with_options(Arc::clone(&new), columns, &rows_of(rows.num_rows()))?;
        if let Some(check) = &check {
            check(&rows)?;
        }
        Ok(rows)
    });
    let files = delta.stage_all(before, &base, change, &command.session).await?;
    let write = TableWrite {
        delta,
        base,
        removal: Removal::All,
        files,
        complete: true,
        keys: None,
        operation: Operation::new("CHANGE COLUMN").with_user(&*command.context.principal.role_name),
    };
    command.transaction.add_write(table, write).await?;
    super::constraint::verify_written(command, table).await
}
