//! A call of a routine for each row of a query: the session runs the body's statements (`context::routines`), for whoever
//! asks and over the versions that the statement reads. Plans keep the definition alone, and nothing of what it gave.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, new_empty_array};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::environment::environment;
use crate::catalog::model::Function;
use crate::error::{Error, Result};
use crate::types::SqlType;

/// Begins the name that such a call has in plans: that of no other function.
pub const ROUTINE_CALL: &str = "call of ";

/// A call with these arguments, which are of the declared types; `depth` is that of the text that makes it.
pub fn routine_call(definition: &Function, depth: usize, arguments: Vec<Expr>) -> Expr {
    let call = RoutineCall {
        name: format!("{ROUTINE_CALL}{}", definition.signature()),
        depth,
        definition: definition.clone(),
        // Whatever it is declared: nobody folds, keeps or shares what it gives.
        signature: Signature::variadic_any(Volatility::Volatile),
    };
    let call = match arguments.is_empty() {
        true => RoutineCall {
            signature: Signature::nullary(Volatility::Volatile),
            ..call
        },
        false => call,
    };
    Arc::new(ScalarUDF::new_from_impl(call)).call(arguments)
}

/// How many views and functions are around the innermost text that calls a routine in the expression; `None` where none does.
pub(super) fn depth_of_calls(expr: &Expr) -> Option<usize> {
    let mut depth = None;
    let walked = expr.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && let Some(call) = call.func.inner().downcast_ref::<RoutineCall>()
        {
            depth = depth.max(Some(call.depth));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.ok().and(depth)
}

/// The layout of what a function gives.
pub fn layout_of(returns: &SqlType) -> DataType {
    match returns {
        // Shown as text.
        SqlType::Void => DataType::Utf8View,
        returns => returns.to_arrow(),
    }
}

struct RoutineCall {
    name: String,
    depth: usize,
    definition: Function,
    signature: Signature,
}

/// What shows a plan shows no body.
impl fmt::Debug for RoutineCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl RoutineCall {
    fn array(&self, values: Vec<ScalarValue>) -> Result<ArrayRef> {
        let layout = layout_of(&self.definition.returns);
        if values.is_empty() {
            return Ok(new_empty_array(&layout));
        }
        let values = values.into_iter().map(|value| match value {
            value if value.is_null() => Ok(ScalarValue::try_from(&layout)?),
            value if value.data_type() != layout => Ok(value.cast_to(&layout)?),
            value => Ok(value),
        });
        Ok(ScalarValue::iter_to_array(values.collect::<Result<Vec<_>>>()?)?)
    }
}

impl PartialEq for RoutineCall {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition && self.depth == other.depth
    }
}

impl Eq for RoutineCall {}

impl Hash for RoutineCall {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.id.hash(state);
    }
}

impl ScalarUDFImpl for RoutineCall {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> PlanResult<DataType> {
        Ok(layout_of(&self.definition.returns))
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let returns = &self.definition.returns;
        let field = returns.to_field(&self.definition.name, true);
        Ok(Arc::new(field.with_data_type(layout_of(returns))))
    }

    fn evaluate_bounds(&self, _arguments: &[&Interval]) -> PlanResult<Interval> {
        Interval::make_unbounded(&layout_of(&self.definition.returns))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let session = environment(&arguments.config_options)
            .ok_or_else(|| Error::internal(format!("{} was called outside a session", self.name)))?;
        let columns = arguments.args.iter();
        let columns = columns.map(|argument| argument.to_array(arguments.number_rows));
        let columns = columns.collect::<PlanResult<Vec<ArrayRef>>>()?;
        let row = |place: usize| {
            let values = columns.iter();
            let values = values.map(|column| ScalarValue::try_from_array(column, place));
            values.collect::<PlanResult<Vec<_>>>()
        };
        let rows = (0..arguments.number_rows).map(row);
        let rows = rows.collect::<PlanResult<Vec<_>>>()?;
        let values = session.call_routine(&self.definition, rows)?;
        Ok(ColumnarValue::Array(self.array(values)?))
    }
}
