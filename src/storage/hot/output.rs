//! From the blocks of a hot row group to batches: filters on codes, then only the rows that pass are read of the
//! other columns. Batches are compact: rows of sparse blocks are gathered until they fill one.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, DynamicFilterTracking};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs, Projector};
use datafusion::physical_expr::utils::collect_columns;

use super::column::{BLOCK_ROWS, Rows};
use super::compact::compact_column;
use super::filter::Test;
use super::mask::{kept_count, kept_rows, may_pass, narrow};
use super::morsels::Partition;
use super::rows::HotRows;
use super::split::WholeGroup;

/// What a scan reads, tests and gives.
#[derive(Debug)]
pub(super) struct ReadPlan {
    /// Positions in the scan's schema that are needed, ascending.
    pub(super) columns: Vec<usize>,
    /// Columns of the scan's schema.
    pub(super) width: usize,
    /// Whoever asked for the rows relies on these.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// These save work: they may change while the scan runs.
    dynamic: Vec<Arc<dyn PhysicalExpr>>,
    reads: Vec<(usize, DataType)>,
    read_schema: SchemaRef,
    /// `None` where what is read is what is given.
    projector: Option<Projector>,
    batch_size: usize,
}

impl ReadPlan {
    pub(super) fn new(
        schema: &SchemaRef,
        projection: &ProjectionExprs,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        dynamic: Vec<Arc<dyn PhysicalExpr>>,
        batch_size: usize,
    ) -> Result<ReadPlan> {
        let mut reads: Vec<(usize, DataType)> = vec![];
        let mut place_of = |position: usize, data_type: DataType| {
            let wanted = (position, data_type);
            reads.iter().position(|read| *read == wanted).unwrap_or_else(|| {
                reads.push(wanted);
                reads.len() - 1
            })
        };
        let mut moved = vec![];
        for given in projection.iter() {
            let expression = Arc::clone(&given.expr).transform_down(|part| {
                let plain = |column| (column, schema.field(Column::index(column)).data_type().clone());
                let read = compact_column(part.as_ref(), schema).or_else(|| part.downcast_ref().map(plain));
                let Some((column, data_type)) = read else {
                    return Ok(Transformed::no(part));
                };
                let place = place_of(column.index(), data_type);
                let moved: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), place));
                Ok(Transformed::new(moved, true, TreeNodeRecursion::Jump))
            });
            moved.push(ProjectionExpr::new(expression.data()?, &given.alias));
        }
        let fields = reads.iter().map(|(position, data_type)| {
            let field: &Field = schema.field(*position);
            field.clone().with_data_type(data_type.clone())
        });
        let mut read_schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let is_plain = |(at, given): (usize, &ProjectionExpr)| {
            given
                .expr
                .downcast_ref::<Column>()
                .is_some_and(|column| column.index() == at)
        };
        let is_identity = moved.len() == reads.len() && moved.iter().enumerate().all(is_plain);
        let projector = ProjectionExprs::new(moved).make_projector(&read_schema)?;
        let projector = match is_identity {
            true => {
                read_schema = Arc::clone(projector.output_schema());
                None
            }
            false => Some(projector),
        };
        let mut columns: Vec<usize> = reads.iter().map(|(position, _)| *position).collect();
        for filter in filters.iter().chain(&dynamic) {
            columns.extend(collect_columns(filter).iter().map(Column::index));
        }
        columns.sort_unstable();
        columns.dedup();
        Ok(ReadPlan {
            columns,
            width: schema.fields().len(),
            filters,
            dynamic,
            reads,
            read_schema,
            projector,
            batch_size,
        })
    }

    fn batch(&self, hot: &HotRows, rows: &Rows<'_>) -> Result<RecordBatch> {
        let columns = self
            .reads
            .iter()
            .map(|(position, data_type)| hot.read(*position, rows, data_type))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.read_schema), columns, &options)?;
        match &self.projector {
            None => Ok(batch),
            Some(projector) => projector.project_batch(&batch),
        }
    }
}

/// Gives the batches of a row group's blocks.
pub(super) struct RowGroupReader {
    partition: Arc<Partition>,
    hot: Arc<HotRows>,
    live: Option<Arc<[u8]>>,
    test: Option<Test>,
    watched: Vec<(DynamicFilterTracking, Test)>,
    /// Those still to be tested.
    blocks: std::ops::Range<usize>,
    /// Rows of dense blocks that are still to be given.
    stretch: std::ops::Range<usize>,
    /// Rows of sparse blocks, not yet a batch.
    gathered: Vec<u32>,
    mask: Vec<u8>,
}

impl RowGroupReader {
    pub(super) fn new(partition: Arc<Partition>, group: WholeGroup, blocks: std::ops::Range<usize>) -> RowGroupReader {
        RowGroupReader {
            partition,
            hot: group.rows,
            live: group.live,
            test: None,
            watched: vec![],
            blocks,
            stretch: 0..0,
            gathered: vec![],
            mask: vec![],
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let partition = Arc::clone(&self.partition);
        let plan = &partition.plan;
        if self.test.is_none() {
            self.compile(plan)?;
        }
        loop {
            if !self.stretch.is_empty() {
                let end = self.stretch.end.min(self.stretch.start + plan.batch_size);
                let rows = self.stretch.start..end;
                self.stretch.start = end;
                return plan.batch(&self.hot, &Rows::Range(rows)).map(Some);
            }
            if self.gathered.len() >= plan.batch_size.div_ceil(2) || self.blocks.is_empty() {
                if self.gathered.is_empty() {
                    return Ok(None);
                }
                let rest = self.gathered.split_off(self.gathered.len().min(plan.batch_size));
                let rows = std::mem::replace(&mut self.gathered, rest);
                return plan.batch(&self.hot, &Rows::List(&rows)).map(Some);
            }
            self.next_block(plan)?;
        }
    }

    fn compile(&mut self, plan: &ReadPlan) -> Result<()> {
        let tests = plan.filters.iter().map(|filter| Test::new(filter, &self.hot));
        self.test = Some(Test::both(tests.collect::<Result<Vec<_>>>()?));
        for filter in &plan.dynamic {
            let tracking = DynamicFilterTracking::classify(filter);
            self.watched.push((tracking, Test::aid(filter, &self.hot)?));
        }
        Ok(())
    }

    /// Tests the next block; what passes goes to the stretch or is gathered.
    fn next_block(&mut self, plan: &ReadPlan) -> Result<()> {
        for ((tracking, test), filter) in self.watched.iter_mut().zip(&plan.dynamic) {
            if tracking.watcher().is_some_and(|watcher| watcher.changed()) {
                *test = Test::aid(filter, &self.hot)?;
            }
        }
        let Some(block) = self.blocks.next() else {
            return Ok(());
        };
        let start = block * BLOCK_ROWS;
        let rows = start..self.hot.len.min(start + BLOCK_ROWS);
        let tests = || self.test.iter().chain(self.watched.iter().map(|(_, test)| test));
        if !tests().all(|test| may_pass(test, &self.hot, block)) {
            self.partition.counts.pruned_blocks.add(1);
            return Ok(());
        }
        let passes_whole = self.live.is_none() && tests().all(|test| matches!(test, Test::Always));
        if passes_whole && self.gathered.is_empty() {
            self.stretch = rows;
            return Ok(());
        }
        let mut mask = std::mem::take(&mut self.mask);
        mask.clear();
        match &self.live {
            Some(live) => mask.extend_from_slice(&live[rows.clone()]),
            None => mask.resize(rows.len(), 1),
        }
        for test in tests() {
            narrow(test, &self.hot, block, &mut mask)?;
        }
        if kept_count(&mask) == mask.len() && self.gathered.is_empty() {
            self.stretch = rows;
        } else {
            kept_rows(&mask, start, &mut self.gathered);
        }
        self.mask = mask;
        Ok(())
    }
}

impl Iterator for RowGroupReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}
