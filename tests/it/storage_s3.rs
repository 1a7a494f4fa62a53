//! Delta tables and the warehouse's log on a real S3 server, two processes' worth of writers at once. Runs where
//! `BOATHOUSE_TEST_S3_ENDPOINT` names the server (moto on loopback: `tests/python/s3_server.py -p PORT -H 127.0.0.1`); the
//! bucket `boathouse-test` has to exist.

use std::sync::Arc;

use boathouse::error::Result;
use boathouse::storage::{
    ColumnDefinition, DeltaTable, Freshness, Operation, PutOutcome, Storage, StorageLimits, TableAddress,
    TableDefinition, TableDraft,
};
use boathouse::types::SqlType;
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use uuid::Uuid;

async fn append(table: Arc<DeltaTable>, values: std::ops::Range<i64>) -> Result<()> {
    for n in values {
        let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![n])) as ArrayRef)])?;
        let stream = RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter([Ok(batch)]));
        let snapshot = table.snapshot(Freshness::Strict).await?;
        let staged = table.stage(&snapshot, vec![Box::pin(stream)]).await?;
        table.append(staged, Operation::new("WRITE")).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_on_one_bucket() {
    let Ok(endpoint) = std::env::var("BOATHOUSE_TEST_S3_ENDPOINT") else {
        return;
    };
    let options: Vec<(String, String)> = [
        ("aws_endpoint_url", endpoint.as_str()),
        ("aws_allow_http", "true"),
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "test"),
        ("aws_region", "us-east-1"),
    ]
    .map(|(key, value)| (key.to_string(), value.to_string()))
    .to_vec();
    let url = format!("s3://boathouse-test/{}", Uuid::new_v4());
    let open = || Storage::open(&url, &options, &StorageLimits::default()).unwrap();
    let (one, two) = (open(), open());
    let address = TableAddress::Managed(Uuid::new_v4());
    let column = ColumnDefinition {
        name: "n".into(),
        sql_type: SqlType::Int8,
        nullable: true,
        comment: None,
    };
    let draft = TableDraft::new(&TableDefinition {
        columns: vec![column],
        ..TableDefinition::default()
    })
    .unwrap();
    one.table(&address)
        .unwrap()
        .create(&draft, None, Operation::new("CREATE TABLE"))
        .await
        .unwrap();
    let (first, second) = tokio::join!(
        append(one.table(&address).unwrap(), 0..6),
        append(two.table(&address).unwrap(), 10..16)
    );
    first.unwrap();
    second.unwrap();
    for storage in [&one, &two] {
        let snapshot = storage
            .table(&address)
            .unwrap()
            .snapshot(Freshness::Strict)
            .await
            .unwrap();
        assert_eq!((snapshot.version(), snapshot.row_count()), (12, Some(12)));
        let context = SessionContext::new();
        let plan = snapshot.scan(&context.state(), None, &[], None).await.unwrap();
        let batches = datafusion::physical_plan::collect(plan, context.task_ctx())
            .await
            .unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 12);
    }
    let (mine, theirs) = (one.log_store(), two.log_store());
    assert_eq!(
        mine.put_if_absent("_boathouse/x", b"1").await.unwrap(),
        PutOutcome::Created
    );
    assert_eq!(
        theirs.put_if_absent("_boathouse/x", b"2").await.unwrap(),
        PutOutcome::AlreadyExists
    );
    assert_eq!(mine.list_after("_boathouse", "").await.unwrap(), ["x"]);
}
