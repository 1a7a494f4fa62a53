//! The files of a planned scan, each as a whole: what identifies its rows for ever, and the scan of some of them alone,
//! so that what was computed from one file can be kept for it.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::{FileRange, PartitionedFile};
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;

use super::action::Metadata;
use super::delta_source::DeltaFileSource;

/// Attached to each file of a scan: what beside the file itself decides about its rows.
#[derive(Debug)]
pub(super) struct FileRows {
    /// How the table names and reads the file's columns.
    pub(super) metadata: Arc<Metadata>,
    /// The unique id of the file's deletion vector.
    pub(super) deletion_vector: Option<String>,
}

/// A file of a scan.
#[derive(Debug, Clone)]
pub struct WholeFile(PartitionedFile);

impl WholeFile {
    /// All that the file's rows depend on: its place, size and time, deletion vector, partition values and the table's
    /// columns. `None` where that is not known.
    pub fn identity(&self, scan: &FileScanConfig) -> Option<String> {
        let file = &self.0;
        let rows = file.extension::<FileRows>()?;
        if file.extension::<ParquetRowSelection>().is_some() != rows.deletion_vector.is_some() {
            return None;
        }
        let meta = &file.object_meta;
        let metadata = &rows.metadata;
        Some(format!(
            "{:?}",
            (
                scan.object_store_url.as_str(),
                meta.location.as_ref(),
                meta.size,
                meta.last_modified,
                &rows.deletion_vector,
                &file.partition_values,
                (&metadata.id, &metadata.schema_string, &metadata.partition_columns),
            )
        ))
    }

    pub fn bytes(&self) -> u64 {
        self.0.object_meta.size
    }

    /// The file in so many parts, which together are the whole.
    fn parts(&self, count: usize) -> impl Iterator<Item = PartitionedFile> + '_ {
        let count = count.max(1) as u64;
        let size = self.bytes();
        let cut = move |part: u64| (u128::from(size) * u128::from(part) / u128::from(count)) as i64;
        (0..count).map(move |part| {
            let mut file = self.0.clone();
            file.range = (count > 1).then(|| FileRange {
                start: cut(part),
                end: cut(part + 1),
            });
            file
        })
    }
}

/// The files of a scan of a Delta table; `None` where it reads anything else, or where what it reads of a file depends on
/// other files (a limit, filters that arrive while it runs).
pub fn whole_files(operator: &dyn ExecutionPlan) -> Option<(&FileScanConfig, Vec<WholeFile>)> {
    let (scan, source) = DeltaFileSource::of(operator)?;
    if scan.limit.is_some() || !scan.output_ordering.is_empty() || source.filter().iter().any(is_dynamic) {
        return None;
    }
    let mut files: Vec<WholeFile> = vec![];
    let mut seen = std::collections::HashSet::new();
    for file in scan.file_groups.iter().flat_map(FileGroup::iter) {
        if seen.insert(file.object_meta.location.clone()) {
            files.push(WholeFile(file.clone()));
        }
    }
    Some((scan, files))
}

/// Whether part of the expression gets its value while the query runs.
pub fn is_dynamic(expression: &Arc<dyn PhysicalExpr>) -> bool {
    let mut found = false;
    // The visitor never fails.
    let _ = expression.apply(|part| {
        found |= part.is::<DynamicFilterPhysicalExpr>();
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    found
}

/// The same scan of these files alone, each in so many parts: a partition for each part, in order, that reads nothing
/// else. Without files it has one empty partition.
pub fn scan_of_parts(scan: &FileScanConfig, files: &[(WholeFile, usize)]) -> Arc<dyn ExecutionPlan> {
    let parts = files.iter().flat_map(|(file, count)| file.parts(*count));
    let mut groups: Vec<FileGroup> = parts.map(|part| FileGroup::new(vec![part])).collect();
    if groups.is_empty() {
        groups.push(FileGroup::new(vec![]));
    }
    let config = FileScanConfigBuilder::from(scan.clone())
        .with_file_groups(groups)
        // Partitions take files from each other unless their order matters.
        .with_preserve_order(true)
        .build();
    DataSourceExec::from_data_source(config)
}
