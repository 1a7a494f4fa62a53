//! Our operators answer what DataFusion's own operators answer, whatever the types, nulls, values and batches,
//! with memory and without.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, StringViewArray, new_empty_array,
};
use datafusion::arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, UInt16Type};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::MemTable;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{FusedAggregateExec, SelectExec};

pub(super) fn context(memory: Option<usize>, partitions: usize) -> SessionContext {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(bytes) = memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    }
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(64);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(runtime.build().unwrap()))
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    context.register_udf(numeric_quotient());
    context
}

/// The plan with our operator wherever it covers one, and how many it covers.
fn fused(plan: Arc<dyn ExecutionPlan>) -> (Arc<dyn ExecutionPlan>, usize) {
    let mut count = 0;
    let transformed = plan.transform_up(|node| {
        Ok(match FusedAggregateExec::standing_for(&node)? {
            Some(fused) => {
                count += 1;
                Transformed::yes(Arc::new(fused) as Arc<dyn ExecutionPlan>)
            }
            None => Transformed::no(node),
        })
    });
    let transformed = transformed.unwrap().data.transform_up(|node| {
        Ok(match SelectExec::standing_for(&node)? {
            Some(select) => {
                count += 1;
                Transformed::yes(Arc::new(select) as Arc<dyn ExecutionPlan>)
            }
            None => Transformed::no(node),
        })
    });
    (transformed.unwrap().data, count)
}

/// All rows, sorted by all columns.
pub(super) async fn answer(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Result<RecordBatch> {
    let schema = plan.schema();
    let all = concat_batches(&schema, &collect(plan, context.task_ctx()).await?)?;
    let columns = all.columns().iter().map(|column| SortColumn {
        values: Arc::clone(column),
        options: None,
    });
    let order = lexsort_to_indices(&columns.collect::<Vec<_>>(), None)?;
    Ok(take_record_batch(&all, &order)?)
}

/// Values of which some are null, some extreme and most small.
fn column(random: &mut StdRng, data_type: &DataType, rows: usize) -> ArrayRef {
    let nulls = if random.random_bool(0.5) { 0.1 } else { 0.0 };
    let span = [3, 50, 100_000][random.random_range(0..3)];
    let extreme = if random.random_bool(0.2) { 0.02 } else { 0.0 };
    let words = [
        "",
        "a",
        "b",
        "\0",
        "é",
        "ab",
        "twelve bytes",
        "thirteen byte",
        "thirteen bytf",
        "a longer string of words",
    ];
    let value = |random: &mut StdRng| {
        if random.random_bool(nulls) {
            return ScalarValue::try_from(data_type).unwrap();
        }
        let number: i64 = random.random_range(-span..=span);
        // Sums of extreme floats depend on their order.
        if random.random_bool(extreme) && *data_type != DataType::Float64 {
            let most = if random.random_bool(0.5) {
                ScalarValue::max(data_type)
            } else {
                ScalarValue::min(data_type)
            };
            if let Some(most) = most {
                return most;
            }
        }
        match data_type {
            DataType::Utf8View if number % 3 == 0 => ScalarValue::Utf8View(Some(format!("number {number}"))),
            DataType::Utf8View => {
                ScalarValue::Utf8View(Some(words[number.unsigned_abs() as usize % words.len()].into()))
            }
            DataType::Boolean => ScalarValue::Boolean(Some(number % 2 == 0)),
            DataType::Decimal128(precision, scale) => {
                ScalarValue::Decimal128(Some(i128::from(number)), *precision, *scale)
            }
            DataType::Int16 => ScalarValue::Int16(Some(number as i16)),
            DataType::Date32 => ScalarValue::Date32(Some(number as i32)),
            _ => ScalarValue::Int64(Some(number)).cast_to(data_type).unwrap(),
        }
    };
    if rows == 0 {
        return new_empty_array(data_type);
    }
    let values: Vec<ScalarValue> = (0..rows).map(|_| value(random)).collect();
    ScalarValue::iter_to_array(values).unwrap()
}

pub(super) fn table(random: &mut StdRng, schema: &Arc<Schema>, rows: usize) -> MemTable {
    let mut partitions = vec![Vec::new(); 2];
    let mut left = rows;
    while left > 0 {
        let size = random.random_range(0..=left.min(200));
        let columns = schema
            .fields()
            .iter()
            .map(|field| column(random, field.data_type(), size))
            .collect();
        let side = random.random_range(0..2);
        partitions[side].push(RecordBatch::try_new(Arc::clone(schema), columns).unwrap());
        left -= size.max(1);
    }
    MemTable::try_new(Arc::clone(schema), partitions).unwrap()
}

pub(super) fn schema() -> Arc<Schema> {
    let types = [
        ("small", DataType::Int16),
        ("whole", DataType::Int32),
        ("big", DataType::Int64),
        ("day", DataType::Date32),
        ("price", DataType::Decimal128(15, 2)),
        ("rate", DataType::Decimal128(10, 4)),
        ("huge", DataType::Decimal128(38, 0)),
        ("word", DataType::Utf8View),
        ("name", DataType::Utf8View),
        ("flag", DataType::Boolean),
        ("ratio", DataType::Float64),
    ];
    Arc::new(Schema::new(
        types
            .map(|(name, data_type)| Field::new(name, data_type, true))
            .to_vec(),
    ))
}

pub(super) fn some<'a>(random: &mut StdRng, from: &[&'a str], most: usize) -> Vec<&'a str> {
    let count = random.random_range(0..=most);
    (0..count).map(|_| from[random.random_range(0..from.len())]).collect()
}

fn numeric_quotient() -> ScalarUDF {
    let mut functions = crate::functions::scalar_functions().iter();
    functions
        .find(|function| function.name() == "numeric_div")
        .unwrap()
        .as_ref()
        .clone()
}

fn query(random: &mut StdRng) -> String {
    let keys = [
        "small",
        "whole",
        "big",
        "day",
        "price",
        "huge",
        "word",
        "name",
        "flag",
        "whole % 7",
        "upper(word)",
        "left(name, 8)",
        "word || name",
    ];
    let aggregates = [
        "count(*)",
        "count(whole)",
        "count(name)",
        "sum(small)",
        "sum(whole)",
        "sum(price)",
        "sum(huge)",
        "sum(price * (1 - rate))",
        "sum(price * (1 - rate) * (1 + rate))",
        "sum(price - rate)",
        "sum(whole + 3)",
        "sum(cast(small as int) * 2 - 1)",
        "sum(5 - rate * 3)",
        "sum(price * -4 + cast(1.5 as decimal(3, 1)))",
        "sum(numeric_div(price, 2))",
        "sum(numeric_div(1 - price, cast(-0.8 as decimal(2, 1))))",
        "sum(numeric_div(big, 125)) filter (where flag)",
        "sum(numeric_div(price, 3))",
        "sum(case when flag then price else 0 end)",
        "sum(case when flag then price end)",
        "sum(case when word = 'e' then small else null end)",
        "count(case when price > rate then 1 end)",
        "count(case when flag then name end)",
        "max(case when whole > 3 then day end)",
        "min(case when flag then name end)",
        "min(price)",
        "max(day)",
        "min(small)",
        "max(huge)",
        "max(name)",
        "sum(big)",
        "sum(ratio)",
        "avg(ratio)",
        "avg(price)",
        "min(ratio)",
        "bool_and(flag)",
        "count(distinct small)",
        "count(distinct name)",
        "sum(whole) filter (where flag)",
        "count(*) filter (where price > 10.00)",
        "max(day) filter (where word is null)",
        "count(distinct whole) filter (where flag)",
        "count(whole, big)",
        "min(name)",
    ];
    let conditions = [
        "price > 10.00",
        "day >= date '1970-01-02'",
        "day < date '1970-03-01'",
        "whole between -20 and 20",
        "small = 2",
        "whole < big",
        "5 > small",
        "flag",
        "word like '%e%'",
        "word like '%e%s%'",
        "name not like 'a%o%'",
        "name like 't%e%tf'",
        "name is not null",
        "big <> 3",
        "whole = 2",
    ];
    let keys = some(random, &keys, 3);
    let mut chosen = some(random, &aggregates, 4);
    if keys.is_empty() && chosen.is_empty() {
        chosen.push("count(*)");
    }
    let conditions = some(random, &conditions, 2);
    let filter = if conditions.is_empty() {
        "true".into()
    } else {
        conditions.join(" and ")
    };
    let aliased = keys
        .iter()
        .chain(&chosen)
        .enumerate()
        .map(|(index, item)| format!("{item} as c{index}"));
    let aliased = aliased.collect::<Vec<_>>().join(", ");
    if random.random_bool(0.1) {
        return format!("select * from t where {filter}");
    }
    let grouped = keys.join(", ");
    let is_repeated = keys.iter().collect::<HashSet<_>>().len() < keys.len();
    // DataFusion takes a key that a filter makes constant for one in every grouping set, where it is null.
    let is_constant = ["whole = 2", "small = 2"]
        .iter()
        .any(|constant| filter.contains(constant));
    let grouping = match (keys.len(), random.random_range(0..8)) {
        (1.., _) if is_repeated || is_constant => grouped,
        (0, _) => return format!("select {aliased} from t where {filter}"),
        (_, 0) => format!("rollup ({grouped})"),
        (_, 1) => format!("cube ({grouped})"),
        (2, 2) => format!(
            "grouping sets (({}), ({}), ({grouped}), (), ({}))",
            keys[1], keys[0], keys[1]
        ),
        _ => grouped,
    };
    format!("select {aliased} from t where {filter} group by {grouping}")
}

/// How often a query that memory was too short for is run again.
const ATTEMPTS: usize = 5;

/// How many operators of ours the plan of a random query has.
async fn compare(seed: u64, rows: usize, memory: Option<usize>) -> usize {
    let random = &mut StdRng::seed_from_u64(seed);
    let table = Arc::new(table(random, &schema(), rows));
    let sql = query(random);
    let partitions = random.random_range(1..3);
    let (plenty, short) = (context(None, partitions), context(memory, partitions));
    for context in [&plenty, &short] {
        context.register_table("t", Arc::clone(&table) as _).unwrap();
    }
    let stock = plenty.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
    let again = short.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
    let (ours, count) = fused(short.sql(&sql).await.unwrap().create_physical_plan().await.unwrap());
    match (answer(stock, &plenty).await, answer(ours, &short).await) {
        (Ok(expected), Ok(given)) => {
            assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
            count
        }
        // An overflow is one wherever it is computed, unless a row that the filter drops had it.
        (Err(_), _) => 0,
        (Ok(expected), Err(error)) => {
            assert!(memory.is_some(), "seed {seed}: {sql}: {error}");
            // The stock operators may need more memory than there is: a merge of what they spilled needs its share, which is
            // less the more partitions are at work at that moment.
            for _ in 0..ATTEMPTS {
                let (ours, count) = fused(short.sql(&sql).await.unwrap().create_physical_plan().await.unwrap());
                if let Ok(given) = answer(ours, &short).await {
                    assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
                    return count;
                }
            }
            assert!(answer(again, &short).await.is_err(), "seed {seed}: {sql}: {error}");
            0
        }
    }
}

#[tokio::test]
async fn random_queries_agree_with_the_stock_operators() {
    let mut covered = 0;
    for seed in 0..300 {
        covered += compare(seed, 1 + (seed as usize * 37) % 3000, None).await;
    }
    assert!(covered > 200, "{covered}");
}

#[tokio::test]
async fn short_memory_changes_no_answer() {
    let mut covered = 0;
    for seed in 1000..1012 {
        covered += compare(seed, 20_000, Some(5 << 20)).await;
    }
    assert!(covered > 5, "{covered}");
}

#[tokio::test]
async fn no_rows_have_no_groups() {
    let table = Arc::new(table(&mut StdRng::seed_from_u64(1), &schema(), 100));
    for grouping in ["flag", "rollup (flag)", "cube (flag, word)"] {
        let context = context(None, 2);
        context.register_table("t", Arc::clone(&table) as _).unwrap();
        let sql = format!(
            "select flag, count(distinct name), min(name), avg(ratio), sum(price) filter (where flag), count(*)
             from t where whole * 0 = 5 and price > rate group by {grouping}"
        );
        let stock = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        let (ours, _) = fused(context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap());
        let expected = answer(stock, &context).await.unwrap();
        assert_eq!(expected, answer(ours, &context).await.unwrap(), "{sql}");
    }
}

/// Growing, sparse, alternating and extreme keys, so that every index and every way between them is taken.
#[tokio::test]
async fn every_index_finds_the_same_groups() {
    let keys: [fn(i64) -> i64; 6] = [
        |row| row / 4,
        |row| row * 1_000_003 % 65_537,
        |row| (row % 1000) * 1_000_000_007,
        |row| -row,
        |row| if row % 2 == 0 { row } else { -row * 3 },
        |row| if row == 7000 { i64::MAX } else { row % 100 },
    ];
    for (number, key) in keys.iter().enumerate() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int64, true),
            Field::new("v", DataType::Int32, true),
        ]));
        let batch = |from: i64| {
            let rows = from..from + 1000;
            let k = ScalarValue::iter_to_array(rows.clone().map(|row| ScalarValue::Int64(Some(key(row))))).unwrap();
            let v = ScalarValue::iter_to_array(rows.map(|row| ScalarValue::Int32(Some(row as i32)))).unwrap();
            RecordBatch::try_new(Arc::clone(&schema), vec![k, v]).unwrap()
        };
        let batches: Vec<RecordBatch> = (0..40).map(|part| batch(part * 1000)).collect();
        let table = Arc::new(MemTable::try_new(Arc::clone(&schema), vec![batches]).unwrap());
        let context = context(None, 1 + number % 2);
        context.register_table("t", table).unwrap();
        for sql in [
            "select k, sum(v), count(*) from t group by k",
            "select k, v % 5, min(v) from t group by k, v % 5",
        ] {
            let stock = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
            let (ours, count) = fused(context.sql(sql).await.unwrap().create_physical_plan().await.unwrap());
            assert!(count >= 1, "{sql}");
            let (expected, given) = (
                answer(stock, &context).await.unwrap(),
                answer(ours, &context).await.unwrap(),
            );
            assert_eq!(expected, given, "keys {number}: {sql}");
        }
    }
}

/// So many strings that they are passed on ungrouped, and results computed of them are no longer remembered.
#[tokio::test]
async fn strings_that_do_not_repeat_change_no_answer() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("s", DataType::Utf8View, true),
        Field::new("v", DataType::Int32, true),
    ]));
    let text = |row: i32| match row % 1000 {
        0 => None,
        1 => Some(format!("n {}", row % 7)),
        _ => Some(format!("a string of number {row}")),
    };
    let batch = |from: i32| {
        let strings = (from..from + 2000).map(|row| ScalarValue::Utf8View(text(row)));
        let numbers = (from..from + 2000).map(|row| ScalarValue::Int32(Some(row)));
        let columns = vec![
            ScalarValue::iter_to_array(strings).unwrap(),
            ScalarValue::iter_to_array(numbers).unwrap(),
        ];
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let batches: Vec<RecordBatch> = (0..150).map(|part| batch(part * 2000)).collect();
    let table = Arc::new(MemTable::try_new(Arc::clone(&schema), vec![batches]).unwrap());
    let context = context(None, 2);
    context.register_table("t", table).unwrap();
    for sql in [
        "select s, count(*), sum(v), min(s) from t group by s",
        "select upper(s), v % 3, count(*) from t where v % 5 <> 0 group by 1, 2",
        "select s, v % 3, sum(v) from t group by cube (s, v % 3)",
    ] {
        let stock = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let (ours, count) = fused(context.sql(sql).await.unwrap().create_physical_plan().await.unwrap());
        assert!(count >= 1, "{sql}");
        let expected = answer(stock, &context).await.unwrap();
        assert_eq!(expected, answer(ours, &context).await.unwrap(), "{sql}");
    }
}

/// The operator reads compact columns in the place of those that it was planned for, to the end or until it hands over.
#[tokio::test]
async fn compact_sources_change_no_answer() {
    for seed in 2000..2060 {
        let random = &mut StdRng::seed_from_u64(seed);
        let table = Arc::new(table(random, &schema(), 1500));
        let sql = query(random);
        let context = context(None, 1);
        context.register_table("t", Arc::clone(&table) as _).unwrap();
        let plan = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        let compacted = plan.transform_up(|node| {
            let Some(fused) = FusedAggregateExec::standing_for(&node)? else {
                return Ok(Transformed::no(node));
            };
            // Arrow's cast panics over what the stock aggregates leave under nulls.
            if !fused.source().is::<DataSourceExec>() {
                return Ok(Transformed::no(node));
            }
            let schema = fused.source().schema();
            let columns = fused.compactable_columns();
            let compact = |(index, field): (usize, &Arc<Field>)| {
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
                let narrow = match field.data_type() {
                    DataType::Decimal128(15, scale) => DataType::Decimal64(15, *scale),
                    DataType::Utf8View => {
                        DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8View))
                    }
                    other => other.clone(),
                };
                let expr = match columns.contains(&index) {
                    true => Arc::new(CastExpr::new(column, narrow, None)),
                    false => column,
                };
                ProjectionExpr {
                    expr,
                    alias: field.name().clone(),
                }
            };
            let projection = schema.fields().iter().enumerate().map(compact).collect::<Vec<_>>();
            let source = ProjectionExec::try_new(projection, Arc::clone(fused.source()))?;
            Ok(Transformed::yes(
                Arc::new(fused.reading(Arc::new(source))) as Arc<dyn ExecutionPlan>
            ))
        });
        let stock = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        if let Ok(expected) = answer(stock, &context).await {
            let given = answer(compacted.unwrap().data, &context).await;
            let given = given.unwrap_or_else(|error| panic!("seed {seed}: {sql}: {error}"));
            assert_eq!(expected.columns(), given.columns(), "seed {seed}: {sql}");
        }
    }
}

/// Compact columns, which a source may yield in the place of decimals and strings.
#[test]
fn compact_columns_are_lanes_and_numbers_too() {
    let decimals = column(&mut StdRng::seed_from_u64(3), &DataType::Decimal128(15, 2), 500);
    let compact = cast(&decimals, &DataType::Decimal64(15, 2)).unwrap();
    let (wide, narrow) = (
        super::lane::load(&decimals, None).unwrap(),
        super::lane::load(&compact, None).unwrap(),
    );
    assert_eq!(
        (wide.values, wide.nulls, wide.bits),
        (narrow.values, narrow.nulls, narrow.bits)
    );

    let strings = column(&mut StdRng::seed_from_u64(4), &DataType::Utf8View, 500);
    let coded = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8View));
    let dictionary = cast(&strings, &coded).unwrap();
    let codes = |keys: Vec<u16>| -> ArrayRef {
        let keys = PrimitiveArray::<UInt16Type>::from(keys);
        Arc::new(DictionaryArray::try_new(keys, Arc::clone(&strings)).unwrap())
    };
    // Nulls among the keys, nulls among the values, and strings that are in the dictionary more than once.
    let forms = [
        &strings,
        &dictionary,
        &codes((0..500).collect()),
        &codes([3; 700].to_vec()),
        &dictionary,
    ];
    let mut numbers = super::strings::StringNumbers::new();
    let mut number_of: HashMap<Option<String>, i64> = HashMap::new();
    let selection: Vec<u32> = (0..500).filter(|row| row % 3 != 0).collect();
    for (form, selection) in forms
        .into_iter()
        .flat_map(|form| [(form, Some(&selection)), (form, None)])
    {
        let mut found = Vec::new();
        numbers.number(form, selection.map(Vec::as_slice), &mut found).unwrap();
        let texts = cast(form, &DataType::Utf8View).unwrap();
        let rows = selection.cloned().unwrap_or_else(|| (0..form.len() as u32).collect());
        assert_eq!(found.len(), rows.len());
        for (row, number) in rows.into_iter().zip(found) {
            let (texts, row) = (texts.as_string_view(), row as usize);
            let text = texts.is_valid(row).then(|| texts.value(row).to_string());
            assert_eq!(*number_of.entry(text).or_insert(number), number);
        }
    }
    assert_eq!(number_of.len(), numbers.count());
    let (texts, known): (Vec<Option<String>>, Vec<i64>) = number_of.into_iter().unzip();
    let given = numbers.to_array(known.into_iter(), &DataType::Utf8View).unwrap();
    assert_eq!(given.as_string_view(), &StringViewArray::from_iter(texts));
}
