//! Gives a planned query's casts and operators PostgreSQL's meaning where the planner's differs: explicit
//! casts, arithmetic that overflows, comparisons that PostgreSQL does not have. Runs once over each plan
//! before anything is coerced, while every cast in it is one that somebody wrote.

use std::sync::Arc;

use datafusion::arrow::array::new_empty_array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, Placeholder, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, Limit, LogicalPlan, Union, Volatility, WindowFunctionDefinition};

use super::agreement::{described, is_agreeing, named_type, of_agreeing, typed_bounds, typed_case, typed_list};
use super::comparisons::{
    bare_characters, compare_as_floats, compare_dates, compare_distinct_numerics, infinite_moment, infinite_sum,
    is_comparison, null_if_equal_characters, pad_list, pad_literals, text_operand, trim_among_texts, trim_characters,
    trim_members, trim_membership, trimmed, with_compared_parameters,
};
use super::{
    calls, computed_limits, equal_keys, frame_exclusion, grouping_keys, inherited_order, outer_aggregates,
    recursive_queries, sort_keys, string_aggregates,
};
use crate::error::{Error, Result, SqlState};
use crate::functions::{
    GATHERED_ARRAYS, attempted_cast, checked_arithmetic, is_unknown_literal, joined_values, postgres_cast,
};
use crate::types::SqlType;
use crate::types::cast::{CastContext, as_deep_as, as_deep_as_text, cast_array};
use crate::types::coercion::shown;
use crate::types::format::FormatSettings;
use crate::types::parse::{parse_value, reads_the_clock};

/// Every expression of the plan, subqueries included.
pub(crate) fn of_plan(plan: LogicalPlan, settings: &FormatSettings) -> Result<LogicalPlan> {
    let descend = |plan| match plan {
        LogicalPlan::RecursiveQuery(query) => {
            let settled = recursive_queries::settle(query, settings)?;
            Ok(Transformed::new(settled, true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    };
    let rewritten = plan.transform_down_up_with_subqueries(descend, |plan| match plan {
        // Settled on the way down.
        settled @ LogicalPlan::RecursiveQuery(_) => Ok(Transformed::no(settled)),
        LogicalPlan::Union(union) => with_meaning(super::unions::agree(union)?, settings).map(Transformed::yes),
        LogicalPlan::Aggregate(aggregate) => {
            let keys = grouping_keys::computed(&aggregate)?;
            if keys.is_empty() {
                return of_node(LogicalPlan::Aggregate(aggregate), settings);
            }
            let below = of_node(grouping_keys::with_columns(&aggregate, &keys)?, settings)?.data;
            let over_columns = grouping_keys::over_columns(&aggregate, &keys, below)?;
            let meant = of_node(LogicalPlan::Aggregate(over_columns), settings)?.data;
            grouping_keys::with_names(&aggregate, &keys, meant).map(Transformed::yes)
        }
        node => of_node(node, settings),
    })?;
    Ok(rewritten.data)
}

/// The expressions of one node whose inputs are done.
fn of_node(plan: LogicalPlan, settings: &FormatSettings) -> PlanResult<Transformed<LogicalPlan>> {
    if let LogicalPlan::Window(window) = &plan {
        super::frame_offsets::check(window)?;
    }
    let plan = super::exact_averages::of_plan(plan)?;
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let is_limit = matches!(plan, LogicalPlan::Limit(_));
    let is_filter = matches!(plan, LogicalPlan::Filter(_));
    plan.map_expressions(|expression| {
        let expression = match (is_limit, is_filter) {
            (true, _) => calls::typed(expression, &SqlType::Int8),
            (_, true) => calls::typed(expression, &SqlType::Bool),
            _ => expression,
        };
        // Their keys are columns by now.
        if matches!(expression, Expr::GroupingSet(_)) {
            return Ok(Transformed::no(expression));
        }
        let saved = names.save(&expression);
        Ok(of_expression(expression, &schema, settings)?.update_data(|expression| saved.restore(expression)))
    })?
    .transform_data(|plan| Ok(Transformed::yes(sort_keys::of_plan(plan))))?
    .transform_data(|plan| {
        Ok(match plan {
            LogicalPlan::Limit(limit) => Transformed::yes(of_limit(limit, settings)?),
            LogicalPlan::Aggregate(aggregate) => {
                outer_aggregates::check(&aggregate)?;
                Transformed::yes(sort_keys::of_aggregate(inherited_order::of_aggregate(aggregate)?)?)
            }
            LogicalPlan::Distinct(distinct) => Transformed::yes(equal_keys::of_distinct(distinct)?),
            LogicalPlan::Window(window) => Transformed::yes(inherited_order::of_window(window)?),
            LogicalPlan::Unnest(unnest) => Transformed::yes(super::typed_elements::of_unnest(unnest)?),
            LogicalPlan::Join(join) if super::multisets::is_set_operation(&join) => {
                let mut join = super::unions::agree_in_set_operation(join)?;
                for side in [&mut join.left, &mut join.right] {
                    *side = Arc::new(with_casts(side, settings)?);
                }
                Transformed::yes(super::multisets::count_duplicates(equal_keys::of_join(join))?)
            }
            LogicalPlan::Join(join) => Transformed::yes(LogicalPlan::Join(equal_keys::of_join(join))),
            other => Transformed::no(other),
        })
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn of_limit(mut limit: Limit, settings: &FormatSettings) -> Result<LogicalPlan> {
    for (count, clause) in [(&mut limit.skip, "OFFSET"), (&mut limit.fetch, "LIMIT")] {
        if let Some(count) = count {
            **count = computed_limits::counted(count.as_ref().clone(), clause, settings)?;
        }
    }
    match super::ties::keep_ties(limit)? {
        LogicalPlan::Limit(limit) => computed_limits::number_rows(limit),
        other => Ok(other),
    }
}

/// The casts that a union puts over its branches are written casts too.
fn with_meaning(plan: LogicalPlan, settings: &FormatSettings) -> PlanResult<LogicalPlan> {
    let LogicalPlan::Union(union) = plan else {
        return Ok(plan);
    };
    let inputs = union
        .inputs
        .iter()
        .map(|input| Ok(Arc::new(with_casts(input, settings)?)));
    let inputs = inputs.collect::<PlanResult<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
}

/// The branch of a set operation with the meaning of the casts that its columns were given.
pub(super) fn with_casts(branch: &LogicalPlan, settings: &FormatSettings) -> PlanResult<LogicalPlan> {
    let schema = merge_schema(&branch.inputs());
    let names = NamePreserver::new(branch);
    let meant = branch.clone().map_expressions(|expression| {
        let saved = names.save(&expression);
        let meant = match &expression {
            Expr::Alias(alias) if matches!(alias.expr.as_ref(), Expr::Cast(_)) => {
                of_expression(expression, &schema, settings)?
            }
            _ => Transformed::no(expression),
        };
        Ok(meant.update_data(|expression| saved.restore(expression)))
    })?;
    meant.data.recompute_schema()
}

/// One expression over these columns.
pub(crate) fn of_expression(
    expression: Expr,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> PlanResult<Transformed<Expr>> {
    expression.transform_up(|mut expression| {
        super::frame_offsets::measure(&mut expression, schema)?;
        sort_keys::of_expression(&mut expression, schema);
        meant(expression, schema, settings)
    })
}

fn meant(expression: Expr, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Transformed<Expr>> {
    match expression {
        Expr::Cast(cast) => of_cast(cast, schema, settings),
        Expr::TryCast(cast) => {
            let (_, field) = cast.expr.to_field(schema)?;
            let (source, target) = (SqlType::from_field(&field), SqlType::from_field(&cast.field));
            cast_array(
                &new_empty_array(&source.to_arrow()),
                &source,
                &target,
                CastContext::Attempt,
                settings,
            )?;
            Ok(Transformed::yes(attempted_cast(*cast.expr, source, target, settings)))
        }
        Expr::BinaryExpr(binary) => match pad_literals(&binary, schema) {
            Some(padded) => Ok(Transformed::yes(padded)),
            None => {
                let binary = equal_keys::distinct_from(with_compared_parameters(binary), schema)?;
                of_operator(trim_characters(binary, schema, settings), schema)
            }
        },
        Expr::InList(list) => {
            let list = typed_list(pad_list(list, schema, settings), schema, settings)?;
            Ok(Transformed::yes(Expr::InList(equal_keys::in_list(list, schema))))
        }
        Expr::InSubquery(membership) => {
            let membership = trim_membership(membership, schema, settings)?;
            let membership = equal_keys::in_subquery(membership, schema)?;
            Ok(Transformed::yes(Expr::InSubquery(membership)))
        }
        Expr::ScalarSubquery(subquery) => super::correlation::nullable(subquery),
        Expr::SetComparison(comparison) => {
            let comparison = equal_keys::set_comparison(comparison, schema)?;
            Ok(Transformed::yes(Expr::SetComparison(comparison)))
        }
        // NULL is between whatever there is.
        Expr::Between(between) if between.expr.as_ref() == &Expr::Literal(ScalarValue::Null, None) => {
            Ok(Transformed::yes(Expr::Literal(ScalarValue::Boolean(None), None)))
        }
        Expr::Between(mut between) => {
            let Between { expr, low, high, .. } = &mut between;
            let parts = [expr, low, high].into_iter().map(|part| part.as_mut());
            bare_characters(parts, schema, settings);
            let between = sort_keys::between(typed_bounds(between, schema, settings)?, schema)?;
            Ok(Transformed::yes(Expr::Between(between)))
        }
        Expr::Case(mut case) => {
            if let Some(operand) = case.expr.as_deref_mut() {
                let conditions = case.when_then_expr.iter_mut().map(|(condition, _)| condition.as_mut());
                bare_characters(std::iter::once(operand).chain(conditions), schema, settings);
            }
            // PostgreSQL looks at ELSE first.
            let results = case.when_then_expr.iter_mut().map(|(_, result)| result.as_mut());
            let results = case.else_expr.as_deref_mut().into_iter().chain(results);
            trim_among_texts(results, schema, settings);
            let case = equal_keys::of_case(typed_case(case, schema, settings)?, schema);
            let results: Vec<Expr> = case
                .when_then_expr
                .iter()
                .map(|(_, result)| result.as_ref().clone())
                .chain(case.else_expr.as_deref().cloned())
                .collect();
            let sql_type = named_type(&results, schema);
            Ok(Transformed::yes(described(Expr::Case(case), sql_type)))
        }
        Expr::IsTrue(inner) => Ok(Transformed::yes(Expr::IsTrue(Box::new(calls::typed(
            *inner,
            &SqlType::Bool,
        ))))),
        Expr::IsFalse(inner) => Ok(Transformed::yes(Expr::IsFalse(Box::new(calls::typed(
            *inner,
            &SqlType::Bool,
        ))))),
        Expr::IsNotTrue(inner) => Ok(Transformed::yes(Expr::IsNotTrue(Box::new(calls::typed(
            *inner,
            &SqlType::Bool,
        ))))),
        Expr::IsNotFalse(inner) => Ok(Transformed::yes(Expr::IsNotFalse(Box::new(calls::typed(
            *inner,
            &SqlType::Bool,
        ))))),
        Expr::Like(mut like) => {
            like.expr = Box::new(text_operand(*like.expr));
            like.pattern = Box::new(text_operand(*like.pattern));
            Ok(Transformed::yes(Expr::Like(like)))
        }
        Expr::IsNull(inner) => Ok(super::composites::null_test(*inner, true, schema)),
        Expr::IsNotNull(inner) => Ok(super::composites::null_test(*inner, false, schema)),
        Expr::Negative(inner) => calls::negative(*inner, schema),
        Expr::Not(inner) => {
            let inner = Box::new(calls::typed(*inner, &SqlType::Bool));
            check_truth(&inner, schema, "NOT")?;
            Ok(Transformed::no(Expr::Not(inner)))
        }
        Expr::ScalarFunction(mut call) if is_agreeing(call.func.name()) => {
            if let Some(value) = null_if_equal_characters(&call, schema, settings) {
                return Ok(Transformed::yes(value?));
            }
            trim_among_texts(call.args.iter_mut(), schema, settings);
            Ok(Transformed::yes(of_agreeing(call, schema, settings)?))
        }
        Expr::ScalarFunction(call) if call.func.name() == GATHERED_ARRAYS => {
            super::typed_elements::of_gathered(call, schema)
        }
        Expr::ScalarFunction(call) if !KEEPS_PADDING.contains(&call.func.name()) => {
            outer_aggregates::check_value(&call)?;
            let ScalarFunction { func, args } = trim_members(call, schema, settings);
            let args = args
                .into_iter()
                .map(|argument| trimmed(argument, schema, settings))
                .collect();
            let call = calls::read_literals(ScalarFunction { func, args }, schema, settings)?;
            let pinned = calls::pin(call, schema)?;
            Ok(pinned.update_data(|call| super::typed_elements::of_subscript(call, schema)))
        }
        Expr::ScalarFunction(call) => calls::pin(call, schema),
        Expr::AggregateFunction(mut call) => {
            if let Some(filter) = &call.params.filter {
                check_truth(filter, schema, "FILTER")?;
            }
            if call.func.name() == "string_agg" {
                let keys = call.params.order_by.iter_mut().map(|key| &mut key.expr);
                string_aggregates::gather_texts(call.params.args.iter_mut().chain(keys), schema, settings)?;
                if string_aggregates::joins_values(&mut call.params.args, schema)? {
                    call.func = joined_values();
                }
            }
            Ok(Transformed::no(Expr::AggregateFunction(call)))
        }
        Expr::WindowFunction(window) if window.params.args.len() == 3 && is_shift(window.fun.name()) => {
            calls::with_default(frame_exclusion::applied(window), schema)
        }
        Expr::WindowFunction(mut window) if frame_exclusion::is_ours(&window) || window.fun.name() == "string_agg" => {
            if window.fun.name() == "string_agg" {
                string_aggregates::gather_texts(window.params.args.iter_mut(), schema, settings)?;
                if string_aggregates::joins_values(&mut window.params.args, schema)? {
                    window.fun = WindowFunctionDefinition::AggregateUDF(joined_values());
                }
            }
            Ok(Transformed::yes(Expr::WindowFunction(frame_exclusion::applied(window))))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Window functions with a value for where there is no row.
fn is_shift(name: &str) -> bool {
    matches!(name, "lag" | "lead")
}

/// 42804 where a condition has another type than boolean.
pub(super) fn check_truth(condition: &Expr, schema: &DFSchema, place: &str) -> Result<()> {
    let Ok((_, field)) = condition.to_field(schema) else {
        return Ok(());
    };
    let sql_type = SqlType::from_field(&field);
    match sql_type == SqlType::Bool || field.data_type().is_null() || is_unknown_literal(condition) {
        true => Ok(()),
        false => Err(Error::new(
            SqlState::DatatypeMismatch,
            format!(
                "argument of {place} must be type boolean, not type {}",
                shown(&sql_type)
            ),
        )),
    }
}

pub(super) fn of_cast(mut cast: Cast, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Transformed<Expr>> {
    let declared = SqlType::from_field(&cast.field);
    let target = match cast.expr.as_ref() {
        Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), _) => {
            as_deep_as_text(text, declared)
        }
        expression => match expression.to_field(schema) {
            Ok((_, field)) => as_deep_as(&SqlType::from_field(&field), declared),
            Err(_) => declared,
        },
    };
    if matches!(target, SqlType::Array(_)) {
        cast.field = Arc::new(target.to_field("", true));
    }
    let unchanged = |cast| Ok(Transformed::no(Expr::Cast(cast)));
    match cast.expr.as_ref() {
        // The cast says what the parameter is; a length or precision is for the cast to keep.
        Expr::Placeholder(placeholder) if placeholder.field.is_none() => {
            let open = match target.innermost() {
                SqlType::Numeric(_) => target.clone(),
                _ => target.without_modifier(),
            };
            let field = Some(Arc::new(open.to_field("", true)));
            let typed = Expr::Placeholder(Placeholder::new_with_field(placeholder.id.clone(), field));
            let meant = match open == target {
                true => Expr::Cast(Cast::new_from_field(Box::new(typed), cast.field)),
                false => postgres_cast(typed, open, target, settings, Volatility::Immutable),
            };
            return Ok(Transformed::yes(meant));
        }
        Expr::Literal(value, metadata) if metadata.is_none() && !is_registered(&target) => {
            if let Some(value) = literal(value, &target, settings)? {
                let field = target.to_field("", true);
                let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(&field));
                return Ok(Transformed::yes(Expr::Literal(value, metadata)));
            }
            if let (SqlType::Timestamp(_), Some(moment)) = (&target, infinite_moment(&cast.expr)) {
                return Ok(Transformed::yes(moment));
            }
        }
        _ => {}
    }
    let Ok((_, field)) = cast.expr.to_field(schema) else {
        return unchanged(cast);
    };
    let source = super::composites::source_of(&field, &target);
    if target == SqlType::Numeric(None) {
        match (&source, field.data_type()) {
            // A numeric keeps its digits, a whole number has none behind the point.
            (SqlType::Numeric(_), DataType::Decimal128(..) | DataType::Decimal256(..)) => {
                return Ok(Transformed::yes(*cast.expr));
            }
            (SqlType::Int2 | SqlType::Int4 | SqlType::Int8, DataType::Int16 | DataType::Int32 | DataType::Int64) => {
                let whole = DataType::Decimal128(20, 0);
                return Ok(Transformed::yes(datafusion::logical_expr::cast(*cast.expr, whole)));
            }
            _ => {}
        }
    }
    if let SqlType::Composite(composite) = &target
        && source == SqlType::Record
    {
        return super::composites::of_record(*cast.expr, composite, &field, schema, settings);
    }
    let nested = matches!(
        field.data_type(),
        DataType::Null | DataType::Struct(_) | DataType::Map(..) | DataType::Union(..)
    );
    if nested && source == SqlType::Record && target != SqlType::Record {
        if !is_open_text(&target) {
            let message = format!("cannot cast type record to {target}");
            return Err(Error::new(SqlState::CannotCoerce, message).into());
        }
        let text = postgres_cast(*cast.expr, source, target, settings, Volatility::Stable);
        return Ok(Transformed::yes(text));
    }
    let nested = nested && !matches!(source, SqlType::Composite(_));
    if matches!(source, SqlType::Array(_)) && *source.innermost() == SqlType::Record {
        let cast = postgres_cast(*cast.expr, source, target, settings, Volatility::Stable);
        return Ok(Transformed::yes(cast));
    }
    if nested || is_plain(&source, field.data_type(), &target) {
        return unchanged(cast);
    }
    // An empty column tells whether the cast exists.
    cast_array(
        &new_empty_array(&source.to_arrow()),
        &source,
        &target,
        CastContext::Explicit,
        settings,
    )?;
    let volatility = match cast.expr.as_ref() {
        Expr::Literal(..) => Volatility::Stable,
        _ => Volatility::Immutable,
    };
    let meant = postgres_cast(*cast.expr, source, target, settings, volatility);
    Ok(Transformed::yes(meant))
}

/// The value of a cast literal; `None` where it must wait for the execution.
fn literal(value: &ScalarValue, target: &SqlType, settings: &FormatSettings) -> Result<Option<ScalarValue>> {
    let text = match value {
        value if value.is_null() => return Ok(None),
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => text,
        ScalarValue::Int64(_) if matches!(target, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) => {
            return match value.cast_to(&target.to_arrow()) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(Error::new(
                    SqlState::NumericValueOutOfRange,
                    format!("{target} out of range"),
                )),
            };
        }
        _ => return Ok(None),
    };
    let is_clock = matches!(
        target,
        SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::Timestamptz(_) | SqlType::Spelled(_)
    );
    if is_clock && reads_the_clock(text) {
        return Ok(None);
    }
    // A length cuts the text here, which text input would refuse.
    let is_spelled = matches!(target, SqlType::Spelled(spelled) if spelled.typmod() >= 0);
    if is_spelled || matches!(target, SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name) {
        let text = ScalarValue::Utf8View(Some(text.clone())).to_array()?;
        let cut = cast_array(&text, &SqlType::Text, target, CastContext::Explicit, settings)?;
        return Ok(Some(ScalarValue::try_from_array(&cut, 0)?));
    }
    parse_value(target, text, settings).map(Some)
}

/// OIDs by name are looked up by functions of their own.
fn is_registered(target: &SqlType) -> bool {
    matches!(
        target,
        SqlType::Regclass | SqlType::Regtype | SqlType::Regproc | SqlType::Void | SqlType::Unknown | SqlType::System(_)
    )
}

fn is_open_text(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Text | SqlType::Varchar(None))
}

/// Whether Arrow's cast is PostgreSQL's, so that the optimizer can see through it.
fn is_plain(source: &SqlType, layout: &DataType, target: &SqlType) -> bool {
    let is_integer = |sql_type: &SqlType| matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
    let is_float = |sql_type: &SqlType| matches!(sql_type, SqlType::Float4 | SqlType::Float8);
    let is_numeric = |sql_type: &SqlType| matches!(sql_type, SqlType::Numeric(_));
    let is_oid = |sql_type: &SqlType| is_registered(sql_type) || matches!(sql_type, SqlType::Oid);
    if is_oid(source) || is_registered(target) || matches!(layout, DataType::UInt32) {
        return true;
    }
    if is_integer(source) {
        return is_integer(target) || is_float(target) || is_numeric(target) || is_oid(target) || is_open_text(target);
    }
    match (source, target) {
        (source, target) if source == target => layout == &target.to_arrow() || is_open_text(target),
        (source, target) if is_open_text(source) && is_open_text(target) => true,
        (source, target) if is_float(source) && is_float(target) => true,
        (source, target) if is_numeric(source) && is_numeric(target) => matches!(layout, DataType::Decimal128(..)),
        (source, target) if is_numeric(source) && is_float(target) => true,
        (SqlType::Date, SqlType::Timestamp(_)) => true,
        // Nothing is rounded to the microsecond.
        (source, target) if source.is_rounded() && source.oid() == target.oid() => {
            !target.is_rounded() && layout == &target.to_arrow()
        }
        _ => false,
    }
}

fn of_operator(binary: BinaryExpr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let fields = (binary.left.to_field(schema), binary.right.to_field(schema));
    let (Ok((_, left)), Ok((_, right))) = fields else {
        return Ok(Transformed::no(Expr::BinaryExpr(binary)));
    };
    if is_comparison(binary.op) {
        let binary = compare_as_floats(binary, left.data_type(), right.data_type());
        let binary = compare_distinct_numerics(binary, left.data_type(), right.data_type());
        return Ok(compare_dates(binary, left.data_type(), right.data_type()));
    }
    if let Some(moment) = infinite_sum(&binary, right.data_type()) {
        return Ok(Transformed::yes(moment));
    }
    let BinaryExpr {
        left: first,
        op,
        right: second,
    } = &binary;
    Ok(
        match checked_arithmetic(first, *op, second, left.data_type(), right.data_type()) {
            Some(checked) => Transformed::yes(checked),
            None => Transformed::no(Expr::BinaryExpr(binary)),
        },
    )
}

/// Functions that hand a value on, look at its type or know its padding; all others take text, which has none.
const KEEPS_PADDING: [&str; 30] = [
    "json_element",
    "json_key",
    "row_value",
    "assigned_field",
    "concat",
    "concat_ws",
    "format",
    "octet_length",
    "to_json",
    "to_jsonb",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "postgres_cast",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "pg_typeof",
    "arrow_typeof",
    // PostgreSQL has operators of its own there.
    "regexp_matches_pattern",
    "regexp_imatches_pattern",
    "similar_to",
    "json_array_built",
    "json_object_built",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_value",
];
