//! Primary keys, UNIQUE and unique indexes of a table that rows are written to: 23505 where two rows would share a key.
//! Rows are compared as they are stored, whatever a policy hides of them, so what the error tells is that a key exists.
//! Files whose bounds exclude the new keys are not read, and of others the columns of keys alone.

mod new_rows;
mod stored_rows;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::count::count;
use datafusion::functions_aggregate::min_max::min;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

pub use new_rows::NewRows;
pub(super) use new_rows::{Bounds, RowSource};
pub(super) use stored_rows::StoredRows;

use super::commands::CommandContext;
use crate::binding::{self, BoundKey};
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{Object, Privilege, Table};
use crate::error::{Error, Result, SqlState};
use crate::planning::PlanningSession;
use crate::storage::{KeyGuard, TableSnapshot, TouchedRows};
use crate::types::SqlType;
use crate::types::format::{Format, FormatSettings};
use crate::types::row::ColumnEncoder;

/// The keys that a table's rows are held to.
pub struct EnforcedKeys {
    keys: Vec<EnforcedKey>,
    schema: String,
    table: String,
    session: PlanningSession,
    format: FormatSettings,
}

struct EnforcedKey {
    bound: BoundKey,
    /// Positions of the stored columns that it reads.
    columns: BTreeSet<usize>,
    /// Whether errors may show values: nothing of the table is hidden, and the role may read the key.
    is_shown: bool,
    /// Compared at COMMIT, not when a statement has written its rows.
    waits: bool,
}

/// What is wrong with a key that two rows share.
#[derive(Clone, Copy)]
enum Violation {
    /// Of new rows.
    Exists,
    /// Of rows that were there before the key.
    Duplicated,
}

impl EnforcedKeys {
    /// The keys of a table whose stored rows `base` has, as the statement's catalog knows them. `None` without any.
    pub async fn of(command: &CommandContext<'_>, table: &Table, base: &TableSnapshot) -> Result<Option<EnforcedKeys>> {
        EnforcedKeys::as_of(command, &command.context.catalog, table, base).await
    }

    /// The same by the definitions of a catalog.
    pub async fn as_of(
        command: &CommandContext<'_>,
        catalog: &CatalogSnapshot,
        table: &Table,
        base: &TableSnapshot,
    ) -> Result<Option<EnforcedKeys>> {
        let stored = base.schema();
        let bound = binding::bind_keys(&command.binding, command.context, catalog, table, &stored).await?;
        if bound.is_empty() {
            return Ok(None);
        }
        let (access, object) = (catalog.access(command.role()), Object::Table(table.clone()));
        let may_read = |position: &usize| {
            let column = table.column_named(stored.field(*position).name());
            column.is_some_and(|column| access.has_column(&object, column.id, Privilege::Select))
        };
        let mut keys = vec![];
        for bound in bound {
            let columns = bound.columns(&stored)?;
            keys.push(EnforcedKey {
                is_shown: !table.is_governed() && columns.iter().all(may_read),
                columns,
                waits: command.transaction.deferral.defers(bound.id, bound.timing),
                bound,
            });
        }
        Ok(Some(EnforcedKeys {
            keys,
            schema: catalog.schema_name(table.schema).to_string(),
            table: table.name.clone(),
            session: command.session.clone(),
            format: command.format_settings.clone(),
        }))
    }

    /// Those that read one of these stored columns; `None` without any.
    pub fn of_columns(mut self, columns: &BTreeSet<usize>) -> Option<EnforcedKeys> {
        self.keys.retain(|key| !key.columns.is_disjoint(columns));
        (!self.keys.is_empty()).then_some(self)
    }

    /// Whether rows wait for COMMIT to be compared by one of them.
    pub fn wait(&self) -> bool {
        self.keys.iter().any(|key| key.waits)
    }

    /// Positions of the stored columns that keys read.
    pub fn columns(&self) -> BTreeSet<usize> {
        self.keys.iter().flat_map(|key| &key.columns).copied().collect()
    }

    /// Refuses rows that share a key with each other, or with one of `staying` that is not `touched`.
    pub async fn verify(
        &self,
        new: &NewRows,
        staying: Option<&Arc<TableSnapshot>>,
        touched: &TouchedRows,
        staged: impl FnOnce() -> Result<TableSnapshot>,
    ) -> Result<()> {
        let rows = new.source(staged)?;
        if rows.is_empty() {
            return Ok(());
        }
        for key in self.keys.iter().filter(|key| !key.waits) {
            if !new.differ_in(&key.bound) {
                self.refuse_repeated(key, rows.provider()?, Violation::Exists).await?;
            }
            if let Some(staying) = staying {
                self.refuse_shared(key, &rows, staying, touched).await?;
            }
        }
        Ok(())
    }

    /// Refuses a table that has rows which share a key of which `is_wanted` holds.
    pub async fn verify_all(&self, rows: &Arc<TableSnapshot>, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
        let keys = self.keys.iter().filter(|key| is_wanted(&key.bound.name));
        self.refuse_among(keys, rows, Violation::Duplicated).await
    }

    /// Refuses a table whose rows share a key that was to be compared later, and by now is not.
    pub async fn verify_waiting(&self, rows: &Arc<TableSnapshot>) -> Result<()> {
        let keys = self
            .keys
            .iter()
            .filter(|key| key.bound.timing.is_deferrable() && !key.waits);
        self.refuse_among(keys, rows, Violation::Exists).await
    }

    async fn refuse_among(
        &self,
        keys: impl Iterator<Item = &EnforcedKey>,
        rows: &Arc<TableSnapshot>,
        violation: Violation,
    ) -> Result<()> {
        if rows.file_count() == 0 {
            return Ok(());
        }
        for key in keys {
            let rows = Arc::new(StoredRows::new(rows, false));
            self.refuse_repeated(key, rows, violation).await?;
        }
        Ok(())
    }

    /// Fails where two of the rows share the key.
    async fn refuse_repeated(
        &self,
        key: &EnforcedKey,
        rows: Arc<dyn TableProvider>,
        violation: Violation,
    ) -> Result<()> {
        let rows = key.rows(rows, "rows", vec![], false)?;
        let values = || (0..key.bound.values.len()).map(|place| (place, &key.bound.values[place]));
        // Of values that are equal and not the same, one stands for the others.
        let shown = values().filter(|(_, value)| value.equal_by.is_some());
        let shown = shown.map(|(place, _)| min(column(None, &value_name(place))).alias(shown_name(place)));
        let groups = values().map(|(place, _)| column(None, &equal_name(place)));
        let groups: Vec<Expr> = groups.collect();
        let calls: Vec<Expr> = shown.chain([count(lit(1)).alias(ROWS)]).collect();
        let found = values().map(|(place, value)| match value.equal_by {
            Some(_) => column(None, &shown_name(place)),
            None => column(None, &equal_name(place)),
        });
        let found: Vec<Expr> = found.collect();
        let plan = rows
            .aggregate(groups, calls)?
            .filter(column(None, ROWS).gt(lit(1_i64)))?
            .project(found)?
            .limit(0, Some(1))?
            .build()?;
        match self.first_row(&plan, |_, _| true).await? {
            Some((rows, row)) => Err(self.violated(key, violation, &rows, row)),
            None => Ok(()),
        }
    }

    /// Fails where a new row has the key of another that stays.
    async fn refuse_shared(
        &self,
        key: &EnforcedKey,
        new: &RowSource,
        staying: &Arc<TableSnapshot>,
        touched: &TouchedRows,
    ) -> Result<()> {
        let Some(bounds) = new.bounds(&key.bound)? else {
            return Ok(());
        };
        if !staying.may_hold(&self.session, &bounds)? {
            return Ok(());
        }
        let is_located = !touched.is_empty();
        let new = key.rows(new.provider()?, "new", vec![], false)?;
        let old = Arc::new(StoredRows::new(staying, is_located));
        let old = key.rows(old, "old", bounds, is_located)?.build()?;
        let equal = |relation: &'static str| {
            let places = 0..key.bound.values.len();
            places
                .map(|place| Column::new(Some(relation), equal_name(place)))
                .collect::<Vec<_>>()
        };
        let nulls = match key.bound.nulls_distinct {
            true => NullEquality::NullEqualsNothing,
            false => NullEquality::NullEqualsNull,
        };
        let mut plan = new.join_detailed(old, JoinType::Inner, (equal("new"), equal("old")), None, nulls)?;
        let values = (0..key.bound.values.len()).map(|place| column(Some("new"), &value_name(place)));
        let locators = is_located.then(|| staying.located_schema());
        let locators = locators
            .iter()
            .flat_map(|schema| schema.fields().iter().skip(schema.fields().len() - 2));
        let locators = locators.map(|field| column(Some("old"), field.name()));
        plan = plan.project(values.chain(locators).collect::<Vec<_>>())?;
        if !is_located {
            plan = plan.limit(0, Some(1))?;
        }
        let width = key.bound.values.len();
        let stays = |rows: &RecordBatch, row: usize| {
            let file = || rows.column(width).as_primitive::<Int32Type>().value(row) as usize;
            let place = || rows.column(width + 1).as_primitive::<Int64Type>().value(row) as u64;
            !is_located || !touched.contains(file(), place())
        };
        match self.first_row(&plan.build()?, stays).await? {
            Some((rows, row)) => Err(self.violated(key, Violation::Exists, &rows, row)),
            None => Ok(()),
        }
    }

    /// The first row that is accepted.
    async fn first_row(
        &self,
        plan: &LogicalPlan,
        accepts: impl Fn(&RecordBatch, usize) -> bool,
    ) -> Result<Option<(RecordBatch, usize)>> {
        let plan = self.session.create_physical_plan(plan).await?;
        let mut found = execute_stream(plan, self.session.execution_context())?;
        while let Some(rows) = found.next().await {
            let rows = rows?;
            if let Some(row) = (0..rows.num_rows()).find(|row| accepts(&rows, *row)) {
                return Ok(Some((rows, row)));
            }
        }
        Ok(None)
    }

    /// 23505, with the values of a row where they may be shown.
    fn violated(&self, key: &EnforcedKey, violation: Violation, rows: &RecordBatch, row: usize) -> Error {
        let name = &key.bound.name;
        let (message, what) = match violation {
            Violation::Exists => (
                format!("duplicate key value violates unique constraint \"{name}\""),
                "already exists",
            ),
            Violation::Duplicated => (format!("could not create unique index \"{name}\""), "is duplicated"),
        };
        let error = Error::new(SqlState::UniqueViolation, message)
            .of_constraint(name)
            .in_table(&self.schema, &self.table);
        let names: Vec<&str> = key.bound.values.iter().map(|value| value.name.as_str()).collect();
        match self.texts(key, rows, row) {
            Some(texts) => error.with_detail(format!("Key ({})=({}) {what}.", names.join(", "), texts.join(", "))),
            None => error,
        }
    }

    fn texts(&self, key: &EnforcedKey, rows: &RecordBatch, row: usize) -> Option<Vec<String>> {
        match key.is_shown {
            true => key_texts(rows, row, key.bound.values.len(), &self.format),
            false => None,
        }
    }
}

/// The first columns of a row as texts.
pub(super) fn key_texts(
    rows: &RecordBatch,
    row: usize,
    columns: usize,
    settings: &FormatSettings,
) -> Option<Vec<String>> {
    let schema = rows.schema();
    let text = |place: usize| {
        let sql_type = SqlType::from_field(schema.field(place));
        let mut out = BytesMut::new();
        let encoder = ColumnEncoder::new(&sql_type, Format::Text, settings);
        match encoder.encode(rows.column(place).as_ref(), row, &mut out).ok()? {
            true => String::from_utf8(out.to_vec()).ok(),
            false => Some("null".to_string()),
        }
    };
    (0..columns).map(text).collect()
}

#[async_trait]
impl KeyGuard for EnforcedKeys {
    async fn compare(&self, new: &Arc<TableSnapshot>, added: &Arc<TableSnapshot>) -> Result<()> {
        let new = RowSource::Stored(Arc::clone(new));
        for key in &self.keys {
            self.refuse_shared(key, &new, added, &TouchedRows::default()).await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for EnforcedKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EnforcedKeys")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl EnforcedKey {
    /// What the rows that the key holds for are compared by, and the values of it; with `is_located`, where they are.
    fn rows(
        &self,
        rows: Arc<dyn TableProvider>,
        relation: &str,
        filters: Vec<Expr>,
        is_located: bool,
    ) -> Result<LogicalPlanBuilder> {
        let schema = rows.schema();
        let mut plan = LogicalPlanBuilder::scan(relation, provider_as_source(rows), None)?;
        let not_null = self.bound.values.iter().filter(|_| self.bound.nulls_distinct);
        let not_null = not_null.map(|value| value.value.clone().is_not_null());
        for filter in filters.into_iter().chain(self.bound.condition.clone()).chain(not_null) {
            plan = plan.filter(filter)?;
        }
        let mut columns = vec![];
        for (place, value) in self.bound.values.iter().enumerate() {
            let equal_by = value.equal_by.as_ref().unwrap_or(&value.value);
            columns.push(equal_by.clone().alias(equal_name(place)));
            columns.push(value.value.clone().alias(value_name(place)));
        }
        if is_located {
            let locators = schema.fields().iter().skip(schema.fields().len() - 2);
            columns.extend(locators.map(|field| column(None, field.name())));
        }
        Ok(plan.project(columns)?.alias(relation)?)
    }
}

const ROWS: &str = "\u{0}rows";

fn equal_name(place: usize) -> String {
    format!("\u{0}equal {place}")
}

fn value_name(place: usize) -> String {
    format!("\u{0}value {place}")
}

fn shown_name(place: usize) -> String {
    format!("\u{0}shown {place}")
}

fn column(relation: Option<&'static str>, name: &str) -> Expr {
    Expr::Column(Column::new(relation, name))
}
