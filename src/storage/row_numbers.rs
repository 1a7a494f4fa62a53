//! The numbers of a snapshot's rows, deleted ones counted: a file's rows follow those of the file before it, in the order
//! in which the snapshot keeps its files. With a row's locators they tell its number.

use datafusion::arrow::array::Array;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, TryStreamExt};

use super::footer_cache::CachedReaderFactory;
use super::snapshot::TableSnapshot;
use crate::error::{Error, Result, SqlState};

/// Footers that are read at a time.
const FOOTER_LOADS: usize = 16;

/// Where the rows of a file begin among the snapshot's, and when the file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStart {
    pub first_row: u64,
    /// Milliseconds since 1970.
    pub written: i64,
}

impl TableSnapshot {
    /// Of each file, in the order of the numbers that locators have. Files whose rows nobody counted are asked.
    pub async fn file_starts(&self) -> Result<Vec<FileStart>> {
        let counts: Vec<u64> = futures::stream::iter(0..self.files.len())
            .map(|file| async move {
                match self.files.rows.is_valid(file) {
                    true => Ok(self.files.rows.value(file).max(0) as u64),
                    false => self.counted_rows(file).await,
                }
            })
            .buffered(FOOTER_LOADS)
            .try_collect()
            .await?;
        let mut first_row = 0;
        let start = |(file, rows): (usize, u64)| {
            let start = FileStart {
                first_row,
                written: self.files.modified.value(file),
            };
            first_row += rows;
            start
        };
        Ok(counts.into_iter().enumerate().map(start).collect())
    }

    /// Rows that the file's footer tells of.
    async fn counted_rows(&self, file: usize) -> Result<u64> {
        let readers = CachedReaderFactory {
            store: std::sync::Arc::clone(&self.location.store),
            footers: std::sync::Arc::clone(&self.services.footers),
            disk: None,
        };
        let metrics = ExecutionPlanMetricsSet::new();
        let mut reader = readers.create_reader(0, self.partitioned_file(file)?, None, &metrics)?;
        let footer = reader.get_metadata(None).await.map_err(|error| {
            Error::new(SqlState::DataCorrupted, "a file's footer cannot be read").with_detail(format!("{error}."))
        })?;
        Ok(footer.file_metadata().num_rows().max(0) as u64)
    }
}
