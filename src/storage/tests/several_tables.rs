//! Locks, decisions and their application, with a decision that the test makes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::faults::{Fault, faulty, one};
use super::*;
use crate::error::SqlState;

/// Decides as the test says.
struct Decided(Mutex<Verdict>);

#[async_trait]
impl Arbiter for Decided {
    async fn verdict(&self, _: &TableLock, give_up: bool) -> Result<Verdict> {
        let mut verdict = self.0.lock();
        if give_up && matches!(*verdict, Verdict::Undecided) {
            *verdict = Verdict::GivenUp;
        }
        Ok(verdict.clone())
    }
}

fn decides(storage: &Arc<Storage>) -> Arc<Decided> {
    let decided = Arc::new(Decided(Mutex::new(Verdict::Undecided)));
    storage.decide_by(Arc::clone(&decided) as _);
    decided
}

fn request() -> LockRequest {
    LockRequest {
        transaction: Uuid::new_v4(),
        after: 3,
        table: 16384,
    }
}

/// A row for the table, and with `removes_all` nothing else.
async fn change(table: &Arc<DeltaTable>, n: i64, removes_all: bool) -> TableChange {
    let base = table.snapshot(Freshness::Strict).await.unwrap();
    TableChange {
        altered: None,
        removal: if removes_all { Removal::All } else { Removal::None },
        files: table.stage(&base, rows(one(n))).await.unwrap(),
        base,
        complete: false,
        keys: None,
        operation: Operation::new("WRITE"),
    }
}

async fn table_with_row(storage: &Arc<Storage>, address: &TableAddress) -> Arc<DeltaTable> {
    let table = storage.table(address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    table
}

async fn rows_of(storage: &Arc<Storage>, address: &TableAddress) -> Vec<String> {
    let table = storage.table(address).unwrap();
    read(&table.snapshot(Freshness::Strict).await.unwrap(), &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_next_finishes_what_was_decided() {
    let scratch = scratch();
    let address = managed();
    let table = table_with_row(&scratch.storage, &address).await;
    let prepared = table.prepare(change(&table, 2, true).await, &request()).await.unwrap();
    let actions = prepared.actions().to_string();
    // Before the decision a reader sees the table as it was, and does not wait.
    let (reader, writer) = (scratch.second(), scratch.second());
    assert_eq!(rows_of(&reader, &address).await, ["1"]);
    *decides(&reader).0.lock() = Verdict::Committed {
        version: 9,
        actions: actions.clone(),
    };
    *decides(&writer).0.lock() = Verdict::Committed { version: 9, actions };
    let (read, written) = tokio::join!(
        async {
            let table = reader.table(&address).unwrap();
            table.snapshot_including(9, Freshness::Strict).await.unwrap()
        },
        async { insert(&writer.table(&address).unwrap(), one(3)).await.unwrap() }
    );
    assert!(read.applied() == 9 && written.version == 4);
    // Its own server comes last, and all of them did it once.
    prepared.apply(9).await.unwrap();
    assert_eq!(rows_of(&scratch.second(), &address).await, ["2", "3"]);
    let protocol = &scratch
        .second()
        .table(&address)
        .unwrap()
        .snapshot(Freshness::Strict)
        .await
        .unwrap()
        .protocol;
    assert_eq!((protocol.min_writer_version, &protocol.writer_features), (2, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_nobody_decides_is_given_up() {
    let scratch = scratch();
    let address = managed();
    let table = table_with_row(&scratch.storage, &address).await;
    let lost = table.prepare(change(&table, 2, true).await, &request()).await.unwrap();
    let other = scratch.second();
    let locked = other
        .table(&address)
        .unwrap()
        .snapshot(Freshness::Strict)
        .await
        .unwrap();
    assert!(locked.lock.is_some() && locked.version() == 2);
    decides(&other);
    // The lock, the release, then the row.
    let written = insert(&other.table(&address).unwrap(), one(5)).await.unwrap();
    assert_eq!(written.version, 4);
    lost.release().await;
    assert_eq!(rows_of(&scratch.second(), &address).await, ["1", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_change_nothing() {
    for (fault, times) in [(Fault::LostAnswer, 1), (Fault::LostAnswer, 2), (Fault::LostRequest, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let address = managed();
        let (storage, store) = faulty(&folder, fault, 0, Duration::from_secs(20));
        let table = table_with_row(&storage, &address).await;
        let change = change(&table, 2, false).await;
        store.left.store(times, Ordering::SeqCst);
        let prepared = table.prepare(change, &request()).await.unwrap();
        store.left.store(times, Ordering::SeqCst);
        prepared.apply(7).await.unwrap();
        let other = Storage::open(folder.path().to_str().unwrap(), &[], &StorageLimits::default()).unwrap();
        let snapshot = other
            .table(&address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!((snapshot.version(), snapshot.applied()), (3, 7), "{fault:?}");
        assert_eq!(read(&snapshot, &[]).await, ["1", "2"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_keep_the_decision() {
    let scratch = scratch();
    let address = managed();
    let table = table_with_row(&scratch.storage, &address).await;
    let prepared = table.prepare(change(&table, 2, false).await, &request()).await.unwrap();
    prepared.apply(12).await.unwrap();
    super::super::replay::checkpoint(&table.location, 3).await.unwrap();
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    for version in 0..3 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let snapshot = scratch
        .second()
        .table(&address)
        .unwrap()
        .snapshot(Freshness::Strict)
        .await
        .unwrap();
    assert_eq!((snapshot.version(), snapshot.applied()), (3, 12));
}

/// Another writer that neither knows the lock nor keeps Delta's rules.
fn intrude(table: &DeltaTable, version: u64, line: &str) {
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    std::fs::write(log.join(format!("{version:020}.json")), line).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_lock_is_noticed() {
    let scratch = scratch();
    let address = managed();
    let table = table_with_row(&scratch.storage, &address).await;
    let prepared = table.prepare(change(&table, 2, true).await, &request()).await.unwrap();
    // It adds nothing that is in the way: the changes go on top of it.
    intrude(&table, 3, r#"{"commitInfo":{"operation":"OTHER"}}"#);
    prepared.apply(5).await.unwrap();
    assert_eq!(rows_of(&scratch.second(), &address).await, ["2"]);
    let prepared = table.prepare(change(&table, 3, true).await, &request()).await.unwrap();
    // It removes what the transaction removes too.
    let path = table.snapshot(Freshness::Strict).await.unwrap().files.key(0).0;
    intrude(
        &table,
        6,
        &format!(r#"{{"remove":{{"path":"{path}","dataChange":true}}}}"#),
    );
    let error = prepared.apply(6).await.unwrap_err();
    assert_eq!(error.state(), SqlState::DataCorrupted);
    assert!(insert(&table, one(4)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn local_writers_wait_for_the_decision() {
    let scratch = scratch();
    let address = managed();
    let table = table_with_row(&scratch.storage, &address).await;
    let prepared = table.prepare(change(&table, 2, false).await, &request()).await.unwrap();
    let waiting = tokio::spawn({
        let table = Arc::clone(&table);
        async move { insert(&table, one(3)).await.unwrap().version }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    prepared.apply(4).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 4);
}
