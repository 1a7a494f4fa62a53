//! One foreign key: rows of both tables compared by it. What is compared is stored rows, whatever a policy hides of them,
//! so an error tells that a key is there or is not, and shows one that the role may read.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit, or};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use crate::binding::{KeyValue, bind_side};
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{ForeignKey, ForeignKeyTerms, Object, Oid, Privilege, Table, Timing};
use crate::error::{Error, Result, SqlState};
use crate::execution::commands::CommandContext;
use crate::execution::enforced_keys::{Bounds, RowSource, StoredRows, key_texts};
use crate::planning::PlanningSession;
use crate::storage::TableSnapshot;
use crate::types::{ComparedAs, FormatSettings, compared_as};

/// What the rows that are looked for, and those among which they are, are called in plans.
const ASKED: &str = "asked";
const KNOWN: &str = "known";

/// A foreign key with both of its tables.
pub(in crate::execution) struct Reference {
    pub(super) id: Oid,
    pub(super) name: String,
    pub(super) timing: Timing,
    pub(super) terms: ForeignKeyTerms,
    /// The table that refers.
    pub(super) child: Arc<Table>,
    pub(super) columns: Vec<i16>,
    /// The table that it refers to.
    pub(super) parent: Arc<Table>,
    pub(super) referenced: Vec<i16>,
    compared: Vec<ComparedAs>,
    pub(super) child_schema: String,
    /// Whether errors may show the values of a side: nothing of the table is hidden, and the role may read the key.
    shows_child: bool,
    shows_parent: bool,
    session: PlanningSession,
    format: FormatSettings,
}

/// The rows of one side, and what they are called in plans.
struct Side<'a> {
    rows: Arc<dyn TableProvider>,
    values: &'a [KeyValue],
    relation: &'static str,
}

impl Reference {
    pub(super) fn new(
        command: &CommandContext<'_>,
        catalog: &CatalogSnapshot,
        child: &Table,
        key: &ForeignKey<'_>,
    ) -> Result<Reference> {
        let missing = || Error::internal("a foreign key refers to nothing");
        let parent = catalog.table(key.table).ok_or_else(missing)?;
        let access = catalog.access(command.role());
        let is_shown = |table: &Table, columns: &[i16]| {
            let object = Object::Table(table.clone());
            let may_read = |id: &i16| access.has_column(&object, *id, Privilege::Select);
            !table.is_governed() && columns.iter().all(may_read)
        };
        let compared = key.columns.iter().zip(key.referenced).map(|(own, other)| {
            let (own, other) = (child.column(*own)?, parent.column(*other)?);
            compared_as(&own.sql_type, &other.sql_type)
        });
        Ok(Reference {
            id: key.constraint.id,
            name: key.constraint.name.clone(),
            timing: key.constraint.timing,
            terms: key.terms.clone(),
            compared: compared.collect::<Option<_>>().ok_or_else(missing)?,
            child_schema: catalog.schema_name(child.schema).to_string(),
            shows_child: is_shown(child, key.columns),
            shows_parent: is_shown(parent, key.referenced),
            child: Arc::new(child.clone()),
            columns: key.columns.to_vec(),
            parent: Arc::new(parent.clone()),
            referenced: key.referenced.to_vec(),
            session: command.session.clone(),
            format: command.format_settings.clone(),
        })
    }

    pub(super) fn child_values(&self, stored: &Schema) -> Result<Vec<KeyValue>> {
        bind_side(&self.child, &self.columns, &self.compared, stored)
    }

    pub(super) fn parent_values(&self, stored: &Schema) -> Result<Vec<KeyValue>> {
        bind_side(&self.parent, &self.referenced, &self.compared, stored)
    }

    /// 23503 where a row of the table that refers has a key that no row of the other has. `stored` are the columns of the
    /// table that refers.
    pub(in crate::execution) async fn verify(
        &self,
        rows: &RowSource,
        stored: &Schema,
        parent: &Arc<TableSnapshot>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let child = self.child_values(stored)?;
        if self.terms.match_full && child.len() > 1 {
            self.refuse_mixed(rows, &child).await?;
        }
        let missing = self.missing(rows, stored, parent, Some(1)).await?;
        let Some(missing) = missing.first() else {
            return Ok(());
        };
        let shown = match self.shows_child {
            true => key_texts(missing, 0, child.len(), &self.format),
            false => None,
        };
        let of_key = shown.map_or_else(String::new, |texts| self.of_key(&child, &texts));
        let detail = format!("Key{of_key} is not present in table \"{}\".", self.parent.name);
        Err(self.not_referring().with_detail(detail))
    }

    /// Rows of the table that refers whose keys no row of the other has: their keys, at most `limit`.
    pub(super) async fn missing(
        &self,
        rows: &RowSource,
        stored: &Schema,
        parent: &Arc<TableSnapshot>,
        limit: Option<usize>,
    ) -> Result<Vec<RecordBatch>> {
        let (child, other) = (self.child_values(stored)?, self.parent_values(&parent.schema())?);
        let Some(bounds) = bounds(rows, &child, &other, &parent.schema())? else {
            return Ok(vec![]);
        };
        let plan = compared((rows, &child), (parent, &other), bounds, JoinType::LeftAnti)?;
        self.rows(shown(plan, child.len())?, limit).await
    }

    /// The same as rows of the table that refers.
    pub(super) async fn missing_rows(
        &self,
        rows: &RowSource,
        stored: &Schema,
        parent: &Arc<TableSnapshot>,
    ) -> Result<RowSource> {
        let values = self.child_values(stored)?;
        let missing = self.missing(rows, stored, parent, None).await?;
        let renamed = |batch: RecordBatch| -> Result<RecordBatch> {
            let schema = batch.schema();
            let (mut fields, mut columns): (Vec<Field>, _) = (vec![], vec![]);
            for ((field, array), value) in schema.fields().iter().zip(batch.columns()).zip(&values) {
                // A key may name a column twice.
                let name = column_name(value);
                if fields.iter().all(|known| *known.name() != name) {
                    fields.push(field.as_ref().clone().with_name(name));
                    columns.push(Arc::clone(array));
                }
            }
            Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
        };
        let batches: Vec<RecordBatch> = missing.into_iter().map(renamed).collect::<Result<_>>()?;
        let schema = batches
            .first()
            .map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        Ok(RowSource::Kept(schema, batches))
    }

    /// Those of `old`, keys that rows of the other table had, that no row of it has any more.
    pub(super) async fn gone(&self, old: &RowSource, parent: &Arc<TableSnapshot>) -> Result<RowSource> {
        let schema = parent.schema();
        let values = self.parent_values(&schema)?;
        let Some(bounds) = bounds(old, &values, &values, &schema)? else {
            return Ok(RowSource::Kept(schema, vec![]));
        };
        let plan = compared((old, &values), (parent, &values), bounds, JoinType::LeftAnti)?;
        let columns = values.iter().enumerate().map(|(place, value)| {
            let found = column(ASKED, &value_name(place));
            found.alias(column_name(value))
        });
        let batches = self.rows(plan.project(columns.collect::<Vec<_>>())?, None).await?;
        let batches: Vec<RecordBatch> = batches.into_iter().filter(|batch| batch.num_rows() > 0).collect();
        let schema = batches.first().map_or(schema, RecordBatch::schema);
        Ok(RowSource::Kept(schema, batches))
    }

    /// The first of `old` keys that a row of the table that refers has.
    pub(super) async fn referred(
        &self,
        old: &RowSource,
        stored: &Schema,
        child: &Arc<TableSnapshot>,
    ) -> Result<Option<RecordBatch>> {
        let (values, other) = (self.parent_values(stored)?, self.child_values(&child.schema())?);
        if old.is_empty() || child.file_count() == 0 {
            return Ok(None);
        }
        let Some(bounds) = bounds(old, &values, &other, &child.schema())? else {
            return Ok(None);
        };
        let plan = compared((old, &values), (child, &other), bounds, JoinType::LeftSemi)?;
        let found = self.rows(shown(plan, values.len())?, Some(1)).await?;
        Ok(found.into_iter().next())
    }

    /// The rows of the table that refers that have one of `old` keys: the file and place of each, and what `old` has in
    /// these columns of its own.
    pub(super) async fn located(
        &self,
        old: &RowSource,
        stored: &Schema,
        child: &Arc<TableSnapshot>,
        taken: &[String],
    ) -> Result<Vec<RecordBatch>> {
        let (values, other) = (self.parent_values(stored)?, self.child_values(&child.schema())?);
        if old.is_empty() || child.file_count() == 0 {
            return Ok(vec![]);
        }
        let Some(bounds) = bounds(old, &values, &other, &child.schema())? else {
            return Ok(vec![]);
        };
        let of_old = |name: &String| Expr::Column(Column::new_unqualified(name));
        let left = Side {
            rows: old.provider()?,
            values: &values,
            relation: ASKED,
        };
        let right = Side {
            rows: Arc::new(StoredRows::new(child, true)),
            values: &other,
            relation: KNOWN,
        };
        let schema = child.located_schema();
        let locators: Vec<String> = child
            .locators()
            .iter()
            .map(|place| schema.field(*place).name().clone())
            .collect();
        let left = left.plan(vec![], taken.iter().map(of_old).collect())?;
        let right = right.plan(bounds, locators.iter().map(of_old).collect())?;
        let found = locators.iter().map(|name| column(KNOWN, name));
        let found = found.chain(taken.iter().map(|name| column(ASKED, name)));
        let plan = joined(left, right, JoinType::Inner, values.len())?;
        self.rows(plan.project(found.collect::<Vec<_>>())?, None).await
    }

    /// 23503 for a key that a row of the table that refers still has.
    pub(super) fn still_referred(&self, stored: &Schema, found: &RecordBatch) -> Result<Error> {
        let (parent, child) = (&self.parent.name, &self.child.name);
        let values = self.parent_values(stored)?;
        let shown = match self.shows_parent {
            true => key_texts(found, 0, values.len(), &self.format),
            false => None,
        };
        let of_key = shown.map_or_else(String::new, |texts| self.of_key(&values, &texts));
        let message = format!(
            "update or delete on table \"{parent}\" violates foreign key constraint \"{}\" on table \"{child}\"",
            self.name
        );
        Ok(self
            .violated(message)
            .with_detail(format!("Key{of_key} is still referenced from table \"{child}\".")))
    }

    /// MATCH FULL: 23503 where some columns of a key are null and others are not.
    async fn refuse_mixed(&self, rows: &RowSource, child: &[KeyValue]) -> Result<()> {
        let nulls = child.iter().map(|value| value.value.clone().is_null());
        let others = child.iter().map(|value| value.value.clone().is_not_null());
        let (Some(some_null), Some(some_other)) = (nulls.reduce(or), others.reduce(or)) else {
            return Ok(());
        };
        let plan = LogicalPlanBuilder::scan(ASKED, provider_as_source(rows.provider()?), None)?
            .filter(some_null)?
            .filter(some_other)?
            .project(vec![lit(1).alias("found")])?;
        match self.rows(plan, Some(1)).await?.is_empty() {
            true => Ok(()),
            false => Err(self
                .not_referring()
                .with_detail("MATCH FULL does not allow mixing of null and nonnull key values.")),
        }
    }

    fn not_referring(&self) -> Error {
        self.violated(format!(
            "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
            self.child.name, self.name
        ))
    }

    fn violated(&self, message: String) -> Error {
        Error::new(SqlState::ForeignKeyViolation, message)
            .of_constraint(&self.name)
            .in_table(&self.child_schema, &self.child.name)
    }

    /// ` (a, b)=(1, 2)`.
    fn of_key(&self, values: &[KeyValue], texts: &[String]) -> String {
        let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
        format!(" ({})=({})", names.join(", "), texts.join(", "))
    }

    /// The batches of a plan that have rows.
    async fn rows(&self, plan: LogicalPlanBuilder, limit: Option<usize>) -> Result<Vec<RecordBatch>> {
        let plan: LogicalPlan = match limit {
            Some(_) => plan.limit(0, limit)?.build()?,
            None => plan.build()?,
        };
        let plan = self.session.create_physical_plan(&plan).await?;
        let mut stream = execute_stream(plan, self.session.execution_context())?;
        let mut batches = vec![];
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
            if limit.is_some() && !batches.is_empty() {
                break;
            }
        }
        Ok(batches)
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reference")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Side<'_> {
    /// The keys that have no null, by what they are equal by and as they are, and further columns.
    fn plan(self, filters: Vec<Expr>, further: Vec<Expr>) -> Result<LogicalPlanBuilder> {
        let mut plan = LogicalPlanBuilder::scan(self.relation, provider_as_source(self.rows), None)?;
        let not_null = self.values.iter().map(|value| value.value.clone().is_not_null());
        for filter in filters.into_iter().chain(not_null) {
            plan = plan.filter(filter)?;
        }
        let mut columns = vec![];
        for (place, value) in self.values.iter().enumerate() {
            let equal_by = value.equal_by.as_ref().unwrap_or(&value.value);
            columns.push(equal_by.clone().alias(equal_name(place)));
            columns.push(value.value.clone().alias(value_name(place)));
        }
        columns.extend(further);
        Ok(plan.project(columns)?.alias(self.relation)?)
    }
}

/// Two sides joined where their keys are equal. Nulls are in neither.
fn joined(
    left: LogicalPlanBuilder,
    right: LogicalPlanBuilder,
    join: JoinType,
    columns: usize,
) -> Result<LogicalPlanBuilder> {
    let keys = |plan: &LogicalPlanBuilder| -> Vec<Column> {
        let relation = plan.schema().iter().next().and_then(|(relation, _)| relation.cloned());
        let key = |place| Column::new(relation.clone(), equal_name(place));
        (0..columns).map(key).collect()
    };
    let on = (keys(&left), keys(&right));
    let right = right.build()?;
    Ok(left.join_detailed(right, join, on, None, NullEquality::NullEqualsNothing)?)
}

/// Those of the rows whose keys stored rows within the bounds have, or have not.
fn compared(
    (rows, values): (&RowSource, &[KeyValue]),
    (stored, other): (&Arc<TableSnapshot>, &[KeyValue]),
    bounds: Vec<Expr>,
    join: JoinType,
) -> Result<LogicalPlanBuilder> {
    let asked = Side {
        rows: rows.provider()?,
        values,
        relation: ASKED,
    };
    let known = Side {
        rows: Arc::new(StoredRows::new(stored, false)),
        values: other,
        relation: KNOWN,
    };
    joined(
        asked.plan(vec![], vec![])?,
        known.plan(bounds, vec![])?,
        join,
        values.len(),
    )
}

/// The values of keys alone.
fn shown(plan: LogicalPlanBuilder, columns: usize) -> Result<LogicalPlanBuilder> {
    let values = (0..columns).map(|place| column(ASKED, &value_name(place)));
    Ok(plan.project(values.collect::<Vec<_>>())?)
}

/// What is true of each row of `other` whose key one of the rows has; `None` where no row can have one.
fn bounds(rows: &RowSource, values: &[KeyValue], other: &[KeyValue], stored: &Schema) -> Result<Option<Vec<Expr>>> {
    let mut filters = vec![];
    for (value, other) in values.iter().zip(other) {
        let (Some(position), Some(place)) = (value.bounded, other.bounded) else {
            continue;
        };
        match rows.bounds_of(position, &value.value)? {
            Bounds::Unknown => {}
            Bounds::OnlyNulls => return Ok(None),
            Bounds::Between(least, greatest) => {
                let data_type = stored.field(place).data_type();
                let (Ok(least), Ok(greatest)) = (least.cast_to(data_type), greatest.cast_to(data_type)) else {
                    continue;
                };
                if !least.is_null() && !greatest.is_null() {
                    filters.push(other.value.clone().gt_eq(lit(least)));
                    filters.push(other.value.clone().lt_eq(lit(greatest)));
                }
            }
        }
    }
    Ok(Some(filters))
}

/// What the table calls the column that a value is.
fn column_name(value: &KeyValue) -> String {
    match &value.value {
        Expr::Column(column) => column.name.clone(),
        _ => value.name.clone(),
    }
}

fn equal_name(place: usize) -> String {
    format!("\u{0}equal {place}")
}

fn value_name(place: usize) -> String {
    format!("\u{0}value {place}")
}

fn column(relation: &'static str, name: &str) -> Expr {
    Expr::Column(Column::new(Some(relation), name))
}
