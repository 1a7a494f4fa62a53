//! Our join answers what DataFusion's answers, whatever its type, keys, values and batches.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, ScalarValue};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::prelude::SessionContext;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::key_codes::{Bounds, KeySpace, NO_CODE};
use super::key_filter::condition;
use super::key_join_exec::KeyJoinExec;
use super::key_table::{KeyTable, NO_ROW};
use super::lane;
use super::tests::{answer, context, schema, some, table};

pub(super) fn joining_context(memory: Option<usize>, partitions: usize, swapped: bool) -> SessionContext {
    let context = context(memory, partitions);
    let state = context.state_ref();
    let mut state = state.write();
    let options = state.config_mut().options_mut();
    options.optimizer.join_reordering = false;
    options.optimizer.repartition_joins = false;
    options.execution.sort_spill_reservation_bytes = 64 << 10;
    // DataFusion swaps no sides of a join that has a filter for its scans.
    options.optimizer.enable_join_dynamic_filter_pushdown = !swapped;
    drop(state);
    context
}

fn query(random: &mut StdRng) -> String {
    let keys = ["small", "whole", "big", "day", "price", "huge"];
    let mut on = some(random, &keys, 1);
    on.push(keys[random.random_range(0..keys.len())]);
    on.dedup();
    let mut conditions: Vec<String> = on.iter().map(|key| format!("a.{key} = b.{key}")).collect();
    let residual = [
        "a.whole < b.whole",
        "a.small + b.small > 1",
        "a.name <> b.word",
        "b.flag",
    ];
    conditions.extend(some(random, &residual, 1).into_iter().map(str::to_string));
    let on = conditions.join(" and ");
    match random.random_range(0..7) {
        0 => format!("select a.name, b.word, a.big, b.price from a join b on {on}"),
        1 => format!("select a.name, b.word, a.big, b.price from a left join b on {on}"),
        2 => format!("select a.name, b.word, a.big, b.price from a right join b on {on}"),
        3 => format!("select a.name, b.word, a.big, b.price from a full join b on {on}"),
        4 => format!("select a.name, a.huge from a where exists (select 1 from b where {on})"),
        5 => format!("select a.name, a.huge from a where not exists (select 1 from b where {on})"),
        _ => format!("select count(*) from a join b on {on}"),
    }
}

/// The plan with our join wherever it covers one, semi and anti joins built from either side, and their types.
pub(super) fn ours(plan: Arc<dyn ExecutionPlan>, swapped: bool) -> (Arc<dyn ExecutionPlan>, Vec<JoinType>) {
    let mut types = Vec::new();
    let transformed = plan.transform_up(|node| {
        let node = match node.downcast_ref::<HashJoinExec>() {
            Some(join) if swapped && join.join_type().supports_swap() => {
                join.swap_inputs(PartitionMode::CollectLeft)?
            }
            _ => node,
        };
        let node = node.transform_up(|node| {
            Ok(match KeyJoinExec::standing_for(&node)? {
                Some(join) => {
                    types.extend(node.downcast_ref::<HashJoinExec>().map(|join| *join.join_type()));
                    Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>)
                }
                None => Transformed::no(node),
            })
        })?;
        Ok(Transformed::yes(node.data))
    });
    (transformed.unwrap().data, types)
}

#[tokio::test]
async fn random_joins_agree_with_the_stock_operator() {
    let mut covered = Vec::new();
    for seed in 0..400_u64 {
        let random = &mut StdRng::seed_from_u64(seed);
        let swapped = random.random_bool(0.5);
        let context = joining_context(None, random.random_range(1..3), swapped);
        for name in ["a", "b"] {
            let rows = [0, 1, 40, 700][random.random_range(0..4)];
            let table = table(random, &schema(), rows);
            context.register_table(name, Arc::new(table)).unwrap();
        }
        let sql = query(random);
        let stock = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        let (joined, types) = ours(
            context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap(),
            swapped,
        );
        covered.extend(types);
        // An overflow in a filter is one in both.
        if let Ok(expected) = answer(stock, &context).await {
            let given = answer(joined, &context).await;
            let given = given.unwrap_or_else(|error| panic!("seed {seed}: {sql}: {error}"));
            assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
        }
    }
    for join_type in [
        JoinType::Inner,
        JoinType::Left,
        JoinType::Right,
        JoinType::Full,
        JoinType::LeftSemi,
        JoinType::RightSemi,
        JoinType::LeftAnti,
        JoinType::RightAnti,
    ] {
        let count = covered.iter().filter(|covered| **covered == join_type).count();
        assert!(count > 10, "{join_type}: {count}");
    }
}

#[tokio::test]
async fn a_join_that_memory_refuses_is_merged() {
    let mut merged = 0;
    for seed in 500..530_u64 {
        let random = &mut StdRng::seed_from_u64(seed);
        let swapped = random.random_bool(0.5);
        let (plenty, short) = (
            joining_context(None, 2, swapped),
            joining_context(Some(600 << 10), 2, swapped),
        );
        for name in ["a", "b"] {
            let table = Arc::new(table(random, &schema(), 2500));
            for context in [&plenty, &short] {
                context.register_table(name, Arc::clone(&table) as _).unwrap();
            }
        }
        let sql = query(random);
        let stock = plenty.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        let (joined, _) = ours(
            short.sql(&sql).await.unwrap().create_physical_plan().await.unwrap(),
            swapped,
        );
        let Ok(expected) = answer(stock, &plenty).await else {
            continue;
        };
        // What is above the join, or sorts its inputs, may need more memory than there is.
        if let Ok(given) = answer(Arc::clone(&joined), &short).await {
            assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
            joined
                .apply(|node| {
                    let handed_over = node.metrics().and_then(|metrics| metrics.sum_by_name("handed_over"));
                    merged += handed_over.map_or(0, |count| count.as_usize());
                    Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
                })
                .unwrap();
        }
    }
    assert!(merged > 5, "{merged}");
}

/// One key with more rows than a batch, met by many.
#[tokio::test]
async fn a_key_of_many_rows_is_joined_in_batches() {
    let context = joining_context(None, 2, false);
    for (name, rows) in [("a", 20_000), ("b", 30)] {
        let k: Int64Array = (0..rows).map(|row| Some(row % 7 / 6)).collect();
        let v: Int64Array = (0..rows).map(Some).collect();
        let batch = RecordBatch::try_from_iter([("k", Arc::new(k) as ArrayRef), ("v", Arc::new(v) as ArrayRef)]);
        context.register_batch(name, batch.unwrap()).unwrap();
    }
    for sql in [
        "select a.v, b.v from a join b on a.k = b.k",
        "select a.v, b.v from a left join b on a.k = b.k and a.v % 3 = b.v",
        "select a.v, b.v from a right join b on a.k = b.k and a.v > 19990",
        "select a.v, b.v from a full join b on a.k = b.k and a.v % 3 = b.v",
    ] {
        let plan = || async { context.sql(sql).await.unwrap().create_physical_plan().await.unwrap() };
        let (joined, types) = ours(plan().await, false);
        assert_eq!(types.len(), 1, "{sql}");
        let expected = answer(plan().await, &context).await.unwrap();
        assert_eq!(expected, answer(joined, &context).await.unwrap(), "{sql}");
    }
}

/// Tables addressed by the code and hashed ones, with keys once and several times, find the same rows.
#[test]
fn every_table_finds_the_rows_of_a_key() {
    let random = &mut StdRng::seed_from_u64(5);
    for span in [0, 1, 10, 1000, 1 << 19, 1 << 40] {
        for rows in [0, 1, 500, 3000] {
            let one = |random: &mut StdRng| match span == 0 || random.random_bool(0.1) {
                true => NO_CODE,
                false => random.random_range(0..span),
            };
            let codes: Vec<u64> = (0..rows).map(|_| one(random)).collect();
            let table = KeyTable::new(&codes, span);
            let mut asked: Vec<u64> = codes.iter().copied().take(300).collect();
            asked.extend((0..300).map(|_| one(random)));
            let (mut stretches, mut only) = (Vec::new(), Vec::new());
            table.stretches(&asked, &mut stretches);
            if table.is_unique() {
                table.only_rows(&asked, &mut only);
            }
            for (place, code) in asked.iter().enumerate() {
                let expected: Vec<u32> = (0..rows as u32)
                    .filter(|row| *code != NO_CODE && codes[*row as usize] == *code)
                    .collect();
                let (first, count) = stretches[place];
                let found: Vec<u32> = (0..count).map(|offset| table.row_at(first + offset)).collect();
                assert_eq!(found, expected, "span {span}, rows {rows}, code {code}");
                if table.is_unique() {
                    assert_eq!(only[place], expected.first().copied().unwrap_or(NO_ROW));
                }
            }
        }
    }
}

#[test]
fn codes_tell_keys_apart() {
    let first = lane::load(&Int64Array::from(vec![Some(-3), Some(4), None, Some(9)]), None).unwrap();
    let second = lane::load(&Int64Array::from(vec![7, 8, 7, 7]), None).unwrap();
    let bounds = [Bounds { low: -3, high: 4 }, Bounds { low: 7, high: 8 }];
    let space = KeySpace::between(&bounds).unwrap();
    let mut codes = Vec::new();
    space.codes(&[first, second], &mut codes);
    assert_eq!((codes, space.span), (vec![0, 15, NO_CODE, NO_CODE], 16));
    let everything = Bounds {
        low: i64::MIN / 2,
        high: i64::MAX / 2,
    };
    assert!(KeySpace::between(&[everything, everything]).is_none());
    assert_eq!(KeySpace::between(&[everything, Bounds::NONE]).unwrap().span, 0);
}

/// What the built side tells the scans holds for each probing row that has a partner, and for few others.
#[test]
fn the_filter_of_keys_holds_for_partners() {
    let random = &mut StdRng::seed_from_u64(6);
    for span in [5, 300, 1_000_000, 1 << 50] {
        for data_type in [DataType::Int64, DataType::Decimal128(18, 2)] {
            let built: Vec<Option<i64>> = (0..random.random_range(0..400))
                .map(|_| random.random_bool(0.9).then(|| random.random_range(-span..span)))
                .collect();
            let probing: Vec<Option<i64>> = (0..1000)
                .map(|row| match row % 2 {
                    0 => built.get(row / 2).copied().flatten(),
                    _ => random
                        .random_bool(0.9)
                        .then(|| random.random_range(-2 * span..2 * span)),
                })
                .collect();
            let array = |values: &[Option<i64>]| -> ArrayRef {
                match &data_type {
                    DataType::Int64 => Arc::new(Int64Array::from(values.to_vec())),
                    _ => Arc::new(
                        Decimal128Array::from_iter(values.iter().map(|value| value.map(i128::from)))
                            .with_data_type(data_type.clone()),
                    ),
                }
            };
            let keys = lane::load(&array(&built), None).unwrap();
            let schema = Arc::new(Schema::new(vec![Field::new("k", data_type.clone(), true)]));
            let key = datafusion::physical_expr::expressions::col("k", &schema).unwrap();
            let filter = condition(&[key], &schema, &[Bounds::NONE.and(&keys)], &[&[keys]]).unwrap();
            let batch = RecordBatch::try_new(schema, vec![array(&probing)]).unwrap();
            let passes = filter.evaluate(&batch).unwrap().into_array(1000).unwrap();
            let passes = passes.as_boolean();
            for (row, value) in probing.iter().enumerate() {
                let has_partner = value.is_some() && built.contains(value);
                let passed = passes.is_valid(row) && passes.value(row);
                assert!(passed || !has_partner, "{span} {}", ScalarValue::Int64(*value));
                let is_exact = span < 1 << 50;
                assert!(!is_exact || !passed || has_partner || span == 5, "{span} {value:?}");
            }
        }
    }
}
