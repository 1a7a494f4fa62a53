//! Encoded columns give back what went in, and tests on codes agree with DataFusion's evaluation of the filter:
//! random types, nulls, extreme values, constants.

use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr, in_list,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::key_set::{InKeySet, KeySet};
use super::column::{BLOCK_ROWS, HotColumn, Rows, Values};
use super::compact::compact_type;
use super::encode::encode;
use super::filter::Test;
use super::mask::{kept_rows, may_pass, narrow};
use super::rows::{HotRows, Slot};

const ROWS: usize = 20_000;

fn random_values(random: &mut StdRng, data_type: &DataType) -> ArrayRef {
    let nulls: u32 = [0, 0, 30, 100][random.random_range(0..4)];
    let wide = random.random_bool(0.3);
    let base: i64 = random.random_range(-1000..1000);
    let range: i64 = [1, 200, 50_000, 3_000_000_000][random.random_range(0..4)];
    let clustered = random.random_bool(0.5);
    let words = ["", "a", "ab", "PROMO BRASS", "more than twelve bytes of text", "ümläut"];
    let kinds = random.random_range(1..=words.len());
    let unique = random.random_bool(0.3);
    let mut number = |row: usize| {
        if wide && random.random_bool(0.01) {
            return [i64::MIN, i64::MAX, 0][random.random_range(0..3)];
        }
        let place = if clustered { row as i64 / 100 } else { 0 };
        base + place + random.random_range(0..range)
    };
    let numbers: Vec<i64> = (0..ROWS).map(&mut number).collect();
    let null: Vec<bool> = (0..ROWS).map(|_| random.random_range(0..100) < nulls).collect();
    let present = |row: usize| (!null[row]).then(|| numbers[row]);
    let small = |row: usize| present(row).map(|value| value.rem_euclid(100_000));
    match data_type {
        DataType::Utf8View => Arc::new(StringViewArray::from_iter((0..ROWS).map(|row| {
            present(row).map(|value| match unique {
                true => format!("{value} in row {row}"),
                false => words[value.unsigned_abs() as usize % kinds].to_string(),
            })
        }))),
        DataType::Boolean => Arc::new(BooleanArray::from_iter(
            (0..ROWS).map(|row| present(row).map(|value| value % 3 == 0)),
        )),
        DataType::Float64 => Arc::new(Float64Array::from_iter(
            (0..ROWS).map(|row| small(row).map(|value| value as f64 / 7.0)),
        )),
        DataType::Int64 => Arc::new(Int64Array::from_iter((0..ROWS).map(present))),
        DataType::Int16 => cast(
            &Int64Array::from_iter((0..ROWS).map(|row| present(row).map(|value| value % 30_000))),
            data_type,
        )
        .unwrap(),
        DataType::Timestamp(_, _) => cast(&Int64Array::from_iter((0..ROWS).map(present)), data_type).unwrap(),
        DataType::Decimal128(_, _) => Arc::new(
            Decimal128Array::from_iter((0..ROWS).map(|row| small(row).map(i128::from)))
                .with_data_type(data_type.clone()),
        ),
        _ => cast(
            &Int32Array::from_iter((0..ROWS).map(|row| small(row).map(|value| value as i32))),
            data_type,
        )
        .unwrap(),
    }
}

fn hot(values: &ArrayRef) -> HotColumn {
    let blocks = (0..values.len())
        .step_by(BLOCK_ROWS)
        .map(|start| values.slice(start, BLOCK_ROWS.min(values.len() - start)));
    encode(values.data_type(), blocks.collect()).unwrap()
}

fn types() -> Vec<DataType> {
    use datafusion::arrow::datatypes::TimeUnit::Microsecond;
    vec![
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Date32,
        DataType::Timestamp(Microsecond, Some("UTC".into())),
        DataType::Decimal128(15, 2),
        DataType::Decimal128(9, 3),
        DataType::Decimal128(38, 5),
        DataType::Utf8View,
        DataType::Boolean,
        DataType::Float64,
    ]
}

#[test]
fn what_goes_in_comes_out() {
    let mut random = StdRng::seed_from_u64(1);
    for round in 0..8 {
        for data_type in types() {
            let values = random_values(&mut random, &data_type);
            let column = hot(&values);
            let list: Vec<u32> = (0..ROWS as u32).filter(|_| random.random_bool(0.2)).collect();
            let places = UInt32Array::from(list.clone());
            for given in [data_type.clone(), compact_type(&data_type)] {
                let expected = cast(&values, &given).unwrap();
                for range in [0..BLOCK_ROWS, 8192..10_000, 16_500..ROWS] {
                    let found = column.read(&Rows::Range(range.clone()), &given).unwrap();
                    assert_eq!(found.data_type(), &given);
                    let (found, expected) = (plain(&found, &data_type), expected.slice(range.start, range.len()));
                    assert_eq!(&found, &plain(&expected, &data_type), "{round} {given}");
                }
                let found = column.read(&Rows::List(&list), &given).unwrap();
                let expected = take(&expected, &places, None).unwrap();
                assert_eq!(
                    &plain(&found, &data_type),
                    &plain(&expected, &data_type),
                    "{round} {given}"
                );
            }
        }
    }
}

fn plain(values: &ArrayRef, data_type: &DataType) -> ArrayRef {
    cast(values, data_type).unwrap()
}

#[test]
fn narrow_where_it_pays() {
    let codes = |values: ArrayRef| match hot(&values).values {
        Values::Scaled { codes, .. } => format!("scaled {}", codes.bytes() / values.len()),
        Values::Dictionary { codes, values } => format!("{} strings in {}", values.len(), codes.bytes()),
        Values::Plain(_) => "plain".to_string(),
    };
    let longs = |values: [i64; 2]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    assert_eq!(codes(longs([-5, 250])), "scaled 1");
    assert_eq!(codes(longs([i64::MAX - 256, i64::MAX])), "scaled 2");
    assert_eq!(codes(longs([0, 1 << 31])), "scaled 4");
    assert_eq!(codes(longs([i64::MIN, i64::MAX])), "scaled 8");
    let text = |values: &[&str]| Arc::new(StringViewArray::from_iter_values(values)) as ArrayRef;
    assert_eq!(codes(text(&["b", "a", "b", "a"])), "2 strings in 4");
    assert_eq!(codes(text(&["b", "a"])), "plain");
}

fn random_filter(random: &mut StdRng, schema: &Schema, samples: &[ArrayRef], depth: usize) -> Arc<dyn PhysicalExpr> {
    if depth > 0 && random.random_bool(0.6) {
        let left = random_filter(random, schema, samples, depth - 1);
        let right = random_filter(random, schema, samples, depth - 1);
        return match random.random_range(0..5) {
            0 => Arc::new(NotExpr::new(left)),
            1 | 2 => Arc::new(BinaryExpr::new(left, Operator::And, right)),
            _ => Arc::new(BinaryExpr::new(left, Operator::Or, right)),
        };
    }
    let at = random.random_range(0..samples.len());
    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(schema.field(at).name(), at));
    let mut value = || match ScalarValue::try_from_array(&samples[at], random.random_range(0..ROWS)).unwrap() {
        // A string that no row has.
        ScalarValue::Utf8View(Some(text)) if random.random_bool(0.3) => ScalarValue::Utf8View(Some(text + "!")),
        value => value,
    };
    let literal = |value: ScalarValue| Arc::new(Literal::new(value)) as Arc<dyn PhysicalExpr>;
    let values = [value(), value(), value()].map(literal);
    let [first, second, _] = values.clone();
    let operators = [
        Operator::Eq,
        Operator::NotEq,
        Operator::Lt,
        Operator::LtEq,
        Operator::Gt,
        Operator::GtEq,
    ];
    let op = operators[random.random_range(0..operators.len())];
    match random.random_range(0..9) {
        0 => Arc::new(IsNullExpr::new(column)),
        1 => Arc::new(IsNotNullExpr::new(column)),
        2 => in_list(column, values.to_vec(), &random.random_bool(0.5), schema).unwrap(),
        3 => Arc::new(BinaryExpr::new(first, op, column)),
        4 if samples[at].data_type() == &DataType::Utf8View => {
            let pattern = ["%a%", "PROMO%", "%row 1%", "a_", "%r%w%1%", "P%O", "%o%o%2"][random.random_range(0..7)];
            let pattern = literal(ScalarValue::Utf8View(Some(pattern.into())));
            Arc::new(LikeExpr::new(random.random_bool(0.5), false, column, pattern))
        }
        6 if let Some(member) = some_set(random, &column, &samples[at]) => member,
        5 => {
            let other: Arc<dyn PhysicalExpr> = match (0..samples.len())
                .find(|other| *other != at && samples[*other].data_type() == samples[at].data_type())
            {
                Some(other) => Arc::new(Column::new(schema.field(other).name(), other)),
                None => second,
            };
            Arc::new(BinaryExpr::new(column, op, other))
        }
        _ => Arc::new(BinaryExpr::new(column, op, first)),
    }
}

/// Whether a column is in a set of some of the numbers near one of its own.
fn some_set(random: &mut StdRng, column: &Arc<dyn PhysicalExpr>, sample: &ArrayRef) -> Option<Arc<dyn PhysicalExpr>> {
    let near = match ScalarValue::try_from_array(sample, random.random_range(0..ROWS)).unwrap() {
        ScalarValue::Int16(value) => i64::from(value?),
        ScalarValue::Int32(value) | ScalarValue::Date32(value) => i64::from(value?),
        ScalarValue::Int64(value) => value?,
        ScalarValue::Decimal128(value, _, _) => i64::try_from(value?).ok()?,
        _ => return None,
    };
    let (low, high) = (near.saturating_sub(700), near.saturating_add(700));
    let mut set = KeySet::between(low, high);
    for _ in 0..500 {
        set.insert(random.random_range(low..=high));
    }
    let member = InKeySet::new(Arc::clone(column), sample.data_type(), Arc::new(set))?;
    Some(Arc::new(member))
}

#[test]
fn tests_on_codes_agree_with_the_filter() {
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..20 {
        let mut kinds = types();
        kinds.extend([DataType::Int64, DataType::Utf8View]);
        let mut samples: Vec<ArrayRef> = kinds.iter().map(|kind| random_values(&mut random, kind)).collect();
        let mut slots: Vec<Option<Slot>> = samples
            .iter()
            .map(|values| Some(Slot::Column(Arc::new(hot(values)))))
            .collect();
        // The last but one has one value in all rows.
        let constant = kinds.len() - 2;
        let value = ScalarValue::try_from_array(&samples[constant], 0).unwrap();
        samples[constant] = value.to_array_of_size(ROWS).unwrap();
        slots[constant] = Some(Slot::Constant(value));
        let fields = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| Field::new(format!("c{at}"), kind.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), samples.clone()).unwrap();
        let hot = HotRows { len: ROWS, slots };
        for _ in 0..30 {
            let filter = random_filter(&mut random, &schema, &samples, 3);
            let outcome = filter.evaluate(&batch).unwrap().into_array(ROWS).unwrap();
            let outcome = outcome.as_boolean();
            let expected: Vec<u32> = (0..ROWS as u32)
                .filter(|row| outcome.is_valid(*row as usize) && outcome.value(*row as usize))
                .collect();
            let (exact, aid) = (Test::new(&filter, &hot).unwrap(), Test::aid(&filter, &hot).unwrap());
            assert_eq!(passing(&exact, &hot), expected, "{filter}");
            let superset = passing(&aid, &hot);
            assert!(
                expected.iter().all(|row| superset.binary_search(row).is_ok()),
                "{filter}"
            );
        }
    }
}

fn passing(test: &Test, hot: &HotRows) -> Vec<u32> {
    let mut rows = vec![];
    for block in 0..hot.blocks() {
        let start = block * BLOCK_ROWS;
        let mut mask = vec![1; BLOCK_ROWS.min(hot.len - start)];
        if may_pass(test, hot, block) {
            narrow(test, hot, block, &mut mask).unwrap();
            kept_rows(&mask, start, &mut rows);
        }
    }
    rows
}

#[test]
fn blocks_are_ruled_out_by_their_zones() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let slots = vec![Some(Slot::Column(Arc::new(hot(&values))))];
    let hot = HotRows { len: ROWS, slots };
    let filter: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(
        Arc::new(Column::new("n", 0)),
        Operator::Eq,
        Arc::new(Literal::new(ScalarValue::Int64(Some(9000)))),
    ));
    let test = Test::new(&filter, &hot).unwrap();
    assert_eq!(
        [0, 1, 2].map(|block| may_pass(&test, &hot, block)),
        [false, true, false]
    );
    assert_eq!(passing(&test, &hot), [9000]);
}
