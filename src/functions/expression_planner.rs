//! Operators that mean something else to PostgreSQL than to DataFusion, decided by the operands' types
//! while an expression is planned.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DataFusionResult, ScalarValue};
use datafusion::functions_nested::expr_fn::array_has_any;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::datum::{Datum, to_array};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// The planners to ask before DataFusion's own.
pub fn expression_planners() -> Vec<Arc<dyn ExprPlanner>> {
    vec![Arc::new(LiteralPlanner), Arc::new(super::intervals::TimePlanner)]
}

/// A quoted literal takes the type of the other operand: `oid = '16384'`, `polroles = '{0}'`.
#[derive(Debug)]
struct LiteralPlanner;

impl ExprPlanner for LiteralPlanner {
    fn plan_binary_op(
        &self,
        expression: RawBinaryExpr,
        schema: &DFSchema,
    ) -> DataFusionResult<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expression;
        if let Some(function) = json_function(&op) {
            let left_type = left.get_type(schema)?;
            if left_type.is_string() {
                return Ok(PlannerResult::Planned(call(
                    function,
                    path_literal(&op, vec![left, right])?,
                )?));
            }
        }
        if op == BinaryOperator::PGOverlap && left.get_type(schema)?.is_list() {
            let wanted = left.get_type(schema)?;
            return Ok(PlannerResult::Planned(array_has_any(left, typed(right, &wanted)?)));
        }
        if !is_comparison(&op) {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        let right = typed(right, &left_type)?;
        let left = typed(left, &right_type)?;
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

/// What an operator on json calls.
fn json_function(operator: &BinaryOperator) -> Option<&'static str> {
    Some(match operator {
        BinaryOperator::Arrow => "json_get",
        BinaryOperator::LongArrow => "json_get_text",
        BinaryOperator::HashArrow => "json_get_path",
        BinaryOperator::HashLongArrow => "json_get_path_text",
        BinaryOperator::Question => "jsonb_exists",
        _ => return None,
    })
}

/// The right side of `#>` and `#>>` is an array, also as a literal.
fn path_literal(operator: &BinaryOperator, arguments: Vec<Expr>) -> DataFusionResult<Vec<Expr>> {
    if !matches!(operator, BinaryOperator::HashArrow | BinaryOperator::HashLongArrow) {
        return Ok(arguments);
    }
    let texts = SqlType::Array(Box::new(SqlType::Text)).to_arrow();
    let mut arguments = arguments.into_iter();
    let json = arguments.next().into_iter();
    json.map(Ok).chain(arguments.map(|path| typed(path, &texts))).collect()
}

/// A call of one of our own functions.
fn call(name: &str, arguments: Vec<Expr>) -> DataFusionResult<Expr> {
    let function = super::scalar_functions()
        .iter()
        .find(|function| function.name() == name);
    match function {
        Some(function) => Ok(function.call(arguments)),
        None => Err(Error::internal(format!("{name}() is missing")).into()),
    }
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::AtArrow
            | BinaryOperator::ArrowAt
            | BinaryOperator::PGOverlap
    )
}

/// The literal as a value of the other side's type; anything else as it is.
fn typed(expression: Expr, wanted: &DataType) -> DataFusionResult<Expr> {
    let text = match &expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), None) => text.clone(),
        _ => return Ok(expression),
    };
    match wanted {
        DataType::List(element) => {
            let array = to_array(wanted, &[array_literal(&text, element.data_type())?])?;
            Ok(Expr::Literal(ScalarValue::try_from_array(&array, 0)?, None))
        }
        DataType::UInt32 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Ok(cast(expression, wanted.clone())),
        _ => Ok(expression),
    }
}

/// Reads `{1,2,NULL}`.
fn array_literal(text: &str, element: &DataType) -> Result<Datum> {
    let malformed = || {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("malformed array literal: \"{text}\""),
        )
        .with_detail("Array value must start with \"{\" or dimension information.")
    };
    let inside = text
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .ok_or_else(malformed)?;
    if inside.trim().is_empty() {
        return Ok(Datum::List(vec![]));
    }
    let elements = inside.split(',').map(|part| {
        let part = part.trim();
        let invalid = || {
            let name = SqlType::from_arrow(element);
            Error::new(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type {name}: \"{part}\""),
            )
        };
        if part.eq_ignore_ascii_case("null") {
            return Ok(Datum::Null);
        }
        Ok(match element {
            DataType::Utf8View => Datum::text(part.trim_matches('"')),
            DataType::Boolean => Datum::Bool(part.starts_with(['t', 'T'])),
            DataType::Float32 | DataType::Float64 => Datum::Float(part.parse().map_err(|_| invalid())?),
            _ => Datum::Int(part.parse().map_err(|_| invalid())?),
        })
    });
    elements.collect::<Result<Vec<_>>>().map(Datum::List)
}
