//! The second tier of what scans read: blocks of data files that came from an object store, on the server's own disk
//! behind a byte budget. They are encrypted with a key that never leaves the process, so that they are nothing to
//! anybody else or to a later process; a block that was damaged is fetched again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::{ObjectMeta, ObjectStore};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::cache::{ByteCache, CacheStatistics};
use super::footer_cache::FileIdentity;
use crate::error::{Error, Result};

/// Bytes of a block. Asking for them takes little longer than asking for one.
pub(super) const BLOCK: u64 = 256 << 10;
/// Blocks that may wait to be written; what comes beyond them is not kept.
const MOST_PENDING: usize = 64;
/// How the folders of all processes begin, below the one that is configured.
pub(super) const FOLDER: &str = "boathouse-blocks-";
/// Locked for as long as its folder's process lives.
pub(super) const LOCK: &str = "lock";
/// A folder without a lock is being made, unless it is this old.
const MAKING: Duration = Duration::from_secs(60);

/// A file and a block of it.
type BlockKey = (Arc<FileIdentity>, u64);

/// The blocks of all tables on object stores.
pub(super) struct DiskTier {
    blocks: ByteCache<BlockKey, Arc<Block>>,
    /// Where the folder is made; none is the system's for temporary files.
    parent: Option<PathBuf>,
    /// Made when the first block comes; `None` where that failed.
    folder: OnceLock<Option<Arc<Folder>>>,
    key: LessSafeKey,
    /// The next block's number, which is its name and its nonce.
    next: AtomicU64,
    pending: Arc<Semaphore>,
}

impl DiskTier {
    /// A tier of `capacity` bytes in a folder of its own below `parent` ("" is the system's for temporary files). `None`
    /// without capacity.
    pub(super) fn open(capacity: u64, parent: &str) -> Result<Option<Arc<DiskTier>>> {
        if capacity == 0 {
            return Ok(None);
        }
        let mut secret = [0; 32];
        let key = SystemRandom::new()
            .fill(&mut secret)
            .and_then(|()| UnboundKey::new(&AES_256_GCM, &secret))
            .map_err(|_| Error::internal("no key could be made for the blocks on local disk"))?;
        Ok(Some(Arc::new(DiskTier {
            blocks: ByteCache::new("disk block", capacity),
            parent: (!parent.is_empty()).then(|| parent.into()),
            folder: OnceLock::new(),
            key: LessSafeKey::new(key),
            next: AtomicU64::new(0),
            pending: Arc::new(Semaphore::new(MOST_PENDING)),
        })))
    }

    pub(super) fn statistics(&self) -> CacheStatistics {
        self.blocks.statistics()
    }

    pub(super) fn clear(&self) {
        self.blocks.clear();
    }

    /// Deletes the folder, because the process ends; the cache lets go of its blocks when it may be too late.
    pub(super) fn close(&self) {
        if let Some(Some(folder)) = self.folder.get() {
            let _ = fs::remove_dir_all(folder.directory.path());
        }
    }

    /// These bytes of a file: from blocks that are here, the others from the store.
    pub(super) async fn read(
        self: &Arc<Self>,
        store: &dyn ObjectStore,
        identity: &Arc<FileIdentity>,
        meta: &ObjectMeta,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        let mut wanted: Vec<u64> = ranges.iter().flat_map(blocks_of).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut blocks = self.held(identity, &wanted).await;
        wanted.retain(|block| !blocks.contains_key(block));
        let spans: Vec<Range<u64>> = wanted
            .chunk_by(|block, next| block + 1 == *next)
            .map(|run| run[0] * BLOCK..meta.size.min((run[0] + run.len() as u64) * BLOCK))
            .collect();
        if !spans.is_empty() {
            let fetched = store.get_ranges(&meta.location, &spans).await?;
            for (span, bytes) in spans.iter().zip(fetched) {
                for (block, part) in blocks_of(span).zip(split(bytes)) {
                    self.keep((Arc::clone(identity), block), part.clone());
                    blocks.insert(block, part);
                }
            }
        }
        let taken = ranges.iter().map(|range| cut(&blocks, range));
        taken
            .collect::<Option<_>>()
            .ok_or_else(|| object_store::Error::Generic {
                store: "DiskTier",
                source: format!("the file {} is shorter than its log entry says", meta.location).into(),
            })
    }

    /// Those of the blocks that are here and whole.
    async fn held(self: &Arc<Self>, identity: &Arc<FileIdentity>, wanted: &[u64]) -> HashMap<u64, Bytes> {
        let mut found = vec![];
        for number in wanted {
            let key = (Arc::clone(identity), *number);
            found.extend(self.blocks.get(&key).map(|block| (key, block)));
        }
        if found.is_empty() {
            return HashMap::new();
        }
        let tier = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            let mut held = HashMap::new();
            for (key, block) in found {
                match tier.unseal(&block) {
                    Some(bytes) => drop(held.insert(key.1, bytes)),
                    None => tier.blocks.remove(&key),
                }
            }
            held
        });
        // Whatever became of it, the store has the bytes too.
        read.await.unwrap_or_default()
    }

    /// Writes a block behind the reader's back.
    fn keep(self: &Arc<Self>, key: BlockKey, bytes: Bytes) {
        let Ok(turn) = Arc::clone(&self.pending).try_acquire_owned() else {
            return;
        };
        let tier = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            match tier.seal(&bytes) {
                Ok(Some(block)) => tier.blocks.insert(key, Arc::new(block), bytes.len()),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "could not keep a block of a data file on local disk"),
            }
            drop(turn);
        });
    }

    fn seal(&self, bytes: &[u8]) -> io::Result<Option<Block>> {
        let Some(folder) = self.folder() else { return Ok(None) };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut sealed = Vec::with_capacity(bytes.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(bytes);
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), &mut sealed)
            .map_err(|_| io::Error::other("the block could not be encrypted"))?;
        let block = Block { number, folder };
        fs::write(block.path(), sealed)?;
        Ok(Some(block))
    }

    /// What was sealed; `None` where that is not what the disk has now.
    fn unseal(&self, block: &Block) -> Option<Bytes> {
        let mut sealed = fs::read(block.path()).ok()?;
        let length = self
            .key
            .open_in_place(nonce(block.number), Aad::empty(), &mut sealed)
            .ok()?
            .len();
        sealed.truncate(length);
        Some(sealed.into())
    }

    fn folder(&self) -> Option<Arc<Folder>> {
        let make = || {
            let parent = self.parent.clone().unwrap_or_else(tempfile::env::temp_dir);
            Folder::make(&parent)
                .inspect_err(|error| {
                    tracing::warn!(%error, folder = %parent.display(), "data of object stores is not kept on local disk");
                })
                .ok()
                .map(Arc::new)
        };
        self.folder.get_or_init(make).clone()
    }
}

impl std::fmt::Debug for DiskTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskTier").finish_non_exhaustive()
    }
}

/// A block on disk, deleted when nobody holds it any more.
struct Block {
    number: u64,
    folder: Arc<Folder>,
}

impl Block {
    fn path(&self) -> PathBuf {
        self.folder.directory.path().join(self.number.to_string())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // What stays behind goes with the folder.
        let _ = fs::remove_file(self.path());
    }
}

/// The folder of this process's blocks, deleted with it.
struct Folder {
    directory: TempDir,
    _lock: File,
}

impl Folder {
    fn make(parent: &FilePath) -> io::Result<Folder> {
        fs::create_dir_all(parent)?;
        remove_abandoned(parent)?;
        let directory = tempfile::Builder::new().prefix(FOLDER).tempdir_in(parent)?;
        let lock = File::create(directory.path().join(LOCK))?;
        lock.try_lock()?;
        Ok(Folder { directory, _lock: lock })
    }
}

/// Deletes the folders of processes that were killed.
fn remove_abandoned(parent: &FilePath) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir() && entry.file_name().to_string_lossy().starts_with(FOLDER);
        if is_folder && is_abandoned(&entry.path()) {
            // Another process may be at it, or it is another user's.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn is_abandoned(folder: &FilePath) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(_) => fs::metadata(folder)
            .and_then(|folder| folder.modified())
            .is_ok_and(|made| made.elapsed().is_ok_and(|age| age > MAKING)),
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn blocks_of(range: &Range<u64>) -> Range<u64> {
    match range.is_empty() {
        true => 0..0,
        false => range.start / BLOCK..range.end.div_ceil(BLOCK),
    }
}

/// Bytes that begin with a block, block by block.
fn split(bytes: Bytes) -> impl Iterator<Item = Bytes> {
    let length = bytes.len();
    (0..length)
        .step_by(BLOCK as usize)
        .map(move |start| bytes.slice(start..length.min(start + BLOCK as usize)))
}

/// A range's bytes out of the blocks that it touches.
fn cut(blocks: &HashMap<u64, Bytes>, range: &Range<u64>) -> Option<Bytes> {
    let parts = blocks_of(range).map(|number| {
        let start = range.start.saturating_sub(number * BLOCK) as usize;
        let end = BLOCK.min(range.end - number * BLOCK) as usize;
        let block = blocks.get(&number)?;
        (end <= block.len()).then(|| block.slice(start..end))
    });
    let mut parts: Vec<Bytes> = parts.collect::<Option<_>>()?;
    if parts.len() == 1 {
        return parts.pop();
    }
    let mut together = BytesMut::with_capacity((range.end - range.start) as usize);
    parts.iter().for_each(|part| together.extend_from_slice(part));
    Some(together.freeze())
}
