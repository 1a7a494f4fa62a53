//! The sample warehouse of `boathouse demo`: TPC-H tables in the schema `sample`, a role `analyst`, one row
//! filter and one column mask. Made once; a warehouse that has it is left alone.

mod row_writer;
mod session_loader;
mod stream;
mod tour;
pub mod tpch;

use std::future::Future;

use datafusion::execution::SendableRecordBatchStream;
use indicatif::{ProgressBar, ProgressStyle};

use self::tpch::TpchTable;
use crate::error::Result;

pub use session_loader::SessionLoader;
pub use tour::{ANALYST, SCHEMA};

/// What the sample is made through: statements as `admin`, and rows straight into a table.
pub trait Loader: Send {
    /// Whether a table of the schema `sample` is there already and complete.
    fn has_table(&mut self, name: &str) -> impl Future<Output = Result<bool>> + Send;
    fn has_role(&mut self, name: &str) -> impl Future<Output = Result<bool>> + Send;
    fn execute(&mut self, sql: &str) -> impl Future<Output = Result<()>> + Send;
    /// Stores all rows in a new table of the schema `sample` as one commit.
    fn fill(&mut self, table: &str, rows: SendableRecordBatchStream) -> impl Future<Output = Result<()>> + Send;
}

/// Makes what is missing of the sample. `analyst_password` is used if the role has to be made; the answer
/// is whether it was.
pub async fn prepare(loader: &mut impl Loader, scale: f64, analyst_password: &str) -> Result<bool> {
    loader.execute(&format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}")).await?;
    let mut missing = vec![];
    for table in TpchTable::ALL {
        if !loader.has_table(table.name()).await? {
            missing.push(table);
        }
    }
    let progress = progress_bar(missing.iter().map(|table| table.rows(scale)).sum());
    for table in missing {
        progress.set_message(table.name());
        loader
            .execute(&format!("DROP TABLE IF EXISTS {SCHEMA}.{}", table.name()))
            .await?;
        loader.execute(&table.create_statement(SCHEMA)).await?;
        loader
            .fill(table.name(), stream::rows(table, scale, progress.clone())?)
            .await?;
    }
    progress.finish_and_clear();
    if loader.has_role(ANALYST).await? {
        return Ok(false);
    }
    for statement in tour::statements(analyst_password) {
        loader.execute(&statement).await?;
    }
    Ok(true)
}

/// Rows made so far; hidden where standard error is no terminal.
fn progress_bar(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  making sample.{msg:9} [{bar:40}] {pos}/{len} rows {eta}");
    let progress = ProgressBar::new(rows);
    if let Ok(style) = style {
        progress.set_style(style.progress_chars("=> "));
    }
    progress
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures::StreamExt;

    use super::*;

    #[derive(Default)]
    struct Recorder {
        statements: Vec<String>,
        rows: HashMap<String, usize>,
        analyst: bool,
    }

    impl Loader for Recorder {
        async fn has_table(&mut self, name: &str) -> Result<bool> {
            Ok(self.rows.contains_key(name))
        }
        async fn has_role(&mut self, _name: &str) -> Result<bool> {
            Ok(self.analyst)
        }
        async fn execute(&mut self, sql: &str) -> Result<()> {
            crate::statement::parse(sql)?;
            self.analyst |= sql.starts_with("CREATE ROLE");
            self.statements.push(sql.to_string());
            Ok(())
        }
        async fn fill(&mut self, table: &str, mut rows: SendableRecordBatchStream) -> Result<()> {
            let mut count = 0;
            while let Some(batch) = rows.next().await {
                count += batch?.num_rows();
            }
            self.rows.insert(table.to_string(), count);
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_sample_is_made_once() {
        let mut recorder = Recorder::default();
        assert!(prepare(&mut recorder, 0.001, "it's secret").await.unwrap());
        assert_eq!(
            (recorder.rows["region"], recorder.rows["orders"], recorder.rows.len()),
            (5, 1500, 8)
        );
        assert!(recorder.statements.iter().any(|sql| sql.contains("'it''s secret'")));
        let made = recorder.statements.len();
        assert!(!prepare(&mut recorder, 0.001, "x").await.unwrap());
        assert_eq!(recorder.statements.len(), made + 1);
    }
}
