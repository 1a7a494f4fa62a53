//! The door of the module: the warehouse's location, the stores behind it and behind external locations, one
//! handle for each table, and the caches that all tables share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use parking_lot::Mutex;
use url::Url;
use uuid::Uuid;

use super::cache::{ByteCache, CacheStatistics};
use super::deletion_vector::VectorCache;
use super::disk_tier::DiskTier;
use super::file_layout::FileLayout;
use super::footer_cache::FooterCache;
use super::hot::HotCache;
use super::location::{Location, parse_url};
use super::lock::Arbiter;
use super::log_store::LogStore;
use super::snapshot::TableSnapshot;
use super::store::{StoreHandle, from_store};
use super::table::{Current, DeltaTable};
use super::vacuum::UNNAMED_RETENTION;
use crate::error::{Error, Result, SqlState};

/// Folders of the warehouse that no external location may cover.
const OWN_FOLDERS: [&str; 2] = ["_boathouse", TABLES];
/// Where managed tables lie, each in a folder named by its id.
const TABLES: &str = "tables";

/// Where a table lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TableAddress {
    /// In the warehouse, under an id that is never reused.
    Managed(Uuid),
    /// At a URL, with the options of its external location.
    External {
        url: String,
        options: Vec<(String, String)>,
    },
}

/// Bounds and time limits of the storage.
#[derive(Debug, Clone)]
pub struct StorageLimits {
    /// Bytes of table snapshots kept.
    pub snapshot_cache: u64,
    /// Bytes of decoded Parquet footers kept.
    pub footer_cache: u64,
    /// Bytes of decoded deletion vectors kept.
    pub vector_cache: u64,
    /// Bytes of hot columns kept; 0 switches them off.
    pub hot_columns: u64,
    /// Bytes of blocks of object stores kept on local disk, encrypted; 0 keeps none there.
    pub disk_blocks: u64,
    /// The folder below which they lie; "" is the system's for temporary files.
    pub disk_folder: String,
    /// After this long an unanswered commit is reported as unknown.
    pub commit_deadline: Duration,
    /// The shape of the files that are written.
    pub layout: FileLayout,
}

impl Default for StorageLimits {
    fn default() -> Self {
        const MEGABYTE: u64 = 1 << 20;
        StorageLimits {
            snapshot_cache: 256 * MEGABYTE,
            footer_cache: 128 * MEGABYTE,
            vector_cache: 64 * MEGABYTE,
            hot_columns: 512 * MEGABYTE,
            disk_blocks: 0,
            disk_folder: String::new(),
            commit_deadline: Duration::from_secs(60),
            layout: FileLayout::default(),
        }
    }
}

/// What the tables of a process share.
pub(super) struct Services {
    /// The newest known state of each table, by the table's number.
    pub(super) snapshots: ByteCache<u64, Arc<Current>>,
    /// Past versions, by the table's number, its id in the metadata and the version.
    pub(super) past_snapshots: ByteCache<(u64, String, u64), Arc<TableSnapshot>>,
    pub(super) footers: Arc<FooterCache>,
    pub(super) vectors: VectorCache,
    pub(super) hot: Arc<HotCache>,
    pub(super) disk: Option<Arc<DiskTier>>,
    pub(super) commit_deadline: Duration,
    pub(super) layout: FileLayout,
    /// Knows what became of transactions over several tables.
    pub(super) arbiter: OnceLock<Arc<dyn Arbiter>>,
}

type StoreKey = (String, Vec<(String, String)>);

/// The storage of one warehouse.
pub struct Storage {
    warehouse: Location,
    services: Arc<Services>,
    stores: Mutex<HashMap<StoreKey, Arc<StoreHandle>>>,
    /// By store and path: one handle a place, however its address is spelled.
    /// Managed tables; found by every statement.
    managed: Mutex<HashMap<Uuid, Arc<DeltaTable>>>,
    /// Tables elsewhere, by store and root.
    external: Mutex<HashMap<(u64, Path), Arc<DeltaTable>>>,
}

impl Storage {
    /// Opens the warehouse at `url` (or a path of the local file system). `options` configure its store and
    /// go before the environment.
    pub fn open(url: &str, options: &[(String, String)], limits: &StorageLimits) -> Result<Arc<Storage>> {
        let url = parse_url(url)?;
        let store = StoreHandle::open(&url, options)?;
        let stores = HashMap::from([(store_key(&url, options), Arc::clone(&store))]);
        Storage::assemble(Location::new(store, url)?, stores, limits)
    }

    fn assemble(
        warehouse: Location,
        stores: HashMap<StoreKey, Arc<StoreHandle>>,
        limits: &StorageLimits,
    ) -> Result<Arc<Storage>> {
        let services = Services {
            snapshots: ByteCache::least_recently_used("snapshot", limits.snapshot_cache),
            past_snapshots: ByteCache::new("past snapshot", limits.snapshot_cache / 4),
            footers: Arc::new(ByteCache::new("footer", limits.footer_cache)),
            vectors: ByteCache::new("deletion vector", limits.vector_cache),
            hot: Arc::new(HotCache::new(limits.hot_columns)),
            disk: DiskTier::open(limits.disk_blocks, &limits.disk_folder)?,
            commit_deadline: limits.commit_deadline,
            layout: limits.layout,
            arbiter: OnceLock::new(),
        };
        Ok(Arc::new(Storage {
            warehouse,
            services: Arc::new(services),
            stores: Mutex::new(stores),
            managed: Mutex::default(),
            external: Mutex::default(),
        }))
    }

    /// Opens a warehouse on a given store, so that tests can put faults between.
    #[cfg(test)]
    pub(super) fn open_on(url: &str, store: Arc<StoreHandle>, limits: &StorageLimits) -> Result<Arc<Storage>> {
        let url = parse_url(url)?;
        let stores = HashMap::from([(store_key(&url, &[]), Arc::clone(&store))]);
        Storage::assemble(Location::new(store, url)?, stores, limits)
    }

    /// Names who decides transactions over several tables; the first call counts.
    pub fn decide_by(&self, arbiter: Arc<dyn Arbiter>) {
        let _ = self.services.arbiter.set(arbiter);
    }

    /// The warehouse's URL; ends in a slash.
    pub fn url(&self) -> &Url {
        &self.warehouse.url
    }

    /// The warehouse's own small files, for the catalog.
    pub fn log_store(&self) -> LogStore {
        LogStore::new(self.warehouse.clone(), self.services.commit_deadline)
    }

    /// The table at this address; one handle for each in a process. Nothing is read yet.
    pub fn table(&self, address: &TableAddress) -> Result<Arc<DeltaTable>> {
        if let TableAddress::Managed(id) = address
            && let Some(table) = self.managed.lock().get(id)
        {
            return Ok(Arc::clone(table));
        }
        let location = self.locate(address)?;
        let key = (location.store.id, location.root.clone());
        let table = || Arc::new(DeltaTable::new(location, Arc::clone(&self.services)));
        Ok(match address {
            TableAddress::Managed(id) => Arc::clone(self.managed.lock().entry(*id).or_insert_with(table)),
            TableAddress::External { .. } => Arc::clone(self.external.lock().entry(key).or_insert_with(table)),
        })
    }

    /// Lets go of a dropped table's handle and what is cached of it.
    pub fn forget(&self, address: &TableAddress) {
        let forgotten = match address {
            TableAddress::Managed(id) => self.managed.lock().remove(id),
            TableAddress::External { .. } => {
                let Ok(location) = self.locate(address) else { return };
                self.external.lock().remove(&(location.store.id, location.root))
            }
        };
        if let Some(table) = forgotten {
            table.forget();
        }
    }

    /// Deletes a dropped managed table with all its versions. Readers that still scan it fail.
    pub async fn erase(&self, id: Uuid) -> Result<()> {
        let address = TableAddress::Managed(id);
        let location = self.locate(&address)?;
        self.forget(&address);
        // The log goes first, so that what an interrupted erasure leaves is no table.
        for folder in [location.object("_delta_log"), location.root.clone()] {
            let listed = location
                .store
                .store
                .list(Some(&folder))
                .map_ok(|meta| meta.location)
                .boxed();
            location
                .store
                .store
                .delete_stream(listed)
                .try_for_each(|_| std::future::ready(Ok(())))
                .await
                .map_err(|error| from_store(error, "could not delete the table's files"))?;
        }
        Ok(())
    }

    /// Ids of the folders where managed tables lie, known to the catalog or not.
    pub async fn managed_tables(&self) -> Result<Vec<Uuid>> {
        let folder = self.warehouse.object(TABLES);
        let listed = self.warehouse.store.store.list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|error| from_store(error, "could not list the warehouse's tables"))?;
        let names = listed.common_prefixes.iter().filter_map(Path::filename);
        Ok(names.filter_map(|name| Uuid::parse_str(name).ok()).collect())
    }

    /// Deletes a managed table that the catalog does not know, unless something was written there so lately that a
    /// transaction may be about to create it. Whether it is gone.
    pub async fn erase_abandoned(&self, id: Uuid) -> Result<bool> {
        let location = self.locate(&TableAddress::Managed(id))?;
        let oldest = chrono::Utc::now() - UNNAMED_RETENTION;
        let listed: Vec<_> = location
            .store
            .store
            .list(Some(&location.root))
            .try_collect()
            .await
            .map_err(|error| from_store(error, "could not list the table's files"))?;
        // A file that is being written has no name yet: its folder looks empty.
        if listed.is_empty() || listed.iter().any(|meta| meta.last_modified > oldest) {
            return Ok(false);
        }
        self.erase(id).await?;
        Ok(true)
    }

    /// Checks that `url` may be an external location: readable by scheme, and apart from the warehouse's own
    /// folders.
    pub fn check_external(&self, url: &str, options: &[(String, String)]) -> Result<String> {
        let location = self.external(url, options)?;
        Ok(location.url.to_string())
    }

    /// Counters of the caches.
    pub fn caches(&self) -> Vec<CacheStatistics> {
        let memory = [
            self.services.snapshots.statistics(),
            self.services.past_snapshots.statistics(),
            self.services.footers.statistics(),
            self.services.vectors.statistics(),
            self.services.hot.statistics(),
        ];
        let disk = self.services.disk.iter().map(|disk| disk.statistics());
        memory.into_iter().chain(disk).collect()
    }

    /// Empties the caches; the next statement reads everything anew.
    pub fn clear_caches(&self) {
        self.services.snapshots.clear();
        self.services.past_snapshots.clear();
        self.services.footers.clear();
        self.services.vectors.clear();
        self.services.hot.clear();
        self.services.disk.iter().for_each(|disk| disk.clear());
    }

    /// Leaves nothing on the server's own disk; for the end of the process.
    pub fn close(&self) {
        self.services.disk.iter().for_each(|disk| disk.close());
    }

    fn locate(&self, address: &TableAddress) -> Result<Location> {
        match address {
            TableAddress::Managed(id) => self.warehouse.below(&format!("{TABLES}/{id}")),
            TableAddress::External { url, options } => self.external(url, options),
        }
    }

    fn external(&self, url: &str, options: &[(String, String)]) -> Result<Location> {
        let url = parse_url(url)?;
        let store = self.store(&url, options)?;
        let location = Location::new(store, url)?;
        for folder in OWN_FOLDERS {
            let own = self.warehouse.below(folder)?;
            if location.overlaps(&own) {
                return Err(Error::new(
                    SqlState::InsufficientPrivilege,
                    format!("location \"{}\" overlaps the warehouse's own files", location.url),
                )
                .with_hint("External locations lie beside the warehouse, never around or inside its own folders."));
            }
        }
        Ok(location)
    }

    fn store(&self, url: &Url, options: &[(String, String)]) -> Result<Arc<StoreHandle>> {
        let key = store_key(url, options);
        let mut stores = self.stores.lock();
        if let Some(store) = stores.get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = StoreHandle::open(url, options)?;
        stores.insert(key, Arc::clone(&store));
        Ok(store)
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage")
            .field("warehouse", &self.warehouse.url)
            .finish_non_exhaustive()
    }
}

/// Scheme and authority, with the options in one order.
fn store_key(url: &Url, options: &[(String, String)]) -> StoreKey {
    let mut options: Vec<_> = options
        .iter()
        .map(|(key, value)| (key.to_ascii_lowercase(), value.clone()))
        .collect();
    options.sort();
    let authority = &url[..url::Position::BeforePath];
    (authority.to_string(), options)
}
