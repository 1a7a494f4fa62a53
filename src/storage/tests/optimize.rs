//! What OPTIMIZE and RESTORE make of a table, and of what others do meanwhile.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::prelude::{col, lit};
use serde_json::{Value, json};

use super::faults::one;
use super::foreign::{Foreign, deletion_vector, field, metadata, numbers, protocol, with};
use super::*;
use crate::error::SqlState;

async fn optimize(table: &Arc<DeltaTable>, base: &Arc<TableSnapshot>, wanted: Optimization) -> Result<Rearranged> {
    let state = session().state();
    table.optimize(base, &wanted, &state, Operation::new("OPTIMIZE")).await
}

async fn newest(table: &Arc<DeltaTable>) -> Arc<TableSnapshot> {
    table.snapshot(Freshness::Strict).await.unwrap()
}

fn entry(table: &DeltaTable, version: u64) -> Vec<Value> {
    let log = table.url().to_file_path().unwrap().join("_delta_log");
    let text = std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_become_one_and_appends_meanwhile_stay() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    for n in 0..4 {
        insert(&table, one(n)).await.unwrap();
    }
    let base = newest(&table).await;
    // Another process appends after the files were chosen.
    let other = scratch.second().table(&address).unwrap();
    insert(&other, one(9)).await.unwrap();
    let done = optimize(&table, &base, Optimization::default()).await.unwrap();
    assert_eq!((done.version, done.removed.files, done.added.files), (Some(6), 4, 1));
    let after = newest(&table).await;
    assert_eq!(after.file_count(), 2);
    assert_eq!(read(&after, &[]).await, ["0", "1", "2", "3", "9"]);
    let past = table.snapshot_at(TimeTravel::Version(2)).await.unwrap();
    assert_eq!(read(&past, &[]).await, ["0", "1"]);
    for line in entry(&table, 6) {
        for action in ["add", "remove"] {
            assert!(
                line[action].is_null() || line[action]["dataChange"] == json!(false),
                "{line}"
            );
        }
    }
    let replayed = scratch.second().table(&address).unwrap();
    assert_eq!(
        read(newest(&replayed).await.as_ref(), &[]).await,
        ["0", "1", "2", "3", "9"]
    );
    // Two more are left, then nothing.
    let again = optimize(&table, &after, Optimization::default()).await.unwrap();
    assert_eq!((again.removed.files, again.added.files), (2, 1));
    let settled = newest(&table).await;
    assert_eq!(
        optimize(&table, &settled, Optimization::default()).await.unwrap(),
        Rearranged::default()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_went_meanwhile_do_not_come_back() {
    let scratch = scratch();
    let table = scratch.storage.table(&managed()).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    insert(&table, one(2)).await.unwrap();
    let base = newest(&table).await;
    table.truncate(None, Operation::new("TRUNCATE")).await.unwrap();
    let error = optimize(&table, &base, Optimization::default()).await.unwrap_err();
    assert_eq!(error.state(), SqlState::SerializationFailure);
    assert!(read(newest(&table).await.as_ref(), &[]).await.is_empty());
    let written = std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap();
    let files = written.filter(|file| file.as_ref().unwrap().path().is_file()).count();
    assert_eq!(files, 2, "the files of a refused commit are deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_partitions_asked_for_are_touched() {
    let scratch = scratch();
    let table = scratch.storage.table(&managed()).unwrap();
    create(&table, &[("n", "bigint"), ("p", "bigint")], &["p"]).await;
    for n in 0..3 {
        let longs = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let columns = vec![
            ("n", longs(vec![Some(n), Some(n), Some(n)])),
            ("p", longs(vec![Some(1), Some(2), None])),
        ];
        insert(&table, columns).await.unwrap();
    }
    let before = read(newest(&table).await.as_ref(), &[]).await;
    let wanted = Optimization {
        filter: Some(col("p").is_null()),
        ..Optimization::default()
    };
    let done = optimize(&table, &newest(&table).await, wanted).await.unwrap();
    assert_eq!((done.removed.files, done.added.files), (3, 1));
    let few = Optimization {
        least_files: 4,
        ..Optimization::default()
    };
    assert_eq!(
        optimize(&table, &newest(&table).await, few).await.unwrap().version,
        None
    );
    let near = Optimization {
        near: vec!["n".into()],
        ..Optimization::default()
    };
    let done = optimize(&table, &newest(&table).await, near).await.unwrap();
    assert_eq!((done.removed.files, done.added.files), (7, 3));
    assert_eq!(read(newest(&table).await.as_ref(), &[]).await, before);
    let on_rows = Optimization {
        filter: Some(col("n").gt(lit(1_i64))),
        ..Optimization::default()
    };
    let error = optimize(&table, &newest(&table).await, on_rows).await.unwrap_err();
    assert_eq!(error.state(), SqlState::FeatureNotSupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_are_left_out_for_good() {
    let foreign = Foreign::new();
    let add = foreign.file("a.parquet", &numbers(0..10));
    let vector = deletion_vector(&foreign.folder, &[0, 3, 9]);
    let configuration = json!({"delta.enableDeletionVectors": "true", "delta.appendOnly": "true"});
    foreign.commit(
        0,
        &[
            protocol(&["deletionVectors"]),
            metadata(json!([field("n", json!("long"))]), configuration),
            with(add, json!({"stats": "{\"numRecords\":10}", "deletionVector": vector})),
        ],
    );
    let table = foreign.table();
    let base = newest(&table).await;
    let done = optimize(&table, &base, Optimization::default()).await.unwrap();
    assert_eq!((done.removed.files, done.added.files), (1, 1));
    let after = newest(&table).await;
    assert_eq!(read(&after, &[]).await, ["1", "2", "4", "5", "6", "7", "8"]);
    assert!(after.files.deletion_vectors.is_empty());
    assert!(
        entry(&table, 1)
            .iter()
            .any(|line| line["remove"]["deletionVector"]["cardinality"] == json!(3))
    );
    assert_eq!(
        optimize(&table, &after, Optimization::default()).await.unwrap().version,
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn near_values_share_files() {
    let scratch = scratch();
    let table = scratch.storage.table(&managed()).unwrap();
    let mut wanted = definition(&[("a", "bigint"), ("b", "bigint")], &[]);
    wanted.properties = vec![("delta.targetFileSize".into(), "20kb".into())];
    let draft = TableDraft::new(&wanted).unwrap();
    table
        .create(&draft, None, Operation::new("CREATE TABLE"))
        .await
        .unwrap();
    let spread = |factor: i64| {
        let values = (0..120_000_i64).map(move |row| row * factor % 40_009);
        Arc::new(Int64Array::from_iter_values(values)) as ArrayRef
    };
    insert(&table, vec![("a", spread(7919)), ("b", spread(104_729))])
        .await
        .unwrap();
    let before = read(newest(&table).await.as_ref(), &[]).await;
    let near = Optimization {
        near: vec!["a".into(), "b".into()],
        ..Optimization::default()
    };
    optimize(&table, &newest(&table).await, near).await.unwrap();
    let after = newest(&table).await;
    assert!(after.file_count() >= 8, "{}", after.file_count());
    assert_eq!(read(&after, &[]).await, before);
    let state = session().state();
    for column in ["a", "b"] {
        let filter = col(column).between(lit(1000_i64), lit(1100_i64));
        let files = crate::storage::pruning::matching_files(&after, &state, &[filter]).unwrap();
        assert!(
            files.len() * 3 <= after.file_count() * 2,
            "{column}: {} files",
            files.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_version_comes_back_while_its_files_exist() {
    let scratch = scratch();
    let table = scratch.storage.table(&managed()).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, one(1)).await.unwrap();
    insert(&table, one(2)).await.unwrap();
    optimize(&table, &newest(&table).await, Optimization::default())
        .await
        .unwrap();
    insert(&table, one(3)).await.unwrap();
    let past = table.snapshot_at(TimeTravel::Version(1)).await.unwrap();
    let base = newest(&table).await;
    let done = table.restore(&base, &past, Operation::new("RESTORE")).await.unwrap();
    assert_eq!((done.table.files, done.removed.files, done.restored.files), (1, 2, 1));
    assert_eq!(read(newest(&table).await.as_ref(), &[]).await, ["1"]);
    // Whoever read an older version is told.
    let error = table
        .restore(&base, &past, Operation::new("RESTORE"))
        .await
        .unwrap_err();
    assert_eq!(error.state(), SqlState::SerializationFailure);
    assert_eq!(read(newest(&table).await.as_ref(), &[]).await, ["1"]);
    let folder = table.url().to_file_path().unwrap();
    let second = table.snapshot_at(TimeTravel::Version(2)).await.unwrap();
    let base = newest(&table).await;
    let comes_back = |key: &(String, Option<String>)| base.files.positions(std::slice::from_ref(key)).is_none();
    let gone = (0..2).map(|file| second.files.key(file)).find(comes_back).unwrap();
    std::fs::remove_file(folder.join(gone.0)).unwrap();
    let error = table
        .restore(&base, &second, Operation::new("RESTORE"))
        .await
        .unwrap_err();
    assert_eq!(error.state(), SqlState::UndefinedFile);
    let nothing = table.restore(&base, &base, Operation::new("RESTORE")).await.unwrap();
    assert_eq!((nothing.removed.files, nothing.restored.files), (0, 0));
    assert_eq!(newest(&table).await.version(), base.version());
}
