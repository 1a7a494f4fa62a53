//! PostgreSQL computes what constants alone decide while it plans: `1 / 0` fails though no row asks for it. DataFusion leaves
//! a constant that fails to the rows. As in PostgreSQL, what AND, OR, CASE and COALESCE of constants skip does not fail.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Volatility};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_plan::ColumnarValue;

use super::session::PlanningSession;
use crate::error::{Error, Result};

/// Begins the SQLSTATE of what is wrong with a value.
const DATA_EXCEPTIONS: &str = "22";

/// The error of the first constant that fails, in an optimized plan: what nobody reads is gone from it.
pub(super) fn check(plan: &LogicalPlan, session: &PlanningSession) -> Result<()> {
    let mut fault = None;
    plan.apply(|node| {
        node.apply_expressions(|expression| {
            if let Err(error) = value(expression, session) {
                fault = Some(error);
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    match fault {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

/// The value of an expression of constants; `None` where it depends on more.
fn value(expression: &Expr, session: &PlanningSession) -> Result<Option<ScalarValue>> {
    match expression {
        Expr::Literal(value, _) => Ok(Some(value.clone())),
        Expr::Alias(alias) => value(&alias.expr, session),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if matches!(op, Operator::And | Operator::Or) => {
            let decides = ScalarValue::Boolean(Some(*op == Operator::Or));
            let left = value(left, session)?;
            if left.as_ref() == Some(&decides) {
                return Ok(left);
            }
            let right = value(right, session)?;
            match (left, right) {
                (Some(_), Some(_)) => computed(expression, session),
                _ => Ok(None),
            }
        }
        Expr::Case(case) => of_case(case, session),
        Expr::ScalarFunction(call) if call.name() == "coalesce" => {
            for (index, argument) in call.args.iter().enumerate() {
                match value(argument, session)? {
                    Some(found) if found.is_null() => {}
                    Some(_) if index == 0 => return computed(argument, session),
                    Some(_) => return Ok(None),
                    None => {}
                }
            }
            Ok(None)
        }
        other => {
            let mut fault = None;
            let mut is_constant = is_immutable(other);
            other.apply_children(|part| {
                match value(part, session) {
                    Ok(value) => is_constant &= value.is_some(),
                    Err(error) => {
                        fault = Some(error);
                        return Ok(TreeNodeRecursion::Stop);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
            match fault {
                Some(error) => Err(error),
                None if is_constant => computed(other, session),
                None => Ok(None),
            }
        }
    }
}

/// The branches up to one that is taken whatever the rows are.
fn of_case(case: &Case, session: &PlanningSession) -> Result<Option<ScalarValue>> {
    let operand = case.expr.as_ref().map(|operand| value(operand, session)).transpose()?;
    let mut is_open = false;
    for (when, then) in &case.when_then_expr {
        let condition = match (&operand, value(when, session)?) {
            (None, condition) => condition,
            (Some(Some(operand)), Some(when)) => {
                let literal = |value: &ScalarValue| Box::new(Expr::Literal(value.clone(), None));
                let equal = BinaryExpr::new(literal(operand), Operator::Eq, literal(&when));
                computed(&Expr::BinaryExpr(equal), session)?
            }
            _ => None,
        };
        match condition {
            Some(ScalarValue::Boolean(Some(true))) => {
                let taken = value(then, session)?;
                return Ok(taken.filter(|_| !is_open));
            }
            Some(_) => {}
            None => {
                is_open = true;
                value(then, session)?;
            }
        }
    }
    let otherwise = case.else_expr.as_ref().map(|otherwise| value(otherwise, session));
    Ok(otherwise.transpose()?.flatten().filter(|_| !is_open))
}

/// Whether the value depends on nothing but the parts.
fn is_immutable(expression: &Expr) -> bool {
    match expression {
        Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
        Expr::BinaryExpr(_)
        | Expr::Cast(_)
        | Expr::TryCast(_)
        | Expr::Not(_)
        | Expr::Negative(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::Between(_)
        | Expr::Like(_)
        | Expr::InList(_) => true,
        _ => false,
    }
}

/// What the constants give; errors are those of their values alone.
fn computed(expression: &Expr, session: &PlanningSession) -> Result<Option<ScalarValue>> {
    if let Expr::Literal(value, _) = expression {
        return Ok(Some(value.clone()));
    }
    match evaluated(expression, session) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.state().code().starts_with(DATA_EXCEPTIONS) => Err(error),
        // Something of the engine's, which the rows will tell.
        Err(_) => Ok(None),
    }
}

fn evaluated(expression: &Expr, session: &PlanningSession) -> Result<ScalarValue> {
    let context = PhysicalPlanningContext::default();
    let physical = create_physical_expr(expression, &DFSchema::empty(), session.execution_props(), &context)?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &one_row)?;
    match physical.evaluate(&row)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(values) if values.is_empty() => Err(Error::internal("a constant has no value")),
        ColumnarValue::Array(values) => Ok(ScalarValue::try_from_array(&values, 0)?),
    }
}
