//! Blocks of an object store's files on local disk.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::super::disk_tier::{BLOCK, DiskTier, FOLDER, LOCK};
use super::super::footer_cache::FileIdentity;
use super::*;

/// A file of some blocks in a store, and a tier in a folder of its own.
struct Far {
    store: InMemory,
    meta: ObjectMeta,
    identity: Arc<FileIdentity>,
    content: Vec<u8>,
    folder: tempfile::TempDir,
    tier: Arc<DiskTier>,
}

impl Far {
    async fn with(blocks: u64, capacity: u64) -> Far {
        let content: Vec<u8> = (0..blocks * BLOCK - 1000).map(|at| (at * 7919 % 251) as u8).collect();
        let store = InMemory::new();
        let location = Path::from("table/part-1.parquet");
        store.put(&location, content.clone().into()).await.unwrap();
        let meta = store.head(&location).await.unwrap();
        let identity = Arc::new((1, location.to_string(), meta.size, 0));
        let folder = tempfile::tempdir().unwrap();
        let tier = DiskTier::open(capacity, folder.path().to_str().unwrap())
            .unwrap()
            .unwrap();
        Far {
            store,
            meta,
            identity,
            content,
            folder,
            tier,
        }
    }

    async fn read(&self, ranges: &[std::ops::Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        self.tier.read(&self.store, &self.identity, &self.meta, ranges).await
    }

    fn expected(&self, ranges: &[std::ops::Range<u64>]) -> Vec<Bytes> {
        let cut = |range: &std::ops::Range<u64>| {
            Bytes::copy_from_slice(&self.content[range.start as usize..range.end as usize])
        };
        ranges.iter().map(cut).collect()
    }

    /// The blocks' files.
    fn on_disk(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        let paths = files.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.file_name().unwrap() != LOCK).collect()
    }

    /// A file has its name before it has its bytes: blocks count when the tier knows of them.
    async fn wait_for_blocks(&self, count: impl Fn(usize) -> bool) {
        for _ in 0..500 {
            let files = self.on_disk().len();
            if count(files) && self.tier.statistics().entries == files as u64 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{} blocks are on disk", self.on_disk().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_come_from_disk_after_the_first_read() {
    let far = Far::with(5, 100 << 20).await;
    let ranges = [
        10..2000,
        BLOCK - 1..BLOCK + 1,
        3 * BLOCK..far.meta.size,
        0..0,
        5..BLOCK * 3 + 7,
        BLOCK..2 * BLOCK,
    ];
    assert_eq!(far.read(&ranges).await.unwrap(), far.expected(&ranges));
    far.wait_for_blocks(|count| count == 5).await;
    let sealed = fs::read(&far.on_disk()[0]).unwrap();
    let is_shown = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
    assert!(!far.content.chunks(BLOCK as usize).any(|block| is_shown(&block[..64])));
    far.store.delete(&far.meta.location).await.unwrap();
    assert_eq!(far.read(&ranges).await.unwrap(), far.expected(&ranges));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_fetched_again() {
    let far = Far::with(3, 100 << 20).await;
    let all = [0..1, 0..far.meta.size];
    far.read(&all).await.unwrap();
    far.wait_for_blocks(|count| count == 3).await;
    for (index, path) in far.on_disk().into_iter().enumerate() {
        let mut sealed = fs::read(&path).unwrap();
        match index {
            0 => sealed[100] ^= 1,
            1 => sealed.truncate(100),
            _ => sealed.clear(),
        }
        fs::write(path, sealed).unwrap();
    }
    assert_eq!(far.read(&all).await.unwrap(), far.expected(&all));
    // Another file at the same place is another file.
    let other = Arc::new((1, far.meta.location.to_string(), far.meta.size, 5));
    far.store.delete(&far.meta.location).await.unwrap();
    let read = far.tier.read(&far.store, &other, &far.meta, &all).await;
    assert!(matches!(read, Err(object_store::Error::NotFound { .. })), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_holds_and_the_folder_goes() {
    let far = Far::with(40, 5 * BLOCK).await;
    for block in 0..39 {
        let range = [block * BLOCK..block * BLOCK + 10, block * BLOCK + 1..block * BLOCK + 2];
        assert_eq!(far.read(&range).await.unwrap(), far.expected(&range));
    }
    for _ in 0..50 {
        assert!(far.tier.statistics().bytes <= 5 * BLOCK);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    far.wait_for_blocks(|count| (1..=5).contains(&count)).await;
    far.tier.close();
    assert!(fs::read_dir(far.folder.path()).unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_killed_processes_go_and_those_of_others_stay() {
    let far = Far::with(1, 100 << 20).await;
    let folder = |name: &str| far.folder.path().join(format!("{FOLDER}{name}"));
    for name in ["killed", "alive", "new"] {
        fs::create_dir(folder(name)).unwrap();
    }
    fs::write(folder("killed").join(LOCK), "").unwrap();
    let lock = fs::File::create(folder("alive").join(LOCK)).unwrap();
    lock.lock().unwrap();
    far.read(&[0..10, 1..2]).await.unwrap();
    far.wait_for_blocks(|count| count == 1).await;
    assert!(!folder("killed").exists() && folder("alive").exists() && folder("new").exists());
}
