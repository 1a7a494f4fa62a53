//! Decides for each part of a file whether it comes from memory or through Parquet. It comes from memory when all
//! columns that the scan needs of its row groups are there, or are asked for often enough to be decoded first;
//! a part is never mixed, so rows keep their order. Parts are blocks where the whole file is in memory.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, ParquetRowSelection};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_adapter::PhysicalExprAdapterFactory;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;

use super::super::footer_cache::{CachedReaderFactory, FileIdentity};
use super::cache::{ColumnKey, FillTurn, HotCache};
use super::fill;
use super::layout::{FileColumn, Layout, Place};
use super::output::{ReadPlan, RowGroupReader};
use super::rows::{HotRows, Slot};
use super::split::{Decision, WholeFile, WholeGroup};

/// What all parts of a scan share.
#[derive(Debug, Clone)]
pub(in crate::storage) struct HotScan {
    pub(in crate::storage) cache: Arc<HotCache>,
    pub(in crate::storage) readers: CachedReaderFactory,
}

/// Serves one partition of a scan.
pub(in crate::storage) struct HotMorselizer(Arc<Partition>);

/// One partition of a scan.
pub(super) struct Partition {
    pub(super) scan: HotScan,
    pub(super) number: usize,
    pub(super) plan: ReadPlan,
    /// The columns that files may hold; partition columns follow them.
    pub(super) file_schema: SchemaRef,
    /// The static filters that read no partition column.
    pub(super) file_filter: Option<Arc<dyn PhysicalExpr>>,
    pub(super) adapters: Arc<dyn PhysicalExprAdapterFactory>,
    pub(super) cold: Box<dyn Morselizer>,
    pub(super) metrics: ExecutionPlanMetricsSet,
    pub(super) counts: Counts,
    /// The layout of the last file's schema: most files have the same.
    pub(super) layout: Mutex<Option<(SchemaRef, Arc<Layout>)>>,
}

/// What EXPLAIN ANALYZE shows of hot columns.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    hot_row_groups: Count,
    decoded_columns: Count,
    cold_parts: Count,
    pub(super) pruned_blocks: Count,
}

impl Counts {
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Counts {
        let count = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Counts {
            hot_row_groups: count("hot_row_groups"),
            decoded_columns: count("hot_columns_decoded"),
            cold_parts: count("cold_file_parts"),
            pruned_blocks: count("hot_blocks_pruned"),
        }
    }
}

impl HotMorselizer {
    pub(super) fn new(partition: Partition) -> HotMorselizer {
        HotMorselizer(Arc::new(partition))
    }
}

impl Morselizer for HotMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let Some(known) = self.0.known(&file)? else {
            return self.0.cold_part(file);
        };
        if let Some(whole) = self.0.whole_file(&file, &known)? {
            let blocks = whole.blocks_of(file.range.as_ref(), file.object_meta.size);
            return Ok(Box::new(Resident(self.0.morsels(blocks))));
        }
        match self.0.part(&file, known)? {
            Some(part) if part.missing.is_empty() => Ok(Box::new(Resident(self.0.morsels(part.whole_groups())))),
            Some(part) => Ok(Box::new(Filling {
                partition: Arc::clone(&self.0),
                file,
                part,
            })),
            None => self.0.cold_part(file),
        }
    }
}

/// A file whose footer is held.
struct Known {
    identity: Arc<FileIdentity>,
    footer: Arc<ParquetMetaData>,
    layout: Arc<Layout>,
    /// The row groups that can hold rows asked for.
    kept: Vec<bool>,
    /// How often the least asked for of the columns was.
    requests: u32,
}

/// Where a column of a row group is.
enum Found {
    Here(Slot),
    ToDecode(ColumnKey, FileColumn),
    Nowhere,
}

/// A part of a file that is in memory, or will be when the missing columns are decoded.
struct Part {
    groups: Vec<Group>,
    footer: Arc<ParquetMetaData>,
    layout: Arc<Layout>,
    missing: Vec<Missing>,
    turn: Option<FillTurn>,
}

struct Group {
    number: usize,
    rows: HotRows,
    /// A byte for each row, 0 for those that a deletion vector hides.
    live: Option<Vec<u8>>,
}

impl Part {
    fn whole_groups(self) -> Vec<(WholeGroup, Range<usize>)> {
        let groups = self.groups.into_iter().map(Group::whole);
        groups
            .map(|group| {
                let blocks = 0..group.rows.blocks();
                (group, blocks)
            })
            .collect()
    }
}

impl Group {
    fn whole(self) -> WholeGroup {
        WholeGroup {
            rows: Arc::new(self.rows),
            live: self.live.map(Arc::from),
        }
    }
}

/// A column that has to be decoded, and which group's slot it fills.
struct Missing {
    key: ColumnKey,
    column: FileColumn,
    group: usize,
    position: usize,
}

impl Partition {
    /// The file, if it may be served from memory.
    fn known(&self, file: &PartitionedFile) -> Result<Option<Known>> {
        let identity = self.scan.readers.identity(&file.object_meta);
        let start = file.range.as_ref().map_or(0, |range| range.start);
        let requests = self.scan.cache.count_request(&identity, start, &self.plan.columns);
        let held = || self.scan.readers.footers.get_held(&identity);
        let footer = match file.extensions.get::<Decision>() {
            Some(decision) => decision.footer(held),
            None => held(),
        };
        let Some(footer) = footer else {
            return Ok(None);
        };
        if file.extensions.get::<ParquetAccessPlan>().is_some() {
            return Ok(None);
        }
        let Ok(layout) = self.layout(&footer.schema, &footer.metadata) else {
            return Ok(None);
        };
        Ok(Some(Known {
            identity: Arc::new(identity),
            kept: layout.row_groups(&footer.metadata),
            footer: Arc::clone(&footer.metadata),
            layout,
            requests,
        }))
    }

    fn cold_part(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        self.counts.cold_parts.add(1);
        self.cold.plan_file(file)
    }

    /// The whole file, if all partitions divide it by blocks.
    fn whole_file(&self, file: &PartitionedFile, known: &Known) -> Result<Option<Arc<WholeFile>>> {
        match file.extensions.get::<Decision>() {
            Some(decision) => decision.whole_file(&self.plan.columns, &known.kept, || self.resident(file, known)),
            None => Ok(None),
        }
    }

    /// The row groups that can hold rows asked for, if all of them are in memory.
    fn resident(&self, file: &PartitionedFile, known: &Known) -> Result<Option<WholeFile>> {
        let mut live = LiveRows::of(file);
        let mut groups = Vec::new();
        for (number, found) in known.footer.row_groups().iter().enumerate() {
            let len = found.num_rows().max(0) as usize;
            let live = live.take(len);
            if !known.kept[number] || len == 0 || live.as_ref().is_some_and(|live| !live.contains(&1)) {
                continue;
            }
            let mut slots = vec![None; self.plan.width];
            for position in &self.plan.columns {
                match self.find(file, known, number, *position) {
                    Found::Here(slot) => slots[*position] = Some(slot),
                    Found::ToDecode(..) | Found::Nowhere => return Ok(None),
                }
            }
            let rows = HotRows { len, slots };
            groups.push(Group { number, rows, live }.whole());
        }
        Ok(Some(WholeFile(groups)))
    }

    fn find(&self, file: &PartitionedFile, known: &Known, row_group: usize, position: usize) -> Found {
        match self.place(&known.layout, file, position) {
            Some(Place::Constant(value)) => Found::Here(Slot::Constant(value)),
            Some(Place::File(column)) => {
                let key = ColumnKey {
                    file: Arc::clone(&known.identity),
                    row_group,
                    root: column.root,
                    read_type: column.read_type.clone(),
                };
                match self.scan.cache.get(&key) {
                    Some(resident) => Found::Here(Slot::Column(resident)),
                    None => Found::ToDecode(key, column),
                }
            }
            None => Found::Nowhere,
        }
    }

    /// The row groups that begin in the range that this partition was given, unless they are to be read through
    /// Parquet.
    fn part(&self, file: &PartitionedFile, known: Known) -> Result<Option<Part>> {
        let mut live = LiveRows::of(file);
        let mut groups = Vec::new();
        let mut all_missing = Vec::new();
        let mut missing_bytes = 0;
        for (number, found) in known.footer.row_groups().iter().enumerate() {
            let len = found.num_rows().max(0) as usize;
            let live = live.take(len);
            let first = found.column(0);
            let offset = first
                .dictionary_page_offset()
                .unwrap_or_else(|| first.data_page_offset());
            let is_ours = file.range.as_ref().is_none_or(|range| range.contains(offset));
            if !is_ours || !known.kept[number] || len == 0 || live.as_ref().is_some_and(|live| !live.contains(&1)) {
                continue;
            }
            let mut slots = vec![None; self.plan.width];
            for position in &self.plan.columns {
                match self.find(file, &known, number, *position) {
                    Found::Here(slot) => slots[*position] = Some(slot),
                    Found::ToDecode(key, column) => {
                        missing_bytes += column_bytes(&known.footer, number, column.root);
                        all_missing.push(Missing {
                            key,
                            column,
                            group: groups.len(),
                            position: *position,
                        });
                    }
                    Found::Nowhere => return Ok(None),
                }
            }
            let rows = HotRows { len, slots };
            groups.push(Group { number, rows, live });
        }
        let mut turn = None;
        if !all_missing.is_empty() {
            if !self.scan.cache.admits(known.requests, missing_bytes) {
                return Ok(None);
            }
            let keys = all_missing.iter().map(|missing| missing.key.clone()).collect();
            turn = self.scan.cache.take_turn(keys);
            if turn.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Part {
            groups,
            footer: known.footer,
            layout: known.layout,
            missing: all_missing,
            turn,
        }))
    }

    fn layout(&self, found: &SchemaRef, footer: &ParquetMetaData) -> Result<Arc<Layout>> {
        let mut known = self.layout.lock();
        if let Some((schema, layout)) = &*known
            && schema == found
        {
            return Ok(Arc::clone(layout));
        }
        let in_files = self.file_schema.fields().len();
        let layout = Arc::new(Layout::new(
            &self.file_schema,
            self.plan.columns.iter().copied().filter(|column| *column < in_files),
            self.file_filter.as_ref(),
            self.adapters.as_ref(),
            found,
            footer,
        )?);
        *known = Some((Arc::clone(found), Arc::clone(&layout)));
        Ok(layout)
    }

    fn place(&self, layout: &Layout, file: &PartitionedFile, position: usize) -> Option<Place> {
        match position.checked_sub(self.file_schema.fields().len()) {
            Some(partition) => file.partition_values.get(partition).cloned().map(Place::Constant),
            None => layout.columns.get(&position).cloned(),
        }
    }

    fn morsels(self: &Arc<Self>, groups: Vec<(WholeGroup, Range<usize>)>) -> Vec<Box<dyn Morsel>> {
        self.counts.hot_row_groups.add(groups.len());
        let morsel = |(group, blocks)| {
            Box::new(HotMorsel {
                partition: Arc::clone(self),
                group,
                blocks,
            }) as _
        };
        groups.into_iter().map(morsel).collect()
    }

    /// Decodes what is missing.
    async fn fill(&self, file: &PartitionedFile, part: &mut Part) -> Result<()> {
        for missing in std::mem::take(&mut part.missing) {
            let reader = self
                .scan
                .readers
                .create_reader(self.number, file.clone(), None, &self.metrics)?;
            let group = &mut part.groups[missing.group];
            let (footer, physical) = (Arc::clone(&part.footer), &part.layout.physical);
            let column = fill::decode(reader, footer, physical, group.number, &missing.column).await?;
            let column = Arc::new(column);
            self.scan.cache.insert(missing.key, &column);
            self.counts.decoded_columns.add(1);
            group.rows.slots[missing.position] = Some(Slot::Column(column));
        }
        part.turn = None;
        Ok(())
    }
}

/// Uncompressed bytes of a top-level column.
fn column_bytes(footer: &ParquetMetaData, row_group: usize, root: usize) -> u64 {
    let schema = footer.file_metadata().schema_descr();
    let leaves = footer.row_group(row_group).columns().iter().enumerate();
    leaves
        .filter(|(leaf, _)| schema.get_column_root_idx(*leaf) == root)
        .map(|(_, chunk)| chunk.uncompressed_size().max(0) as u64)
        .sum()
}

/// Morsels that are ready.
#[derive(Debug)]
struct Resident(Vec<Box<dyn Morsel>>);

impl MorselPlanner for Resident {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok((!self.0.is_empty()).then(|| MorselPlan::new().with_morsels(self.0)))
    }
}

/// A part that is decoded first. What fails here is tried through Parquet, which reports it as ever.
struct Filling {
    partition: Arc<Partition>,
    file: PartitionedFile,
    part: Part,
}

impl MorselPlanner for Filling {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Filling {
            partition,
            file,
            mut part,
        } = *self;
        Ok(Some(MorselPlan::new().with_pending_planner(async move {
            match partition.fill(&file, &mut part).await {
                Ok(()) => Ok(Box::new(Resident(partition.morsels(part.whole_groups()))) as Box<dyn MorselPlanner>),
                Err(error) => {
                    tracing::debug!(%error, "a column could not be made hot");
                    partition.cold_part(file)
                }
            }
        })))
    }
}

/// Blocks of a row group in memory.
struct HotMorsel {
    partition: Arc<Partition>,
    group: WholeGroup,
    blocks: Range<usize>,
}

impl Morsel for HotMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let reader = RowGroupReader::new(self.partition, self.group, self.blocks);
        futures::stream::iter(reader).boxed()
    }
}

/// The rows that a deletion vector leaves, row group by row group.
struct LiveRows {
    /// Selectors that are not used up, last first.
    left: Option<Vec<(usize, bool)>>,
}

impl LiveRows {
    fn of(file: &PartitionedFile) -> LiveRows {
        let left = file.extensions.get::<ParquetRowSelection>().map(|rows| {
            let selectors = rows.selection().iter();
            let mut left: Vec<_> = selectors.map(|selector| (selector.row_count, selector.skip)).collect();
            left.reverse();
            left
        });
        LiveRows { left }
    }

    /// A byte for each of the next `len` rows; `None` where all are live.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let left = self.left.as_mut()?;
        let mut live = Vec::with_capacity(len);
        while live.len() < len {
            // Rows that no selector names are not selected.
            let (count, skip) = left.pop().unwrap_or((len - live.len(), true));
            let now = count.min(len - live.len());
            live.resize(live.len() + now, u8::from(!skip));
            if count > now {
                left.push((count - now, skip));
            }
        }
        live.contains(&0).then_some(live)
    }
}

impl std::fmt::Debug for HotMorselizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HotMorselizer").field(&self.0.number).finish()
    }
}

impl std::fmt::Debug for Filling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filling").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for HotMorsel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotMorsel")
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}
