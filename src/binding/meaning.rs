//! Gives a planned query's casts and operators PostgreSQL's meaning where the planner's differs: explicit
//! casts, arithmetic that overflows, comparisons that PostgreSQL does not have. Runs once over each plan
//! before anything is coerced, while every cast in it is one that somebody wrote.

use std::sync::Arc;

use datafusion::arrow::array::new_empty_array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Cast, InList, Placeholder, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Volatility};

use crate::error::{Error, Result, SqlState};
use crate::functions::{checked_arithmetic, postgres_cast};
use crate::types::SqlType;
use crate::types::calendar::MICROS_PER_DAY;
use crate::types::cast::{CastContext, cast_array};
use crate::types::format::FormatSettings;
use crate::types::parse::{parse_value, reads_the_clock};

/// Every expression of the plan, subqueries included.
pub(crate) fn of_plan(plan: LogicalPlan, settings: &FormatSettings) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expression| {
            // The columns of grouping sets are found by their expressions' names.
            if matches!(expression, Expr::GroupingSet(_)) {
                return Ok(Transformed::no(expression));
            }
            let saved = names.save(&expression);
            Ok(of_expression(expression, &schema, settings)?.update_data(|expression| saved.restore(expression)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(rewritten.data)
}

/// One expression over these columns.
pub(crate) fn of_expression(
    expression: Expr,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> PlanResult<Transformed<Expr>> {
    expression.transform_up(|expression| match expression {
        Expr::Cast(cast) => of_cast(cast, schema, settings),
        Expr::BinaryExpr(binary) => match pad_literals(&binary, schema) {
            Some(padded) => Ok(Transformed::yes(padded)),
            None => of_operator(trim_characters(binary, schema, settings), schema),
        },
        Expr::InList(list) => Ok(Transformed::yes(Expr::InList(pad_list(list, schema)))),
        Expr::ScalarFunction(call) if !KEEPS_PADDING.contains(&call.func.name()) => {
            let ScalarFunction { func, args } = call;
            let args = args
                .into_iter()
                .map(|argument| trimmed(argument, schema, settings))
                .collect();
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        other => Ok(Transformed::no(other)),
    })
}

fn of_cast(cast: Cast, schema: &DFSchema, settings: &FormatSettings) -> PlanResult<Transformed<Expr>> {
    let target = SqlType::from_field(&cast.field);
    let unchanged = |cast| Ok(Transformed::no(Expr::Cast(cast)));
    match cast.expr.as_ref() {
        // The cast says what the parameter is.
        Expr::Placeholder(placeholder) if placeholder.field.is_none() => {
            let field = Some(Arc::new(target.to_field("", true)));
            let typed = Placeholder::new_with_field(placeholder.id.clone(), field);
            let cast = Cast::new_from_field(Box::new(Expr::Placeholder(typed)), cast.field);
            return Ok(Transformed::yes(Expr::Cast(cast)));
        }
        Expr::Literal(value, metadata) if metadata.is_none() && !is_registered(&target) => {
            if let Some(value) = literal(value, &target, settings)? {
                let field = target.to_field("", true);
                let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(&field));
                return Ok(Transformed::yes(Expr::Literal(value, metadata)));
            }
        }
        _ => {}
    }
    let Ok((_, field)) = cast.expr.to_field(schema) else {
        return unchanged(cast);
    };
    let source = SqlType::from_field(&field);
    let nested = matches!(
        field.data_type(),
        DataType::Null | DataType::Struct(_) | DataType::Map(..) | DataType::Union(..)
    );
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
        SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::Timestamptz
    );
    if is_clock && reads_the_clock(text) {
        return Ok(None);
    }
    // A length cuts the text here, which text input would refuse.
    if matches!(target, SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Name) {
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

/// Whether Arrow's cast is PostgreSQL's, so that the optimizer can see through it.
fn is_plain(source: &SqlType, layout: &DataType, target: &SqlType) -> bool {
    let is_integer = |sql_type: &SqlType| matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
    let is_float = |sql_type: &SqlType| matches!(sql_type, SqlType::Float4 | SqlType::Float8);
    let is_numeric = |sql_type: &SqlType| matches!(sql_type, SqlType::Numeric(_));
    let is_oid = |sql_type: &SqlType| is_registered(sql_type) || matches!(sql_type, SqlType::Oid);
    let is_open_text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(None));
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
        (source, target) if is_numeric(source) && (is_numeric(target) || is_float(target)) => true,
        (SqlType::Date, SqlType::Timestamp) => true,
        _ => false,
    }
}

fn of_operator(binary: BinaryExpr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let fields = (binary.left.to_field(schema), binary.right.to_field(schema));
    let (Ok((_, left)), Ok((_, right))) = fields else {
        return Ok(Transformed::no(Expr::BinaryExpr(binary)));
    };
    if is_comparison(binary.op) {
        check_comparable(&binary, &SqlType::from_field(&left), &SqlType::from_field(&right))?;
        return Ok(compare_dates(binary, left.data_type(), right.data_type()));
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

/// Functions that hand a value on, or look at its type; all others take text, which has no padding.
const KEEPS_PADDING: [&str; 7] = [
    "postgres_cast",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "pg_typeof",
    "arrow_typeof",
];

/// The type of an expression that is a `char(n)`.
fn characters(expression: &Expr, schema: &DFSchema) -> Option<SqlType> {
    let (_, field) = expression.to_field(schema).ok()?;
    Some(SqlType::from_field(&field)).filter(|sql_type| matches!(sql_type, SqlType::Bpchar(_)))
}

/// A `char(n)` as text, without its padding; anything else as it is.
fn trimmed(expression: Expr, schema: &DFSchema, settings: &FormatSettings) -> Expr {
    match characters(&expression, schema) {
        Some(source) => postgres_cast(expression, source, SqlType::Text, settings, Volatility::Immutable),
        None => expression,
    }
}

/// A quoted literal beside a `char(n)` is one too: the column stays bare, so that files can be skipped.
fn padded(literal: &Expr, sql_type: &SqlType) -> Option<Expr> {
    let (Expr::Literal(ScalarValue::Utf8(Some(text)), None), SqlType::Bpchar(Some(length))) = (literal, sql_type)
    else {
        return None;
    };
    let length = *length as usize;
    let text = text.trim_end_matches(' ');
    let padded = (text.chars().count() <= length).then(|| format!("{text:<length$}"))?;
    Some(Expr::Literal(ScalarValue::Utf8View(Some(padded)), None))
}

fn pad_literals(binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
    if !is_comparison(binary.op) {
        return None;
    }
    let (left, right) = (&binary.left, &binary.right);
    let with = |left: &Expr, right: &Expr| {
        Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left.clone()),
            binary.op,
            Box::new(right.clone()),
        ))
    };
    if let Some(sql_type) = characters(left, schema) {
        return padded(right, &sql_type).map(|right| with(left, &right));
    }
    let sql_type = characters(right, schema)?;
    padded(left, &sql_type).map(|left| with(&left, right))
}

fn pad_list(mut list: InList, schema: &DFSchema) -> InList {
    if let Some(sql_type) = characters(&list.expr, schema) {
        for item in &mut list.list {
            if let Some(padded) = padded(item, &sql_type) {
                *item = padded;
            }
        }
    }
    list
}

/// Where padding cannot be made equal it is taken away: beside text, other lengths, and in `||`.
fn trim_characters(binary: BinaryExpr, schema: &DFSchema, settings: &FormatSettings) -> BinaryExpr {
    if !is_comparison(binary.op) && binary.op != Operator::StringConcat {
        return binary;
    }
    let types = (characters(&binary.left, schema), characters(&binary.right, schema));
    if types.0 == types.1 && (types.0.is_none() || binary.op != Operator::StringConcat) {
        return binary;
    }
    let side = |expression: Box<Expr>| {
        let expression = match *expression {
            // A literal that does not fit is compared without the blanks at its end.
            Expr::Literal(ScalarValue::Utf8(Some(text)), None) if is_comparison(binary.op) => {
                Expr::Literal(ScalarValue::Utf8(Some(text.trim_end_matches(' ').to_string())), None)
            }
            other => trimmed(other, schema, settings),
        };
        Box::new(expression)
    };
    BinaryExpr::new(side(binary.left), binary.op, side(binary.right))
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        operator,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// 42883 for a text beside a number or time: a quoted literal may be anything, a text may not.
fn check_comparable(binary: &BinaryExpr, left: &SqlType, right: &SqlType) -> Result<()> {
    let is_unknown = |expression: &Expr| {
        matches!(
            expression,
            Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, _) | Expr::Placeholder(_)
        )
    };
    let is_text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_));
    let is_other = |sql_type: &SqlType| {
        use SqlType::{Bool, Date, Float4, Float8, Int2, Int4, Int8, Numeric, Timestamp, Timestamptz};
        matches!(
            sql_type,
            Bool | Date | Float4 | Float8 | Int2 | Int4 | Int8 | Numeric(_) | Timestamp | Timestamptz
        )
    };
    let apart = (is_text(left) && is_other(right)) || (is_other(left) && is_text(right));
    if !apart || is_unknown(&binary.left) || is_unknown(&binary.right) {
        return Ok(());
    }
    let name = |sql_type: &SqlType| match sql_type {
        SqlType::Varchar(_) => "character varying".to_string(),
        SqlType::Bpchar(_) => "character".to_string(),
        SqlType::Numeric(_) => "numeric".to_string(),
        other => other.to_string(),
    };
    let message = format!("operator does not exist: {} {} {}", name(left), binary.op, name(right));
    Err(Error::new(SqlState::UndefinedFunction, message)
        .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts."))
}

/// A date beside a literal midnight is compared as a date: files and row groups keep statistics of dates.
fn compare_dates(binary: BinaryExpr, left: &DataType, right: &DataType) -> Transformed<Expr> {
    let BinaryExpr {
        left: first,
        op,
        right: second,
    } = binary;
    let (new_first, new_second) = match (left, right) {
        (DataType::Date32, _) => (None, midnight(&second)),
        (_, DataType::Date32) => (midnight(&first), None),
        _ => (None, None),
    };
    let changed = new_first.is_some() || new_second.is_some();
    let first = new_first.map_or(first, Box::new);
    let second = new_second.map_or(second, Box::new);
    let expression = Expr::BinaryExpr(BinaryExpr::new(first, op, second));
    match changed {
        true => Transformed::yes(expression),
        false => Transformed::no(expression),
    }
}

/// The day that a literal timestamp, or sum of a literal day and interval, is the first moment of.
fn midnight(expression: &Expr) -> Option<Expr> {
    let value = constant(expression)?;
    let ScalarValue::TimestampMicrosecond(Some(micros), None) = value else {
        return None;
    };
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    (micros.rem_euclid(MICROS_PER_DAY) == 0).then(|| Expr::Literal(ScalarValue::Date32(Some(days)), None))
}

fn constant(expression: &Expr) -> Option<ScalarValue> {
    match expression {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Cast(cast) => constant(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        Expr::BinaryExpr(binary) => {
            let (left, right) = (constant(&binary.left)?, constant(&binary.right)?);
            match binary.op {
                Operator::Plus => left.add_checked(&right).ok(),
                Operator::Minus => left.sub_checked(&right).ok(),
                _ => None,
            }
        }
        _ => None,
    }
}
