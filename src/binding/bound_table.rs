//! A table in a plan: the catalog's table, one pinned Delta snapshot, and whose privileges the scan is
//! checked against. `governance` finds every one of these in a plan and puts it behind a barrier.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableSource, TableType};
use datafusion::physical_expr::expressions::{CastExpr, Column as PhysicalColumn};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use super::TimeTravel;
use super::modification::TargetView;
use super::system_columns::{Source, SystemColumns, SystemColumnsExec, shown_by};
use crate::catalog::SystemColumn;
use crate::catalog::model::{Column, Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::storage::TableSnapshot;
use crate::types::SqlType;

/// What a plan read, for cache keys and the record: the object and its Delta version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelationVersion {
    pub table: Oid,
    pub travel: Option<TimeTravel>,
    pub version: u64,
}

/// The policies of one table, bound over its raw columns. Masks are by column id.
#[derive(Debug, Clone, Default)]
pub struct BoundPolicies {
    pub row_filter: Option<Expr>,
    pub masks: HashMap<i16, Expr>,
}

#[derive(Debug, Clone)]
pub struct BoundTable {
    pub table: Arc<Table>,
    pub snapshot: Arc<TableSnapshot>,
    pub travel: Option<TimeTravel>,
    /// The role whose privileges the scan needs: the view's owner inside a view, else the effective role.
    pub checked_as: Oid,
    pub policies: Arc<BoundPolicies>,
    schema: SchemaRef,
    /// For each column of `schema`, its index in the snapshot's schema; the system's have none.
    physical: Vec<Option<usize>>,
    /// For each column of `schema`, the catalog's id; `None` for one that the catalog has not seen.
    column_ids: Vec<Option<i16>>,
    /// The table is the target of a change: two columns after all others locate each row.
    is_target: bool,
    /// How many columns of the system stand before these.
    system: usize,
    /// The view that the statement names in the table's place.
    pub view: Option<Arc<TargetView>>,
}

/// The columns that locate a target's rows: the file and the place in it. No identifier can hold such a name.
pub const LOCATORS: [&str; 2] = ["\u{0}file", "\u{0}place"];

impl BoundTable {
    /// Matches the catalog's columns with the snapshot's. A governed column that the data no longer has
    /// refuses the table; a column that the catalog has not seen stays hidden while any column is governed.
    pub fn new(
        table: Arc<Table>,
        snapshot: Arc<TableSnapshot>,
        travel: Option<TimeTravel>,
        checked_as: Oid,
        policies: Arc<BoundPolicies>,
    ) -> Result<BoundTable> {
        let snapshot_schema = snapshot.schema();
        let column_governed = table
            .columns
            .iter()
            .any(|column| column.mask.is_some() || !column.grants.is_empty());
        let mut fields = vec![];
        let mut physical = vec![];
        let mut column_ids = vec![];
        for column in &table.columns {
            let Some((index, field)) = snapshot_schema.column_with_name(&column.name) else {
                if is_governed(&table, column) {
                    return Err(Error::new(
                        SqlState::InsufficientPrivilege,
                        format!("permission denied for table {}", table.name),
                    )
                    .with_detail(format!(
                        "A policy names column \"{}\", which the data no longer has.",
                        column.name
                    ))
                    .with_hint("The table's owner has to set the policy anew."));
                }
                continue;
            };
            let known = column.sql_type.to_field(&column.name, field.is_nullable());
            let typed = if known.data_type() == field.data_type() {
                known
            } else {
                field.clone()
            };
            fields.push(typed);
            physical.push(Some(index));
            column_ids.push(Some(column.id));
        }
        for (index, field) in snapshot_schema.fields().iter().enumerate() {
            let seen = table.columns.iter().any(|column| column.name == *field.name());
            if !seen && !column_governed && matches!(table.location, crate::catalog::model::TableLocation::External(_))
            {
                fields.push(field.as_ref().clone());
                physical.push(Some(index));
                column_ids.push(None);
            }
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(BoundTable {
            table,
            snapshot,
            travel,
            checked_as,
            policies,
            schema,
            physical,
            column_ids,
            is_target: false,
            system: 0,
            view: None,
        })
    }

    /// The same table as the target of a statement that changes its rows: with the locators.
    pub fn into_target(mut self) -> BoundTable {
        let mut fields: Vec<_> = self.schema.fields().iter().cloned().collect();
        for (name, data_type) in LOCATORS.into_iter().zip([DataType::Int32, DataType::Int64]) {
            fields.push(Arc::new(Field::new(name, data_type, false)));
            self.column_ids.push(None);
        }
        self.physical.extend(self.snapshot.locators().map(Some));
        self.schema = Arc::new(Schema::new(fields));
        self.is_target = true;
        self
    }

    /// The same table with columns of the system behind its own.
    pub fn with_system_columns(mut self, system: &SystemColumns) -> BoundTable {
        let end = self.column_count();
        let mut fields: Vec<_> = self.schema.fields().iter().cloned().collect();
        for (index, column) in system.columns.iter().enumerate() {
            let field = column.sql_type.to_field(system.hidden_name(column), false);
            fields.insert(end + index, Arc::new(field));
            self.column_ids.insert(end + index, None);
            self.physical.insert(end + index, None);
        }
        self.schema = Arc::new(Schema::new(fields));
        self.system = system.columns.len();
        self
    }

    /// Whether a column of `schema()` tells where a row is among all of the table, hidden ones too.
    pub fn tells_places(&self) -> bool {
        (0..self.schema.fields().len()).any(|index| self.tells_place(index))
    }

    /// The same of one column.
    pub fn tells_place(&self, index: usize) -> bool {
        self.system_column(index).is_some_and(SystemColumnsExec::is_of_place)
    }

    /// The system's column at this position of `schema()`.
    fn system_column(&self, index: usize) -> Option<&'static SystemColumn> {
        let own = self.column_count();
        let is_system = (own..own + self.system).contains(&index);
        self.schema
            .fields()
            .get(index)
            .filter(|_| is_system)
            .and_then(|field| shown_by(field.name()))
    }

    /// The numbers that the columns of `schema()` have in pg_attribute.
    pub fn column_numbers(&self) -> Vec<Option<i16>> {
        let ids = self.column_ids.iter().enumerate();
        ids.map(|(index, id)| id.or_else(|| Some(self.system_column(index)?.number)))
            .collect()
    }

    /// Whether the column of `schema()` at this position is no column of the table but tells where the row is.
    pub fn is_locator(&self, index: usize) -> bool {
        self.is_target && index + LOCATORS.len() >= self.schema.fields().len()
    }

    /// The position in the snapshot's schema of a column of `schema()`.
    pub fn stored_position(&self, index: usize) -> Option<usize> {
        self.physical.get(index).copied().flatten()
    }

    /// How many columns of `schema()` are the table's.
    pub fn column_count(&self) -> usize {
        let locators = if self.is_target { LOCATORS.len() } else { 0 };
        self.schema.fields().len() - locators - self.system
    }

    /// The position in `schema()` of the column that the statement knows by this name.
    pub fn position(&self, name: &str) -> Result<usize> {
        let position = match &self.view {
            None => self.schema.index_of(name).ok(),
            Some(view) => view.position(name),
        };
        position.ok_or_else(|| {
            let relation = &self.shown_table().name;
            let message = format!("column \"{name}\" of relation \"{relation}\" does not exist");
            Error::new(SqlState::UndefinedColumn, message)
        })
    }

    /// The name by which the statement knows the column of `schema()` at this position.
    pub fn shown_name(&self, index: usize) -> String {
        let shown = self.view.as_ref().and_then(|view| view.name(index));
        shown.map_or_else(|| self.column_name(index), str::to_string)
    }

    /// The table as the statement knows it.
    pub fn shown_table(&self) -> &Arc<Table> {
        self.view.as_ref().map_or(&self.table, |view| view.shown())
    }

    /// The columns under the names by which the statement knows them.
    pub fn shown_schema(&self) -> SchemaRef {
        match &self.view {
            None => Arc::clone(&self.schema),
            Some(_) => {
                let fields = self.schema.fields().iter().enumerate();
                let named = fields.map(|(index, field)| field.as_ref().clone().with_name(self.shown_name(index)));
                Arc::new(Schema::new(named.collect::<Vec<_>>()))
            }
        }
    }

    /// The SQL type of the column of `schema()` at this position.
    pub fn column_type(&self, index: usize) -> Result<SqlType> {
        let field = self.schema.fields().get(index);
        field
            .map(|field| SqlType::from_field(field))
            .ok_or_else(|| Error::internal("a column's position is out of range"))
    }

    /// The name of the column of `schema()` at this position.
    pub fn column_name(&self, index: usize) -> String {
        self.schema
            .fields()
            .get(index)
            .map(|field| field.name().clone())
            .unwrap_or_default()
    }

    /// Whether this is the table that the statement changes.
    pub fn is_target(&self) -> bool {
        self.is_target
    }

    /// The catalog's id of a column of `schema()`, by position.
    pub fn column_id(&self, index: usize) -> Option<i16> {
        self.column_ids.get(index).copied().flatten()
    }

    /// The catalog's ids of the columns of `schema()`.
    pub fn column_ids(&self) -> &[Option<i16>] {
        &self.column_ids
    }

    pub fn relation_version(&self) -> RelationVersion {
        RelationVersion {
            table: self.table.id,
            travel: self.travel,
            version: self.snapshot.version(),
        }
    }

    /// Filters prune files; only those that the file list decides alone need no second look.
    fn pushdown(&self, filter: &Expr) -> TableProviderFilterPushDown {
        if self.system > 0
            && filter
                .column_refs()
                .iter()
                .any(|column| shown_by(&column.name).is_some())
        {
            return TableProviderFilterPushDown::Unsupported;
        }
        match self.snapshot.is_exact_filter(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        }
    }

    /// 55000 for a materialized view without data.
    fn check_populated(&self) -> Result<()> {
        match &self.table.materialized {
            Some(query) if !query.populated => {
                let message = format!("materialized view \"{}\" has not been populated", self.table.name);
                Err(Error::new(SqlState::ObjectNotInPrerequisiteState, message)
                    .with_hint("Use the REFRESH MATERIALIZED VIEW command."))
            }
            _ => Ok(()),
        }
    }

    /// What the log does not tell: which columns are of a user's type.
    fn with_users_types(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        projection: Option<&Vec<usize>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let projected;
        let wanted = match projection {
            Some(projection) => {
                projected = self.schema.project(projection)?;
                &projected
            }
            None => self.schema.as_ref(),
        };
        let is_users = |field: &Field| SqlType::from_field(field).user_type().is_some();
        if !wanted.fields().iter().any(|field| is_users(field)) {
            return Ok(plan);
        }
        let columns = wanted.fields().iter().enumerate().map(|(place, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(field.name(), place));
            let typed: Arc<dyn PhysicalExpr> = match is_users(field) {
                true => Arc::new(CastExpr::new_with_target_field(column, Arc::clone(field), None)),
                false => column,
            };
            (typed, field.name().clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
    }

    /// The scan of the snapshot, with the system's columns computed behind it.
    async fn scan_snapshot(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let (mut physical, mut sources) = (vec![], vec![]);
        for &index in wanted {
            sources.push(match (self.system_column(index), self.physical[index]) {
                (Some(column), _) => Source::System(column),
                (None, Some(stored)) => {
                    physical.push(stored);
                    Source::Input(physical.len() - 1)
                }
                (None, None) => return Err(Error::internal("a column is neither the table's nor the system's")),
            });
        }
        let system = sources.iter().filter_map(|source| match source {
            Source::System(column) => Some(*column),
            Source::Input(_) => None,
        });
        let system: Vec<_> = system.collect();
        if system.is_empty() {
            return self.snapshot.scan(session, Some(&physical), filters, limit).await;
        }
        let mut files = vec![];
        if system.into_iter().any(SystemColumnsExec::is_of_place) {
            physical.extend(self.snapshot.locators());
            files = self.snapshot.file_starts().await?;
        }
        let plan = self.snapshot.scan(session, Some(&physical), filters, limit).await?;
        let schema = Arc::new(self.schema.project(wanted)?);
        Ok(Arc::new(SystemColumnsExec::new(
            plan,
            sources,
            self.table.id,
            files,
            schema,
        )))
    }
}

fn is_governed(table: &Table, column: &Column) -> bool {
    let in_filter = table
        .row_filter
        .as_ref()
        .is_some_and(|filter| filter.columns.contains(&column.id));
    let in_mask = table
        .columns
        .iter()
        .filter_map(|other| other.mask.as_ref())
        .any(|mask| mask.using_columns.contains(&column.id));
    column.mask.is_some() || in_filter || in_mask
}

#[async_trait]
impl TableProvider for BoundTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.check_populated()?;
        let plan = self.scan_snapshot(session, projection, filters, limit).await?;
        self.with_users_types(plan, projection)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|filter| self.pushdown(filter)).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let whole = self.snapshot.statistics();
        let column_statistics = self
            .physical
            .iter()
            .map(|index| {
                (*index)
                    .and_then(|index| whole.column_statistics.get(index).cloned())
                    .unwrap_or_default()
            })
            .collect();
        Some(Statistics {
            column_statistics,
            num_rows: whole.num_rows,
            total_byte_size: whole.total_byte_size,
        })
    }
}

/// The bound table behind a scan, if it is one of ours.
pub fn bound_table(source: &Arc<dyn TableSource>) -> Option<Arc<BoundTable>> {
    let provider = source_as_provider(source).ok()?;
    let any: Arc<dyn std::any::Any + Send + Sync> = provider;
    any.downcast::<BoundTable>().ok()
}
