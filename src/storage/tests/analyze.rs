//! Sketches of different values: of our own files with every write, of others' by ANALYZE, at every version those of its
//! own files.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, StringViewArray};
use datafusion::common::stats::Precision;
use serde_json::json;

use super::foreign::{Foreign, deletion_vector, field, metadata, numbers, protocol, with};
use super::*;

/// The estimates of different values of the table's columns.
fn counted(snapshot: &Arc<TableSnapshot>) -> Vec<Option<usize>> {
    let columns = snapshot.statistics().column_statistics.clone();
    columns
        .iter()
        .map(|column| column.distinct_count.get_value().copied())
        .collect()
}

fn assert_near(found: Option<usize>, expected: usize) {
    let off = found.unwrap_or(usize::MAX).abs_diff(expected);
    assert!(off * 4 <= expected, "{found:?} for {expected}");
}

fn texts(numbers: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(
        numbers.map(|number| format!("name {number}")),
    ))
}

async fn analyze(table: &Arc<DeltaTable>) -> Analyzed {
    let base = table.snapshot(Freshness::Strict).await.unwrap();
    let columns: Vec<usize> = (0..base.schema().fields().len()).collect();
    table.analyze(&base, &columns, &session().state()).await.unwrap()
}

async fn newest(storage: &Arc<Storage>, address: &TableAddress) -> Arc<TableSnapshot> {
    storage
        .table(address)
        .unwrap()
        .snapshot(Freshness::Strict)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn own_files_are_counted_as_they_are_written() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(
        &table,
        &[("k", "bigint"), ("t", "text"), ("raw", "bytea"), ("part", "text")],
        &["part"],
    )
    .await;
    for start in [0_i64, 500, 1000] {
        let numbers = || start * 1_000_003..start * 1_000_003 + 1000;
        let of = |step: i64| numbers().map(move |number| number % step);
        let raw = BinaryArray::from_iter_values(of(400).map(|number| number.to_le_bytes()));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("k", Arc::new(Int64Array::from_iter_values(numbers()))),
            ("t", texts(of(7))),
            ("raw", Arc::new(raw)),
            ("part", texts(of(1).map(|zero| zero + start))),
        ];
        insert(&table, columns).await.unwrap();
        // Counted after each append, from what was counted before.
        counted(&newest(&scratch.storage, &address).await);
    }
    for storage in [&scratch.storage, &scratch.second()] {
        let found = counted(&newest(storage, &address).await);
        for (found, expected) in found.into_iter().zip([3000, 7, 400, 3]) {
            assert_near(found, expected);
        }
    }
    // Nothing is missing.
    assert_eq!(analyze(&table).await.files, 0);
    // Versions have those of their own files.
    let first = table.snapshot_at(TimeTravel::Version(1)).await.unwrap();
    assert_near(counted(&first)[0], 1000);
    let truncated = table.truncate(None, Operation::new("TRUNCATE")).await.unwrap();
    assert_eq!(counted(&truncated.snapshot)[0], None);
}

/// 1000 rows of one column in each of three files that another writer made.
fn foreign() -> Foreign {
    let foreign = Foreign::new();
    let file = |number: i64| {
        let add = foreign.file(
            &format!("{number}.parquet"),
            &numbers(number * 700..number * 700 + 1000),
        );
        with(add, json!({"stats": json!({"numRecords": 1000}).to_string()}))
    };
    let metadata = metadata(
        json!([field("n", json!("long"))]),
        json!({"delta.enableDeletionVectors": "true"}),
    );
    foreign.commit(
        0,
        &[protocol(&["deletionVectors"]), metadata, file(0), file(1), file(2)],
    );
    foreign
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_counted_by_analyze() {
    let foreign = foreign();
    let table = foreign.table();
    assert_eq!(counted(&foreign.snapshot().await.unwrap()), [None]);
    let done = analyze(&table).await;
    assert_eq!((done.files, done.rows, done.of_files), (3, 3000, 3));
    let analyzed = foreign.snapshot().await.unwrap();
    assert_eq!(analyzed.version(), 0, "no version of the table came of it");
    assert_near(counted(&analyzed)[0], 2400);
    assert_near(
        counted(&newest(&foreign.scratch.second(), foreign.address()).await)[0],
        2400,
    );
    assert_eq!(analyze(&table).await.files, 0);
    // A deletion vector leaves the file what it is; a file that goes takes its values along.
    let add = |name: &str, members| {
        let size = std::fs::metadata(foreign.folder.join(name)).unwrap().len();
        let add = json!({"path": name, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true,
            "stats": json!({"numRecords": 1000}).to_string()});
        with(add, members)
    };
    let remove = |name: &str| json!({"remove": {"path": name, "dataChange": true, "deletionTimestamp": 1}});
    let vector = deletion_vector(&foreign.folder, &[0, 1, 2]);
    foreign.commit(
        1,
        &[
            remove("0.parquet"),
            add("0.parquet", json!({"deletionVector": vector})),
            remove("2.parquet"),
        ],
    );
    for storage in [&foreign.scratch.storage, &foreign.scratch.second()] {
        let after = newest(storage, foreign.address()).await;
        assert_eq!((after.version(), after.row_count()), (1, Some(1997)));
        assert_near(counted(&after)[0], 1700);
    }
    let first = table.snapshot_at(TimeTravel::Version(0)).await.unwrap();
    assert_near(counted(&first)[0], 2400);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_sketch_are_guessed_from_the_others() {
    let foreign = foreign();
    analyze(&foreign.table()).await;
    let late = foreign.file("late.parquet", &numbers(90_000..91_000));
    foreign.commit(
        1,
        &[with(late, json!({"stats": json!({"numRecords": 1000}).to_string()}))],
    );
    // Each row had a value of its own, nearly.
    assert_near(counted(&foreign.snapshot().await.unwrap())[0], 3200);
    let done = analyze(&foreign.table()).await;
    assert_eq!((done.files, done.of_files), (1, 4));
    assert_near(counted(&foreign.snapshot().await.unwrap())[0], 3400);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_findings_are_none_and_are_found_anew() {
    let foreign = foreign();
    analyze(&foreign.table()).await;
    let findings = foreign.folder.join("_delta_log/_boathouse/distinct_values.json");
    let size = std::fs::metadata(foreign.folder.join("0.parquet")).unwrap().len();
    let of_file = |text: &str| {
        json!([{"path": "0.parquet", "size": size, "modificationTime": 1, "distinctValues": text}]).to_string()
    };
    for damaged in [
        "",
        "{",
        "[1]",
        &of_file("{"),
        &of_file("{\"n\": \"?\"}"),
        &of_file("{\"n\": 5}"),
    ] {
        std::fs::write(&findings, damaged).unwrap();
        let second = foreign.scratch.second();
        let snapshot = newest(&second, foreign.address()).await;
        assert_eq!(counted(&snapshot), [None], "{damaged}");
        assert_eq!(read(&snapshot, &[]).await.len(), 3000);
        analyze(&second.table(foreign.address()).unwrap()).await;
        assert_near(counted(&newest(&second, foreign.address()).await)[0], 2400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn analyze_and_commits_do_not_disturb_each_other() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    let write = async {
        for start in 0..20_i64 {
            let values = Int64Array::from_iter_values(start * 100..start * 100 + 100);
            insert(&table, vec![("n", Arc::new(values))]).await.unwrap();
        }
    };
    let look = async {
        for _ in 0..20 {
            analyze(&table).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, look);
    for storage in [&scratch.storage, &scratch.second()] {
        let newest = newest(storage, &address).await;
        assert_eq!((newest.version(), newest.row_count()), (20, Some(2000)));
        assert_near(counted(&newest)[0], 2000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn analyses_of_two_processes_leave_a_whole_one() {
    let foreign = foreign();
    let second = foreign.scratch.second();
    let others = second.table(foreign.address()).unwrap();
    let table = foreign.table();
    tokio::join!(analyze(&table), analyze(&others));
    assert_near(
        counted(&newest(&foreign.scratch.second(), foreign.address()).await)[0],
        2400,
    );
    let statistics = table.snapshot(Freshness::Strict).await.unwrap().statistics();
    assert!(matches!(
        statistics.column_statistics[0].distinct_count,
        Precision::Inexact(_)
    ));
}
