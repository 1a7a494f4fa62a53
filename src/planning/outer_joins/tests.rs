//! Simpler joins answer as the written ones do, and where they may be simpler they are.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::with_simpler_outer_joins;

fn context() -> SessionContext {
    let context = SessionContext::new();
    for (number, table) in ["a", "b", "c"].into_iter().enumerate() {
        let column = |step: i64| -> ArrayRef {
            let value = |row: i64| ((row + number as i64) % 4 > 0).then_some(row * step % 7);
            Arc::new((0..12).map(value).collect::<Int64Array>())
        };
        let batch = RecordBatch::try_from_iter([("k", column(1)), ("v", column(3))]).unwrap();
        context.register_batch(table, batch).unwrap();
    }
    context
}

async fn answer(context: &SessionContext, plan: LogicalPlan) -> Vec<String> {
    let batches = context
        .execute_logical_plan(plan)
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

fn join_types(plan: &LogicalPlan) -> String {
    let mut types = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::Join(join) = node {
            types.push(join.join_type.to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    types.join(" ")
}

#[tokio::test]
async fn joins_are_as_simple_as_they_can_be() {
    let context = context();
    for (sql, expected) in [
        (
            "select a.k, a.v from a left join b on a.k = b.k where b.k is null",
            "LeftAnti",
        ),
        (
            "select a.k, b.v from a left join b on a.k = b.k and a.v < b.v where b.k is null and a.v > 2",
            "LeftAnti",
        ),
        (
            "select b.k, a.k from a right join b on a.k = b.k where a.k is null",
            "LeftAnti",
        ),
        ("select * from a left join b on a.k = b.k where b.v is null", "Left"),
        ("select * from a left join b on a.k = b.k where a.k is null", "Left"),
        (
            "select * from a left join b on a.k = b.k join c on c.k = b.v",
            "Inner Inner",
        ),
        (
            "select * from a left join b on a.k = b.k join c on c.k = a.v",
            "Inner Left",
        ),
        (
            "select * from c join (a left join b on a.k = b.k) on c.k = b.v",
            "Inner Inner",
        ),
        (
            "select * from a full join b on a.k = b.k join c on c.k = b.v",
            "Inner Right",
        ),
        (
            "select * from a full join b on a.k = b.k join c on c.k = b.v and c.v = a.v",
            "Inner Inner",
        ),
        (
            "select * from a left join b on a.k = b.k left join c on c.k = b.v",
            "Left Left",
        ),
        (
            "select * from (a left join b on a.k = b.k) left join c on c.k = b.v join c d on d.k = c.v",
            "Inner Inner Inner",
        ),
    ] {
        let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
        let simpler = with_simpler_outer_joins(plan.clone()).unwrap().data;
        assert_eq!(join_types(&simpler), expected, "{sql}\n{simpler}");
        assert_eq!(answer(&context, simpler).await, answer(&context, plan).await, "{sql}");
    }
}
