//! Plans the scan of a snapshot: prunes the file index, attaches to each file what reading it takes (partition
//! values, deletion vector, statistics), and emits a `DataSourceExec` over explicit files. A scan can also tell
//! of each row which file it is in and where there, for statements that change it.

use std::sync::Arc;

use chrono::DateTime;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::Expr;
use datafusion::parquet::arrow::RowNumber;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use super::column_mapping::DeltaAdapterFactory;
use super::delta_source::DeltaFileSource;
use super::footer_cache::CachedReaderFactory;
use super::hot::{Decision, HotScan};
use super::selectivity::NumericBounds;
use super::snapshot::TableSnapshot;
use super::whole_files::FileRows;
use super::{deletion_vector, pruning, statistics};
use crate::error::{Error, Result, SqlState};

/// How a session's scans read; without it, with everything that makes them fast.
#[derive(Debug, Clone, Copy)]
pub struct ScanOptions {
    /// Whether hot columns, and blocks of files on local disk, are used and kept.
    pub hot_columns: bool,
}

/// Deletion vectors that are loaded at a time.
const VECTOR_LOADS: usize = 16;

impl TableSnapshot {
    /// A plan that reads the columns `projection` (positions in `schema`; all of them when `None`) of the files
    /// that can hold rows which every filter accepts. Filters are unqualified; rows are not tested against
    /// them, except that those for which `is_exact_filter` holds are fulfilled by the choice of files.
    /// With `limit`, and no filters but exact ones, no more files are read than the limit needs.
    /// The two positions after the last column are a row's file (Int32) and place in it (Int64): its locators.
    pub async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut files = pruning::matching_files(self, session, filters)?;
        let limit = limit.filter(|_| filters.iter().all(|filter| self.is_exact_filter(filter)));
        if let Some(limit) = limit {
            self.cut_to_limit(&mut files, limit);
        }
        let whole = files.len() == self.files.len();
        let table_statistics = match whole {
            true => self
                .table_statistics
                .get_or_init(|| Arc::new(statistics::of_table(self)))
                .as_ref()
                .clone(),
            false => statistics::of_files(&self.schema, &self.files, &files, false),
        };
        let groups = |files| group_files(files, session.config().target_partitions());
        self.source(session, projection, &files, table_statistics, groups, limit)
            .await
    }

    /// A plan with as many partitions as these files: all columns, and each row's file and place.
    pub(super) async fn scan_files(&self, session: &dyn Session, files: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
        let columns: Vec<usize> = (0..self.schema.columns.len()).chain(self.locators()).collect();
        let statistics = statistics::of_files(&self.schema, &self.files, files, false);
        let groups = |files: Vec<PartitionedFile>| files.into_iter().map(|file| FileGroup::new(vec![file])).collect();
        self.source(session, Some(&columns), files, statistics, groups, None)
            .await
    }

    /// A plan of at most `partitions` partitions over these files: these columns of all rows, then each row's file and
    /// place.
    pub(super) async fn scan_together(
        &self,
        session: &dyn Session,
        columns: impl Iterator<Item = usize>,
        files: &[usize],
        partitions: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns: Vec<usize> = columns.chain(self.locators()).collect();
        let statistics = statistics::of_files(&self.schema, &self.files, files, false);
        let groups = |files| group_files(files, partitions);
        self.source(session, Some(&columns), files, statistics, groups, None)
            .await
    }

    /// The columns that a scan may give: the table's, and behind them the locators.
    pub fn located_schema(&self) -> SchemaRef {
        let columns = self.schema.arrow.fields().iter().cloned();
        Arc::new(Schema::new(columns.chain(locator_fields()).collect::<Vec<_>>()))
    }

    /// The positions of the locators in a scan's projection.
    pub fn locators(&self) -> [usize; 2] {
        let columns = self.schema.columns.len();
        [columns, columns + 1]
    }

    async fn source(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        files: &[usize],
        mut statistics: Statistics,
        groups: impl FnOnce(Vec<PartitionedFile>) -> Vec<FileGroup>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let bounds = NumericBounds::new(&statistics);
        let mut partitioned = self.partitioned_files(files).await?;
        let first_locator = self.schema.columns.len();
        let is_located = projection.is_some_and(|columns| columns.iter().any(|column| *column >= first_locator));
        if is_located {
            let unknown = || [ColumnStatistics::new_unknown(), ColumnStatistics::new_unknown()];
            statistics.column_statistics.extend(unknown());
            for (number, file) in files.iter().zip(&mut partitioned) {
                file.partition_values.push(ScalarValue::Int32(Some(*number as i32)));
                if let Some(known) = &mut file.statistics {
                    Arc::make_mut(known).column_statistics.extend(unknown());
                }
            }
        }
        session.runtime_env().register_object_store(
            self.location.store.runtime_url.as_ref(),
            Arc::clone(&self.location.store.store),
        );
        let config = FileScanConfigBuilder::new(
            self.location.store.runtime_url.clone(),
            self.file_source(session, projection, bounds, is_located)?,
        )
        .with_file_groups(groups(partitioned))
        .with_statistics(statistics)
        .with_expr_adapter(Some(Arc::new(DeltaAdapterFactory::new(&self.schema))))
        .with_limit(limit)
        .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Whether the choice of files alone fulfils the filter, so that no row needs testing.
    pub fn is_exact_filter(&self, filter: &Expr) -> bool {
        pruning::is_decided_by_partitions(&self.schema, filter)
    }

    /// The Parquet source with the columns asked for, physical names inside and logical ones outside.
    fn file_source(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        bounds: NumericBounds,
        is_located: bool,
    ) -> Result<Arc<dyn FileSource>> {
        let [file, place] = locator_fields();
        let mut constants: Vec<FieldRef> = self.schema.partition_fields().iter().cloned().collect();
        constants.extend(is_located.then_some(file));
        let computed: Vec<FieldRef> = is_located.then_some(place).into_iter().collect();
        let table_schema = datafusion::datasource::table_schema::TableSchema::builder(self.schema.file_schema())
            .with_table_partition_cols(constants)
            .with_virtual_columns(computed)
            .build();
        let scan_options = session.config().get_extension::<ScanOptions>();
        let is_kept = scan_options.is_none_or(|options| options.hot_columns);
        let readers = CachedReaderFactory {
            store: Arc::clone(&self.location.store),
            footers: Arc::clone(&self.services.footers),
            disk: self
                .services
                .disk
                .clone()
                .filter(|_| is_kept && !self.location.store.is_local()),
        };
        let mut options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..Default::default()
        };
        // Old timestamps (INT96) reach further in microseconds than in their own nanoseconds.
        options.global.coerce_int96 = Some("us".into());
        // Decided for each scan by the source itself.
        options.global.pushdown_filters = false;
        let wants_hot = is_kept && !self.services.hot.is_off();
        // Places in the file are the Parquet reader's to tell.
        let hot = (wants_hot && !is_located).then(|| HotScan {
            cache: Arc::clone(&self.services.hot),
            readers: readers.clone(),
        });
        let source = ParquetSource::new(table_schema)
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers))
            .with_enable_page_index(true)
            .with_reorder_filters(true);
        // Position in the scan's schema (file columns, then partition columns) of a column of the table.
        let scan_position = |column: usize| -> Option<usize> {
            let order = self.schema.file_columns.iter().chain(&self.schema.partition_columns);
            order.into_iter().position(|candidate| *candidate == column)
        };
        let all: Vec<usize>;
        let wanted = match projection {
            Some(wanted) => wanted,
            None => {
                all = (0..self.schema.columns.len()).collect();
                &all
            }
        };
        let expressions = wanted
            .iter()
            .map(|column| {
                let unknown = || {
                    Error::internal(format!(
                        "the scan was asked for column {column}, which is not in the table"
                    ))
                };
                if let Some(locator) = self.locators().iter().position(|locator| locator == column) {
                    let name = LOCATORS[locator];
                    return Ok(ProjectionExpr::new(Arc::new(Column::new(name, *column)), name));
                }
                let logical = &self.schema.columns.get(*column).ok_or_else(unknown)?;
                let position = scan_position(*column).ok_or_else(unknown)?;
                Ok(ProjectionExpr::new(
                    Arc::new(Column::new(&logical.physical_name, position)),
                    logical.field.name(),
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        DeltaFileSource::new(source, Arc::new(bounds), hot)
            .try_pushdown_projection(&ProjectionExprs::new(expressions))?
            .ok_or_else(|| Error::internal("the Parquet source refused its projection"))
    }

    /// Keeps as many files as `limit` rows need, where row counts are known.
    fn cut_to_limit(&self, files: &mut Vec<usize>, limit: usize) {
        let mut rows = 0_usize;
        let enough = files.iter().position(|file| {
            rows += self.files.live_rows(*file).unwrap_or(0).max(0) as usize;
            rows >= limit
        });
        if let Some(last) = enough {
            files.truncate(last + 1);
        }
    }

    async fn partitioned_files(&self, files: &[usize]) -> Result<Vec<PartitionedFile>> {
        if self.files.deletion_vectors.is_empty() {
            return files.iter().map(|file| self.partitioned_file(*file)).collect();
        }
        futures::stream::iter(files.iter().copied())
            .map(|file| async move {
                let partitioned = self.partitioned_file(file)?;
                let Some(vector) = self.files.deletion_vectors.get(&file) else {
                    return Ok(partitioned);
                };
                let deleted = deletion_vector::load(&self.location, vector, &self.services.vectors).await?;
                let rows = match self.files.live_rows(file) {
                    Some(_) => self.files.rows.value(file) as u64,
                    None => {
                        return Err(Error::new(
                            SqlState::DataCorrupted,
                            "a file with a deletion vector has no row count",
                        )
                        .with_detail(format!("The file is \"{}\".", self.files.paths.value(file))));
                    }
                };
                let remaining = deletion_vector::remaining_rows(&deleted, rows)?;
                Ok(partitioned.with_extension(ParquetRowSelection::new(remaining)))
            })
            .buffered(VECTOR_LOADS)
            .try_collect()
            .await
    }

    pub(super) fn partitioned_file(&self, file: usize) -> Result<PartitionedFile> {
        let index = &self.files;
        let mut partitioned = PartitionedFile::new_from_meta(ObjectMeta {
            location: self.location.resolve(index.paths.value(file))?,
            last_modified: DateTime::from_timestamp_millis(index.modified.value(file)).unwrap_or_default(),
            size: index.sizes.value(file).max(0) as u64,
            e_tag: None,
            version: None,
        });
        partitioned.partition_values = index
            .partitions
            .iter()
            .map(|values| ScalarValue::try_from_array(values, file))
            .collect::<Result<_, _>>()?;
        // Set directly: `with_statistics` would count no nulls in partition columns.
        partitioned.statistics = Some(statistics::of_file(self, file));
        partitioned.extensions.insert(FileRows {
            metadata: Arc::clone(&self.metadata),
            deletion_vector: index.deletion_vectors.get(&file).map(|vector| vector.unique_id()),
        });
        Ok(partitioned.with_extension(Decision::default()))
    }
}

/// What a locator is called in the scan: no column can have these names.
const LOCATORS: [&str; 2] = ["\u{0}file", "\u{0}place"];

fn locator_fields() -> [FieldRef; 2] {
    [
        Arc::new(Field::new(LOCATORS[0], DataType::Int32, false)),
        Arc::new(Field::new(LOCATORS[1], DataType::Int64, false).with_extension_type(RowNumber)),
    ]
}

/// At most `partitions` groups of about the same size, the files of each in their order. Fewer files than
/// partitions stay apart; DataFusion splits them by byte ranges where that pays. No files make one empty group:
/// a plan of no partitions satisfies no operator above it.
fn group_files(files: Vec<PartitionedFile>, partitions: usize) -> Vec<FileGroup> {
    let partitions = partitions.max(1);
    if files.is_empty() {
        return vec![FileGroup::new(vec![])];
    }
    if files.len() <= partitions {
        return files.into_iter().map(|file| FileGroup::new(vec![file])).collect();
    }
    let mut by_size: Vec<usize> = (0..files.len()).collect();
    by_size.sort_by_key(|file| std::cmp::Reverse(files[*file].object_meta.size));
    let mut group_of = vec![0; files.len()];
    let mut sizes = vec![(0_u64, 0_usize); partitions];
    for file in by_size {
        let smallest = (0..partitions).min_by_key(|group| sizes[*group]).unwrap_or(0);
        group_of[file] = smallest;
        sizes[smallest].0 += files[file].object_meta.size;
        sizes[smallest].1 += 1;
    }
    let mut groups = vec![vec![]; partitions];
    for (file, group) in files.into_iter().zip(group_of) {
        groups[group].push(file);
    }
    groups
        .into_iter()
        .filter(|group| !group.is_empty())
        .map(FileGroup::new)
        .collect()
}
