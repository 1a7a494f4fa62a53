//! Aggregations answer the same whether joins and aggregations below them emit strings or codes of them, with memory and
//! without.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::join_tests::{joining_context, ours};
use super::tests::{answer, schema, some, table};
use super::{FusedAggregateExec, coded_input};

fn query(random: &mut StdRng) -> String {
    let keys = [
        "b.word", "b.name", "c.word", "c.name", "a.word", "b.small", "a.whole", "c.flag",
    ];
    let mut keys = [vec!["b.name", "b.word"], some(random, &keys, 4)].concat();
    keys.sort_unstable();
    keys.dedup();
    let listed = keys.join(", ");
    let grouping = match random.random_range(0..4) {
        0 => format!("rollup({listed})"),
        1 => {
            format!("cube({})", keys[..2].join(", "))
                + &keys[2..].iter().map(|key| format!(", {key}")).collect::<String>()
        }
        _ => listed.clone(),
    };
    let join = ["join", "join", "left join", "right join"];
    let mut join = || join[random.random_range(0..join.len())];
    let joins = format!(
        "b {} (a {} c on a.small = c.small) on b.whole = a.whole",
        join(),
        join()
    );
    let filter = ["true", "b.word <> 'a'", "a.small + b.small > 0", "c.name is not null"];
    let filter = filter[random.random_range(0..filter.len())];
    format!(
        "select {listed}, count(*), count(b.word), sum(a.small), min(c.day), avg(a.whole) from {joins} \
         where {filter} group by {grouping}"
    )
}

/// Aggregates of groups, which come as they are, filtered, or joined.
fn query_of_groups(random: &mut StdRng) -> String {
    let keys = ["word", "name", "small", "upper(word)", "flag"];
    let inner = [vec!["name", "word"], some(random, &keys, 3)].concat();
    let aliased = inner.iter().enumerate().map(|(key, text)| format!("{text} as k{key}"));
    let aliased = aliased.collect::<Vec<_>>().join(", ");
    let grouped = (0..inner.len()).map(|key| format!("k{key}")).collect::<Vec<_>>();
    let outer: Vec<&str> = some(random, &grouped.iter().map(String::as_str).collect::<Vec<_>>(), 3);
    let mut outer = [vec![["k0", "k1"][random.random_range(0..2)]], outer].concat();
    outer.sort_unstable();
    outer.dedup();
    let outer = outer.join(", ");
    let listed = grouped.join(", ");
    let condition = ["true", "k1 <> 'a'", "k0 is not null", "n > 1"][random.random_range(0..4)];
    match random.random_range(0..4) {
        0 => {
            let strings = [vec!["word"], vec!["name"], vec!["name", "word"]];
            let strings = strings[random.random_range(0..strings.len())].clone();
            let mut keys = [strings, some(random, &keys, 2)].concat();
            keys.sort_unstable();
            keys.dedup();
            let keys = keys.join(", ");
            format!("select {keys}, count(distinct whole) from a group by {keys}")
        }
        1 => format!(
            "select {outer}, count(*), count(k1), sum(n), min(k0) from (select c.day, g.* from c right join \
             (select {aliased}, count(*) as n, max(whole) as w from a group by {listed}) g on c.small = g.n \
             where {condition}) x group by {outer}"
        ),
        _ => format!(
            "select {outer}, count(*), count(k0), sum(n), max(w) from \
             (select {aliased}, count(*) as n, max(whole) as w from a group by {listed}) g \
             where {condition} group by {outer}"
        ),
    }
}

/// The plan with our joins and aggregations, these reading codes where they can, and how many do.
fn coded(plan: Arc<dyn ExecutionPlan>) -> (Arc<dyn ExecutionPlan>, usize) {
    let mut count = 0;
    let joined = ours(plan, false).0;
    let transformed = joined.transform_up(|node| {
        let Some(fused) = FusedAggregateExec::standing_for(&node)? else {
            return Ok(Transformed::no(node));
        };
        let fused = match coded_input(fused.source(), &fused.compactable_columns())? {
            Some(source) => {
                count += 1;
                fused.reading(source)
            }
            None => fused,
        };
        Ok(Transformed::yes(Arc::new(fused) as Arc<dyn ExecutionPlan>))
    });
    (transformed.unwrap().data, count)
}

async fn compare(
    query: impl Fn(&mut StdRng) -> String,
    seed: u64,
    rows: [usize; 3],
    memory: Option<usize>,
) -> (usize, usize) {
    let random = &mut StdRng::seed_from_u64(seed);
    let partitions = random.random_range(1..3);
    let (plenty, short) = (
        joining_context(None, partitions, false),
        joining_context(memory, partitions, false),
    );
    for (name, rows) in ["a", "b", "c"].into_iter().zip(rows) {
        let table = Arc::new(table(random, &schema(), rows));
        for context in [&plenty, &short] {
            context.register_table(name, Arc::clone(&table) as _).unwrap();
        }
    }
    let sql = query(random);
    let stock = plenty.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
    let (ours, count) = coded(short.sql(&sql).await.unwrap().create_physical_plan().await.unwrap());
    let mut handed_over = 0;
    match (answer(stock, &plenty).await, answer(Arc::clone(&ours), &short).await) {
        (Ok(expected), Ok(given)) => {
            assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
            ours.apply(|node| {
                let handed = node.metrics().and_then(|metrics| metrics.sum_by_name("handed_over"));
                handed_over += handed.map_or(0, |count| count.as_usize());
                Ok(TreeNodeRecursion::Continue)
            })
            .unwrap();
        }
        (Err(_), _) => {}
        (Ok(_), Err(error)) => assert!(memory.is_some(), "seed {seed}: {sql}: {error}"),
    }
    (count, handed_over)
}

#[tokio::test]
async fn codes_change_no_answer() {
    let mut coded = 0;
    for seed in 0..200_u64 {
        let rows = [[300, 40, 30], [0, 20, 20], [200, 1, 0], [900, 300, 40]][seed as usize % 4];
        coded += compare(query, seed, rows, None).await.0;
    }
    assert!(coded > 100, "{coded}");
}

#[tokio::test]
async fn what_memory_refuses_is_cast_to_codes() {
    let mut handed_over = 0;
    for seed in 500..520_u64 {
        handed_over += compare(query, seed, [1500, 1500, 30], Some(500 << 10)).await.1;
    }
    assert!(handed_over > 5, "{handed_over}");
}

#[tokio::test]
async fn codes_of_groups_change_no_answer() {
    let mut coded = 0;
    for seed in 1000..1200_u64 {
        let rows = [[300, 0, 30], [0, 0, 20], [30, 0, 0], [1500, 0, 40]][seed as usize % 4];
        coded += compare(query_of_groups, seed, rows, None).await.0;
    }
    assert!(coded > 50, "{coded}");
}

#[tokio::test]
async fn groups_that_memory_refuses_are_cast_to_codes() {
    let mut handed_over = 0;
    for seed in 1500..1540_u64 {
        handed_over += compare(query_of_groups, seed, [3000, 0, 30], Some(300 << 10)).await.1;
    }
    assert!(handed_over > 0, "{handed_over}");
}
