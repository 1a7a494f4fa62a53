//! The filter that a join makes of its built side, where only some of the join's keys are columns: of its conditions
//! those that ask for the other keys are left out, so that it accepts whatever the whole filter would, and more.

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result as PlanResult, ScalarValue, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{Literal, lit};
use datafusion::physical_expr::{conjunction, split_conjunction};
use datafusion::physical_plan::PhysicalExpr;

/// Of a filter that arrives while the plan runs, the conditions on keys that are known.
#[derive(Debug)]
pub(super) struct PartialKeyFilter {
    /// With `unknown` in the place of the other keys.
    filter: Arc<dyn PhysicalExpr>,
}

impl PartialKeyFilter {
    pub fn new(filter: Arc<dyn PhysicalExpr>) -> PartialKeyFilter {
        PartialKeyFilter { filter }
    }

    /// Stands for a key that is no column: conditions that contain it are left out.
    pub fn unknown(data_type: &DataType) -> PlanResult<Arc<dyn PhysicalExpr>> {
        Ok(lit(ScalarValue::try_from(data_type)?))
    }

    fn conditions(&self) -> PlanResult<Arc<dyn PhysicalExpr>> {
        let arrived = self.filter.snapshot()?;
        let arrived = arrived.as_ref().unwrap_or(&self.filter);
        let known = split_conjunction(arrived)
            .into_iter()
            .filter(|condition| !speaks_of_unknown(condition));
        Ok(conjunction(known.cloned()))
    }
}

fn speaks_of_unknown(condition: &Arc<dyn PhysicalExpr>) -> bool {
    let is_unknown = |part: &Arc<dyn PhysicalExpr>| {
        let literal = part.downcast_ref::<Literal>();
        Ok(literal.is_some_and(|literal| literal.value().is_null()))
    };
    condition.exists(is_unknown).unwrap_or(true)
}

impl PhysicalExpr for PartialKeyFilter {
    fn data_type(&self, _schema: &Schema) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _schema: &Schema) -> PlanResult<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        self.conditions()?.evaluate(batch)
    }

    fn return_field(&self, _schema: &Schema) -> PlanResult<FieldRef> {
        Ok(Arc::new(Field::new("partial_key_filter", DataType::Boolean, true)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.filter]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> PlanResult<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(filter) => Ok(Arc::new(PartialKeyFilter { filter })),
            None => internal_err!("a part of a filter needs the filter"),
        }
    }

    fn snapshot(&self) -> PlanResult<Option<Arc<dyn PhysicalExpr>>> {
        self.conditions().map(Some)
    }

    fn snapshot_generation(&self) -> u64 {
        self.filter.snapshot_generation()
    }

    fn fmt_sql(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("(some joined keys)")
    }
}

impl Display for PartialKeyFilter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self.conditions() {
            Ok(conditions) => write!(formatter, "PartialKeyFilter [ {conditions} ]"),
            Err(_) => formatter.write_str("PartialKeyFilter"),
        }
    }
}

impl PartialEq for PartialKeyFilter {
    fn eq(&self, other: &PartialKeyFilter) -> bool {
        self.filter.eq(&other.filter)
    }
}

impl Eq for PartialKeyFilter {}

impl Hash for PartialKeyFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.filter.hash(state);
    }
}
