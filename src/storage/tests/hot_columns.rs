//! Hot columns answer as Parquet does: random tables with nulls, several row groups, deletion vectors, missing
//! columns and a partition column, under random filters, projections, joins and top-k.

use std::collections::HashMap;

use async_trait::async_trait;
use datafusion::arrow::array::*;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::foreign::{Foreign, deletion_vector, field, metadata, protocol, with};
use super::*;

/// Rows of a file; more than a block, no multiple of one.
const ROWS: usize = 30_000;

/// A table for plain SQL in these tests.
#[derive(Debug)]
struct Probe(Arc<TableSnapshot>);

#[async_trait]
impl TableProvider for Probe {
    fn schema(&self) -> Arc<Schema> {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self.0.scan(session, projection, filters, limit).await?)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

fn random_batch(random: &mut StdRng) -> RecordBatch {
    let nulls = random.random_range(0..3) * 40;
    let ascending = random.random_bool(0.5);
    fn values<T>(random: &mut StdRng, nulls: u32, mut value: impl FnMut(&mut StdRng, usize) -> T) -> Vec<Option<T>> {
        (0..ROWS)
            .map(|row| {
                let is_null = random.random_range(0..100) < nulls;
                let value = value(random, row);
                (!is_null).then_some(value)
            })
            .collect()
    }
    let span: i64 = [10, 1000, 100_000, i64::MAX / 2][random.random_range(0..4)];
    let place = |row: usize| if ascending { row as i64 } else { 0 };
    let words = [
        "",
        "a",
        "ab",
        "PROMO BRASS",
        "a string of more than twelve bytes",
        "ümläut",
        "%_",
    ];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        (
            "n",
            Arc::new(Int64Array::from(values(random, nulls, |random, row| {
                place(row) + random.random_range(-span..=span)
            }))),
        ),
        (
            "i",
            Arc::new(Int32Array::from(values(random, nulls, |random, row| {
                (place(row) / 10) as i32 + random.random_range(0..50)
            }))),
        ),
        (
            "d",
            Arc::new(Date32Array::from(values(random, nulls, |random, _| {
                random.random_range(8000..10_500)
            }))),
        ),
        (
            "ts",
            Arc::new(
                TimestampMicrosecondArray::from(values(random, nulls, |random, _| {
                    random.random_range(0..2_000_000_000_000_000_i64)
                }))
                .with_timezone("UTC"),
            ),
        ),
        (
            "dec",
            Arc::new(
                Decimal128Array::from(values(random, nulls, |random, _| {
                    i128::from(random.random_range(-500..5000))
                }))
                .with_precision_and_scale(12, 2)
                .unwrap(),
            ),
        ),
        (
            "big",
            Arc::new(
                Decimal128Array::from(values(random, nulls, |random, _| {
                    random.random_range(-9..9) * 10_i128.pow(25)
                }))
                .with_precision_and_scale(38, 4)
                .unwrap(),
            ),
        ),
        (
            "w",
            Arc::new(StringArray::from(values(random, nulls, |random, _| {
                words[random.random_range(0..words.len())]
            }))),
        ),
        (
            "t",
            Arc::new(StringArray::from(values(random, nulls, |random, row| {
                format!("{} comment of row {row}", words[random.random_range(0..words.len())])
            }))),
        ),
        (
            "f",
            Arc::new(Float64Array::from(values(random, nulls, |random, _| {
                [0.0, -0.0, f64::NAN, 1.5, -7.25][random.random_range(0..5)]
            }))),
        ),
        (
            "b",
            Arc::new(BooleanArray::from(values(random, nulls, |random, _| {
                random.random_bool(0.3)
            }))),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true))).unwrap()
}

/// A table of two files, one with a deletion vector; neither has the column `later`.
async fn random_table(random: &mut StdRng) -> (Foreign, Arc<TableSnapshot>) {
    let foreign = Foreign::new();
    let types = [
        ("k", "long"),
        ("n", "long"),
        ("i", "integer"),
        ("d", "date"),
        ("ts", "timestamp"),
        ("dec", "decimal(12,2)"),
        ("big", "decimal(38,4)"),
        ("w", "string"),
        ("t", "string"),
        ("f", "double"),
        ("b", "boolean"),
        ("later", "integer"),
        ("part", "string"),
    ];
    let fields: Vec<_> = types.iter().map(|(name, kind)| field(name, json!(kind))).collect();
    let mut described = metadata(json!(fields), json!({"delta.enableDeletionVectors": "true"}));
    described["metaData"]["partitionColumns"] = json!(["part"]);
    let mut actions = vec![protocol(&["deletionVectors"]), described];
    for (name, part) in [("a.parquet", json!("x")), ("b.parquet", json!(null))] {
        let batch = random_batch(random);
        let mut add = foreign.file_of_groups(name, &batch, [9000, 20_000, ROWS][random.random_range(0..3)]);
        add["partitionValues"] = json!({"part": part});
        let mut members = json!({"stats": json!({"numRecords": ROWS}).to_string()});
        if random.random_bool(0.5) {
            let deleted: Vec<u64> = (0..ROWS as u64)
                .filter(|row| row % 7 == 3 || (9000..18_000).contains(row))
                .collect();
            members["deletionVector"] = deletion_vector(&foreign.folder, &deleted);
        }
        actions.push(with(add, members));
    }
    foreign.commit(0, &actions);
    let snapshot = foreign.snapshot().await.unwrap();
    (foreign, snapshot)
}

fn random_filter(random: &mut StdRng, depth: usize) -> String {
    if depth > 0 && random.random_bool(0.6) {
        let (left, right) = (random_filter(random, depth - 1), random_filter(random, depth - 1));
        return match random.random_range(0..5) {
            0 => format!("NOT ({left})"),
            1 | 2 => format!("({left}) AND ({right})"),
            _ => format!("({left}) OR ({right})"),
        };
    }
    let op = ["=", "<>", "<", "<=", ">", ">="][random.random_range(0..6)];
    let number = random.random_range(-20..4000);
    match random.random_range(0..16) {
        0 => format!("n {op} {number}"),
        1 => format!("i {op} {number}"),
        2 => format!("i BETWEEN {number} AND {}", number + 100),
        3 => format!("i IN ({number}, {}, 7, NULL)", number / 2),
        4 => format!("n NOT IN ({number}, 3)"),
        5 => format!("d {op} date '1995-03-0{}'", random.random_range(1..9)),
        6 => format!("ts {op} timestamp '1999-01-01T00:00:00Z'"),
        7 => format!("CAST({number}.5 / 10 AS decimal(12,2)) {op} dec"),
        8 => format!("w {op} 'ab'"),
        9 => format!(
            "w LIKE '{}'",
            ["PROMO%", "%a%", "_", "%", "ü%", ""][random.random_range(0..6)]
        ),
        10 => format!("t NOT LIKE '%row 1%{}%'", random.random_range(0..9)),
        11 => format!(
            "{} IS NULL",
            ["n", "w", "t", "later", "part", "b", "big"][random.random_range(0..7)]
        ),
        12 => format!("{} IS NOT NULL", ["i", "t", "f", "part"][random.random_range(0..4)]),
        13 => format!("i {op} k"),
        14 => {
            ["b", "part = 'x'", "f > 0.5", "later = 3", "w IN ('ab', 'PROMO BRASS')"][random.random_range(0..5)].into()
        }
        _ => format!("k {op} {}", number * 8),
    }
}

fn random_query(random: &mut StdRng) -> String {
    let filter = random_filter(random, 3);
    let list = [
        "*",
        "k",
        "k, w, dec * 2 AS doubled, later",
        "k, t, part, big",
        "k, f, b, ts, d",
    ][random.random_range(0..5)];
    match random.random_range(0..6) {
        0 => format!("SELECT w, count(*), sum(dec), min(d) FROM t WHERE {filter} GROUP BY w"),
        1 => format!("SELECT k, i FROM t WHERE {filter} ORDER BY k DESC, i, part NULLS FIRST LIMIT 9"),
        2 => format!("SELECT count(*) FROM t WHERE {filter}"),
        3 => format!(
            "SELECT a.k, b.w FROM t a JOIN (SELECT k, w FROM t WHERE i < 40 AND part = 'x') b ON a.n = b.k WHERE {}",
            filter_of("a", &filter)
        ),
        _ => format!("SELECT {list} FROM t WHERE {filter}"),
    }
}

/// The filter on a subquery's columns: names are unique there.
fn filter_of(alias: &str, filter: &str) -> String {
    format!("{alias}.k IN (SELECT k FROM t WHERE {filter})")
}

async fn answer(snapshot: &Arc<TableSnapshot>, query: &str, hot_columns: bool, batch_size: usize) -> Vec<String> {
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_batch_size(batch_size)
        .with_extension(Arc::new(ScanOptions { hot_columns }));
    let context = SessionContext::new_with_config(config);
    context
        .register_table("t", Arc::new(Probe(Arc::clone(snapshot))))
        .unwrap();
    let frame = context.sql(query).await.unwrap();
    let schema = frame.schema().as_arrow().clone();
    texts(&schema, &frame.collect().await.unwrap())
}

fn hot_hits(scratch: &Scratch) -> u64 {
    let caches: HashMap<_, _> = scratch
        .storage
        .caches()
        .into_iter()
        .map(|cache| (cache.name, cache.hits))
        .collect();
    caches["hot column"]
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_answers_are_cold_answers() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let (foreign, snapshot) = random_table(&mut random).await;
        for number in 0..25 {
            let query = random_query(&mut random);
            let expected = answer(&snapshot, &query, false, 8192).await;
            let batch_size = [8192, 1000][number % 2];
            for run in 0..3 {
                let found = answer(&snapshot, &query, true, batch_size).await;
                assert!(
                    found == expected,
                    "seed {seed}, run {run}: {} rows instead of {}: {query}",
                    found.len(),
                    expected.len()
                );
            }
        }
        assert!(hot_hits(&foreign.scratch) > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compact_output_is_the_same_values_hot_and_cold() {
    let mut random = StdRng::seed_from_u64(77);
    let (_foreign, snapshot) = random_table(&mut random).await;
    let context = session();
    let plain = read_with(&snapshot, Some(vec![0, 5, 7, 8, 6]), &[]).await;
    for run in 0..4 {
        let scan = snapshot.scan(&context.state(), None, &[], None).await.unwrap();
        let (config, source) = DeltaFileSource::of(scan.as_ref()).unwrap();
        let columns: Vec<_> = [0, 5, 7, 8, 6]
            .map(|column| (column, source.compact_type(column)))
            .into();
        let compact = source.with_compact_output(&columns).unwrap();
        let config = datafusion::datasource::physical_plan::FileScanConfigBuilder::from(config.clone())
            .with_source(compact)
            .build();
        let plan = datafusion::datasource::source::DataSourceExec::from_data_source(config);
        let types: Vec<_> = plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.data_type().to_string())
            .collect();
        assert_eq!(
            types,
            [
                "Int64",
                "Decimal64(12, 2)",
                "Dictionary(UInt16, Utf8View)",
                "Dictionary(UInt16, Utf8View)",
                "Decimal128(38, 4)"
            ]
        );
        let schema = plan.schema();
        let batches = datafusion::physical_plan::collect(plan, context.task_ctx())
            .await
            .unwrap();
        assert!(texts(&schema, &batches) == plain, "run {run}");
    }
}
