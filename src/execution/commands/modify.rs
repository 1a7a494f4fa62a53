//! INSERT, UPDATE, DELETE and MERGE. The rows of a modification's plan are collected, the files that they touch are
//! written again, new rows go to new files, and the transaction gets all of it. RETURNING is answered from what was
//! collected. An INSERT that nothing else is asked of streams.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::CommandContext;
use super::collected_rows::CollectedRows;
use super::insert::{assigned, open};
use super::row_checks::{WrittenRows, checked};
use crate::binding::{Action, BoundModification, FIRST_VALUE};
use crate::catalog::model::Table;
use crate::error::{Error, Result, SqlState};
use crate::execution::enforced_keys::{EnforcedKeys, NewRows};
use crate::execution::foreign_keys::ForeignKeys;
pub use crate::execution::foreign_keys::settle;
use crate::execution::outcome::{Outcome, OutputColumn, RowSet, Rows, stream_of_batches};
use crate::execution::transaction::TableWrite;
use crate::storage::{KeyGuard, Operation, Removal, RowChanges, TableSnapshot, TouchedRows};

/// What a statement is called, and what it does beside its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Insert,
    /// INSERT OVERWRITE.
    Overwrite,
    Update,
    Delete,
    Merge,
}

impl Kind {
    /// The command tag without the count.
    fn tag(self) -> &'static str {
        match self {
            Kind::Insert | Kind::Overwrite => "INSERT 0",
            Kind::Update => "UPDATE",
            Kind::Delete => "DELETE",
            Kind::Merge => "MERGE",
        }
    }

    fn operation(self, user: &str) -> Operation {
        let operation = match self {
            Kind::Insert => Operation::new("WRITE").with_parameter("mode", "Append"),
            Kind::Overwrite => Operation::new("WRITE").with_parameter("mode", "Overwrite"),
            other => Operation::new(other.tag()),
        };
        operation.with_user(user)
    }
}

/// Before the statement is bound: waits for others that change the table's rows, where `waits`, then holds the
/// statement to the table's newest version.
pub async fn begin(command: &mut CommandContext<'_>, table: &Table, waits: bool) -> Result<()> {
    if waits {
        let (delta, _) = open(command, table).await?;
        // Who waits too long goes on, and meets the other at the commit.
        command.transaction.take_turn(table.id, &delta, None).await;
    }
    let (_, base) = open(command, table).await?;
    command.context.check_decided(table, &base)?;
    command.context.pin(table.id, base);
    Ok(())
}

/// Makes the changes that the rows of `stream` tell of.
pub async fn run(
    command: &mut CommandContext<'_>,
    table: &Table,
    modification: &BoundModification,
    stream: SendableRecordBatchStream,
    session: &dyn Session,
    kind: Kind,
    written: WrittenRows,
) -> Result<Outcome> {
    let (delta, newest) = open(command, table).await?;
    // The version that the rows' files and places are of.
    let base = Arc::clone(&modification.target.snapshot);
    // An earlier part of the statement's WITH may have added rows behind them.
    let transaction = &command.transaction;
    let staying = match transaction.pinned(table.id).is_some() || transaction.created(table.id) {
        true => newest,
        false => Arc::clone(&base),
    };
    let settings = command.format_settings.clone();
    let names: Vec<String> = modification
        .values
        .iter()
        .map(|column| modification.target.column_name(*column))
        .collect();
    let stored = base.schema();
    let updated = updated_columns(modification);
    let keys = held_keys(command, table, updated.as_ref(), &base).await?;
    let foreign = match (ForeignKeys::of(command, table)?, &updated) {
        (Some(foreign), Some(updated)) => Some(foreign.of_columns(updated, &stored)?),
        (foreign, _) => foreign,
    };
    let mut compared = keys.as_ref().map(|keys| keys.columns()).unwrap_or_default();
    if let Some(foreign) = &foreign {
        compared.extend(foreign.columns(&stored)?);
    }
    let new = match compared.is_empty() {
        true => None,
        false => {
            let (columns, are_all) = (compared.into_iter().collect(), is_plain_insert(modification));
            Some(NewRows::new(columns, &command.session, &base, are_all)?)
        }
    };
    let check = match &new {
        Some(new) => Some(new.after(written.check)),
        None => written.check,
    };
    let to_write = |rows| -> Result<SendableRecordBatchStream> {
        let rows = assigned(rows, Arc::clone(&stored), table, &names, &settings)?;
        Ok(checked(rows, check.clone()))
    };
    let (changes, new_rows, count, returned) = if is_plain_insert(modification) {
        (
            RowChanges::default(),
            vec![to_write(values_only(stream, modification))?],
            None,
            vec![],
        )
    } else {
        let mut collected = CollectedRows::new(table, modification, &base, session, written.finds_nulls)?;
        collected.drain(command, stream).await?;
        let count = collected.count();
        let (changes, inserted, returned) = collected.finish();
        let new_rows = match inserted.is_empty() {
            true => vec![],
            false => vec![to_write(stream_of_batches(inserted[0].schema(), inserted))?],
        };
        (changes, new_rows, Some(count), returned)
    };
    let mut events = match &foreign {
        Some(foreign) if kind == Kind::Overwrite => foreign.all_gone(&staying),
        Some(foreign) => foreign.gone(command, &base, &changes).await?,
        None => vec![],
    };
    let touched = match &keys {
        Some(_) => changes.touched(),
        None => TouchedRows::default(),
    };
    let (removal, files) = delta
        .stage_changes(&base, changes, new_rows, check.clone(), session)
        .await?;
    if let (Some(keys), Some(new)) = (&keys, &new) {
        let staying = (kind != Kind::Overwrite).then_some(&staying);
        keys.verify(new, staying, &touched, || base.of_staged(&files)).await?;
        if keys.wait() {
            command.transaction.deferral.wait(table.id);
        }
    }
    if let (Some(foreign), Some(new)) = (&foreign, &new) {
        events.extend(foreign.came(new.source(|| base.of_staged(&files))?, &stored));
    }
    let count = count.unwrap_or_else(|| files.row_count());
    let write = TableWrite {
        delta,
        base,
        removal: if kind == Kind::Overwrite { Removal::All } else { removal },
        files,
        complete: modification.reads_absence,
        keys: keys.map(|keys| keys as Arc<dyn KeyGuard>),
        operation: kind.operation(&command.context.principal.role_name),
    };
    command.transaction.add_write(table, write).await?;
    settle(command, events).await?;
    match modification.returning {
        false => Ok(Outcome::Done(format!("{} {count}", kind.tag()))),
        true => Ok(Outcome::Rows(RowSet {
            columns: returned_columns(modification)?.into(),
            rows: Rows::Stream {
                stream: stream_of_batches(returned_schema(modification), returned),
                fill: None,
            },
            tag: kind.tag(),
        })),
    }
}

/// The keys that rows of the statement may share with others.
async fn held_keys(
    command: &CommandContext<'_>,
    table: &Table,
    updated: Option<&BTreeSet<usize>>,
    base: &TableSnapshot,
) -> Result<Option<Arc<EnforcedKeys>>> {
    let keys = EnforcedKeys::of(command, table, base).await?;
    let keys = match updated {
        Some(updated) => keys.and_then(|keys| keys.of_columns(updated)),
        None => keys,
    };
    Ok(keys.map(Arc::new))
}

/// Positions of the stored columns that rows get new values in; `None` where whole rows may come.
fn updated_columns(modification: &BoundModification) -> Option<BTreeSet<usize>> {
    if modification.actions.contains(&Action::Insert) {
        return None;
    }
    let updated = modification.actions.iter().filter_map(|action| match action {
        Action::Update(columns) => Some(columns),
        _ => None,
    });
    let stored = updated
        .flatten()
        .filter_map(|column| modification.target.stored_position(*column));
    Some(stored.collect())
}

fn is_plain_insert(modification: &BoundModification) -> bool {
    modification.actions == [Action::Insert] && !modification.returning && !modification.reads_absence
}

/// The rows without what locates them.
fn values_only(rows: SendableRecordBatchStream, modification: &BoundModification) -> SendableRecordBatchStream {
    let columns: Vec<usize> = (FIRST_VALUE..FIRST_VALUE + modification.values.len()).collect();
    let fields: Vec<_> = rows.schema().fields().iter().skip(FIRST_VALUE).cloned().collect();
    let stream = rows.map(move |batch| Ok(batch?.project(&columns)?));
    Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::new(fields)), stream))
}

/// What RETURNING shows.
pub fn returned_columns(modification: &BoundModification) -> Result<Vec<OutputColumn>> {
    let schema = DFSchema::try_from(returned_schema(modification))?;
    Ok(OutputColumn::of_schema(&schema, &modification.returned_sources))
}

/// The layout of what RETURNING shows.
pub fn returned_schema(modification: &BoundModification) -> SchemaRef {
    let fields = modification.plan.schema().fields();
    let first = FIRST_VALUE + modification.values.len();
    Arc::new(Schema::new(fields.iter().skip(first).cloned().collect::<Vec<_>>()))
}

/// New values as the table stores them, `checked` for NULL where the table has none.
pub(super) fn stored_values(
    table: &Table,
    modification: &BoundModification,
    stored: &SchemaRef,
    values: &[usize],
    rows: &RecordBatch,
    checked: bool,
) -> Result<RecordBatch> {
    let (mut fields, mut columns): (Vec<_>, Vec<ArrayRef>) = (vec![], vec![]);
    for value in values {
        let column = modification.values[*value];
        let name = modification.target.column_name(column);
        let position = modification.target.stored_position(column);
        let field = position.and_then(|position| stored.fields().get(position));
        let field = field.ok_or_else(|| Error::internal("a value is for a column that is not stored"))?;
        let array = rows.column(FIRST_VALUE + value);
        let may_be_null = table.column_named(&name).is_none_or(|column| column.nullable) && field.is_nullable();
        if checked && !may_be_null && array.logical_null_count() > 0 {
            let relation = &table.name;
            let message =
                format!("null value in column \"{name}\" of relation \"{relation}\" violates not-null constraint");
            return Err(Error::new(SqlState::NotNullViolation, message).in_column(&name));
        }
        let options = CastOptions {
            safe: false,
            ..Default::default()
        };
        columns.push(cast_with_options(array, field.data_type(), &options)?);
        fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &options,
    )?)
}
