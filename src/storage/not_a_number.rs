//! Conditions on floats that Parquet's bounds must not answer: a page's or row group's greatest value leaves NaN out, and
//! NaN is greater than every number.

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result as PlanResult, ScalarValue, internal_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};

/// The condition, kept from whoever would compare it with bounds if a NaN could meet it above them.
pub(in crate::storage) fn without_bounds(condition: Arc<dyn PhysicalExpr>, schema: &Schema) -> Arc<dyn PhysicalExpr> {
    let is_float = |part: &Arc<dyn PhysicalExpr>| {
        let column = part.downcast_ref::<Column>();
        Ok(column.is_some_and(|column| {
            let field = schema.fields().get(column.index());
            field.is_none_or(|field| field.data_type().is_floating())
        }))
    };
    match condition.exists(is_float).unwrap_or(true) && !is_below_bounds(&condition) {
        true => Arc::new(WithoutBounds { condition }),
        false => condition,
    }
}

/// `column < value`, `column <= value` and `column = value` where the value is a number: no NaN meets them.
fn is_below_bounds(condition: &Arc<dyn PhysicalExpr>) -> bool {
    let Some(binary) = condition.downcast_ref::<BinaryExpr>() else {
        return false;
    };
    let is_column = |side: &Arc<dyn PhysicalExpr>| side.is::<Column>();
    let is_number = |side: &Arc<dyn PhysicalExpr>| match side.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::Float32(Some(value))) => !value.is_nan(),
        Some(ScalarValue::Float64(Some(value))) => !value.is_nan(),
        _ => false,
    };
    match binary.op() {
        Operator::Lt | Operator::LtEq | Operator::Eq => is_column(binary.left()) && is_number(binary.right()),
        Operator::Gt | Operator::GtEq => is_number(binary.left()) && is_column(binary.right()),
        _ => false,
    }
}

/// A condition that rows are tested by and bounds are not.
#[derive(Debug)]
struct WithoutBounds {
    condition: Arc<dyn PhysicalExpr>,
}

impl PhysicalExpr for WithoutBounds {
    fn data_type(&self, schema: &Schema) -> PlanResult<DataType> {
        self.condition.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> PlanResult<bool> {
        self.condition.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        self.condition.evaluate(batch)
    }

    fn return_field(&self, schema: &Schema) -> PlanResult<FieldRef> {
        self.condition.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> PlanResult<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(condition) => Ok(Arc::new(WithoutBounds { condition })),
            None => internal_err!("a condition is missing"),
        }
    }

    fn fmt_sql(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(formatter)
    }
}

impl Display for WithoutBounds {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.condition)
    }
}

impl PartialEq for WithoutBounds {
    fn eq(&self, other: &WithoutBounds) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Eq for WithoutBounds {}

impl Hash for WithoutBounds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}
