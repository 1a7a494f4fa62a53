//! What every written row passes whatever statement brought it: the table's CHECK constraints; and the defaults of
//! columns that a COPY leaves out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use crate::binding::{BoundChecks, BoundGenerated, BoundRule, RowRule};
use crate::catalog::Access;
use crate::catalog::model::{Object, Privilege, Table};
use crate::error::{Error, Result, SqlState};
use crate::functions::first_failing;
use crate::storage::RowCheck;
use crate::types::FormatSettings;
use crate::types::cast::{check_not_null, failing_row};

/// How a row that fails is shown.
#[derive(Debug, Clone)]
pub struct ShownRows {
    /// The stored columns with their types, and whether they may be NULL.
    pub schema: SchemaRef,
    pub settings: FormatSettings,
}

impl ShownRows {
    /// Rows of a table that nothing hides from who changes it; `None` where a policy or a missing privilege could.
    pub fn of(table: &Table, stored: &Schema, access: &Access<'_>, settings: &FormatSettings) -> Option<ShownRows> {
        let is_governed = table.row_filter.is_some() || table.columns.iter().any(|column| column.mask.is_some());
        if is_governed || !access.has(&Object::Table(table.clone()), Privilege::Select) {
            return None;
        }
        let typed = |field: &Arc<Field>| {
            let column = table.column_named(field.name())?;
            Some(
                column
                    .sql_type
                    .to_field(field.name(), column.nullable && field.is_nullable()),
            )
        };
        let fields: Vec<Field> = stored.fields().iter().map(typed).collect::<Option<_>>()?;
        Some(ShownRows {
            schema: Arc::new(Schema::new(fields)),
            settings: settings.clone(),
        })
    }
}

/// What the rows pass that a statement writes.
pub struct WrittenRows {
    pub check: Option<RowCheck>,
    /// The check finds NULLs where none may be, and shows the whole row.
    pub finds_nulls: bool,
}

impl WrittenRows {
    /// Updated rows are looked at as a whole where they may be shown.
    pub fn updated(check: Option<RowCheck>, table: &str, shown: Option<ShownRows>) -> WrittenRows {
        let Some(shown) = shown else {
            return WrittenRows {
                check,
                finds_nulls: false,
            };
        };
        let table = table.to_string();
        let find = move |rows: &RecordBatch| -> Result<()> {
            check_not_null(rows, &shown.schema, &table, &shown.settings)?;
            check.as_ref().map_or(Ok(()), |check| check(rows))
        };
        WrittenRows {
            check: Some(Arc::new(find)),
            finds_nulls: true,
        }
    }
}

/// A test of stored rows: 23514 for the first that a condition is false of. `None`: there is nothing to test.
pub fn row_check(checks: &BoundChecks, table: &str, session: &dyn Session) -> Result<Option<RowCheck>> {
    shown_row_check(checks, table, session, None)
}

/// The same, whose error shows the row.
pub fn shown_row_check(
    checks: &BoundChecks,
    table: &str,
    session: &dyn Session,
    shown: Option<ShownRows>,
) -> Result<Option<RowCheck>> {
    if checks.conditions.is_empty() {
        return Ok(None);
    }
    let mut conditions: Vec<(RowRule, Arc<dyn PhysicalExpr>)> = vec![];
    for BoundRule { rule, condition } in &checks.conditions {
        conditions.push((
            rule.clone(),
            session.create_physical_expr(condition.clone(), &checks.schema)?,
        ));
    }
    let schema: SchemaRef = Arc::new(checks.schema.as_arrow().clone());
    let table = table.to_string();
    Ok(Some(Arc::new(move |rows: &RecordBatch| {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&schema), rows.columns().to_vec(), &options)?;
        for (rule, condition) in &conditions {
            if let Some(row) = first_failing(condition.as_ref(), &rows)? {
                let error = match rule {
                    RowRule::OfTable(name) => {
                        let message = format!("new row for relation \"{table}\" violates check constraint \"{name}\"");
                        Error::new(SqlState::CheckViolation, message).of_constraint(name)
                    }
                    RowRule::OfView(name) => {
                        let message = format!("new row violates check option for view \"{name}\"");
                        Error::new(SqlState::WithCheckOptionViolation, message)
                    }
                    RowRule::OfDomain(rule) => return Err(rule.broken()),
                };
                let detail = shown
                    .as_ref()
                    .and_then(|shown| failing_row(&rows, &shown.schema, row, &shown.settings).ok());
                return Err(match detail {
                    Some(detail) => error.with_detail(detail),
                    None => error,
                });
            }
        }
        Ok(())
    })))
}

/// The rows, each looked at as it passes.
pub(super) fn checked(rows: SendableRecordBatchStream, check: Option<RowCheck>) -> SendableRecordBatchStream {
    let Some(check) = check else { return rows };
    let schema = rows.schema();
    let stream = rows.map(move |batch| {
        let batch = batch?;
        check(&batch)?;
        Ok(batch)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

/// The rows with a column more for each default.
pub(super) fn with_defaults(
    rows: SendableRecordBatchStream,
    defaults: &[(String, Expr)],
    session: &dyn Session,
) -> Result<SendableRecordBatchStream> {
    if defaults.is_empty() {
        return Ok(rows);
    }
    let mut fields: Vec<Field> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let mut values = vec![];
    for (name, default) in defaults {
        let value = session.create_physical_expr(default.clone(), &DFSchema::empty())?;
        let typed = value.return_field(&Schema::empty())?;
        fields.push(typed.as_ref().clone().with_name(name).with_nullable(true));
        values.push(value);
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let wider = Arc::clone(&schema);
    let stream = rows.map(move |batch| {
        let batch = batch?;
        let mut columns = batch.columns().to_vec();
        for value in &values {
            columns.push(value.evaluate(&batch)?.into_array(batch.num_rows())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&wider),
            columns,
            &options,
        )?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

/// The rows that a condition over them takes, counted.
pub(super) fn taken_rows(
    rows: SendableRecordBatchStream,
    condition: Option<(DFSchema, Expr)>,
    count: Arc<AtomicU64>,
    session: &dyn Session,
) -> Result<SendableRecordBatchStream> {
    let condition = match condition {
        Some((row, condition)) => Some((Arc::clone(row.inner()), session.create_physical_expr(condition, &row)?)),
        None => None,
    };
    let schema = rows.schema();
    let stream = rows.map(move |batch| {
        let mut batch = batch?;
        if let Some((row, condition)) = &condition {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let seen = RecordBatch::try_new_with_options(Arc::clone(row), batch.columns().to_vec(), &options)?;
            let taken = condition.evaluate(&seen)?.into_array(batch.num_rows())?;
            let taken = cast(&taken, &DataType::Boolean)?;
            batch = filter_record_batch(&batch, taken.as_boolean())?;
        }
        count.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        Ok(batch)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

/// The rows with the values of generated columns in their places.
pub(super) fn with_generated(
    rows: SendableRecordBatchStream,
    generated: &BoundGenerated,
    session: &dyn Session,
) -> Result<SendableRecordBatchStream> {
    if generated.values.is_empty() {
        return Ok(rows);
    }
    let mut values = vec![];
    for (position, value) in &generated.values {
        values.push((
            *position,
            session.create_physical_expr(value.clone(), &generated.schema)?,
        ));
    }
    let row: SchemaRef = Arc::new(generated.schema.as_arrow().clone());
    let schema = rows.schema();
    let stored = Arc::clone(&schema);
    let stream = rows.map(move |batch| {
        let batch = batch?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let mut columns = batch.columns().to_vec();
        let seen = RecordBatch::try_new_with_options(Arc::clone(&row), columns.clone(), &options)?;
        for (position, value) in &values {
            let computed = value.evaluate(&seen)?.into_array(batch.num_rows())?;
            columns[*position] = cast(&computed, stored.field(*position).data_type())?;
        }
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&stored),
            columns,
            &options,
        )?)
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}
