//! What a statement passes through: parsing, planning, the caches, scans, commits, and the encoding of its rows.

use std::hint::black_box;

use boathouse::demo::tpch::{self, TpchTable};
use boathouse::statement;
use boathouse::types::{Format, FormatSettings, RowEncoder, SqlType};
use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput};

use crate::warehouse::{Warehouse, scale};

/// Six tables joined and grouped.
const JOIN: &str = include_str!("../tpch/q05.sql");

/// What psql's \d asks of a relation's columns.
const COLUMNS: &str = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
    (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d \
     WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull \
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'lineitem'::regclass AND a.attnum > 0 AND NOT a.attisdropped \
    ORDER BY a.attnum";

pub fn all(criterion: &mut Criterion) {
    texts(criterion);
    statements(criterion);
    scans(criterion);
    rows(criterion);
}

fn texts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("statement");
    group.bench_function("parse", |bencher| {
        bencher.iter(|| statement::parse(black_box(JOIN)).expect("SQL"));
    });
    let parsed = statement::parse(JOIN).expect("SQL");
    group.bench_function("fingerprint", |bencher| {
        bencher.iter(|| statement::fingerprint(black_box(&parsed[0])));
    });
}

fn statements(criterion: &mut Criterion) {
    let mut warehouse = Warehouse::with_sample(scale());
    let mut group = criterion.benchmark_group("session");
    group.sample_size(20);
    let explained = format!("EXPLAIN {JOIN}");
    group.bench_function("plan", |bencher| bencher.iter(|| warehouse.run(&explained)));
    group.bench_function("catalog query", |bencher| bencher.iter(|| warehouse.run(COLUMNS)));
    group.bench_function("exact repeat", |bencher| bencher.iter(|| warehouse.run(JOIN)));
    let mut key = 0;
    group.bench_function("new literals", |bencher| {
        bencher.iter(|| {
            key += 1;
            warehouse.run(&format!(
                "SELECT c_name, c_acctbal FROM customer WHERE c_custkey = {key}"
            ));
        });
    });
    warehouse.run("CREATE TABLE public.written (id integer)");
    group.bench_function("commit", |bencher| {
        bencher.iter(|| warehouse.run("INSERT INTO public.written VALUES (1)"));
    });
}

fn scans(criterion: &mut Criterion) {
    let mut warehouse = Warehouse::with_sample(scale());
    warehouse.run("SET boathouse.result_cache = off");
    let mut group = criterion.benchmark_group("scan");
    group.sample_size(10);
    let columns = [
        ("integers", "l_orderkey"),
        ("decimals", "l_extendedprice"),
        ("strings", "l_comment"),
    ];
    for hot in ["off", "on"] {
        warehouse.run(&format!("SET boathouse.hot_columns = {hot}"));
        let source = if hot == "on" { "hot" } else { "parquet" };
        for (kind, column) in columns {
            let sql = format!("SELECT max({column}) FROM lineitem WHERE l_linenumber > 1");
            // The first reads decide what becomes hot.
            (0..3).for_each(|_| warehouse.run(&sql));
            group.bench_function(format!("{kind}/{source}"), |bencher| {
                bencher.iter(|| warehouse.run(&sql))
            });
        }
    }
}

fn rows(criterion: &mut Criterion) {
    let batch = tpch::batches(TpchTable::LineItem, 0.01)
        .and_then(|mut batches| batches.next().expect("rows"))
        .expect("rows");
    let schema = batch.schema();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(batch.num_rows() as u64));
    for (name, format) in [("text", Format::Text), ("binary", Format::Binary)] {
        let columns: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| (SqlType::from_field(field), format))
            .collect();
        let encoder = RowEncoder::new(&columns, &FormatSettings::default());
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                BytesMut::new,
                |out| {
                    let bound = encoder.bind(&batch).expect("columns");
                    for row in 0..batch.num_rows() {
                        for column in &bound {
                            column.write_with_length(row, out).expect("a value");
                        }
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
}
