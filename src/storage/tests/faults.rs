//! Races, lost answers and torn entries.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::Int64Array;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};

use super::super::local_store::DurableLocalStore;
use super::super::store::StoreHandle;
use super::*;
use crate::error::SqlState;

/// What happens to the next log writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The write happens, its answer is lost.
    LostAnswer,
    /// The write does not happen, and no answer says so.
    LostRequest,
    /// Put-if-absent overwrites, as on stores that ignore the condition.
    Unconditional,
}

/// A local store that misbehaves like a network.
#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: DurableLocalStore,
    fault: Fault,
    /// Faults still to come.
    pub(super) left: AtomicUsize,
}

impl std::fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut opts: PutOptions) -> StoreResult<PutResult> {
        let timeout = || StoreError::Generic {
            store: "faulty",
            source: "operation timed out".into(),
        };
        let is_log_write = opts.mode == PutMode::Create
            && location.as_ref().contains("_delta_log")
            && location.as_ref().ends_with(".json");
        if self.fault == Fault::Unconditional && opts.mode == PutMode::Create {
            opts.mode = PutMode::Overwrite;
            return self.inner.put_opts(location, payload, opts).await;
        }
        let is_due = is_log_write
            && self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
        match (is_due, self.fault) {
            (true, Fault::LostAnswer) => {
                let _ = self.inner.put_opts(location, payload, opts).await;
                Err(timeout())
            }
            (true, _) => Err(timeout()),
            (false, _) => self.inner.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

pub(super) fn faulty(
    folder: &tempfile::TempDir,
    fault: Fault,
    times: usize,
    deadline: Duration,
) -> (Arc<Storage>, Arc<FaultyStore>) {
    let store = Arc::new(FaultyStore {
        inner: DurableLocalStore::new(),
        fault,
        left: AtomicUsize::new(times),
    });
    let handle = StoreHandle::new(Arc::clone(&store) as _, None, false).unwrap();
    let limits = StorageLimits {
        commit_deadline: deadline,
        ..StorageLimits::default()
    };
    (
        Storage::open_on(folder.path().to_str().unwrap(), handle, &limits).unwrap(),
        store,
    )
}

pub(super) fn one(n: i64) -> Vec<(&'static str, ArrayRef)> {
    vec![("n", Arc::new(Int64Array::from(vec![n])))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_happens_once() {
    for (fault, times) in [
        (Fault::LostAnswer, 1),
        (Fault::LostAnswer, 3),
        (Fault::LostRequest, 1),
        (Fault::LostRequest, 3),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let address = managed();
        let (storage, store) = faulty(&folder, fault, 0, Duration::from_secs(20));
        let table = storage.table(&address).unwrap();
        create(&table, &[("n", "bigint")], &[]).await;
        store.left.store(times, Ordering::SeqCst);
        let committed = insert(&table, one(7)).await.unwrap();
        assert_eq!(committed.version, 1, "{fault:?}");
        insert(&table, one(8)).await.unwrap();
        let other = Storage::open(folder.path().to_str().unwrap(), &[], &StorageLimits::default()).unwrap();
        let snapshot = other
            .table(&address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!(
            (snapshot.version(), read(&snapshot, &[]).await),
            (2, vec!["7".to_string(), "8".to_string()]),
            "{fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_commit_is_unknown_and_its_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, store) = faulty(&folder, Fault::LostRequest, 0, Duration::from_millis(200));
    let table = storage.table(&managed()).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    store.left.store(usize::MAX, Ordering::SeqCst);
    let error = insert(&table, one(7)).await.unwrap_err();
    assert_eq!(error.state(), SqlState::StatementCompletionUnknown);
    assert!(error.detail().unwrap().contains("token"));
    // The request may still arrive: the files that it names must be there.
    assert_eq!(
        std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap().count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_conditions_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, _) = faulty(&folder, Fault::Unconditional, 0, Duration::from_secs(5));
    let table = storage.table(&managed()).unwrap();
    let draft = TableDraft::new(&definition(&[("n", "bigint")], &[])).unwrap();
    let refused = table
        .create(&draft, None, Operation::new("CREATE TABLE"))
        .await
        .unwrap_err();
    assert_eq!(refused.state(), SqlState::ReadOnlySqlTransaction);
    assert_eq!(
        storage
            .log_store()
            .put_if_absent("_boathouse/catalog/0.json", b"x")
            .await
            .unwrap_err()
            .state(),
        SqlState::ReadOnlySqlTransaction
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_of_two_processes_all_land() {
    let scratch = scratch();
    let address = managed();
    create(&scratch.storage.table(&address).unwrap(), &[("n", "bigint")], &[]).await;
    let mut writers = tokio::task::JoinSet::new();
    for process in 0..3 {
        let table = scratch.second().table(&address).unwrap();
        writers.spawn(async move {
            for n in 0..8 {
                insert(&table, one(process * 100 + n)).await.unwrap();
            }
        });
    }
    while let Some(joined) = writers.join_next().await {
        joined.unwrap();
    }
    let snapshot = scratch
        .storage
        .table(&address)
        .unwrap()
        .snapshot(Freshness::Strict)
        .await
        .unwrap();
    assert_eq!((snapshot.version(), snapshot.row_count()), (24, Some(24)));
    assert_eq!(read(&snapshot, &[]).await.len(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_appends_move_on() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    let pinned = insert(&table, one(1)).await.unwrap();
    let other = scratch.second().table(&address).unwrap();
    // Another process appends between reading and truncating: what was pinned is refused, the rest re-checked.
    insert(&other, one(2)).await.unwrap();
    let refused = table
        .truncate(Some(pinned.version), Operation::new("TRUNCATE"))
        .await
        .unwrap_err();
    assert_eq!(refused.state(), SqlState::SerializationFailure);
    let truncated = table.truncate(None, Operation::new("TRUNCATE")).await.unwrap();
    assert_eq!(
        truncated.snapshot.row_count(),
        Some(0),
        "the row of the other process is gone as well"
    );
    // Rows staged for a schema that has changed since do not land, and their files are deleted.
    let snapshot = table.snapshot(Freshness::Strict).await.unwrap();
    let staged = table.stage(&snapshot, rows(one(3))).await.unwrap();
    let current = other.snapshot(Freshness::Strict).await.unwrap();
    other
        .alter(
            &current,
            &[SchemaChange::AddColumn(column("m", "bigint"))],
            Operation::new("ADD COLUMNS"),
        )
        .await
        .unwrap();
    let files = std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap().count();
    assert_eq!(
        table.append(staged, Operation::new("WRITE")).await.unwrap_err().state(),
        SqlState::SerializationFailure
    );
    assert_eq!(
        std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap().count(),
        files - 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_creators_wins() {
    let scratch = scratch();
    let address = managed();
    let draft = TableDraft::new(&definition(&[("n", "bigint")], &[])).unwrap();
    let create = |storage: Arc<Storage>| {
        let (table, draft) = (storage.table(&address).unwrap(), draft.clone());
        async move { table.create(&draft, None, Operation::new("CREATE TABLE")).await }
    };
    let (one, two) = tokio::join!(create(scratch.second()), create(scratch.second()));
    assert_eq!(one.is_ok() as u8 + two.is_ok() as u8, 1);
    assert_eq!(one.err().or(two.err()).unwrap().state(), SqlState::DuplicateTable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_entry_is_an_error_and_no_version() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    std::fs::write(
        log.join("00000000000000000002.json"),
        r#"{"add":{"path":"p","partitionVal"#,
    )
    .unwrap();
    assert_eq!(
        table.snapshot(Freshness::Strict).await.unwrap_err().state(),
        SqlState::DataCorrupted
    );
    std::fs::remove_file(log.join("00000000000000000002.json")).unwrap();
    assert_eq!(table.snapshot(Freshness::Strict).await.unwrap().version(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_anew_at_the_same_place_is_another_table() {
    let scratch = scratch();
    let address = scratch.outside("t");
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    let folder = table.url().to_file_path().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        table.snapshot(Freshness::Strict).await.unwrap_err().state(),
        SqlState::UndefinedFile
    );
    let other = scratch.second().table(&address).unwrap();
    create(&other, &[("n", "bigint")], &[]).await;
    for n in 10..13 {
        insert(&other, one(n)).await.unwrap();
    }
    assert_eq!(
        read(&table.snapshot(Freshness::Strict).await.unwrap(), &[]).await,
        ["10", "11", "12"]
    );
}

/// A node sleeps at an old version; meanwhile others pass it and clean the log up.
#[tokio::test(flavor = "multi_thread")]
async fn a_sleeper_does_not_take_a_cleaned_log_for_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let address = managed();
    let (storage, _) = faulty(&folder, Fault::LostAnswer, 0, Duration::from_secs(5));
    let table = storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    let other = Storage::open(folder.path().to_str().unwrap(), &[], &StorageLimits::default()).unwrap();
    for n in 2..=12 {
        insert(&other.table(&address).unwrap(), one(n)).await.unwrap();
    }
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    let checkpoint = log.join("00000000000000000010.checkpoint.parquet");
    for _ in 0..500 {
        if log.join("_last_checkpoint").exists() && checkpoint.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for version in 0..10 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    table.age();
    let snapshot = table.snapshot(Freshness::Strict).await.unwrap();
    assert_eq!((snapshot.version(), snapshot.row_count()), (12, Some(12)));
    // Its next commit lands after the newest version, not in the gap.
    assert_eq!(insert(&table, one(13)).await.unwrap().version, 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogs_log_store_is_ordered_and_conditional() {
    let scratch = scratch();
    let log = scratch.storage.log_store();
    assert_eq!(log.get("_boathouse/catalog/0.json").await.unwrap(), None);
    for name in ["0.json", "1.json", "2.json"] {
        assert_eq!(
            log.put_if_absent(&format!("_boathouse/catalog/{name}"), name.as_bytes())
                .await
                .unwrap(),
            PutOutcome::Created
        );
    }
    assert_eq!(
        log.put_if_absent("_boathouse/catalog/1.json", b"other").await.unwrap(),
        PutOutcome::AlreadyExists
    );
    assert_eq!(log.get("_boathouse/catalog/1.json").await.unwrap().unwrap(), "1.json");
    assert_eq!(
        log.list_after("_boathouse/catalog", "0.json").await.unwrap(),
        ["1.json", "2.json"]
    );
    assert_eq!(log.list_after("_boathouse/catalog", "").await.unwrap().len(), 3);
    assert!(
        scratch
            .storage
            .check_external(scratch.folder.path().join("_boathouse/x").to_str().unwrap(), &[])
            .is_err()
    );
    assert!(
        scratch
            .storage
            .check_external(scratch.folder.path().to_str().unwrap(), &[])
            .is_err()
    );
    assert!(
        scratch
            .storage
            .check_external(scratch.folder.path().join("files").to_str().unwrap(), &[])
            .is_ok()
    );
}
