//! Computes system columns behind the scan of a table: from each row's file and place in it what its ctid and xmin are.
//! Nothing is pushed through it, so that no operator takes a row's place for a value of the file.

use std::fmt::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewBuilder, UInt32Array};
use datafusion::arrow::datatypes::{Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;

use crate::catalog::model::Oid;
use crate::catalog::{CTID, SystemColumn, TABLEOID, XMIN};
use crate::error::{Error, Result};
use crate::storage::FileStart;
use crate::types::spelled::row_place::RowPlace;

/// The first transaction that PostgreSQL may number so: those below mean something else.
const FIRST_TRANSACTION: u64 = 3;

/// Where a column of the output comes from.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Source {
    /// A column of the input.
    Input(usize),
    System(&'static SystemColumn),
}

/// A scan with system columns among its own.
#[derive(Debug, Clone)]
pub(in super::super) struct SystemColumnsExec {
    /// Its last two columns are the locators, if any column needs them.
    input: Arc<dyn ExecutionPlan>,
    sources: Arc<[Source]>,
    table: Oid,
    files: Arc<[FileStart]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl SystemColumnsExec {
    /// Whether the column depends on where a row is.
    pub fn is_of_place(column: &SystemColumn) -> bool {
        column.name == CTID || column.name == XMIN
    }

    pub fn new(
        input: Arc<dyn ExecutionPlan>,
        sources: Vec<Source>,
        table: Oid,
        files: Vec<FileStart>,
        schema: SchemaRef,
    ) -> SystemColumnsExec {
        let properties = Arc::new(properties(&input, &schema));
        SystemColumnsExec {
            input,
            sources: sources.into(),
            table,
            files: files.into(),
            schema,
            properties,
        }
    }

    fn column(&self, source: Source, batch: &RecordBatch) -> Result<ArrayRef> {
        let column = match source {
            Source::Input(index) => return Ok(Arc::clone(batch.column(index))),
            Source::System(column) => column,
        };
        let rows = batch.num_rows();
        match column.name {
            TABLEOID => Ok(Arc::new(UInt32Array::from(vec![self.table; rows]))),
            CTID => self.by_place(batch, |file, place, text| {
                let place = RowPlace::in_file(file.first_block, file.stamp, place);
                let place = place.ok_or_else(|| Error::unsupported("ctid of a table of so many rows"))?;
                text.push_str(&place.spelling());
                Ok(())
            }),
            XMIN => self.by_place(batch, |file, _, text| {
                let _ = write!(text, "{}", transaction(file.written));
                Ok(())
            }),
            _ => {
                let mut zeros = StringViewBuilder::with_capacity(rows);
                (0..rows).for_each(|_| zeros.append_value("0"));
                Ok(Arc::new(zeros.finish()))
            }
        }
    }

    fn by_place(
        &self,
        batch: &RecordBatch,
        spell: impl Fn(&FileStart, u64, &mut String) -> Result<()>,
    ) -> Result<ArrayRef> {
        let lost = || Error::internal("a row's place was lost");
        let first = batch.num_columns().checked_sub(2).ok_or_else(lost)?;
        let files = batch.column(first).as_primitive_opt::<Int32Type>().ok_or_else(lost)?;
        let places = batch
            .column(first + 1)
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(lost)?;
        let mut values = StringViewBuilder::with_capacity(batch.num_rows());
        let mut text = String::new();
        for (file, place) in files.values().iter().zip(places.values()) {
            let file = usize::try_from(*file).ok().and_then(|file| self.files.get(file));
            text.clear();
            spell(file.ok_or_else(lost)?, *place as u64, &mut text)?;
            values.append_value(&text);
        }
        Ok(Arc::new(values.finish()))
    }

    fn shown(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.sources.iter().map(|source| self.column(*source, batch));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The number of the transaction that wrote a file at this time.
fn transaction(millis: i64) -> u32 {
    let numbers = (1_u64 << 32) - FIRST_TRANSACTION;
    (millis.rem_euclid(numbers as i64) as u64 + FIRST_TRANSACTION) as u32
}

fn properties(input: &Arc<dyn ExecutionPlan>, schema: &SchemaRef) -> PlanProperties {
    let below = input.properties();
    PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(below.partitioning.partition_count()),
        below.emission_type,
        below.boundedness,
    )
    .with_evaluation_type(below.evaluation_type)
    .with_scheduling_type(below.scheduling_type)
}

impl DisplayAs for SystemColumnsExec {
    fn fmt_as(&self, _format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        let system = self.sources.iter().filter_map(|source| match source {
            Source::System(column) => Some(column.name),
            Source::Input(_) => None,
        });
        write!(
            formatter,
            "SystemColumnsExec: {}",
            system.collect::<Vec<_>>().join(", ")
        )
    }
}

impl ExecutionPlan for SystemColumnsExec {
    fn name(&self) -> &str {
        "SystemColumnsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        // Rows do keep their order, but a sort that was moved below would find other columns at its places.
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _call: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.is_empty()) else {
            return Err(Error::internal("system columns have one input").into());
        };
        // A rule may have the scan give narrower types.
        let fields = self.schema.fields().iter().zip(self.sources.iter());
        let fields = fields.map(|(field, source)| match source {
            Source::Input(index) => {
                let given = input.schema().field(*index).data_type().clone();
                field.as_ref().clone().with_data_type(given)
            }
            Source::System(_) => field.as_ref().clone(),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Arc::new(SystemColumnsExec {
            properties: Arc::new(properties(&input, &schema)),
            input,
            schema,
            ..self.as_ref().clone()
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let computing = self.clone();
        let batches = input.map(move |batch| Ok(computing.shown(&batch?)?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_never_of_the_reserved_numbers() {
        assert_eq!(transaction(0), 3);
        assert_eq!(transaction((1 << 32) - 4), u32::MAX);
        assert_eq!(transaction((1 << 32) - 3), 3);
        assert_eq!(transaction(-1), u32::MAX);
    }
}
