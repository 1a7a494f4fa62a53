//! Shapes of queries that our operators stand for, with them and with the stock operators, over hot columns.

use criterion::Criterion;

use crate::warehouse::{Warehouse, scale};

const SHAPES: [(&str, &str); 16] = [
    (
        "filter",
        "SELECT l_orderkey FROM lineitem WHERE l_discount = 0.05 AND l_quantity < 10",
    ),
    (
        "like",
        "SELECT l_orderkey FROM lineitem WHERE l_comment LIKE '%special%requests%'",
    ),
    (
        "regular expression",
        "SELECT l_orderkey FROM lineitem WHERE l_comment ~ 'quick(ly)? .*deposits'",
    ),
    (
        "sum of all",
        "SELECT sum(l_extendedprice * (1 - l_discount)) FROM lineitem",
    ),
    (
        "few groups",
        "SELECT l_returnflag, l_linestatus, sum(l_quantity), avg(l_discount) FROM lineitem GROUP BY 1, 2",
    ),
    (
        "many groups",
        "SELECT l_orderkey, sum(l_quantity) FROM lineitem GROUP BY l_orderkey",
    ),
    (
        "groups of strings",
        "SELECT l_shipmode, l_shipinstruct, count(*) FROM lineitem GROUP BY 1, 2",
    ),
    (
        "sums of floats",
        "SELECT l_linenumber, sum(l_quantity::float8), avg(l_tax::float8) FROM lineitem GROUP BY 1",
    ),
    (
        "count distinct",
        "SELECT l_shipmode, count(DISTINCT l_suppkey) FROM lineitem GROUP BY l_shipmode",
    ),
    (
        "join on a key",
        "SELECT sum(o_totalprice) FROM lineitem JOIN orders ON l_orderkey = o_orderkey",
    ),
    (
        "join on two keys",
        "SELECT sum(ps_supplycost) FROM lineitem JOIN partsupp ON l_partkey = ps_partkey AND l_suppkey = ps_suppkey",
    ),
    (
        "semi join",
        "SELECT count(*) FROM orders WHERE EXISTS (SELECT FROM lineitem WHERE l_orderkey = o_orderkey AND l_tax = 0)",
    ),
    (
        "anti join",
        "SELECT count(*) FROM customer WHERE NOT EXISTS (SELECT FROM orders WHERE o_custkey = c_custkey)",
    ),
    (
        "top-k",
        "SELECT l_orderkey, l_extendedprice FROM lineitem ORDER BY l_extendedprice DESC LIMIT 10",
    ),
    (
        "sort",
        "SELECT l_orderkey FROM lineitem ORDER BY l_shipdate, l_extendedprice",
    ),
    (
        "window",
        "SELECT l_orderkey, row_number() OVER (PARTITION BY l_suppkey ORDER BY l_shipdate) FROM lineitem",
    ),
];

pub fn all(criterion: &mut Criterion) {
    let mut warehouse = Warehouse::with_sample(scale());
    warehouse.run("SET boathouse.result_cache = off");
    for (shape, sql) in SHAPES {
        let mut group = criterion.benchmark_group(shape);
        group.sample_size(10);
        for (operators, setting) in [("own", "on"), ("stock", "off")] {
            warehouse.run(&format!("SET boathouse.fused_operators = {setting}"));
            // The first reads decide what becomes hot.
            (0..3).for_each(|_| warehouse.run(sql));
            group.bench_function(operators, |bencher| bencher.iter(|| warehouse.run(sql)));
        }
    }
}
