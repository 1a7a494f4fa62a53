//! Foreign keys of the rows that a statement writes: 23503 where a row refers to none, or where one that others refer to
//! goes; and what becomes of the others where the key says so. All of it is looked at when the statement has handed its
//! rows to the transaction, in PostgreSQL's order: first what the statement did, then what its actions did.

mod actions;
mod reference;
mod watch;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use datafusion::arrow::array::{Array, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::execution::memory_pool::MemoryConsumer;

pub(super) use reference::Reference;
pub(super) use watch::{Watch, together};

use super::commands::CommandContext;
use super::commands::insert::current;
use super::enforced_keys::RowSource;
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Oid, ReferentialAction, Table, Timing};
use crate::error::Result;
use crate::storage::{ReplacedRows, RowChanges, TableSnapshot};

/// The foreign keys that a table has, and those that refer to it.
pub struct ForeignKeys {
    referring: Vec<Arc<Reference>>,
    referred: Vec<Arc<Reference>>,
}

/// What is to be looked at, or done.
pub struct Event {
    reference: Arc<Reference>,
    what: What,
}

enum What {
    /// Rows came that refer.
    Referring(Arc<RowSource>, SchemaRef),
    /// Keys went, or others came for them.
    Gone(OldKeys),
}

/// Keys that rows of a table had.
#[derive(Clone)]
pub(super) struct OldKeys {
    /// Columns of the table; with those of `new_name` where each row has other ones now.
    rows: Arc<RowSource>,
    /// The table as the rows were part of it.
    stored: Arc<TableSnapshot>,
    action: ReferentialAction,
    is_update: bool,
}

/// What is compared when the transaction commits, or SET CONSTRAINTS says so.
#[derive(Clone)]
pub struct Waiting {
    reference: Arc<Reference>,
    /// Without, rows came that refer.
    gone: Option<OldKeys>,
}

impl Waiting {
    /// The constraint, and when it is tested unless SET CONSTRAINTS says otherwise.
    pub(super) fn constraint(&self) -> (Oid, Timing) {
        (self.reference.id, self.reference.timing)
    }

    pub(super) fn is_of_new_rows(&self) -> bool {
        self.gone.is_none()
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Waiting")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

impl ForeignKeys {
    /// Those of a table by the statement's catalog; `None` without any.
    pub fn of(command: &CommandContext<'_>, table: &Table) -> Result<Option<ForeignKeys>> {
        ForeignKeys::as_of(command, &command.context.catalog, table)
    }

    pub fn as_of(
        command: &CommandContext<'_>,
        catalog: &CatalogSnapshot,
        table: &Table,
    ) -> Result<Option<ForeignKeys>> {
        let mut keys = ForeignKeys {
            referring: vec![],
            referred: vec![],
        };
        for key in table.foreign_keys() {
            keys.referring
                .push(Arc::new(Reference::new(command, catalog, table, &key)?));
        }
        for (other, key) in catalog.referencing(table.id) {
            keys.referred
                .push(Arc::new(Reference::new(command, catalog, other, &key)?));
        }
        // As their triggers fire in PostgreSQL.
        keys.referred.sort_by_key(|reference| reference.id);
        Ok((!keys.referring.is_empty() || !keys.referred.is_empty()).then_some(keys))
    }

    /// Drops the foreign keys of the table that read none of these stored columns.
    pub fn of_columns(mut self, columns: &BTreeSet<usize>, stored: &Schema) -> Result<ForeignKeys> {
        let mut kept = vec![];
        for reference in self.referring {
            let own = columns_of(&[Arc::clone(&reference)], Side::Child, stored)?;
            if !own.is_disjoint(columns) {
                kept.push(reference);
            }
        }
        self.referring = kept;
        Ok(self)
    }

    /// Positions of the stored columns by which the table's rows refer to others.
    pub fn columns(&self, stored: &Schema) -> Result<BTreeSet<usize>> {
        columns_of(&self.referring, Side::Child, stored)
    }

    /// The keys that rows of a version lose by `changes` of it.
    pub async fn gone(
        &self,
        command: &CommandContext<'_>,
        base: &Arc<TableSnapshot>,
        changes: &RowChanges,
    ) -> Result<Vec<Event>> {
        if self.referred.is_empty() {
            return Ok(vec![]);
        }
        let stored = base.schema();
        let columns: Vec<usize> = columns_of(&self.referred, Side::Parent, &stored)?.into_iter().collect();
        let ReplacedRows { deleted, updated } = base.replaced_rows(changes, &columns, &command.session).await?;
        let memory = MemoryConsumer::new("old keys").register(&command.session.runtime_env().memory_pool);
        let all = deleted.iter().chain(updated.iter().flat_map(|(old, new)| [old, new]));
        memory.try_grow(all.map(RecordBatch::get_array_memory_size).sum())?;
        let schema = match deleted.first() {
            Some(rows) => rows.schema(),
            None => Arc::new(stored.project(&columns)?),
        };
        let mut events = vec![];
        for reference in &self.referred {
            let own = columns_of(&[Arc::clone(reference)], Side::Parent, &stored)?;
            let own: Vec<usize> = (0..columns.len())
                .filter(|place| own.contains(&columns[*place]))
                .collect();
            let mut event = |rows: RowSource, action: ReferentialAction, is_update: bool| {
                if !rows.is_empty() {
                    let old = OldKeys {
                        rows: Arc::new(rows),
                        stored: Arc::clone(base),
                        action,
                        is_update,
                    };
                    events.push(Event {
                        reference: Arc::clone(reference),
                        what: What::Gone(old),
                    });
                }
            };
            let rows = RowSource::Kept(Arc::clone(&schema), deleted.clone());
            event(rows, reference.terms.on_delete, false);
            let pairs: Vec<RecordBatch> = updated
                .iter()
                .map(|(old, new)| rekeyed(old, new, &own))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .filter(|pairs| pairs.num_rows() > 0)
                .collect();
            if let Some(first) = pairs.first() {
                let rows = RowSource::Kept(first.schema(), pairs.clone());
                event(rows, reference.terms.on_update, true);
            }
        }
        Ok(events)
    }

    /// The keys that go with all rows of a version. No action follows.
    pub fn all_gone(&self, base: &Arc<TableSnapshot>) -> Vec<Event> {
        let event = |reference: &Arc<Reference>| Event {
            reference: Arc::clone(reference),
            what: What::Gone(OldKeys {
                rows: Arc::new(RowSource::Stored(Arc::clone(base))),
                stored: Arc::clone(base),
                action: ReferentialAction::NoAction,
                is_update: false,
            }),
        };
        self.referred.iter().map(event).collect()
    }

    /// What is compared when rows have come whose writer cannot wait for it.
    pub fn of_new_rows(&self) -> Vec<Waiting> {
        let waiting = |reference: &Arc<Reference>| Waiting {
            reference: Arc::clone(reference),
            gone: None,
        };
        self.referring.iter().map(waiting).collect()
    }

    /// Rows that came, in columns of the table that `stored` has.
    pub fn came(&self, rows: RowSource, stored: &SchemaRef) -> Vec<Event> {
        let rows = Arc::new(rows);
        let event = |reference: &Arc<Reference>| Event {
            reference: Arc::clone(reference),
            what: What::Referring(Arc::clone(&rows), Arc::clone(stored)),
        };
        self.referring.iter().map(event).collect()
    }
}

/// Looks at what happened, and does what follows from it. The transaction has the rows.
pub async fn settle(command: &mut CommandContext<'_>, events: Vec<Event>) -> Result<()> {
    let Some(events) = command.transaction.held_back(events) else {
        return Ok(());
    };
    let mut events: VecDeque<Event> = events.into();
    while let Some(Event { reference, what }) = events.pop_front() {
        command.context.check_cancelled()?;
        let waits = command.transaction.deferral.defers(reference.id, reference.timing);
        match what {
            What::Referring(rows, _) if rows.is_empty() => {}
            What::Referring(..) if waits => command.transaction.deferral.wait_for(Waiting { reference, gone: None }),
            What::Referring(rows, stored) => compare_new(command, &reference, &rows, &stored).await?,
            What::Gone(old) if old.action.changes_rows() => {
                let acted = actions::act(command, &reference, &old).await;
                events.extend(acted.map_err(|error| error.in_table(&reference.child_schema, &reference.child.name))?);
            }
            What::Gone(old) if waits && old.action == ReferentialAction::NoAction => {
                command.transaction.deferral.wait_for(Waiting {
                    reference,
                    gone: Some(old),
                });
            }
            What::Gone(old) => compare_gone(command, &reference, &old).await?,
        }
    }
    Ok(())
}

/// Looks at what waited and does not any more.
pub(super) async fn settle_waiting(command: &mut CommandContext<'_>) -> Result<()> {
    for waiting in command.transaction.deferral.take_due() {
        let reference = &waiting.reference;
        if let Some(old) = &waiting.gone {
            compare_gone(command, reference, old).await?;
            continue;
        }
        let (_, child) = current(command, &reference.child).await?;
        // All of a table that is the transaction's own, or the files that it has written.
        let rows = match command.transaction.created(reference.child.id) {
            true => Some(Arc::clone(&child)),
            false => command.transaction.written(reference.child.id)?,
        };
        let Some(rows) = rows else { continue };
        compare_new(command, reference, &RowSource::Stored(rows), &child.schema()).await?;
    }
    Ok(())
}

/// 23503 where one of the rows refers to none. Others may not take away what they refer to before they commit.
async fn compare_new(
    command: &mut CommandContext<'_>,
    reference: &Arc<Reference>,
    rows: &RowSource,
    stored: &SchemaRef,
) -> Result<()> {
    let (delta, parent) = current(command, &reference.parent).await?;
    reference.verify(rows, stored, &parent).await?;
    if !is_private(command, reference) {
        let seen = command.transaction.logged(reference.parent.id).unwrap_or(parent);
        command.transaction.watch(Watch::referring(reference, delta, seen));
    }
    Ok(())
}

/// 23503 where a row refers to one of the keys that went. Others may not add such a row before they commit.
async fn compare_gone(command: &mut CommandContext<'_>, reference: &Arc<Reference>, old: &OldKeys) -> Result<()> {
    let keys = match old.action {
        ReferentialAction::Restrict => Arc::clone(&old.rows),
        // Another row may have the key by now.
        _ => {
            let (_, parent) = current(command, &reference.parent).await?;
            Arc::new(reference.gone(&old.rows, &parent).await?)
        }
    };
    if keys.is_empty() {
        return Ok(());
    }
    let stored = old.stored.schema();
    let (_, child) = current(command, &reference.child).await?;
    if let Some(found) = reference.referred(&keys, &stored, &child).await? {
        return Err(reference.still_referred(&stored, &found)?);
    }
    watch_gone(command, reference, keys, &old.stored).await
}

/// Whoever adds a row that refers to one of these keys before they are gone is met at the commit.
async fn watch_gone(
    command: &mut CommandContext<'_>,
    reference: &Arc<Reference>,
    keys: Arc<RowSource>,
    stored: &Arc<TableSnapshot>,
) -> Result<()> {
    if is_private(command, reference) {
        return Ok(());
    }
    let (delta, child) = current(command, &reference.child).await?;
    let seen = command.transaction.logged(reference.child.id).unwrap_or(child);
    command.transaction.watch(Watch::Gone(watch::Gone {
        reference: Arc::clone(reference),
        keys,
        stored: Arc::clone(stored),
        child: delta,
        seen,
    }));
    Ok(())
}

/// Whether nobody else can write to one of the tables.
fn is_private(command: &CommandContext<'_>, reference: &Reference) -> bool {
    let is_own = |table: &Table| table.is_temporary() || command.transaction.created(table.id);
    is_own(&reference.child) || is_own(&reference.parent)
}

/// 23503 where rows of a table, all of them, refer to none by a foreign key that is wanted.
pub(super) async fn verify_all(
    command: &mut CommandContext<'_>,
    catalog: &CatalogSnapshot,
    table: &Table,
    rows: &Arc<TableSnapshot>,
    is_wanted: impl Fn(Oid) -> bool,
) -> Result<()> {
    let Some(keys) = ForeignKeys::as_of(command, catalog, table)? else {
        return Ok(());
    };
    for reference in keys.referring.iter().filter(|reference| is_wanted(reference.id)) {
        let parent = match reference.parent.id == table.id {
            true => Arc::clone(rows),
            false => current(command, &reference.parent).await?.1,
        };
        let all = RowSource::Stored(Arc::clone(rows));
        reference.verify(&all, &rows.schema(), &parent).await?;
    }
    Ok(())
}

/// Which table of a foreign key.
#[derive(Clone, Copy)]
enum Side {
    Child,
    Parent,
}

/// Positions of the stored columns that foreign keys read on one side.
fn columns_of(references: &[Arc<Reference>], side: Side, stored: &Schema) -> Result<BTreeSet<usize>> {
    let mut columns = BTreeSet::new();
    for reference in references {
        let (table, ids) = match side {
            Side::Child => (&reference.child, &reference.columns),
            Side::Parent => (&reference.parent, &reference.referenced),
        };
        for column in ids.iter().filter_map(|id| table.column(*id)) {
            columns.insert(stored.index_of(&column.name)?);
        }
    }
    Ok(columns)
}

/// What the column of a row's new key is called beside its old one.
fn new_name(column: &str) -> String {
    format!("\u{0}new {column}")
}

/// The rows that have another key than before, with both.
fn rekeyed(old: &RecordBatch, new: &RecordBatch, key: &[usize]) -> Result<RecordBatch> {
    let mut differs = vec![false; old.num_rows()];
    for place in key {
        let changed: BooleanArray = distinct(old.column(*place), new.column(*place))?;
        for (row, differs) in differs.iter_mut().enumerate() {
            *differs |= changed.is_valid(row) && changed.value(row);
        }
    }
    let mut fields: Vec<Field> = old
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let renamed = new.schema();
    let renamed = renamed.fields().iter().map(|field| field.as_ref().clone());
    fields.extend(renamed.map(|field| {
        let name = new_name(field.name());
        field.with_name(name)
    }));
    let columns = old.columns().iter().chain(new.columns()).cloned().collect();
    let pairs = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(filter_record_batch(&pairs, &BooleanArray::from(differs))?)
}
