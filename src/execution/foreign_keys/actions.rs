//! ON DELETE and ON UPDATE: what becomes of rows that refer to a key which goes or changes. They are changed as a
//! statement would, past the role's privileges and whatever a policy hides, and are held to all that their table asks for.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::execution::memory_pool::MemoryConsumer;

use super::reference::Reference;
use super::{Event, ForeignKeys, OldKeys, compare_gone, new_name, watch_gone};
use crate::binding;
use crate::catalog::model::{ReferentialAction, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::commands::CommandContext;
use crate::execution::commands::insert::open;
use crate::execution::commands::row_checks::row_check;
use crate::execution::enforced_keys::{EnforcedKeys, NewRows};
use crate::execution::transaction::TableWrite;
use crate::storage::{KeyGuard, Operation, RowChanges, TableSnapshot};

/// The columns that the rows which refer get values in: names, and positions among those that are stored.
struct Assigned {
    names: Vec<String>,
    positions: Vec<usize>,
}

/// Changes the rows that refer to `old` keys. What happens because of that is for the caller to look at.
pub(super) async fn act(
    command: &mut CommandContext<'_>,
    reference: &Arc<Reference>,
    old: &OldKeys,
) -> Result<Vec<Event>> {
    let table = Arc::clone(&reference.child);
    let (delta, _) = open(command, &table).await?;
    command.transaction.take_turn(table.id, &delta, None).await;
    let (delta, base) = open(command, &table).await?;
    let stored = base.schema();
    let deletes = old.action == ReferentialAction::Cascade && !old.is_update;
    let assigned = match deletes {
        true => None,
        false => Some(assigned(reference, old, &stored)?),
    };
    let changes = changes(command, reference, old, &base, assigned.as_ref()).await?;
    if changes.count() == 0 {
        watch_gone(command, reference, Arc::clone(&old.rows), &old.stored).await?;
        return Ok(vec![]);
    }
    let foreign = ForeignKeys::of(command, &table)?;
    let mut events = match &foreign {
        Some(foreign) => foreign.gone(command, &base, &changes).await?,
        None => vec![],
    };
    let (mut keys, mut foreign_new, mut check) = (None, None, None);
    if let Some(assigned) = &assigned {
        refuse_generated(&table, assigned)?;
        let positions = assigned.positions.iter().copied().collect();
        let held = EnforcedKeys::of(command, &table, &base).await?;
        keys = held.and_then(|held| held.of_columns(&positions)).map(Arc::new);
        foreign_new = match foreign {
            Some(foreign) => Some(foreign.of_columns(&positions, &stored)?),
            None => None,
        };
        let checks = binding::bind_checks(&command.binding, command.context, &table, &stored).await?;
        check = row_check(&checks, &table.name, &command.session)?;
    }
    let mut read = keys.as_ref().map(|keys| keys.columns()).unwrap_or_default();
    if let Some(foreign) = &foreign_new {
        read.extend(foreign.columns(&stored)?);
    }
    let new = NewRows::new(read.into_iter().collect(), &command.session, &base, false)?;
    let touched = changes.touched();
    let check = assigned.map(|_| new.after(check));
    let (removal, files) = delta
        .stage_changes(&base, changes, vec![], check, &command.session)
        .await?;
    if let Some(keys) = &keys {
        keys.verify(&new, Some(&base), &touched, || base.of_staged(&files))
            .await?;
        if keys.wait() {
            command.transaction.deferral.wait(table.id);
        }
    }
    if let Some(foreign) = &foreign_new {
        let rows = new.source(|| base.of_staged(&files))?;
        events.extend(foreign.came(rows, &stored));
    }
    let operation = Operation::new(if deletes { "DELETE" } else { "UPDATE" });
    let write = TableWrite {
        delta,
        base,
        removal,
        files,
        complete: false,
        keys: keys.map(|keys| keys as Arc<dyn KeyGuard>),
        operation: operation.with_user(&*command.context.principal.role_name),
    };
    command.transaction.add_write(&table, write).await?;
    if old.action == ReferentialAction::SetDefault {
        // The default may be the key that goes.
        let old = OldKeys {
            action: ReferentialAction::NoAction,
            ..old.clone()
        };
        compare_gone(command, reference, &old).await?;
        return Ok(events);
    }
    watch_gone(command, reference, Arc::clone(&old.rows), &old.stored).await?;
    Ok(events)
}

fn assigned(reference: &Reference, old: &OldKeys, stored: &Schema) -> Result<Assigned> {
    let named = &reference.terms.set_columns;
    let sets_some = !old.is_update && !named.is_empty();
    let ids = if sets_some { named } else { &reference.columns };
    let (mut names, mut positions) = (vec![], vec![]);
    for column in ids.iter().filter_map(|id| reference.child.column(*id)) {
        names.push(column.name.clone());
        positions.push(stored.index_of(&column.name)?);
    }
    Ok(Assigned { names, positions })
}

/// What happens to the rows that refer to the keys.
async fn changes(
    command: &CommandContext<'_>,
    reference: &Reference,
    old: &OldKeys,
    base: &Arc<TableSnapshot>,
    assigned: Option<&Assigned>,
) -> Result<RowChanges> {
    let follows = old.action == ReferentialAction::Cascade;
    // The new keys, in the order of the columns that get them.
    let taken: Vec<String> = match assigned {
        Some(_) if follows => reference
            .referenced
            .iter()
            .filter_map(|id| reference.parent.column(*id))
            .map(|column| new_name(&column.name))
            .collect(),
        _ => vec![],
    };
    let found = reference.located(&old.rows, &old.stored.schema(), base, &taken).await?;
    let memory = MemoryConsumer::new("referring rows").register(&command.session.runtime_env().memory_pool);
    let Some(assigned) = assigned else {
        let mut changes = RowChanges::new(vec![]);
        for rows in &found {
            for (file, place) in places(rows) {
                changes.delete(file, place);
            }
        }
        return Ok(changes);
    };
    let mut changes = RowChanges::new(vec![assigned.positions.clone()]);
    for rows in &found {
        let values = match follows {
            true => rows.columns()[2..].to_vec(),
            false => own_values(command, reference, old.action, assigned, rows.num_rows()).await?,
        };
        let values = stored_values(&reference.child, assigned, values, &base.schema(), rows.num_rows())?;
        memory.try_grow(values.get_array_memory_size())?;
        let batch = changes.next_batch(0);
        changes.add_values(0, values);
        for (row, (file, place)) in places(rows).enumerate() {
            changes.update(file, place, 0, batch, row);
        }
    }
    Ok(changes)
}

fn places(rows: &RecordBatch) -> impl Iterator<Item = (usize, u64)> + '_ {
    let files = rows.column(0).as_primitive::<Int32Type>().values().iter();
    let places = rows.column(1).as_primitive::<Int64Type>().values().iter();
    files
        .zip(places)
        .map(|(file, place)| (*file as usize, (*place).max(0) as u64))
}

/// NULL, or the columns' defaults, for so many rows.
async fn own_values(
    command: &CommandContext<'_>,
    reference: &Reference,
    action: ReferentialAction,
    assigned: &Assigned,
    rows: usize,
) -> Result<Vec<ArrayRef>> {
    let table = &reference.child;
    let others = table.columns.iter().map(|column| column.name.clone());
    let others: Vec<String> = others.filter(|name| !assigned.names.contains(name)).collect();
    let defaults = match action {
        ReferentialAction::SetDefault => {
            binding::bind_defaults(&command.binding, command.context, table, &others).await?
        }
        _ => vec![],
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let nothing = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let mut values: Vec<ArrayRef> = vec![];
    for name in &assigned.names {
        let default = defaults.iter().find(|(column, _)| column == name);
        values.push(match default {
            Some((_, default)) => {
                let default = command
                    .session
                    .create_physical_expr(default.clone(), &DFSchema::empty())?;
                default.evaluate(&nothing)?.into_array(rows)?
            }
            None => new_null_array(&DataType::Null, rows),
        });
    }
    Ok(values)
}

/// The values as the table stores them; 23502 for a NULL where it has none.
fn stored_values(
    table: &Table,
    assigned: &Assigned,
    values: Vec<ArrayRef>,
    stored: &Schema,
    rows: usize,
) -> Result<RecordBatch> {
    let options = CastOptions {
        safe: false,
        ..Default::default()
    };
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (vec![], vec![]);
    for ((name, position), value) in assigned.names.iter().zip(&assigned.positions).zip(values) {
        let field = stored.field(*position);
        let may_be_null = field.is_nullable() && table.column_named(name).is_none_or(|column| column.nullable);
        if !may_be_null && value.logical_null_count() > 0 {
            let relation = &table.name;
            let message =
                format!("null value in column \"{name}\" of relation \"{relation}\" violates not-null constraint");
            return Err(Error::new(SqlState::NotNullViolation, message).in_column(name));
        }
        columns.push(cast_with_options(&value, field.data_type(), &options)?);
        fields.push(field.clone().with_nullable(true));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &options,
    )?)
}

/// Rows keep what was computed of the columns that change.
fn refuse_generated(table: &Table, assigned: &Assigned) -> Result<()> {
    let reads = |name: &String| {
        let mut generated = table.columns.iter().filter_map(|column| column.generated());
        let id = table.column_named(name).map(|column| column.id);
        generated.any(|expression| expression.columns.iter().any(|(used, _)| Some(*used) == id))
    };
    match assigned.names.iter().any(reads) {
        false => Ok(()),
        true => Err(Error::unsupported(
            "a foreign key's action on a column that a generated one is computed from",
        )),
    }
}
