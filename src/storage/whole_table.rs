//! All rows of a table at once: looked at before a constraint begins to promise something of them, or written again with
//! other columns. It reads the raw files: what holds for the table holds for hidden rows too, and nothing is shown.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::Session;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};

use super::features;
use super::rewrite::RowCheck;
use super::snapshot::TableSnapshot;
use super::staged::StagedFiles;
use super::table::DeltaTable;
use crate::error::Result;

/// Makes rows of one shape from rows of another.
pub type RowChange = Arc<dyn Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync>;

impl TableSnapshot {
    /// Passes all rows to the check, until it fails.
    pub async fn verify(&self, check: &RowCheck, session: &dyn Session) -> Result<()> {
        for mut rows in self.raw_rows(session).await? {
            while let Some(batch) = rows.next().await {
                check(&batch?)?;
            }
        }
        Ok(())
    }

    /// The rows of each file.
    async fn raw_rows(&self, session: &dyn Session) -> Result<Vec<SendableRecordBatchStream>> {
        let files: Vec<usize> = (0..self.file_count()).collect();
        if files.is_empty() {
            return Ok(vec![]);
        }
        let schema = self.schema();
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let plan = self.scan_files(session, &files).await?;
        let rows_of_file = |file: usize| -> Result<SendableRecordBatchStream> {
            let columns = columns.clone();
            let rows = plan.execute(file, session.task_ctx())?;
            let rows = rows.map(move |batch| Ok(batch?.project(&columns)?));
            Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), rows)))
        };
        files.into_iter().map(rows_of_file).collect()
    }
}

impl DeltaTable {
    /// Stages what `change` makes of all rows of `from` as rows of `base`, which has the altered schema.
    pub async fn stage_all(
        &self,
        from: &TableSnapshot,
        base: &Arc<TableSnapshot>,
        change: RowChange,
        session: &dyn Session,
    ) -> Result<StagedFiles> {
        features::ensure_removable(&base.metadata)?;
        features::ensure_rewritable(&base.metadata)?;
        let changed = |rows: SendableRecordBatchStream| -> SendableRecordBatchStream {
            let change = Arc::clone(&change);
            let rows =
                rows.and_then(move |batch| futures::future::ready(Ok(change(&batch)).and_then(|rows| Ok(rows?))));
            Box::pin(RecordBatchStreamAdapter::new(base.schema(), rows))
        };
        let rows = from.raw_rows(session).await?;
        self.stage(base, rows.into_iter().map(changed).collect()).await
    }
}
