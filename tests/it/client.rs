//! tokio-postgres against the server: Describe before Bind, binary values both ways, portals with a row
//! limit, pipelining, COPY and cancel.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use futures::{SinkExt, TryStreamExt, future, pin_mut};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::server::Server;

async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.connect("boathouse").await;
    (server, client)
}

async fn echo<T: ToSql + FromSqlOwned + PartialEq + std::fmt::Debug + Sync>(client: &Client, sql_type: &str, value: T) {
    let row = client.query_one(&format!("select $1::{sql_type}"), &[&value]).await;
    assert_eq!(
        row.unwrap_or_else(|error| panic!("{sql_type}: {error:?}"))
            .get::<_, T>(0),
        value,
        "{sql_type}"
    );
}

#[tokio::test]
async fn binary_values_come_back_unchanged() {
    let (_server, client) = start().await;
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    let noon = NaiveTime::from_hms_micro_opt(12, 34, 56, 789).unwrap();
    let moment: DateTime<Utc> = day.and_time(noon).and_utc();
    echo(&client, "bool", true).await;
    echo(&client, "int2", -7_i16).await;
    echo(&client, "int4", i32::MIN).await;
    echo(&client, "int8", i64::MAX).await;
    echo(&client, "float4", 1.25_f32).await;
    echo(&client, "float8", -0.1_f64).await;
    echo(&client, "text", "héllo".to_string()).await;
    echo(&client, "varchar", String::new()).await;
    echo(&client, "bytea", vec![0_u8, 255, 7]).await;
    echo(&client, "date", day).await;
    echo(&client, "time", noon).await;
    echo(&client, "timestamp", day.and_time(noon)).await;
    echo(&client, "timestamptz", moment).await;
    echo(&client, "uuid", Uuid::from_u128(0x1234)).await;
    echo(&client, "json", serde_json::json!({"a": [1, null]})).await;
    echo(&client, "jsonb", serde_json::json!(["x", {"b": 1.5}])).await;
    echo(&client, "int4[]", vec![Some(1), None, Some(3)]).await;
    echo(&client, "text[]", vec!["a".to_string(), "b,\"c".to_string()]).await;
    echo(&client, "timestamp[]", vec![day.and_time(noon)]).await;
    echo(&client, "int8", None::<i64>).await;
}

#[tokio::test]
async fn describe_tells_types_before_bind() {
    let (_server, client) = start().await;
    client
        .batch_execute("create table described (id int, word text, amount numeric(8,2))")
        .await
        .unwrap();
    let statement = client
        .prepare("select word, amount, id + 1 as next from described where id = $1 and word > $2")
        .await;
    let statement = statement.unwrap();
    assert_eq!(statement.params(), [Type::INT4, Type::TEXT]);
    let columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_().clone()))
        .collect();
    assert_eq!(
        columns,
        [("word", Type::TEXT), ("amount", Type::NUMERIC), ("next", Type::INT4)]
    );
    let insert = client
        .prepare("insert into described values ($1, $2, 1.5)")
        .await
        .unwrap();
    assert_eq!(insert.params(), [Type::INT4, Type::TEXT]);
    assert_eq!(client.execute(&insert, &[&1, &"x"]).await.unwrap(), 1);
    assert_eq!(client.query(&statement, &[&1, &"a"]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn portals_give_their_rows_in_parts() {
    let (_server, mut client) = start().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("select n::int4 from generate_series(1, 10) g(n) order by n", &[])
        .await
        .unwrap();
    let mut seen = Vec::new();
    for expected in [4, 4, 2, 0] {
        let part = transaction.query_portal(&portal, 4).await.unwrap();
        assert_eq!(part.len(), expected);
        seen.extend(part.iter().map(|row| row.get::<_, i32>(0)));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    let other = transaction.bind("select 'x' as letter", &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&other, 0).await.unwrap().len(), 1);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn sql_fetches_from_portals() {
    let (_server, mut client) = start().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind("select n::int4 from generate_series(1, 10) g(n) order by n", &[])
        .await
        .unwrap();
    let values = |rows: &[tokio_postgres::Row]| rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>();
    let first = transaction.query_portal(&portal, 2).await.unwrap();
    assert_eq!(values(&first), [1, 2]);
    let name: String = transaction
        .query_one("select name from pg_cursors where name <> ''", &[])
        .await
        .unwrap()
        .get(0);
    let by_sql = transaction
        .query(&format!("fetch 3 from \"{name}\""), &[])
        .await
        .unwrap();
    assert_eq!(values(&by_sql), [3, 4, 5]);
    transaction
        .batch_execute(&format!("move 2 in \"{name}\""))
        .await
        .unwrap();
    let rest = transaction.query_portal(&portal, 0).await.unwrap();
    assert_eq!(values(&rest), [8, 9, 10]);
    // A cursor of SQL and a portal cannot have one name.
    let taken = transaction
        .batch_execute(&format!("declare \"{name}\" cursor for select 1"))
        .await
        .unwrap_err();
    assert_eq!(taken.code().map(|code| code.code()), Some("42P03"));
}

#[tokio::test]
async fn pipelined_queries_answer_in_order() {
    let (_server, client) = start().await;
    let queries = (0..50_i32).map(|number| {
        let client = &client;
        async move {
            client
                .query_one("select $1::int4 * 2", &[&number])
                .await
                .map(|row| row.get::<_, i32>(0))
        }
    });
    let answers = future::try_join_all(queries).await.unwrap();
    assert_eq!(answers, (0..50).map(|number| number * 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn copy_goes_both_ways() {
    let (_server, client) = start().await;
    client
        .batch_execute("create table copied (id int, word text, made timestamp)")
        .await
        .unwrap();
    let sink = client.copy_in("copy copied from stdin binary").await.unwrap();
    let writer = BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT, Type::TIMESTAMP]);
    pin_mut!(writer);
    let made: NaiveDateTime = NaiveDate::from_ymd_opt(2024, 1, 2)
        .unwrap()
        .and_hms_opt(3, 4, 5)
        .unwrap();
    writer.as_mut().write(&[&1_i32, &"one", &made]).await.unwrap();
    writer.as_mut().write(&[&2_i32, &None::<&str>, &made]).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 2);

    let sink = client.copy_in("copy copied from stdin").await.unwrap();
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"3\tthree\t2024-01-02 03:0"))
        .await
        .unwrap();
    sink.send(Bytes::from_static(b"4:05\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 1);

    let stream = client
        .copy_out("copy (select * from copied order by id) to stdout binary")
        .await
        .unwrap();
    let rows = BinaryCopyOutStream::new(stream, &[Type::INT4, Type::TEXT, Type::TIMESTAMP]);
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    let read: Vec<_> = rows
        .iter()
        .map(|row| (row.get::<i32>(0), row.get::<Option<&str>>(1), row.get(2)))
        .collect();
    assert_eq!(
        read,
        [(1, Some("one"), made), (2, None, made), (3, Some("three"), made)]
    );
}

#[tokio::test]
async fn transactions_roll_back_when_dropped() {
    let (_server, mut client) = start().await;
    client.batch_execute("create table kept (n int)").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("insert into kept values ($1)", &[&1])
        .await
        .unwrap();
    drop(transaction);
    assert_eq!(
        client
            .query_one("select count(*) from kept", &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        0
    );
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("insert into kept values ($1)", &[&2])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        client
            .query_one("select sum(n) from kept", &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        2
    );
}

#[tokio::test]
async fn cancel_requests_stop_the_work() {
    let (_server, client) = start().await;
    let token = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await.unwrap();
    });
    let begun = Instant::now();
    let endless =
        "select sum(a.n::bigint * b.n) from generate_series(1, 1000000) a(n), generate_series(1, 1000000) b(n)";
    let error = client.query(endless, &[]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(client.query_one("select 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}

#[tokio::test]
async fn errors_carry_sqlstate_and_position() {
    let (_server, client) = start().await;
    let error = client.prepare("select 1 + nosuch").await.unwrap_err();
    let report = error.as_db_error().unwrap();
    assert_eq!(
        (report.code(), report.severity()),
        (&SqlState::UNDEFINED_COLUMN, "ERROR")
    );
    assert_eq!(
        report.position(),
        Some(&tokio_postgres::error::ErrorPosition::Original(12))
    );
    let error = client
        .query("select * from nosuch where a = $1", &[&1])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_TABLE));
    assert_eq!(client.query_one("select 1", &[]).await.unwrap().get::<_, i32>(0), 1);
}
