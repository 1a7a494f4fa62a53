//! What the keys of a join's built side tell the scans of its probing side: bounds, and which of the values between
//! them there are, where that leaves some out.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Result as PlanResult, ScalarValue, internal_datafusion_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal, in_list, lit};
use datafusion::physical_plan::PhysicalExpr;

use super::key_codes::Bounds;
use super::lane::{Lane, from_integers};
use crate::storage::{InKeySet, KeySet};

/// Bytes of a set that are always worth it, for each built row, and at most.
const SMALL_SET: u64 = 1 << 20;
const BYTES_FOR_EACH_ROW: u64 = 1 << 10;
const LARGEST_SET: u64 = 8 << 20;
/// Values that are listed where they lie too far apart for a set.
const LONGEST_LIST: usize = 128;

/// The condition on keys of `schema` that holds for every probing row that can meet a built one. `lanes` are the built
/// batches' keys.
pub fn condition(
    keys: &[Arc<dyn PhysicalExpr>],
    schema: &Schema,
    bounds: &[Bounds],
    lanes: &[&[Lane]],
) -> PlanResult<Arc<dyn PhysicalExpr>> {
    if bounds.iter().any(Bounds::is_empty) {
        return Ok(lit(false));
    }
    let mut conditions: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for (number, (key, bounds)) in keys.iter().zip(bounds).enumerate() {
        let data_type = key.data_type(schema)?;
        let literal = |value: i64| -> PlanResult<Arc<dyn PhysicalExpr>> {
            let array = from_integers(&data_type, vec![value], None)
                .ok_or_else(|| internal_datafusion_err!("a key is none of its type's values"))?;
            Ok(Arc::new(Literal::new(ScalarValue::try_from_array(&array, 0)?)))
        };
        let compare = |operator: Operator, value: i64| -> PlanResult<Arc<dyn PhysicalExpr>> {
            Ok(Arc::new(BinaryExpr::new(Arc::clone(key), operator, literal(value)?)))
        };
        conditions.push(compare(Operator::GtEq, bounds.low)?);
        conditions.push(compare(Operator::LtEq, bounds.high)?);
        let column: Vec<&Lane> = lanes.iter().filter_map(|lanes| lanes.get(number)).collect();
        if let Some(set) = worthwhile_set(bounds, &column) {
            let member = InKeySet::new(Arc::clone(key), &data_type, Arc::new(set));
            conditions.extend(member.map(|member| Arc::new(member) as Arc<dyn PhysicalExpr>));
        } else if let Some(values) = short_list(&column).filter(|values| values.len() > 1) {
            let values = values.into_iter().map(literal).collect::<PlanResult<Vec<_>>>()?;
            conditions.push(in_list(Arc::clone(key), values, &false, schema)?);
        }
    }
    let both = |left, right| Arc::new(BinaryExpr::new(left, Operator::And, right)) as Arc<dyn PhysicalExpr>;
    Ok(conditions.into_iter().reduce(both).unwrap_or_else(|| lit(true)))
}

fn worthwhile_set(bounds: &Bounds, lanes: &[&Lane]) -> Option<KeySet> {
    let rows: usize = lanes.iter().map(|lane| lane.values.len()).sum();
    let worth = SMALL_SET.max(rows as u64 * BYTES_FOR_EACH_ROW).min(LARGEST_SET);
    if KeySet::size(bounds.low, bounds.high) > worth {
        return None;
    }
    let mut set = KeySet::between(bounds.low, bounds.high);
    for lane in lanes {
        match &lane.nulls {
            None => lane.values.iter().for_each(|value| set.insert(*value)),
            Some(nulls) => nulls.valid_indices().for_each(|row| set.insert(lane.values[row])),
        }
    }
    // Where nearly all values between the bounds occur, testing them saves nothing.
    let span = bounds.high.abs_diff(bounds.low) + 1;
    (set.len() as u64 <= span / 10 * 9).then_some(set)
}

fn short_list(lanes: &[&Lane]) -> Option<Vec<i64>> {
    let rows: usize = lanes.iter().map(|lane| lane.values.len()).sum();
    if rows > LONGEST_LIST {
        return None;
    }
    let valid = |lane: &&Lane| -> Vec<i64> {
        let rows = 0..lane.values.len();
        rows.filter(|row| lane.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row)))
            .map(|row| lane.values[row])
            .collect()
    };
    let mut values: Vec<i64> = lanes.iter().flat_map(valid).collect();
    values.sort_unstable();
    values.dedup();
    Some(values)
}
