//! What VACUUM deletes and what it leaves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::faults::one;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn age(path: &PathBuf, hours: u32) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - HOUR * hours).unwrap();
}

fn files(table: &DeltaTable) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn entry(table: &DeltaTable, version: u64) -> PathBuf {
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    log.join(format!("{version:020}.json"))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_replaced_versions_go_after_the_retention() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    table.truncate(None, Operation::new("TRUNCATE")).await.unwrap();
    insert(&table, one(2)).await.unwrap();
    for file in files(&table) {
        age(&file, 500);
    }
    let gone = |retention| {
        let table = Arc::clone(&table);
        async move { table.vacuum(HOUR * retention).await.unwrap().files }
    };
    // Version 1 was current until a moment ago: whoever asks for it within the retention still gets it.
    assert_eq!(gone(168).await, 0);
    assert_eq!(
        read(&table.snapshot_at(TimeTravel::Version(1)).await.unwrap(), &[]).await,
        ["1"]
    );
    for version in 0..3 {
        age(&entry(&table, version), 200);
    }
    assert_eq!(gone(300).await, 0);
    assert_eq!(gone(168).await, 1);
    assert_eq!(
        read(&table.snapshot(Freshness::Strict).await.unwrap(), &[]).await,
        ["2"]
    );
    // What was removed can go at once where somebody says so, however young its file is.
    insert(&table, one(3)).await.unwrap();
    table.truncate(None, Operation::new("TRUNCATE")).await.unwrap();
    insert(&table, one(4)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((gone(0).await, files(&table).len()), (2, 1));
    assert_eq!(
        read(&table.snapshot(Freshness::Strict).await.unwrap(), &[]).await,
        ["4"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_no_commit_took_over_go_after_a_day() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    let base = create(&table, &[("n", "bigint")], &[]).await;
    let staged = table.stage(&base, rows(one(1))).await.unwrap();
    let hidden = table.url().to_file_path().unwrap().join("_of_others");
    std::fs::write(&hidden, "x").unwrap();
    // It may be of a transaction that is still open, here or elsewhere.
    assert_eq!(table.vacuum(Duration::ZERO).await.unwrap().files, 0);
    for file in files(&table) {
        age(&file, 30);
    }
    assert_eq!(table.vacuum(Duration::ZERO).await.unwrap().files, 1);
    assert_eq!(files(&table), [hidden]);
    drop(staged);
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_tables_go_after_a_day() {
    let scratch = scratch();
    let id = Uuid::new_v4();
    let table = scratch.storage.table(&TableAddress::Managed(id)).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    assert_eq!(scratch.storage.managed_tables().await.unwrap(), [id]);
    assert!(!scratch.storage.erase_abandoned(id).await.unwrap());
    age(&entry(&table, 0), 30);
    assert!(scratch.storage.erase_abandoned(id).await.unwrap());
    assert!(!entry(&table, 0).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_first_file_is_being_written_stays() {
    let scratch = scratch();
    let id = Uuid::new_v4();
    let table = scratch.storage.table(&TableAddress::Managed(id)).unwrap();
    // Listings do not show a file before it has its name.
    let folder = table.url().to_file_path().unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("part.parquet#1"), "x").unwrap();
    assert_eq!(scratch.storage.managed_tables().await.unwrap(), [id]);
    assert!(!scratch.storage.erase_abandoned(id).await.unwrap());
}
