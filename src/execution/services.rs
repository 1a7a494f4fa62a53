//! What commands and transactions need of the process.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::disk_manager::DiskManager;

use crate::catalog::{Catalog, CatalogSnapshot};
use crate::context::locks::Locks;
use crate::error::Result;
use crate::storage::Storage;

/// The parts of the engine below the pipeline.
#[derive(Debug)]
pub struct Services {
    pub catalog: Arc<Catalog>,
    pub storage: Arc<Storage>,
    /// Advisory locks and those of LOCK TABLE.
    pub locks: Arc<Locks>,
    /// Local files: where temporary tables lie.
    pub disk: Arc<DiskManager>,
    /// How old the catalog may be that a statement sees.
    pub catalog_freshness: Duration,
    /// How old the table versions may be that a statement sees.
    pub read_freshness: Duration,
}

impl Services {
    /// The catalog, looked at no longer ago than the bound.
    pub async fn refresh_catalog(&self) -> Result<Arc<CatalogSnapshot>> {
        self.catalog.refresh(self.catalog_freshness).await
    }
}
