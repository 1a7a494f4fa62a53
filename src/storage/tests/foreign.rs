//! Tables as other writers make them: deletion vectors, column mapping by id, nested names, older files, rounded
//! statistics, missing features, crafted paths.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{col, lit};
use delta_kernel::actions::deletion_vector_writer::{KernelDeletionVector, StreamingDeletionVectorWriter};
use serde_json::{Value, json};

use super::*;
use crate::error::SqlState;

/// A table whose log the test writes itself.
pub(super) struct Foreign {
    pub(super) scratch: Scratch,
    address: TableAddress,
    pub(super) folder: PathBuf,
}

impl Foreign {
    pub(super) fn new() -> Foreign {
        let scratch = scratch();
        let folder = scratch.folder.path().join("outside/t");
        std::fs::create_dir_all(folder.join("_delta_log")).unwrap();
        let address = scratch.outside("t");
        Foreign {
            scratch,
            address,
            folder,
        }
    }

    pub(super) fn commit(&self, version: u64, actions: &[Value]) {
        let text: String = actions.iter().map(|action| format!("{action}\n")).collect();
        std::fs::write(self.folder.join(format!("_delta_log/{version:020}.json")), text).unwrap();
    }

    /// Writes a Parquet file and answers its add action without statistics.
    pub(super) fn file(&self, name: &str, batch: &RecordBatch) -> Value {
        self.file_of_groups(name, batch, batch.num_rows().max(1))
    }

    /// The same with row groups of so many rows.
    pub(super) fn file_of_groups(&self, name: &str, batch: &RecordBatch, rows: usize) -> Value {
        let path = self.folder.join(name);
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(rows))
            .build();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        json!({"path": name, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true})
    }

    pub(super) fn address(&self) -> &TableAddress {
        &self.address
    }

    pub(super) fn table(&self) -> Arc<DeltaTable> {
        self.scratch.storage.table(&self.address).unwrap()
    }

    pub(super) async fn snapshot(&self) -> crate::error::Result<Arc<TableSnapshot>> {
        self.table().snapshot(Freshness::Strict).await
    }
}

pub(super) fn protocol(features: &[&str]) -> Value {
    json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}})
}

pub(super) fn metadata(fields: Value, configuration: Value) -> Value {
    json!({"metaData": {
        "id": "00000000-0000-0000-0000-000000000001", "format": {"provider": "parquet", "options": {}},
        "schemaString": json!({"type": "struct", "fields": fields}).to_string(),
        "partitionColumns": [], "configuration": configuration, "createdTime": 0,
    }})
}

pub(super) fn field(name: &str, data_type: Value) -> Value {
    json!({"name": name, "type": data_type, "nullable": true, "metadata": {}})
}

pub(super) fn with(mut add: Value, members: Value) -> Value {
    members
        .as_object()
        .unwrap()
        .iter()
        .for_each(|(key, value)| add[key] = value.clone());
    json!({"add": add})
}

pub(super) fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef)]).unwrap()
}

/// Z85 (ZeroMQ RFC 32), which deletion vectors spell their UUIDs in.
fn z85(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for chunk in bytes.chunks(4) {
        let value = u32::from_be_bytes(chunk.try_into().unwrap());
        text.extend(
            (0..5)
                .rev()
                .map(|power| ALPHABET[(value / 85_u32.pow(power) % 85) as usize] as char),
        );
    }
    text
}

/// Writes a deletion vector file and answers its descriptor.
pub(super) fn deletion_vector(folder: &std::path::Path, deleted: &[u64]) -> Value {
    let id = Uuid::new_v4();
    let mut bytes = vec![];
    let mut writer = StreamingDeletionVectorWriter::new(&mut bytes);
    let mut vector = KernelDeletionVector::new();
    vector.add_deleted_row_indexes(deleted);
    let written = writer.write_deletion_vector(vector).unwrap();
    writer.finalize().unwrap();
    std::fs::write(folder.join(format!("deletion_vector_{id}.bin")), bytes).unwrap();
    json!({
        "storageType": "u", "pathOrInlineDv": z85(id.as_bytes()), "offset": written.offset,
        "sizeInBytes": written.size_in_bytes, "cardinality": written.cardinality,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_rows_stay_deleted() {
    let foreign = Foreign::new();
    let add = foreign.file("a.parquet", &numbers(0..10));
    let statistics =
        json!({"numRecords": 10, "minValues": {"n": 0}, "maxValues": {"n": 9}, "nullCount": {"n": 0}}).to_string();
    foreign.commit(
        0,
        &[
            protocol(&["deletionVectors"]),
            metadata(
                json!([field("n", json!("long"))]),
                json!({"delta.enableDeletionVectors": "true"}),
            ),
            with(add.clone(), json!({"stats": statistics})),
        ],
    );
    assert_eq!(foreign.snapshot().await.unwrap().row_count(), Some(10));
    let first = deletion_vector(&foreign.folder, &[0, 3, 9]);
    let loose = json!({"numRecords": 10, "minValues": {"n": 0}, "maxValues": {"n": 9}, "nullCount": {"n": 0}, "tightBounds": false}).to_string();
    foreign.commit(
        1,
        &[
            json!({"remove": {"path": "a.parquet", "dataChange": true, "deletionTimestamp": 1}}),
            with(add.clone(), json!({"stats": loose, "deletionVector": first})),
        ],
    );
    let second = foreign.scratch.second();
    for storage in [&foreign.scratch.storage, &second] {
        let snapshot = storage
            .table(&foreign.address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!((snapshot.version(), snapshot.row_count()), (1, Some(7)));
        assert_eq!(read(&snapshot, &[]).await, ["1", "2", "4", "5", "6", "7", "8"]);
        assert_eq!(
            read(&snapshot, &[col("n").gt(lit(5_i64))]).await.len(),
            7,
            "filters only choose files here"
        );
        let statistics = snapshot.statistics();
        assert_eq!(statistics.num_rows, Precision::Exact(7));
        assert_eq!(
            statistics.column_statistics[0].max_value,
            Precision::Inexact(ScalarValue::Int64(Some(9)))
        );
    }
    // A later vector replaces the first; truncation removes the file under its vector.
    let more = deletion_vector(&foreign.folder, &[0, 1, 2, 3, 4, 5, 6, 7, 9]);
    foreign.commit(2, &[
        json!({"remove": {"path": "a.parquet", "dataChange": true, "deletionTimestamp": 1, "deletionVector": first}}),
        with(add, json!({"stats": loose, "deletionVector": more})),
    ]);
    assert_eq!(read(&foreign.snapshot().await.unwrap(), &[]).await, ["8"]);
    let truncated = foreign
        .table()
        .truncate(None, Operation::new("TRUNCATE"))
        .await
        .unwrap();
    assert_eq!(truncated.snapshot.file_count(), 0);
    let replayed = second
        .table(&foreign.address)
        .unwrap()
        .snapshot(Freshness::Strict)
        .await
        .unwrap();
    assert_eq!((replayed.version(), replayed.file_count()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn selections_survive_splitting_filters_and_limits() {
    let foreign = Foreign::new();
    let add = foreign.file("a.parquet", &numbers(0..100_000));
    let deleted: Vec<u64> = (0..100_000).filter(|row| row % 3 == 0).collect();
    let vector = deletion_vector(&foreign.folder, &deleted);
    foreign.commit(
        0,
        &[
            protocol(&["deletionVectors"]),
            metadata(json!([field("n", json!("long"))]), json!({})),
            with(
                add,
                json!({"stats": "{\"numRecords\":100000}", "deletionVector": vector}),
            ),
        ],
    );
    let snapshot = foreign.snapshot().await.unwrap();
    let context = session();
    let state = context.state();
    for (limit, filters, expected) in [(None, vec![], 66_666), (Some(10), vec![], 10)] {
        let plan = snapshot.scan(&state, None, &filters, limit).await.unwrap();
        let split = plan.repartitioned(2, state.config_options()).unwrap().unwrap_or(plan);
        let batches = datafusion::physical_plan::collect(split, context.task_ctx())
            .await
            .unwrap();
        let rows: Vec<i64> = batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(0)
                    .as_any()
                    .downcast_ref::<Int64Array>()
                    .unwrap()
                    .values()
                    .to_vec()
            })
            .collect();
        assert!(rows.len() >= expected && rows.iter().all(|n| n % 3 != 0), "{limit:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_mapped_by_id_and_nested_names() {
    let foreign = Foreign::new();
    let mapped = |name: &str, id: i64, physical: &str, data_type: Value| {
        let mapping = json!({"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical});
        json!({"name": name, "type": data_type, "nullable": true, "metadata": mapping})
    };
    let inner = |first: i64| {
        json!({"type": "struct", "fields": [
            mapped("x", first, "col-x", json!("integer")),
            mapped("y", first + 1, "col-y", json!("string")),
        ]})
    };
    let items = json!({"type": "array", "elementType": inner(6), "containsNull": true});
    let schema = json!([
        mapped("a", 1, "col-a", json!("long")),
        mapped("s", 2, "col-s", inner(3)),
        mapped("l", 5, "col-l", items),
        mapped("late", 9, "col-late", json!("string"))
    ]);
    let with_id =
        |field: Field, id: i64| field.with_metadata(HashMap::from([("PARQUET:field_id".to_string(), id.to_string())]));
    let x = with_id(Field::new("col-x", DataType::Int32, true), 3);
    let y = with_id(Field::new("col-y", DataType::Utf8, true), 4);
    let structs = StructArray::from(vec![
        (Arc::new(x.clone()), Arc::new(Int32Array::from(vec![7, 8])) as ArrayRef),
        (
            Arc::new(y.clone()),
            Arc::new(StringArray::from(vec![Some("seven"), None])) as ArrayRef,
        ),
    ]);
    let element = Arc::new(Field::new("element", structs.data_type().clone(), true));
    let lists = ListArray::new(
        element.clone(),
        datafusion::arrow::buffer::OffsetBuffer::new(vec![0, 2, 2].into()),
        Arc::new(structs.clone()),
        None,
    );
    // The file's top-level names are neither logical nor physical: only the ids count.
    let file_schema = Schema::new(vec![
        with_id(Field::new("zzz", structs.data_type().clone(), true), 2),
        with_id(Field::new("a_in_file", DataType::Int32, true), 1),
        with_id(Field::new("lll", lists.data_type().clone(), true), 5),
    ]);
    let batch = RecordBatch::try_new(
        Arc::new(file_schema),
        vec![
            Arc::new(structs),
            Arc::new(Int32Array::from(vec![1, 2])),
            Arc::new(lists),
        ],
    )
    .unwrap();
    let add = foreign.file("a.parquet", &batch);
    foreign.commit(0, &[
        protocol(&["columnMapping", "typeWidening"]),
        metadata(schema, json!({"delta.columnMapping.mode": "id", "delta.columnMapping.maxColumnId": "9"})),
        with(add, json!({"stats": "{\"numRecords\":2,\"minValues\":{\"col-a\":1},\"maxValues\":{\"col-a\":2},\"nullCount\":{\"col-a\":0}}"})),
    ]);
    let snapshot = foreign.snapshot().await.unwrap();
    assert_eq!(
        read(&snapshot, &[]).await,
        [
            "1|{x: 7, y: seven}|[{x: 7, y: seven}, {x: 8, y: null}]|null",
            "2|{x: 8, y: null}|[]|null",
        ]
    );
    assert_eq!(
        read_with(&snapshot, Some(vec![0]), &[col("a").gt(lit(5_i64))])
            .await
            .len(),
        0
    );
    assert_eq!(read_with(&snapshot, Some(vec![3, 0]), &[]).await, ["null|1", "null|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rounded_statistics_hide_no_row() {
    let foreign = Foreign::new();
    let decimals = Decimal128Array::from(vec![12345678901234567891_i128])
        .with_precision_and_scale(20, 0)
        .unwrap();
    let batch = RecordBatch::try_from_iter([
        ("d", Arc::new(decimals) as ArrayRef),
        (
            "t",
            Arc::new(TimestampMicrosecondArray::from(vec![1_000_999]).with_timezone("UTC")) as ArrayRef,
        ),
        ("f", Arc::new(Float64Array::from(vec![f64::NAN])) as ArrayRef),
    ])
    .unwrap();
    let add = foreign.file("a.parquet", &batch);
    // As delta-rs writes them: the decimal through a double, the timestamp in milliseconds, NaN ignored.
    let statistics = r#"{"numRecords":1,"minValues":{"d":1.2345678901234567e19,"t":"1970-01-01T00:00:01.000Z","f":1.0},"maxValues":{"d":1.2345678901234567e19,"t":"1970-01-01T00:00:01.000Z","f":2.0},"nullCount":{"d":0,"t":0,"f":0}}"#;
    foreign.commit(
        0,
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            metadata(
                json!([
                    field("d", json!("decimal(20,0)")),
                    field("t", json!("timestamp")),
                    field("f", json!("double"))
                ]),
                json!({}),
            ),
            with(add, json!({"stats": statistics})),
        ],
    );
    let snapshot = foreign.snapshot().await.unwrap();
    for filter in [
        col("d").eq(lit(ScalarValue::Decimal128(Some(12345678901234567891), 20, 0))),
        col("t").eq(lit(ScalarValue::TimestampMicrosecond(
            Some(1_000_999),
            Some("UTC".into()),
        ))),
        col("f").gt(lit(5.0_f64)),
    ] {
        assert_eq!(
            read(&snapshot, std::slice::from_ref(&filter)).await.len(),
            1,
            "{filter}"
        );
    }
    assert_eq!(
        read(
            &snapshot,
            &[col("t").gt(lit(ScalarValue::TimestampMicrosecond(
                Some(2_000_000),
                Some("UTC".into())
            )))]
        )
        .await
        .len(),
        0
    );
    let statistics = snapshot.statistics();
    assert!(
        statistics
            .column_statistics
            .iter()
            .all(|column| !matches!(column.max_value, Precision::Exact(_)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_statistics_are_no_statistics() {
    let foreign = Foreign::new();
    let (one, two) = (
        foreign.file("a.parquet", &numbers(0..3)),
        foreign.file("b.parquet", &numbers(10..13)),
    );
    foreign.commit(0, &[
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        metadata(json!([field("n", json!("long"))]), json!({})),
        with(one, json!({"stats": "{\"numRecords\":\"three\",\"minValues\":[]}"})),
        with(two, json!({"stats": "{\"numRecords\":3,\"minValues\":{\"n\":10},\"maxValues\":{\"n\":12},\"nullCount\":{\"n\":0}}"})),
    ]);
    let snapshot = foreign.snapshot().await.unwrap();
    assert_eq!(snapshot.row_count(), None);
    assert_eq!(read(&snapshot, &[col("n").lt(lit(5_i64))]).await, ["0", "1", "2"]);
    assert_eq!(read(&snapshot, &[]).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_outside_the_table_are_refused() {
    for (action, version) in [
        (json!({"path": "../secret/a.parquet"}), 0),
        (json!({"path": "%2e%2e/secret/a.parquet"}), 1),
        (json!({"path": "file:///etc/passwd"}), 0),
        (json!({"path": "/etc/passwd"}), 1),
        (
            json!({"deletionVector": {"storageType": "p", "pathOrInlineDv": "file:///etc/passwd", "offset": 1, "sizeInBytes": 8, "cardinality": 1}}),
            1,
        ),
    ] {
        let foreign = Foreign::new();
        let add = foreign.file("a.parquet", &numbers(0..3));
        let crafted = with(add, action.clone());
        let head = [
            protocol(&["deletionVectors"]),
            metadata(json!([field("n", json!("long"))]), json!({})),
        ];
        if version == 0 {
            foreign.commit(0, &[head[0].clone(), head[1].clone(), crafted]);
        } else {
            foreign.commit(0, &head);
            foreign.snapshot().await.unwrap();
            foreign.commit(1, &[crafted]);
        }
        let refused = foreign.snapshot().await.unwrap_err();
        assert_eq!(refused.state(), SqlState::DataCorrupted, "{action}");
        assert!(refused.message().contains("outside the table"), "{action}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_features_are_named() {
    let foreign = Foreign::new();
    foreign.commit(
        0,
        &[
            protocol(&["variantType"]),
            metadata(json!([field("n", json!("long"))]), json!({})),
        ],
    );
    let refused = foreign.snapshot().await.unwrap_err();
    assert_eq!(refused.state(), SqlState::FeatureNotSupported);
    assert!(refused.to_string().contains("variantType"), "{refused}");
    let foreign = Foreign::new();
    foreign.commit(
        0,
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 3}}),
            metadata(
                json!([field("n", json!("long"))]),
                json!({"delta.constraints.positive": "n > 0"}),
            ),
        ],
    );
    let refused = insert(&foreign.table(), vec![("n", Arc::new(Int64Array::from(vec![-1])))])
        .await
        .unwrap_err();
    assert_eq!(refused.state(), SqlState::FeatureNotSupported);
    assert!(refused.message().contains("checkConstraints"), "{refused}");
    let foreign = Foreign::new();
    let add = foreign.file("a.parquet", &numbers(0..3));
    foreign.commit(
        0,
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            metadata(json!([field("n", json!("long"))]), json!({"delta.appendOnly": "true"})),
            json!({"add": add}),
        ],
    );
    let refused = foreign
        .table()
        .truncate(None, Operation::new("TRUNCATE"))
        .await
        .unwrap_err();
    assert_eq!(refused.state(), SqlState::ObjectNotInPrerequisiteState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_breaks_the_rules_is_noticed() {
    let foreign = Foreign::new();
    let add = foreign.file("a.parquet", &numbers(0..3));
    foreign.commit(
        0,
        &[
            json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
            metadata(json!([field("n", json!("long"))]), json!({})),
            json!({"add": add}),
        ],
    );
    foreign.snapshot().await.unwrap();
    foreign.commit(1, &[json!({"remove": {"path": "gone.parquet", "dataChange": true}})]);
    assert_eq!(
        read(&foreign.snapshot().await.unwrap(), &[]).await.len(),
        3,
        "reading goes on"
    );
    let refused = insert(&foreign.table(), vec![("n", Arc::new(Int64Array::from(vec![1])))])
        .await
        .unwrap_err();
    assert_eq!(refused.state(), SqlState::ObjectNotInPrerequisiteState);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_commit_timestamps_rise() {
    let foreign = Foreign::new();
    let future = chrono::Utc::now().timestamp_millis() + 3_600_000;
    foreign.commit(0, &[
        json!({"commitInfo": {"inCommitTimestamp": future, "timestamp": future, "operation": "CREATE TABLE"}}),
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"]}}),
        metadata(json!([field("n", json!("long"))]), json!({"delta.enableInCommitTimestamps": "true"})),
    ]);
    insert(&foreign.table(), vec![("n", Arc::new(Int64Array::from(vec![1])))])
        .await
        .unwrap();
    let first = std::fs::read_to_string(foreign.folder.join("_delta_log/00000000000000000001.json")).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["commitInfo"]["inCommitTimestamp"], json!(future + 1));
}
