//! PostgreSQL evaluates AND, OR, CASE, COALESCE and FILTER row by row and no further than needed, and people rely on it:
//! `n <> 0 AND 10 / n > 2`. DataFusion evaluates both sides of AND and OR over whole batches, and writes a CASE of
//! booleans as AND and OR. Where a skipped part could fail, the condition is spelled as a CASE of numbers, which stays lazy.

use std::cmp::Reverse;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ExprSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, Case, ScalarFunction};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit, when};

use super::routine_call::depth_of_calls;

/// Functions that fail on some values, besides conversions of text.
const PARTIAL_FUNCTIONS: [&str; 49] = [
    "acos",
    "asin",
    "bitand",
    "bitor",
    "bitxor",
    "checked_divide",
    "chr",
    "date_bin",
    "daterange",
    "decode",
    "div",
    "exp",
    "get_bit",
    "inetmi",
    "inetmi_int8",
    "inetpl",
    "int4range",
    "int8range",
    "interval_div",
    "json",
    "json_exists",
    "json_key",
    "json_query",
    "json_serialize",
    "json_value",
    "ln",
    "log",
    "log10",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "mod",
    "numeric_div",
    "numeric_mod",
    "numrange",
    "power",
    "range_minus",
    "range_union",
    "set_bit",
    "split_part",
    "sqrt",
    "substr",
    "to_date",
    "to_number",
    "to_timestamp",
    "tsrange",
    "tstzrange",
];

/// Whether a row's values may make the evaluation fail in a way that people guard against: division by zero, text
/// that is no number, a function outside its domain. Overflow is not among them.
pub fn may_fail(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    let mut found = false;
    let walked = expr.apply(|part| {
        found |= fails_itself(part, schema);
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    });
    walked.is_err() || found
}

fn fails_itself(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    let depends_on_row = |part: &Expr| !matches!(part, Expr::Literal(..));
    match expr {
        Expr::BinaryExpr(BinaryExpr { op, right, .. }) => {
            matches!(op, Operator::Divide | Operator::Modulo) && depends_on_row(right)
        }
        Expr::Cast(conversion) => {
            !is_text(conversion.field.data_type())
                && depends_on_row(&conversion.expr)
                && has_text(&conversion.expr, schema)
        }
        Expr::ScalarFunction(call) if call.name() == "postgres_cast" => {
            call.args.iter().any(|arg| has_text(arg, schema))
        }
        Expr::ScalarFunction(call) if call.name().starts_with(super::DOMAIN_VALUE) => true,
        // Whatever its body says, and it is dear.
        Expr::ScalarFunction(call) if call.name().starts_with(super::ROUTINE_CALL) => true,
        Expr::ScalarFunction(call) => {
            PARTIAL_FUNCTIONS.binary_search(&call.name()).is_ok() && call.args.last().is_some_and(depends_on_row)
        }
        _ => false,
    }
}

fn has_text(expr: &Expr, schema: &dyn ExprSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| is_text(&data_type))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The expression with every condition spelled so that parts that may fail are only evaluated where they count.
pub fn lazily(expr: Expr, schema: &dyn ExprSchema) -> PlanResult<Transformed<Expr>> {
    if !may_fail(&expr, schema) {
        return Ok(Transformed::no(expr));
    }
    match expr {
        Expr::BinaryExpr(BinaryExpr { op, .. }) if matches!(op, Operator::And | Operator::Or) => {
            let mut terms = vec![];
            split(expr, op, &mut terms);
            let terms = terms.into_iter().map(|term| Ok(lazily(term, schema)?.data));
            let terms: Vec<Expr> = terms.collect::<PlanResult<_>>()?;
            chain(terms, op, schema).map(Transformed::yes)
        }
        other => {
            let inner = other.map_children(|part| lazily(part, schema))?;
            inner.transform_data(|expr| match expr {
                Expr::Case(case) => lazy_case(case, schema),
                Expr::ScalarFunction(call) if call.name() == "coalesce" => lazy_coalesce(call, schema),
                Expr::AggregateFunction(call) => lazy_arguments(call, schema),
                other => Ok(Transformed::no(other)),
            })
        }
    }
}

fn split(expr: Expr, operator: Operator, terms: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op == operator => {
            split(*left, operator, terms);
            split(*right, operator, terms);
        }
        other => terms.push(other),
    }
}

/// `terms` joined by AND or OR, from left to right.
fn chain(terms: Vec<Expr>, operator: Operator, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let join = |terms: Vec<Expr>| terms.into_iter().reduce(|left, right| binary(left, operator, right));
    let is_plain = !terms.iter().skip(1).any(|term| may_fail(term, schema)) || terms.iter().any(has_subquery);
    if is_plain {
        return Ok(join(terms).unwrap_or_else(|| lit(operator == Operator::And)));
    }
    // Neighbours that cannot fail are one step.
    let mut steps: Vec<Expr> = vec![];
    let mut last_is_safe = false;
    for term in terms {
        let safe = !may_fail(&term, schema);
        match steps.pop() {
            Some(last) if safe && last_is_safe => steps.push(binary(last, operator, term)),
            last => {
                steps.extend(last);
                steps.push(term);
            }
        }
        last_is_safe = safe;
    }
    let decides = |step: &Expr| match operator {
        Operator::And => step.clone().is_false(),
        _ => step.clone().is_true(),
    };
    let decided: i8 = if operator == Operator::And { 0 } else { 1 };
    let unknown = steps.iter().map(|step| step.clone().is_null());
    let unknown = unknown
        .reduce(|left, right| left.or(right))
        .unwrap_or_else(|| lit(false));
    let undecided = when(unknown, lit(ScalarValue::Int8(None))).otherwise(lit(1 - decided))?;
    let branches = steps
        .iter()
        .map(|step| (Box::new(decides(step)), Box::new(lit(decided))));
    Ok(boolean(Case::new(None, branches.collect(), Some(Box::new(undecided)))))
}

fn lazy_case(case: Case, schema: &dyn ExprSchema) -> PlanResult<Transformed<Expr>> {
    let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    let conditions = case.when_then_expr.iter().map(|(when, _)| when);
    let fails = results.chain(conditions).any(|part| may_fail(part, schema));
    let case = Expr::Case(case);
    if !fails || case.get_type(schema)? != DataType::Boolean {
        return Ok(Transformed::no(case));
    }
    let Expr::Case(mut case) = case else {
        return Ok(Transformed::no(case));
    };
    for result in case
        .when_then_expr
        .iter_mut()
        .map(|(_, then)| then)
        .chain(&mut case.else_expr)
    {
        **result = number(std::mem::take(result));
    }
    Ok(Transformed::yes(boolean(case)))
}

fn lazy_coalesce(call: ScalarFunction, schema: &dyn ExprSchema) -> PlanResult<Transformed<Expr>> {
    let is_lazy = call.args.iter().skip(1).any(|arg| may_fail(arg, schema));
    let call = Expr::ScalarFunction(call);
    if !is_lazy || call.get_type(schema)? != DataType::Boolean {
        return Ok(Transformed::no(call));
    }
    let Expr::ScalarFunction(call) = call else {
        return Ok(Transformed::no(call));
    };
    let branches = call.args.into_iter().map(|arg| {
        let then = number(arg.clone());
        (Box::new(arg.is_not_null()), Box::new(then))
    });
    Ok(Transformed::yes(boolean(Case::new(None, branches.collect(), None))))
}

/// An aggregate's arguments, and what it orders them by, are computed for the rows that FILTER keeps.
fn lazy_arguments(mut call: AggregateFunction, schema: &dyn ExprSchema) -> PlanResult<Transformed<Expr>> {
    if let Some(filter) = &call.params.filter {
        let keys = call.params.order_by.iter_mut().map(|key| &mut key.expr);
        let values = call.params.args.iter_mut().chain(keys);
        for argument in values.filter(|argument| may_fail(argument, schema)) {
            let kept = (filter.clone(), Box::new(std::mem::take(argument)));
            let case = Case::new(None, vec![kept], None);
            *argument = lazy_case(case, schema)?.data;
        }
    }
    Ok(Transformed::yes(Expr::AggregateFunction(call)))
}

/// The conditions of a filter: those that cannot fail, then the others as one, each only evaluated where all before it
/// hold. Where one is unknown, no row is kept anyway.
pub fn guarded(conjuncts: Vec<Expr>, schema: &dyn ExprSchema) -> PlanResult<Vec<Expr>> {
    let stays = |conjunct: &Expr| !may_fail(conjunct, schema) || has_subquery(conjunct);
    let (mut conditions, mut risky): (Vec<Expr>, Vec<Expr>) = conjuncts.into_iter().partition(stays);
    // Routines come last, and those of a view before those of a query over it: they are not shown what the view hides.
    risky.sort_by_key(|condition| depth_of_calls(condition).map(Reverse));
    let guards = conditions.iter().filter(|condition| !has_subquery(condition)).cloned();
    let guard = conjunction(guards);
    let steps: Vec<Expr> = guard.into_iter().chain(risky).collect();
    let mut steps = steps.into_iter().rev();
    let Some(last) = steps.next().filter(|step| may_fail(step, schema)) else {
        return Ok(conditions);
    };
    let mut left = steps.peekable();
    if left.peek().is_none() {
        conditions.push(last);
        return Ok(conditions);
    }
    let nested = left.try_fold(number(last), |then, step| when(step, then).otherwise(lit(0i8)))?;
    conditions.push(cast(nested, DataType::Boolean));
    Ok(conditions)
}

/// `predicate` as `guarded` conditions, or itself where nothing can fail.
pub fn guarded_predicate(predicate: Expr, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    if !may_fail(&predicate, schema) {
        return Ok(predicate);
    }
    let conditions = guarded(split_conjunction_owned(predicate), schema)?;
    Ok(conjunction(conditions).unwrap_or_else(|| lit(true)))
}

fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |part: &Expr| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        ))
    };
    expr.exists(is_subquery).unwrap_or(true)
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn number(condition: Expr) -> Expr {
    cast(condition, DataType::Int8)
}

fn boolean(case: Case) -> Expr {
    cast(Expr::Case(case), DataType::Boolean)
}
