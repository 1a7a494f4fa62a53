//! What a warehouse needs done now and then, by whichever server gets to it: decided changes that a server died over,
//! files that nothing can ask for any more.

use std::collections::HashSet;
use std::time::Duration;

use datafusion::catalog::Session;

use super::services::Services;
use crate::catalog::model::{Table, TableLocation};
use crate::error::Result;
use crate::storage::{Freshness, Operation, Optimization, TableAddress, Vacuumed};

/// How long the files of dropped tables and of replaced versions are kept where nobody says.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

impl Services {
    /// Writes what the catalog has decided to tables that lack it. Whoever reads or writes such a table does the same;
    /// this is for other engines.
    pub async fn finish_decided(&self) {
        let catalog = self.catalog.current();
        let mut decided: Vec<_> = catalog.all_decided().collect();
        decided.sort_unstable_by_key(|(_, version)| std::cmp::Reverse(*version));
        for (id, version) in decided {
            let Some((table, TableLocation::Managed(folder))) = catalog.table(id).map(|table| (table, &table.location))
            else {
                continue;
            };
            let found = match self.storage.table(&TableAddress::Managed(*folder)) {
                Ok(delta) => delta.snapshot_including(version, Freshness::Strict).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = found {
                tracing::warn!(table = table.name, %error, "could not finish a transaction");
            }
        }
    }

    /// Deletes the files of a table that no version within the retention needs.
    pub async fn vacuum(&self, table: &Table, address: &TableAddress, retention: Option<Duration>) -> Result<Vacuumed> {
        let delta = self.storage.table(address)?;
        let retention = match retention {
            Some(asked) => asked,
            None => delta.retention().await?.unwrap_or(DEFAULT_RETENTION),
        };
        let vacuumed = delta.vacuum(retention).await?;
        if vacuumed.files > 0 {
            tracing::info!(
                table = table.name,
                files = vacuumed.files,
                bytes = vacuumed.bytes,
                "vacuumed a table"
            );
        }
        Ok(vacuumed)
    }

    /// Deletes managed tables that the catalog has not had for as long as the retention. Answers how many.
    pub async fn erase_dropped(&self, retention: Duration) -> Result<u64> {
        // Listed first: what is created meanwhile is not among them.
        let found = self.storage.managed_tables().await?;
        let newest = self.catalog.refresh(Duration::ZERO).await?;
        let live: HashSet<_> = newest.tables().filter_map(managed_folder).collect();
        let unknown: Vec<_> = found.into_iter().filter(|folder| !live.contains(folder)).collect();
        if unknown.is_empty() {
            return Ok(0);
        }
        let retention = chrono::Duration::from_std(retention).unwrap_or(chrono::Duration::MAX);
        let since = chrono::Utc::now().checked_sub_signed(retention);
        let retained = self.catalog.tables_since(since.unwrap_or_default()).await?;
        let mut erased = 0;
        for folder in unknown.into_iter().filter(|folder| !retained.contains(folder)) {
            erased += u64::from(self.storage.erase_abandoned(folder).await?);
        }
        if erased > 0 {
            tracing::info!(tables = erased, "erased the files of dropped tables");
        }
        Ok(erased)
    }

    /// Writes the small files of partitions anew that have at least so many, in all managed tables.
    pub async fn compact_all(&self, session: &dyn Session, least_files: usize) {
        let catalog = self.catalog.current();
        for table in catalog.tables() {
            let Some(folder) = managed_folder(table) else { continue };
            if let Err(error) = self.compact(table, folder, session, least_files).await {
                tracing::warn!(table = table.name, %error, "could not compact a table");
            }
        }
    }

    async fn compact(
        &self,
        table: &Table,
        folder: uuid::Uuid,
        session: &dyn Session,
        least_files: usize,
    ) -> Result<()> {
        let delta = self.storage.table(&TableAddress::Managed(folder))?;
        // Whoever is about to change rows goes first.
        let Some(_turn) = delta.turn(Duration::ZERO).await else {
            return Ok(());
        };
        let base = delta.snapshot(Freshness::Strict).await?;
        let wanted = Optimization {
            least_files,
            ..Optimization::default()
        };
        let operation = Operation::new("OPTIMIZE").with_parameter("auto", true);
        let done = delta.optimize(&base, &wanted, session, operation).await?;
        if done.version.is_some() {
            tracing::info!(
                table = table.name,
                files_before = done.removed.files,
                files_after = done.added.files,
                "compacted a table"
            );
        }
        Ok(())
    }

    /// One automatic pass over everything that lies in the warehouse.
    pub async fn vacuum_all(&self, retention: Duration) {
        if let Err(error) = self.erase_dropped(retention).await {
            tracing::warn!(%error, "could not erase dropped tables");
        }
        let catalog = self.catalog.current();
        for table in catalog.tables() {
            let TableLocation::Managed(folder) = table.location else {
                continue;
            };
            let address = TableAddress::Managed(folder);
            let own = async { self.storage.table(&address)?.retention().await };
            let vacuumed = match own.await {
                Ok(own) => self
                    .vacuum(table, &address, Some(own.unwrap_or(retention)))
                    .await
                    .map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = vacuumed {
                tracing::warn!(table = table.name, %error, "could not vacuum a table");
            }
        }
    }
}

fn managed_folder(table: &Table) -> Option<uuid::Uuid> {
    match table.location {
        TableLocation::Managed(folder) => Some(folder),
        _ => None,
    }
}
