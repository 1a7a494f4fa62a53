//! Tables in memory with policies, and a way to run queries over them with and without governance.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::arrow::array::{Decimal128Array, Int32Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result as PlanResult, Statistics};
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, TableSource, TableType};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::binding::RelationVersion;
use crate::catalog::model::{Column, ColumnMask, Oid, RowFilter, Table, TableLocation};
use crate::error::{Error, Result};
use crate::governance::govern::{Rules, govern_by};
use crate::governance::subject::{Place, Recognise, Subject};
use crate::governance::{GovernedPlan, verify};
use crate::types::SqlType;

/// A raw table: what storage would be.
#[derive(Debug)]
pub struct RawTable {
    pub table: Arc<Table>,
    memory: MemTable,
    pub row_filter: Option<Expr>,
    pub masks: Vec<Option<Expr>>,
    checked_as: Oid,
    /// The columns that each scan read.
    pub scanned: Mutex<Vec<Vec<usize>>>,
}

#[async_trait]
impl TableProvider for RawTable {
    fn schema(&self) -> SchemaRef {
        self.memory.schema()
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
        let all = (0..self.schema().fields().len()).collect();
        self.scanned.lock().unwrap().push(projection.cloned().unwrap_or(all));
        self.memory.scan(session, projection, filters, limit).await
    }
    fn statistics(&self) -> Option<Statistics> {
        self.memory.statistics()
    }
}

pub fn recognise(source: &Arc<dyn TableSource>) -> Option<Subject> {
    let provider = source_as_provider(source).ok()?;
    let any: Arc<dyn std::any::Any + Send + Sync> = provider;
    Some(subject_of(&any.downcast::<RawTable>().ok()?))
}

pub fn subject_of(raw: &Arc<RawTable>) -> Subject {
    Subject {
        table: Arc::clone(&raw.table),
        column_ids: raw.table.columns.iter().map(|column| Some(column.id)).collect(),
        locators_from: raw.table.columns.len(),
        tells_places: false,
        row_filter: raw.row_filter.clone(),
        masks: raw.masks.clone(),
        checked_as: raw.checked_as,
        version: RelationVersion {
            table: raw.table.id,
            travel: None,
            version: 7,
        },
        provider: Arc::clone(raw) as Arc<dyn TableProvider>,
        place: Place {
            store: "memory://".into(),
            folder: raw.table.name.clone(),
        },
    }
}

/// The catalog's side of a table; row filter and masks are marked as set where given.
pub fn catalog_table(id: Oid, name: &str, schema: &Schema, filtered: bool, masked: &[bool]) -> Table {
    let column = |(index, field): (usize, &Arc<Field>)| Column {
        id: index as i16 + 1,
        name: field.name().clone(),
        sql_type: SqlType::from_field(field),
        nullable: field.is_nullable(),
        field_id: None,
        mask: masked[index].then(|| ColumnMask {
            function: 1,
            using_columns: vec![],
        }),
        grants: vec![],
        default: None,
        numbering: None,
        comment: None,
    };
    Table {
        id,
        schema: 2200,
        name: name.into(),
        owner: 10,
        location: TableLocation::Managed(uuid::Uuid::new_v4()),
        columns: schema.fields().iter().enumerate().map(column).collect(),
        next_column: schema.fields().len() as i16 + 1,
        unlogged: false,
        partition_columns: vec![],
        row_filter: filtered.then(|| RowFilter {
            function: 1,
            columns: vec![],
        }),
        grants: vec![],
        constraints: vec![],
        materialized: None,
        comment: None,
    }
}

/// `staff` in the catalog; governed with a row filter and a mask on ssn.
pub fn staff_catalog_table(governed: bool) -> Table {
    let schema = staff_batch_of(&[]).schema();
    catalog_table(20, "staff", &schema, governed, &[false, false, false, false, governed])
}

/// One run of the tests' SQL: a session, its tables.
pub struct World {
    pub session: SessionContext,
    pub recognise: Recognise,
}

impl World {
    pub fn new() -> World {
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        World { session, recognise }
    }

    /// `staff(id, name, region, salary, ssn)`: these rows, then three of the north; with policies.
    pub fn with_staff(hidden: &[StaffRow], row_filter: Option<Expr>, masks: [Option<Expr>; 5]) -> World {
        let world = World::new();
        let rows = [hidden, &VISIBLE].concat();
        world.add_table(20, "staff", staff_batch_of(&rows), row_filter, masks.to_vec());
        world
    }

    pub fn add_table(
        &self,
        id: Oid,
        name: &str,
        batch: RecordBatch,
        row_filter: Option<Expr>,
        masks: Vec<Option<Expr>>,
    ) -> Arc<RawTable> {
        let masked: Vec<bool> = masks.iter().map(Option::is_some).collect();
        let table = catalog_table(id, name, &batch.schema(), row_filter.is_some(), &masked);
        let memory = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        let scanned = Mutex::default();
        let raw = RawTable {
            table: Arc::new(table),
            memory,
            row_filter,
            masks,
            checked_as: 1,
            scanned,
        };
        let raw = Arc::new(raw);
        self.session
            .register_table(name, Arc::clone(&raw) as Arc<dyn TableProvider>)
            .unwrap();
        raw
    }

    pub async fn bind(&self, sql: &str) -> LogicalPlan {
        self.session.state().create_logical_plan(sql).await.unwrap()
    }

    pub async fn govern(&self, sql: &str) -> Result<GovernedPlan> {
        govern_by(
            self.bind(sql).await,
            &Rules {
                options: &Arc::new(ConfigOptions::default()),
                recognise: self.recognise,
                authorize: &|_| Ok(()),
            },
        )
    }

    pub async fn optimize(&self, sql: &str) -> Result<GovernedPlan> {
        let state = self.session.state();
        self.govern(sql).await?.rewrite(|plan| Ok(state.optimize(&plan)?))
    }

    pub async fn plan_physically(&self, governed: &GovernedPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let state = self.session.state();
        Ok(state
            .query_planner()
            .create_physical_plan(governed.plan(), &state)
            .await?)
    }

    /// Runs a query as the server would: rows as text, or the error's code and message.
    pub async fn ask(&self, sql: &str) -> String {
        match self.run(sql).await {
            Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
            Err(error) => format!("{} {}", error.state().code(), error.message()),
        }
    }

    async fn run(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let governed = self.optimize(sql).await?;
        let physical = self.plan_physically(&governed).await?;
        verify(&governed, &physical)?;
        Ok(collect(physical, self.session.task_ctx()).await?)
    }

    /// What a rewrite to `WHERE policy` on stock DataFusion would answer.
    pub async fn ask_naively(&self, sql: &str, row_filter: Expr) -> String {
        let plan = self.bind(sql).await;
        let naive = plan.transform_up_with_subqueries(|node| {
            use datafusion::common::tree_node::Transformed;
            use datafusion::logical_expr::LogicalPlanBuilder;
            Ok(match node {
                LogicalPlan::TableScan(_) => {
                    Transformed::yes(LogicalPlanBuilder::from(node).filter(row_filter.clone())?.build()?)
                }
                other => Transformed::no(other),
            })
        });
        let frame = self.session.execute_logical_plan(naive.unwrap().data).await.unwrap();
        match frame.collect().await {
            Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
            Err(error) => Error::from(error).message().to_string(),
        }
    }
}

pub type StaffRow = (i32, &'static str, &'static str, i64, &'static str);

/// The visible rows: numbers as names, so that only hidden ones fail to convert.
const VISIBLE: [StaffRow; 3] = [
    (1, "41", "north", 300, "111-22-3333"),
    (2, "42", "north", 150, "222-33-4444"),
    (3, "43", "north", 10, "x"),
];

/// `staff` without policies, as the catalog defines it, scanned for this role.
pub fn staff_table(table: Table, checked_as: Oid) -> RawTable {
    let batch = staff_batch_of(&VISIBLE);
    let memory = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    let (table, masks) = (Arc::new(table), vec![None; 5]);
    RawTable {
        table,
        memory,
        row_filter: None,
        masks,
        checked_as,
        scanned: Mutex::default(),
    }
}

pub fn staff_batch_of(rows: &[StaffRow]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int32, false),
        Field::new("name", DataType::Utf8View, true),
        Field::new("region", DataType::Utf8View, true),
        Field::new("salary", DataType::Decimal128(12, 2), false),
        Field::new("ssn", DataType::Utf8View, true),
    ]);
    let salaries = Decimal128Array::from_iter_values(rows.iter().map(|row| i128::from(row.3) * 100));
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.2))),
            Arc::new(salaries.with_precision_and_scale(12, 2).unwrap()),
            Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.4))),
        ],
    )
    .unwrap()
}

/// A table of one column of integers.
pub fn numbers(name: &str, values: &[i32]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new(name, DataType::Int32, false)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int32Array::from(values.to_vec()))]).unwrap()
}

/// A table of one column of text.
pub fn texts(name: &str, values: &[&str]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new(name, DataType::Utf8View, false)]);
    let values = StringViewArray::from_iter_values(values);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values)]).unwrap()
}
