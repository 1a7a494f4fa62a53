//! What is written is read: types, partitions, pruning, transactions, schema changes, history.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::prelude::{col, lit};

use super::*;
use crate::error::SqlState;
use crate::types::SqlType;

fn longs(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn texts_of(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(values.iter().copied()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_survives() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    let columns = [
        ("b", "boolean"),
        ("i2", "smallint"),
        ("i4", "integer"),
        ("i8", "bigint"),
        ("f4", "real"),
        ("f8", "double precision"),
        ("wide", "numeric(38,10)"),
        ("t", "text"),
        ("v", "varchar(40)"),
        ("raw", "bytea"),
        ("d", "date"),
        ("time", "time"),
        ("ts", "timestamp"),
        ("tz", "timestamptz"),
        ("u", "uuid"),
        ("js", "jsonb"),
        ("list", "integer[]"),
        ("words", "text[]"),
    ];
    let snapshot = create(&table, &columns, &[]).await;
    for (position, (name, sql_type)) in columns.iter().enumerate() {
        let expected: SqlType = sql_type.parse().unwrap();
        assert_eq!(
            SqlType::from_field(snapshot.schema().field(position)),
            expected,
            "{name}"
        );
    }
    let wide = Decimal128Array::from(vec![Some(12345678901234567890123456789012345678), None])
        .with_precision_and_scale(38, 10)
        .unwrap();
    let values: Vec<(&str, ArrayRef)> = vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i2", Arc::new(Int16Array::from(vec![Some(-2), None]))),
        ("i4", Arc::new(Int32Array::from(vec![Some(4), None]))),
        ("i8", longs(&[Some(i64::MIN), None])),
        ("f4", Arc::new(Float32Array::from(vec![Some(1.5), None]))),
        ("f8", Arc::new(Float64Array::from(vec![Some(f64::NAN), None]))),
        ("wide", Arc::new(wide)),
        ("t", texts_of(&[Some("it's"), None])),
        ("v", texts_of(&[Some("vvv"), None])),
        (
            "raw",
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x00\xff"), None])),
        ),
        ("d", Arc::new(Date32Array::from(vec![Some(20000), None]))),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from(vec![Some(3_600_000_001), None])),
        ),
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None])),
        ),
        (
            "tz",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None]).with_timezone("UTC")),
        ),
        ("u", texts_of(&[Some("11111111-2222-3333-4444-555555555555"), None])),
        ("js", texts_of(&[Some("{\"a\": 1}"), None])),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
                Some(vec![Some(1), None, Some(3)]),
                None,
            ])),
        ),
        ("words", {
            let mut builder = ListBuilder::new(StringViewBuilder::new());
            builder.append_value([Some("x"), None]);
            builder.append_null();
            Arc::new(builder.finish())
        }),
    ];
    insert(&table, values).await.unwrap();
    let expected = vec![
        "null|null|null|null|null|null|null|null|null|null|null|null|null|null|null|null|null|null".to_string(),
        "true|-2|4|-9223372036854775808|1.5|NaN|1234567890123456789012345678.9012345678|it's|vvv|00ff|2024-10-04|01:00:00.000001|2023-11-14T22:13:20.123456|2023-11-14T22:13:20.123456Z|11111111-2222-3333-4444-555555555555|{\"a\": 1}|[1, null, 3]|[x, null]".to_string(),
    ];
    // As this process sees it after its commit, and as another one does that replays the log.
    for storage in [&scratch.storage, &scratch.second()] {
        let snapshot = storage
            .table(&address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!(read(&snapshot, &[]).await, expected);
        assert_eq!(snapshot.row_count(), Some(2));
        let wide = ScalarValue::Decimal128(Some(12345678901234567890123456789012345678), 38, 10);
        assert_eq!(
            snapshot.statistics().column_statistics[6].max_value,
            Precision::Exact(wide.clone())
        );
        assert_eq!(
            read_with(&snapshot, Some(vec![3]), &[col("wide").eq(lit(wide))])
                .await
                .len(),
            2
        );
        assert_eq!(
            read_with(
                &snapshot,
                Some(vec![3]),
                &[col("ts").gt(lit(ScalarValue::TimestampMicrosecond(
                    Some(1_700_000_000_124_000),
                    None
                )))]
            )
            .await
            .len(),
            0
        );
        assert_eq!(read_with(&snapshot, Some(vec![]), &[]).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_hold_nulls_and_prune() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(
        &table,
        &[("region", "text"), ("n", "bigint"), ("day", "date")],
        &["region", "day"],
    )
    .await;
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), Some(1), None, Some(2)]));
    insert(
        &table,
        vec![
            ("region", texts_of(&[Some("eu/west %~é"), Some("us"), None, Some("us")])),
            ("n", longs(&[Some(1), Some(2), Some(3), Some(4)])),
            ("day", days),
        ],
    )
    .await
    .unwrap();
    for storage in [&scratch.storage, &scratch.second()] {
        let snapshot = storage
            .table(&address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!(snapshot.file_count(), 4);
        assert_eq!(
            read(&snapshot, &[]).await,
            [
                "eu/west %~é|1|1970-01-02",
                "null|3|null",
                "us|2|1970-01-02",
                "us|4|1970-01-03"
            ]
        );
        for (filter, expected) in [
            (col("region").eq(lit("us")), vec!["us|2|1970-01-02", "us|4|1970-01-03"]),
            (col("region").is_null(), vec!["null|3|null"]),
            (
                col("region").is_not_null().and(col("n").gt(lit(3_i64))),
                vec!["us|4|1970-01-03"],
            ),
            (
                col("day").gt(lit(ScalarValue::Date32(Some(1)))),
                vec!["us|4|1970-01-03"],
            ),
            (col("region").not_eq(lit("us")), vec!["eu/west %~é|1|1970-01-02"]),
            (col("n").gt(lit(10_i64)), vec![]),
        ] {
            assert_eq!(
                read(&snapshot, std::slice::from_ref(&filter)).await,
                expected,
                "{filter}"
            );
        }
        assert!(snapshot.is_exact_filter(&col("region").eq(lit("us"))));
        assert!(!snapshot.is_exact_filter(&col("n").eq(lit(1_i64))));
    }
    let empty = insert(
        &table,
        vec![
            ("region", texts_of(&[Some("")])),
            ("n", longs(&[Some(1)])),
            ("day", Arc::new(Date32Array::from(vec![1]))),
        ],
    )
    .await;
    assert_eq!(empty.unwrap_err().state(), SqlState::InvalidParameterValue);
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_rows_are_seen_by_their_transaction_only_and_vanish_when_given_up() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    let snapshot = create(&table, &[("n", "bigint")], &[]).await;
    let files = || std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap().count() - 1;
    let mut staged = table
        .stage(&snapshot, rows(vec![("n", longs(&[Some(1)]))]))
        .await
        .unwrap();
    staged
        .merge(
            table
                .stage(&snapshot, rows(vec![("n", longs(&[Some(2)]))]))
                .await
                .unwrap(),
        )
        .unwrap();
    assert_eq!((staged.row_count(), files()), (2, 2));
    let own = snapshot
        .with_uncommitted(&staged.adds(), &crate::storage::Removal::None)
        .unwrap();
    assert!(own.has_uncommitted_files());
    assert_eq!(read(&own, &[]).await, ["1", "2"]);
    assert_eq!(
        read(&table.snapshot(Freshness::Strict).await.unwrap(), &[]).await.len(),
        0
    );
    staged.discard().await;
    assert_eq!(files(), 0);
    drop(
        table
            .stage(&snapshot, rows(vec![("n", longs(&[Some(3)]))]))
            .await
            .unwrap(),
    );
    for _ in 0..100 {
        if files() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(files(), 0, "dropped files are deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_with_rows_is_one_commit() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    let draft = TableDraft::new(&definition(&[("n", "bigint")], &[])).unwrap();
    let staged = table
        .stage_new(&draft, rows(vec![("n", longs(&[Some(1), Some(2)]))]))
        .await
        .unwrap();
    assert_eq!(
        read(&table.draft_snapshot(&draft, Some(&staged)).unwrap(), &[]).await,
        ["1", "2"]
    );
    let committed = table
        .create(
            &draft,
            Some(staged),
            Operation::new("CREATE TABLE AS SELECT").with_user("ann"),
        )
        .await
        .unwrap();
    assert_eq!(committed.version, 0);
    assert_eq!(read(&committed.snapshot, &[]).await, ["1", "2"]);
    let again = table.create(&draft, None, Operation::new("CREATE TABLE")).await;
    assert_eq!(again.unwrap_err().state(), SqlState::DuplicateTable);
    let history = table.history(10).await.unwrap();
    assert_eq!((history.len(), history[0].user_name.as_deref()), (1, Some("ann")));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_can_be_read_again() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    for n in 1..=12 {
        insert(&table, vec![("n", longs(&[Some(n)]))]).await.unwrap();
    }
    // Version 10 writes a checkpoint in the background.
    let checkpoint = table
        .url()
        .to_file_path()
        .unwrap()
        .join("_delta_log/00000000000000000010.checkpoint.parquet");
    for _ in 0..500 {
        if checkpoint.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(checkpoint.exists());
    let second = scratch.second();
    let other = second.table(&address).unwrap();
    assert_eq!(other.snapshot(Freshness::Strict).await.unwrap().version(), 12);
    assert_eq!(other.snapshot(Freshness::Strict).await.unwrap().row_count(), Some(12));
    for version in [0, 3, 10, 12] {
        let snapshot = other.snapshot_at(TimeTravel::Version(version)).await.unwrap();
        assert_eq!(read(&snapshot, &[]).await.len() as u64, version);
    }
    let past = |storage: &Storage| {
        storage
            .caches()
            .into_iter()
            .find(|cache| cache.name == "past snapshot")
            .unwrap()
    };
    assert_eq!((past(&second).misses, past(&second).hits), (3, 0));
    other.snapshot_at(TimeTravel::Version(3)).await.unwrap();
    assert_eq!(past(&second).hits, 1);
    assert_eq!(
        other.snapshot_at(TimeTravel::Version(13)).await.unwrap_err().state(),
        SqlState::InvalidParameterValue
    );
    let truncated = table.truncate(None, Operation::new("TRUNCATE")).await.unwrap();
    assert_eq!((truncated.version, truncated.snapshot.row_count()), (13, Some(0)));
    let history = other.history(3).await.unwrap();
    assert_eq!(
        history
            .iter()
            .map(|entry| (entry.version, entry.operation.as_deref().unwrap()))
            .collect::<Vec<_>>(),
        [(13, "TRUNCATE"), (12, "WRITE"), (11, "WRITE")]
    );
    let before = table
        .snapshot_at(TimeTravel::Timestamp(
            history[0].timestamp - chrono::Duration::milliseconds(1),
        ))
        .await
        .unwrap();
    assert!(before.version() < 13);
    let never = chrono::DateTime::from_timestamp_millis(0).unwrap();
    assert_eq!(
        table
            .snapshot_at(TimeTravel::Timestamp(never))
            .await
            .unwrap_err()
            .state(),
        SqlState::InvalidParameterValue
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_go_and_change_their_names() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("a", "bigint"), ("b", "text"), ("p", "text")], &["p"]).await;
    insert(
        &table,
        vec![
            ("a", longs(&[Some(1)])),
            ("b", texts_of(&[Some("one")])),
            ("p", texts_of(&[Some("x")])),
        ],
    )
    .await
    .unwrap();
    for changes in [
        vec![SchemaChange::AddColumn(column("c", "varchar(9)"))],
        vec![SchemaChange::RenameColumn {
            from: "a".into(),
            to: "n".into(),
        }],
        vec![SchemaChange::DropColumn { name: "b".into() }],
        // A column that takes a dropped one's name finds none of its values.
        vec![
            SchemaChange::AddColumn(column("b", "integer")),
            SchemaChange::RenameColumn {
                from: "p".into(),
                to: "part".into(),
            },
        ],
    ] {
        let snapshot = table.snapshot(Freshness::Strict).await.unwrap();
        table
            .alter(&snapshot, &changes, Operation::new("ALTER TABLE"))
            .await
            .unwrap();
    }
    let names: Vec<String> = table
        .snapshot(Freshness::Strict)
        .await
        .unwrap()
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["n", "part", "c", "b"]);
    insert(
        &table,
        vec![
            ("n", longs(&[Some(2)])),
            ("part", texts_of(&[Some("y")])),
            ("c", texts_of(&[Some("cc")])),
            ("b", Arc::new(Int32Array::from(vec![7]))),
        ],
    )
    .await
    .unwrap();
    for storage in [&scratch.storage, &scratch.second()] {
        let snapshot = storage
            .table(&address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!(read(&snapshot, &[]).await, ["1|x|null|null", "2|y|cc|7"]);
        assert_eq!(read(&snapshot, &[col("n").eq(lit(2_i64))]).await, ["2|y|cc|7"]);
        assert_eq!(read(&snapshot, &[col("part").eq(lit("x"))]).await, ["1|x|null|null"]);
        assert_eq!(read_with(&snapshot, Some(vec![3, 0]), &[]).await, ["7|2", "null|1"]);
        assert!(snapshot.field_ids().iter().all(Option::is_some));
    }
    let stale = table.snapshot_at(TimeTravel::Version(1)).await.unwrap();
    let late = table
        .alter(
            &stale,
            &[SchemaChange::SetComment(Some("late".into()))],
            Operation::new("ALTER TABLE"),
        )
        .await;
    assert_eq!(late.unwrap_err().state(), SqlState::SerializationFailure);
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_are_refused_where_the_table_forbids_them() {
    let scratch = scratch();
    let table = scratch.storage.table(&managed()).unwrap();
    let mut definition = definition(&[("n", "bigint")], &[]);
    definition.columns[0].nullable = false;
    table
        .create(
            &TableDraft::new(&definition).unwrap(),
            None,
            Operation::new("CREATE TABLE"),
        )
        .await
        .unwrap();
    let refused = insert(&table, vec![("n", longs(&[Some(1), None]))]).await.unwrap_err();
    assert_eq!(
        (refused.state(), refused.message()),
        (
            SqlState::NotNullViolation,
            "null value in column \"n\" violates not-null constraint"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_count_and_can_be_emptied() {
    let scratch = scratch();
    let address = managed();
    let table = scratch.storage.table(&address).unwrap();
    create(&table, &[("n", "bigint")], &[]).await;
    insert(&table, vec![("n", longs(&[Some(1)]))]).await.unwrap();
    let footers = |storage: &Storage| {
        storage
            .caches()
            .into_iter()
            .find(|cache| cache.name == "footer")
            .unwrap()
    };
    for _ in 0..2 {
        let snapshot = table
            .snapshot(Freshness::Within(Duration::from_secs(60)))
            .await
            .unwrap();
        read(&snapshot, &[]).await;
    }
    assert_eq!(
        (footers(&scratch.storage).misses, footers(&scratch.storage).hits),
        (1, 1)
    );
    scratch.storage.clear_caches();
    let snapshot = table
        .snapshot(Freshness::Within(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!(read(&snapshot, &[]).await, ["1"]);
    assert_eq!(footers(&scratch.storage).misses, 2);
}
