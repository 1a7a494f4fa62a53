//! Where the rows of a snapshot are: each file takes blocks of its own, behind those of the files before it, and a stamp
//! of itself and all of these. So places sort as the snapshot keeps its files and tell every row apart; rows that are
//! appended move none; and what is known of a place from before files were taken away or written again finds nothing, but
//! one time in thousands, where without the stamp it would find another row.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, TryStreamExt};

use super::footer_cache::CachedReaderFactory;
use super::snapshot::TableSnapshot;
use crate::error::{Error, Result, SqlState};
use crate::types::spelled::row_place::RowPlace;

/// Footers that are read at a time.
const FOOTER_LOADS: usize = 16;

/// Where the rows of a file begin among the snapshot's, and when the file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStart {
    pub first_block: u64,
    pub stamp: u64,
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
        let mut first_block = 0;
        let mut files = DefaultHasher::new();
        let start = |(file, rows): (usize, u64)| {
            self.files.key(file).hash(&mut files);
            let start = FileStart {
                first_block,
                stamp: files.finish(),
                written: self.files.modified.value(file),
            };
            first_block += RowPlace::blocks(rows);
            start
        };
        Ok(counts.into_iter().enumerate().map(start).collect())
    }

    /// Rows that the file's footer tells of.
    async fn counted_rows(&self, file: usize) -> Result<u64> {
        let readers = CachedReaderFactory {
            store: Arc::clone(&self.location.store),
            footers: Arc::clone(&self.services.footers),
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
