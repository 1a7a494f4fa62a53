//! Our windows answer what DataFusion's answer, whatever the functions, frames, values and batches.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::{ExecutionPlan, collect};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::FrameWindowExec;
use super::tests::{answer, context, schema, some, table};

fn query(random: &mut StdRng) -> String {
    let keys = ["small", "whole", "day", "word", "name", "flag", "big", "ratio"];
    let partition = some(random, &keys[..6], 2);
    let mut order = some(random, &keys, 2);
    order.retain(|key| !partition.contains(key));
    let partition_by = match partition.is_empty() {
        true => String::new(),
        false => format!("partition by {}", partition.join(", ")),
    };
    // Frames by rows must not depend on the order of peers.
    let (order_by, all) = (
        order.join(", "),
        "small, whole, big, day, price, rate, huge, word, name, flag, ratio",
    );
    let functions = [
        "sum(small)",
        "sum(whole)",
        "sum(price)",
        "sum(rate)",
        "count(*)",
        "count(word)",
        "min(day)",
        "max(big)",
        "min(price)",
        "max(huge)",
        "sum(big)",
        "avg(whole)",
        "count(distinct whole)",
        "max(word)",
        "sum(price) filter (where flag)",
    ];
    let mut windows = Vec::new();
    for number in 0..random.random_range(1..3) {
        let function = functions[random.random_range(0..functions.len())];
        let over = match random.random_range(0..6) {
            0 => format!("{partition_by} order by {all} rows between unbounded preceding and current row"),
            1 => format!("{partition_by} order by {all} rows between 2 preceding and current row"),
            2 => format!("{partition_by} order by {all} rows between unbounded preceding and unbounded following"),
            3 if !order.is_empty() => format!("{partition_by} order by {order_by}"),
            4 if !order.is_empty() => {
                format!("{partition_by} order by {order_by} groups between unbounded preceding and current row")
            }
            _ => partition_by.clone(),
        };
        windows.push(format!("{function} over ({over}) as w{number}"));
    }
    if !order.is_empty() {
        let rank = ["rank()", "dense_rank()"][random.random_range(0..2)];
        windows.push(format!("{rank} over ({partition_by} order by {order_by} desc) as r"));
    }
    windows.push(format!("row_number() over ({partition_by} order by {all}) as n"));
    format!("select *, {} from t", windows.join(", "))
}

#[tokio::test]
async fn random_windows_agree_with_the_stock_operators() {
    let mut covered = 0;
    for seed in 0..300_u64 {
        let random = &mut StdRng::seed_from_u64(seed);
        let context = context(None, random.random_range(1..3));
        let rows = [0, 1, 70, 900][random.random_range(0..4)];
        context
            .register_table("t", Arc::new(table(random, &schema(), rows)))
            .unwrap();
        let sql = query(random);
        let plan = || async { context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap() };
        let ours = plan().await.transform_up(|node| {
            Ok(match FrameWindowExec::standing_for(&node)? {
                Some(window) => {
                    covered += 1;
                    Transformed::yes(Arc::new(window) as Arc<dyn ExecutionPlan>)
                }
                None => Transformed::no(node),
            })
        });
        // An overflow is one in both.
        if let Ok(expected) = answer(plan().await, &context).await {
            let given = answer(ours.unwrap().data, &context).await;
            let given = given.unwrap_or_else(|error| panic!("seed {seed}: {sql}: {error}"));
            assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
        }
    }
    assert!(covered > 200, "{covered}");
}

/// Frames that end with the table need all of it, those that end with their row need none.
#[tokio::test]
async fn rows_that_wait_are_reserved() {
    let context = context(Some(100_000), 1);
    let rows = Arc::new(table(&mut StdRng::seed_from_u64(1), &schema(), 20_000));
    context.register_table("t", rows).unwrap();
    for (window, fits) in [("max(big) over ()", false), ("row_number() over ()", true)] {
        let sql = format!("select big, {window} from t");
        let plan = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        let ours = plan.transform_up(|node| {
            Ok(match FrameWindowExec::standing_for(&node)? {
                Some(ours) => Transformed::yes(Arc::new(ours) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        });
        let ours = ours.unwrap();
        assert!(ours.transformed, "{sql}");
        match collect(ours.data, context.task_ctx())
            .await
            .map_err(|error| error.find_root().to_string())
        {
            Ok(_) => assert!(fits, "{sql}"),
            Err(message) => assert!(!fits && message.contains("FrameWindow"), "{sql}: {message}"),
        }
    }
}
