//! Values that stand for one: branches of CASE, items of IN, arguments of COALESCE and its kin. They agree on a type
//! before the engine, which takes the first for all, looks at them.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::{Case, Cast, InList, ScalarFunction};
use datafusion::logical_expr::{Between, Expr, ExprSchemable, lit, when};

use super::comparisons::compared_parameter;
use super::meaning::{check_truth, of_cast};
use super::{calls, equal_keys, sort_keys};
use crate::error::Error;
use crate::functions::{agree, agree_compared, is_unknown_literal, retyped, scalar_functions};
use crate::types::SqlType;
use crate::types::coercion::{common_type, without_modifier};
use crate::types::format::FormatSettings;

/// Whether a function's arguments stand for one value.
pub(super) fn is_agreeing(name: &str) -> bool {
    AGREEING.iter().any(|(agreeing, _)| *agreeing == name)
}

/// A call of such a function.
pub(super) fn of_agreeing(mut call: ScalarFunction, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Expr> {
    let construct = AGREEING.iter().find(|(name, _)| *name == call.func.name());
    let construct = construct.map_or("", |(_, construct)| construct);
    if call.func.name() == "nullif" {
        let first = call.args.first().cloned();
        let have_equality = compare_as_they_are(&call.args, schema);
        call.args = read_moments(agree_compared(call.args, schema, construct)?, schema, settings)?;
        // The engine's own NULLIF takes the zeros of both signs for two values.
        if let (Some(first), [value, other]) = (first, call.args.as_slice())
            && (have_equality || is_float(&call.args, schema))
        {
            let kept = if have_equality { first } else { value.clone() };
            return when(value.clone().eq(other.clone()).is_not_true(), kept).end();
        }
    } else {
        call.args = read_moments(agree(call.args, schema, construct)?, schema, settings)?;
    }
    widen_first(&mut call.args, schema);
    let sql_type = match call.func.name() {
        "make_array" => named_type(&call.args, schema).map(|element| SqlType::Array(Box::new(element))),
        _ => named_type(&call.args, schema),
    };
    let ScalarFunction { func, args } = call;
    let other = match func.name() {
        "greatest" if is_array(&args, schema) => Some(called("array_larger", args.clone(), schema)?),
        "least" if is_array(&args, schema) => Some(called("array_smaller", args.clone(), schema)?),
        "greatest" if is_jsonb(&args, schema) => Some(called("jsonb_larger", args.clone(), schema)?),
        "least" if is_jsonb(&args, schema) => Some(called("jsonb_smaller", args.clone(), schema)?),
        "greatest" | "least" => sort_keys::greatest(&args, schema, |keys| func.call(keys)),
        "nullif" => equal_keys::null_if(&args, schema)?.map(|kept| described(kept, sql_type.clone())),
        _ => None,
    };
    Ok(match other {
        Some(expression) => match sql_type.filter(|sql_type| sql_type.user_type().is_some()) {
            Some(sql_type) => retyped(expression, sql_type),
            None => expression,
        },
        None => described(func.call(args), sql_type),
    })
}

/// Literals of dates and moments, which the session's settings say how to read, and the engine reads in one style only. What
/// the query itself casts has been read before.
fn read_moments(values: Vec<Expr>, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Vec<Expr>> {
    let read = |value| match value {
        Expr::Cast(cast) if is_moment(&cast) => Ok(of_cast(cast, schema, settings)?.data),
        other => Ok(other),
    };
    values.into_iter().map(read).collect()
}

fn is_moment(cast: &Cast) -> bool {
    matches!(cast.expr.as_ref(), Expr::Literal(ScalarValue::Utf8(Some(_)), None))
        && matches!(
            SqlType::from_field(&cast.field),
            SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::Timestamptz(_)
        )
}

/// Whether values are of different types that have an equality of their own: then NULLIF is of the first one's type.
fn compare_as_they_are(values: &[Expr], schema: &DFSchema) -> bool {
    let types: Vec<DataType> = values.iter().filter_map(|value| value.get_type(schema).ok()).collect();
    let all = |is_one: fn(&DataType) -> bool| types.iter().all(is_one);
    types.windows(2).any(|pair| pair[0] != pair[1]) && (all(DataType::is_signed_integer) || all(DataType::is_floating))
}

fn is_array(values: &[Expr], schema: &DFSchema) -> bool {
    let mut types = values.iter().filter_map(|value| value.get_type(schema).ok());
    types.any(|data_type| matches!(data_type, DataType::List(_)))
}

fn is_jsonb(values: &[Expr], schema: &DFSchema) -> bool {
    let mut fields = values.iter().filter_map(|value| value.to_field(schema).ok());
    fields.any(|(_, field)| SqlType::from_field(&field) == SqlType::Jsonb)
}

fn is_float(values: &[Expr], schema: &DFSchema) -> bool {
    let mut types = values.iter().filter_map(|value| value.get_type(schema).ok());
    types.any(|data_type| data_type.is_floating())
}

/// One of our own functions with the overload that the arguments choose.
fn called(name: &str, args: Vec<Expr>, schema: &DFSchema) -> PlanResult<Expr> {
    let func = scalar_functions().iter().find(|function| function.name() == name);
    let func = func.ok_or_else(|| Error::internal(format!("{name}() is missing")))?;
    let call = ScalarFunction {
        func: Arc::clone(func),
        args,
    };
    Ok(calls::pin(call, schema)?.data)
}

/// The engine takes the first value's type for the type of all: a whole number beside numerics is one of them.
fn widen_first(values: &mut [Expr], schema: &DFSchema) {
    let types: Vec<DataType> = values.iter().filter_map(|value| value.get_type(schema).ok()).collect();
    let precision = match types.first() {
        Some(DataType::Int16) => 5,
        Some(DataType::Int32) => 10,
        Some(DataType::Int64) => 20,
        _ => return,
    };
    if let (Some(first), true) = (values.first_mut(), types.iter().any(DataType::is_decimal)) {
        *first = datafusion::logical_expr::cast(first.clone(), DataType::Decimal128(precision, 0));
    }
}

/// Functions whose arguments stand for one value, and how errors call them.
const AGREEING: [(&str, &str); 5] = [
    ("make_array", "ARRAY"),
    ("coalesce", "COALESCE"),
    ("greatest", "GREATEST"),
    ("least", "LEAST"),
    ("nullif", "NULLIF"),
];

/// The type of values that agree, where their layout does not tell it.
pub(super) fn named_type(values: &[Expr], schema: &DFSchema) -> Option<SqlType> {
    let known = values.iter().filter(|value| !is_unknown_literal(value));
    let types: Vec<SqlType> = known
        .filter_map(|value| value.to_field(schema).ok())
        .filter(|(_, field)| !field.data_type().is_null())
        .map(|(_, field)| SqlType::from_field(&field))
        .collect();
    // A literal of unknown type has no length, so the whole has none.
    let types = match types.len() == values.len() {
        true => types,
        false => types.iter().map(without_modifier).collect(),
    };
    common_type(&types).ok().filter(|common| {
        common.innermost().is_rounded()
            || *common.innermost() == SqlType::Record
            || matches!(common, SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Composite(_))
            || matches!(
                common.innermost(),
                SqlType::Json | SqlType::Jsonb | SqlType::Uuid | SqlType::Enum(_) | SqlType::Spelled(_)
            )
    })
}

pub(super) fn described(expression: Expr, sql_type: Option<SqlType>) -> Expr {
    match sql_type {
        Some(sql_type) => retyped(expression, sql_type),
        None => expression,
    }
}

/// Literals of unknown type take the type that they are compared with.
pub(super) fn typed_list(mut list: InList, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<InList> {
    let all = std::iter::once(*list.expr).chain(list.list).collect();
    let mut all = read_moments(agree(all, schema, "IN")?, schema, settings)?.into_iter();
    let Some(first) = all.next() else {
        return Err(Error::internal("a list lost its left side").into());
    };
    list.expr = Box::new(first);
    list.list = all.collect();
    // The engine looks a float up by its bits, and zero has two forms.
    let is_zero = |item: &Expr| match item {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => *value == 0.0,
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => *value == 0.0,
        _ => false,
    };
    let is_floating = list
        .expr
        .get_type(schema)
        .is_ok_and(|data_type| data_type.is_floating());
    let has_zero = list.list.iter().any(|item| is_zero(item) || is_whole_zero(item));
    if is_floating && has_zero {
        list.list.extend([lit(0.0_f64), lit(-0.0_f64)]);
    }
    Ok(list)
}

/// A zero that a list of floats makes a float of.
fn is_whole_zero(item: &Expr) -> bool {
    match item {
        Expr::Cast(cast) => is_whole_zero(&cast.expr),
        Expr::Literal(ScalarValue::Int32(Some(0)) | ScalarValue::Int64(Some(0)), _) => true,
        Expr::Literal(ScalarValue::Decimal128(Some(0), ..), _) => true,
        _ => false,
    }
}

pub(super) fn typed_bounds(between: Between, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Between> {
    let bounds = [*between.low, *between.high].map(compared_parameter);
    let all = std::iter::once(*between.expr).chain(bounds).collect();
    let mut all = read_moments(agree_compared(all, schema, "BETWEEN")?, schema, settings)?.into_iter();
    match (all.next(), all.next(), all.next()) {
        (Some(expression), Some(low), Some(high)) => Ok(Between {
            expr: Box::new(expression),
            negated: between.negated,
            low: Box::new(low),
            high: Box::new(high),
        }),
        _ => Err(Error::internal("BETWEEN lost a side").into()),
    }
}

/// Branches agree on one type; conditions are truth values, or compared with the operand.
pub(super) fn typed_case(mut case: Case, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Case> {
    match case.expr.take() {
        None => {
            for (condition, _) in &mut case.when_then_expr {
                **condition = calls::typed(condition.as_ref().clone(), &SqlType::Bool);
                check_truth(condition, schema, "CASE/WHEN")?;
            }
        }
        Some(operand) => {
            let conditions = case
                .when_then_expr
                .iter()
                .map(|(condition, _)| condition.as_ref().clone());
            let all = std::iter::once(*operand).chain(conditions).collect();
            let mut all = read_moments(agree_compared(all, schema, "CASE")?, schema, settings)?.into_iter();
            case.expr = all.next().map(Box::new);
            for ((condition, _), typed) in case.when_then_expr.iter_mut().zip(all) {
                **condition = typed;
            }
        }
    }
    // PostgreSQL looks at ELSE first.
    let results: Vec<Expr> = case
        .else_expr
        .take()
        .map(|otherwise| *otherwise)
        .into_iter()
        .chain(case.when_then_expr.iter().map(|(_, result)| result.as_ref().clone()))
        .collect();
    let has_else = results.len() > case.when_then_expr.len();
    let mut results = read_moments(agree(results, schema, "CASE")?, schema, settings)?.into_iter();
    if has_else {
        case.else_expr = results.next().map(Box::new);
    }
    let mut results: Vec<Expr> = results
        .chain(case.else_expr.take().map(|otherwise| *otherwise))
        .collect();
    widen_first(&mut results, schema);
    case.else_expr = if has_else { results.pop().map(Box::new) } else { None };
    for ((_, result), typed) in case.when_then_expr.iter_mut().zip(results) {
        **result = typed;
    }
    Ok(case)
}
