//! Plans answer the same with their equal parts computed once, in memory and on disk, and only parts that are equal are.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{SharedPartPlanner, share_equal_parts};
use crate::operators::SharedExec;
use crate::planning::rules::LinkSharedParts;

fn context(memory: Option<usize>) -> SessionContext {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    }
    let config = SessionConfig::new().with_target_partitions(3).with_batch_size(50);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(runtime.build().unwrap()))
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    for table in ["t", "u"] {
        let keys: ArrayRef = Arc::new(
            (0..3000)
                .map(|row| (row % 7 != 0).then_some(row % 600))
                .collect::<Int64Array>(),
        );
        let values: ArrayRef = Arc::new((0..3000).collect::<Int64Array>());
        let texts = (0..3000).map(|row| (row % 5 != 0).then(|| format!("a text that is not inline {}", row % 40)));
        let texts: ArrayRef = Arc::new(texts.collect::<StringViewArray>());
        let batch = RecordBatch::try_from_iter([("k", keys), ("v", values), ("s", texts)]).unwrap();
        context.register_batch(table, batch).unwrap();
    }
    context
}

async fn answer(context: &SessionContext, plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
    let batches = collect(plan, context.task_ctx()).await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

/// The parts that are shared, each once, and all places that read one.
fn parts_and_readers(plan: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
    let mut parts = HashSet::new();
    let mut readers = 0;
    plan.apply(|node| {
        if node.is::<SharedExec>() {
            readers += 1;
            let is_new = parts.insert(Arc::as_ptr(node).addr());
            return Ok(match is_new {
                true => TreeNodeRecursion::Continue,
                false => TreeNodeRecursion::Jump,
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    (parts.len(), readers)
}

/// Runs with the equal parts computed once; how many parts and readers there were.
async fn check(sql: &str) -> (usize, usize) {
    let context = context(None);
    let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
    let shared = share_equal_parts(&plan).unwrap().unwrap_or_else(|| plan.clone());
    let shared = operators(&context, &shared).await;
    let stock = operators(&context, &plan).await;
    assert_eq!(
        answer(&context, Arc::clone(&shared)).await,
        answer(&context, stock).await,
        "{sql}"
    );
    parts_and_readers(&shared)
}

async fn operators(context: &SessionContext, plan: &LogicalPlan) -> Arc<dyn ExecutionPlan> {
    let state = context.state();
    let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(SharedPartPlanner)]);
    let plan = planner.create_physical_plan(plan, &state).await.unwrap();
    LinkSharedParts.optimize(plan, state.config_options()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_with_query_that_is_read_twice_is_computed_once() {
    let with = "with g as (select k, s, sum(v) as total, count(*) as n from t group by k, s)";
    for (query, expected) in [
        ("select * from g as a join g as b on a.k = b.k", (1, 2)),
        (
            "select * from g union all select * from g union all select k, s, n, total from g",
            (1, 3),
        ),
        ("select * from g where total > (select avg(total + n) from g)", (1, 2)),
        ("select k from g where n in (select max(n) from g)", (1, 2)),
        ("select * from g order by k, s limit 3", (0, 0)),
        // Not partitioned by what is left of the groups' keys.
        ("select a.n from g as a join g as b on a.s = b.s and a.n = b.n", (1, 2)),
        (
            "select count(*) from g as a left join g as b on a.k = b.k and a.s < b.s",
            (1, 2),
        ),
        (
            "select k, rank() over (partition by s order by total, n) from g union all select k, total + n from g",
            (1, 2),
        ),
    ] {
        assert_eq!(check(&format!("{with} {query}")).await, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_inside_of_a_shared_part_are_shared_within_it() {
    let nested = "with g as (select k, sum(v) as total from t group by k),
        h as (select a.k % 10 as d, max(a.total + b.total) as m from g as a join g as b on a.k = b.k group by a.k % 10)
        select * from h as x join h as y on x.d = y.d";
    assert_eq!(check(nested).await, (2, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_equal_is_not_shared() {
    for sql in [
        // Another table, other groups, other conditions.
        "select k, sum(v) from t group by k union all select k, sum(v) from u group by k",
        "select k, sum(v) from t group by k union all select v, sum(v) from t group by v",
        "select k, sum(v) from t where v < 9 group by k union all select k, sum(v) from t where v < 8 group by k",
        "select k from t union all select k from t",
        // Not the same each time.
        "select count(*) > 0 from (select random() < 2 as r from t) group by r
         union all select count(*) > 0 from (select random() < 2 as r from t) group by r",
    ] {
        assert_eq!(check(sql).await, (0, 0), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_reaches_every_reader() {
    let context = context(None);
    let failing = "select k, sum(1 / (v - v)) as total from t group by k";
    let sql = format!("with g as ({failing}) select * from g union all select * from g");
    let plan = context.sql(&sql).await.unwrap().into_optimized_plan().unwrap();
    let shared = operators(&context, &share_equal_parts(&plan).unwrap().unwrap()).await;
    let error = collect(shared, context.task_ctx()).await.unwrap_err();
    assert!(error.to_string().contains("Divide by zero"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_does_not_hold_is_read_from_disk() {
    for memory in [None, Some(1), Some(60_000)] {
        let context = context(memory);
        let table = context.table("t").await.unwrap().create_physical_plan().await.unwrap();
        let shared = Arc::new(SharedExec::new(0, Arc::clone(&table)));
        shared.add_reader();
        let (first, second) = tokio::join!(
            answer(&context, Arc::clone(&shared) as _),
            answer(&context, Arc::clone(&shared) as _)
        );
        assert_eq!(first, second);
        assert_eq!(first, answer(&context, table).await);
        let spilled = shared.metrics().unwrap().spilled_rows().unwrap_or_default();
        assert_eq!(spilled > 0, memory.is_some());
    }
}
