//! Ordered joins answer as the written ones do, and the order follows the guesses.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::order_joins;

/// A table in memory that claims how many rows it has.
#[derive(Debug)]
struct Table {
    rows: MemTable,
    statistics: Statistics,
}

#[async_trait::async_trait]
impl TableProvider for Table {
    fn schema(&self) -> datafusion::arrow::datatypes::SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.rows.scan(session, projection, filters, limit).await
    }
}

/// `name(k, v)`: few different values and some nulls; `claimed` rows are what the statistics say.
fn register(context: &SessionContext, name: &str, rows: usize, claimed: usize, random: &mut StdRng) {
    let mut column = || -> ArrayRef {
        let value = |_| (random.random_range(0..10) > 0).then(|| random.random_range(0..8_i64));
        Arc::new((0..rows).map(value).collect::<Int64Array>())
    };
    let batch = RecordBatch::try_from_iter([("k", column()), ("v", column())]).unwrap();
    let known = ColumnStatistics {
        distinct_count: Precision::Inexact(claimed),
        min_value: Precision::Inexact(ScalarValue::Int64(Some(0))),
        max_value: Precision::Inexact(ScalarValue::Int64(Some(claimed as i64 - 1))),
        ..ColumnStatistics::new_unknown()
    };
    let statistics = Statistics {
        num_rows: Precision::Inexact(claimed),
        total_byte_size: Precision::Absent,
        column_statistics: vec![known; 2],
    };
    let rows = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    let table = Table { rows, statistics };
    context.register_table(name, Arc::new(table)).unwrap();
}

fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().optimizer.join_reordering = false;
    config.options_mut().optimizer.repartition_joins = false;
    SessionContext::new_with_config(config)
}

async fn optimized(context: &SessionContext, sql: &str) -> LogicalPlan {
    context.sql(sql).await.unwrap().into_optimized_plan().unwrap()
}

async fn answer(context: &SessionContext, plan: &LogicalPlan) -> Vec<String> {
    let state = context.state();
    let physical = state.query_planner().create_physical_plan(plan, &state).await.unwrap();
    let batches = collect(physical, state.task_ctx()).await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn ordered_joins_answer_the_same() {
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..40 {
        let context = context();
        for name in ["a", "b", "c", "d"] {
            let rows = random.random_range(0..14);
            let claimed = random.random_range(1..100_000);
            register(&context, name, rows, claimed, &mut random);
        }
        for sql in [
            "select a.k, b.v, c.v from a, b, c where a.k = b.k and b.k = c.k and a.v < c.v",
            "select * from a join b on a.k = b.k and a.v = b.k join c on c.v = b.v",
            "select a.v, count(*) from a, b, c, d where a.k = b.k and c.k = d.k group by a.v",
            "select * from a join b on a.k = b.k where exists (select 1 from c where c.k = b.k and c.v <> a.v)
               and not exists (select 1 from d where d.k = a.k)",
            "select * from a join b on a.k + 1 = b.k left join c on c.k = a.v where a.k not in (select k from d)",
            "select a.k from a right join b on a.k = b.k full join c on c.v = b.v",
            "select x.k, y.v from (select k, sum(v) as v from a group by k) x join b y on x.k = y.k and x.v > y.v",
            "select a.k from a, b where a.k = b.k and (exists (select 1 from c where c.k = a.v) or b.v = 3)",
            "select a.k, (select max(c.v) from c where c.k = b.k) from a, b where a.v = b.v and 1 = 1",
            "select a.k from a join b on a.v = b.v intersect select k from c",
        ] {
            let plan = optimized(&context, sql).await;
            let ordered = order_joins(&plan).unwrap().unwrap_or_else(|| plan.clone());
            assert_eq!(plan.schema().columns(), ordered.schema().columns(), "{sql}");
            assert_eq!(
                answer(&context, &plan).await,
                answer(&context, &ordered).await,
                "{sql}\n{}",
                ordered.display_indent()
            );
        }
    }
}

#[tokio::test]
async fn the_smaller_side_is_built() {
    let context = context();
    let mut random = StdRng::seed_from_u64(1);
    for (name, rows) in [("large", 1_000_000), ("middle", 10_000), ("small", 10)] {
        register(&context, name, 1, rows, &mut random);
    }
    for (sql, built) in [
        (
            "select * from large, middle, small where large.k = middle.k and middle.v = small.v",
            ["small", "middle"],
        ),
        (
            "select * from large left join small on large.k = small.k",
            ["small", "large"],
        ),
        (
            "select * from large where k in (select k from small)",
            ["small", "large"],
        ),
        (
            "select * from small where k not in (select k from large where k is not null)",
            ["small", "large"],
        ),
        // What one condition says of a column, another says again.
        (
            "select * from large, small where large.k = small.k and large.v < 100
               and large.v in (1, 2, 3, 5, 8, 13, 21, 34, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66)",
            ["small", "large"],
        ),
    ] {
        let optimized = optimized(&context, sql).await;
        let plan = order_joins(&optimized).unwrap().unwrap_or(optimized);
        let text = plan.display_indent().to_string();
        let scan = |name: &str| text.find(&format!("TableScan: {name}")).unwrap();
        assert!(scan(built[0]) < scan(built[1]), "{sql}\n{text}");
    }
}

#[tokio::test]
async fn what_is_in_order_stays_as_it_is() {
    let context = context();
    let mut random = StdRng::seed_from_u64(1);
    for (name, rows) in [("large", 1_000_000), ("middle", 10_000), ("small", 10)] {
        register(&context, name, 1, rows, &mut random);
    }
    for sql in [
        "select small.v from large, middle, small where large.k = middle.k and middle.v = small.v",
        "select large.v + middle.v from large join middle on large.k = middle.k where large.v > 3 order by 1",
        "select * from large left join small on large.k = small.k",
        "select count(*) from large where k in (select m.k from middle m join small s on m.v = s.v)",
        "select large.k, (select max(s.v) from small s join middle m on s.k = m.k) from large",
    ] {
        let optimized = optimized(&context, sql).await;
        let ordered = order_joins(&optimized).unwrap().unwrap_or(optimized);
        let narrow = Optimizer::with_rules(vec![Arc::new(OptimizeProjections::new())]);
        let ordered = narrow.optimize(ordered, &context.state(), |_, _| {}).unwrap();
        let again = order_joins(&ordered).unwrap();
        assert!(again.is_none(), "{sql}\n{}", again.unwrap().display_indent());
    }
}
