//! Conditions on ranks keep the same rows with and without those that lead.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::MemTable;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::with_leading_rows;
use crate::operators::LeadingRowsExec;

fn batch(random: &mut StdRng, first: i64, rows: i64) -> RecordBatch {
    let mut some = |most: i64| -> Vec<Option<i64>> {
        (0..rows)
            .map(|_| Some(random.random_range(-most..most)).filter(|value| value % 7 != 1))
            .collect()
    };
    let texts: StringViewArray = some(4)
        .into_iter()
        .map(|n| n.map(|n| format!("a text of number {n}")))
        .collect();
    let prices: Decimal128Array = some(40).into_iter().map(|n| n.map(i128::from)).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new((first..first + rows).collect::<Int64Array>())),
        ("k", Arc::new(some(3).into_iter().collect::<Int64Array>())),
        ("s", Arc::new(texts)),
        ("v", Arc::new(some(20).into_iter().collect::<Int64Array>())),
        ("d", Arc::new(prices)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

async fn answer(context: &SessionContext, plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
    let batches = collect(plan, context.task_ctx()).await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn no_row_of_a_rank_below_the_limit_is_dropped() {
    let mut dropped = 0;
    for seed in 0..200 {
        let random = &mut StdRng::seed_from_u64(seed);
        let config = SessionConfig::new().with_target_partitions(random.random_range(1..3));
        let context = SessionContext::new_with_config(config.with_batch_size(64));
        let rows = [1, 70, 600][random.random_range(0..3)];
        let batches: Vec<_> = (0..3).map(|part| batch(random, part * rows, rows)).collect();
        let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
        context.register_table("t", Arc::new(table)).unwrap();
        let mut one_of = |from: &[&'static str]| from[random.random_range(0..from.len())];
        let partition = one_of(&["", "partition by k", "partition by s", "partition by s, k"]);
        let order = one_of(&[
            "v",
            "v desc",
            "d nulls first",
            "d desc nulls last, v",
            "k desc",
            "v + 1",
        ]);
        let rank = one_of(&["rank()", "row_number()"]);
        let bound = one_of(&[
            "r <= 3",
            "r < 2",
            "r = 1",
            "r <= 40 and v > 0",
            "r <= 0",
            "r <= 100000",
            "r > 3",
        ]);
        let other = one_of(&["", ", rank() over (PARTITION order by ORDER, id) as o"]);
        let other = other.replace("PARTITION", partition).replace("ORDER", order);
        let id = if rank == "rank()" && other.is_empty() {
            ""
        } else {
            ", id"
        };
        let sql = format!(
            "select * from (select *, {rank} over ({partition} order by {order}{id}) as r{other} from t) as w where {bound}"
        );
        let plan = || async { context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap() };
        let limited = plan().await.transform_up(|node| {
            Ok(match with_leading_rows(&node)? {
                Some(limited) => Transformed::yes(limited),
                None => Transformed::no(node),
            })
        });
        let limited = limited.unwrap().data;
        let expected = answer(&context, plan().await).await;
        assert_eq!(
            expected,
            answer(&context, Arc::clone(&limited)).await,
            "seed {seed}: {sql}"
        );
        limited
            .apply(|node| {
                if node.is::<LeadingRowsExec>() {
                    let kept = node.metrics().and_then(|metrics| metrics.output_rows());
                    dropped += usize::from(kept.is_some_and(|kept| kept < 3 * rows as usize));
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .unwrap();
    }
    assert!(dropped > 40, "{dropped}");
}
