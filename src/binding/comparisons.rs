//! Comparisons whose sides PostgreSQL brings together otherwise than the engine: `char(n)` with and without its padding,
//! numerics with floats, dates with timestamps.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, InList, InSubquery, Placeholder, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, Operator, Volatility, binary_expr, when};

use crate::functions::{cast_unknown, compared_type, is_unknown_literal, postgres_cast, retyped, shifted_moment};
use crate::types::SqlType;
use crate::types::calendar::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, MICROS_PER_DAY, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY,
};
use crate::types::coercion::{Category, category, common_type};
use crate::types::format::FormatSettings;
use crate::types::numeric::COMPUTED_NUMERIC;

/// The type of an expression that is a `char(n)`.
fn characters(expression: &Expr, schema: &DFSchema) -> Option<SqlType> {
    let (_, field) = expression.to_field(schema).ok()?;
    Some(SqlType::from_field(&field)).filter(|sql_type| matches!(sql_type, SqlType::Bpchar(_)))
}

fn is_varchar(expression: &Expr, schema: &DFSchema) -> bool {
    let sql_type = expression
        .to_field(schema)
        .map(|(_, field)| SqlType::from_field(&field));
    matches!(sql_type, Ok(SqlType::Varchar(_)))
}

/// A `char(n)` as text, without its padding; anything else as it is.
pub(super) fn trimmed(expression: Expr, schema: &DFSchema, settings: &FormatSettings) -> Expr {
    match characters(&expression, schema) {
        Some(source) => postgres_cast(expression, source, SqlType::Text, settings, Volatility::Immutable),
        None => expression,
    }
}

/// `NULLIF` with a `char(n)` on either side, of which the blanks at the end are no part.
pub(super) fn null_if_equal_characters(
    call: &ScalarFunction,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> Option<Result<Expr>> {
    let [first, second] = call.args.as_slice() else {
        return None;
    };
    if call.func.name() != "nullif" {
        return None;
    }
    let mut compared = [first.clone(), second.clone()];
    if !bare_characters(compared.iter_mut(), schema, settings) {
        return None;
    }
    let [bare_first, bare_second] = compared;
    let kept = when(bare_first.eq(bare_second).is_not_true(), first.clone()).end();
    let sql_type = first.to_field(schema).map(|(_, field)| SqlType::from_field(&field));
    Some(kept.map(|kept| match sql_type {
        Ok(sql_type) if sql_type.is_named() => retyped(kept, sql_type),
        _ => kept,
    }))
}

/// Values that are compared with each other, without the blanks at their ends where one is a `char(n)`: PostgreSQL compares
/// all of them as such, or beside a text as texts, which those of `char(n)` become without their padding. Whether there
/// is one.
pub(super) fn bare_characters<'a>(
    values: impl Iterator<Item = &'a mut Expr>,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> bool {
    let values: Vec<&mut Expr> = values.collect();
    let type_of = |value: &Expr| match is_unknown_literal(value) {
        true => None,
        false => value
            .to_field(schema)
            .ok()
            .map(|(_, field)| SqlType::from_field(&field)),
    };
    let types: Vec<Option<SqlType>> = values.iter().map(|value| type_of(value)).collect();
    if !types.iter().any(|found| matches!(found, Some(SqlType::Bpchar(_)))) {
        return false;
    }
    let has_text = types.contains(&Some(SqlType::Text));
    for (value, sql_type) in values.into_iter().zip(types) {
        let bare = match (&*value, sql_type) {
            (_, Some(SqlType::Bpchar(_))) => trimmed(value.clone(), schema, settings),
            (_, Some(SqlType::Varchar(_))) if !has_text => {
                let (blank_padded, text) = (SqlType::Bpchar(None), SqlType::Text);
                postgres_cast(value.clone(), blank_padded, text, settings, Volatility::Immutable)
            }
            (Expr::Literal(ScalarValue::Utf8(Some(text)), None), None) if !has_text => {
                Expr::Literal(ScalarValue::Utf8(Some(text.trim_end_matches(' ').to_string())), None)
            }
            _ => continue,
        };
        *value = bare;
    }
    true
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

pub(super) fn pad_literals(binary: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
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

pub(super) fn pad_list(mut list: InList, schema: &DFSchema, settings: &FormatSettings) -> InList {
    let Some(sql_type) = characters(&list.expr, schema) else {
        bare_characters(
            std::iter::once(list.expr.as_mut()).chain(&mut list.list),
            schema,
            settings,
        );
        return list;
    };
    let mut is_alike = matches!(sql_type, SqlType::Bpchar(Some(_)));
    for item in &mut list.list {
        match padded(item, &sql_type) {
            Some(padded) => *item = padded,
            None => is_alike &= characters(item, schema).as_ref() == Some(&sql_type),
        }
    }
    if !is_alike {
        for item in &mut list.list {
            // What was padded is a literal again.
            if let Expr::Literal(ScalarValue::Utf8View(Some(text)), None) = item {
                let bare = text.trim_end_matches(' ').to_string();
                *item = Expr::Literal(ScalarValue::Utf8(Some(bare)), None);
            }
        }
        bare_characters(
            std::iter::once(list.expr.as_mut()).chain(&mut list.list),
            schema,
            settings,
        );
    }
    list
}

/// Where padding cannot be made equal it is taken away: beside text, other lengths, and in `||`.
pub(super) fn trim_characters(binary: BinaryExpr, schema: &DFSchema, settings: &FormatSettings) -> BinaryExpr {
    if !is_comparison(binary.op) && binary.op != Operator::StringConcat {
        return binary;
    }
    let types = (characters(&binary.left, schema), characters(&binary.right, schema));
    let is_alike = matches!(types, (None, None) | (Some(SqlType::Bpchar(Some(_))), _)) && types.0 == types.1;
    if is_alike && (types.0.is_none() || binary.op != Operator::StringConcat) {
        return binary;
    }
    let BinaryExpr {
        mut left,
        op,
        mut right,
    } = binary;
    if is_comparison(op) {
        bare_characters([left.as_mut(), right.as_mut()].into_iter(), schema, settings);
        return BinaryExpr::new(left, op, right);
    }
    let side = |side: Box<Expr>| Box::new(trimmed(*side, schema, settings));
    BinaryExpr::new(side(left), op, side(right))
}

/// Values that stand for one: those of `char(n)` beside a text are texts, without their padding.
pub(super) fn trim_among_texts<'a>(
    values: impl Iterator<Item = &'a mut Expr>,
    schema: &DFSchema,
    settings: &FormatSettings,
) {
    let values: Vec<&mut Expr> = values.collect();
    let typed = values.iter().filter(|value| !is_unknown_literal(value));
    let types: Vec<SqlType> = typed
        .filter_map(|value| value.to_field(schema).ok())
        .map(|(_, field)| SqlType::from_field(&field))
        .collect();
    if !matches!(common_type(&types), Ok(SqlType::Text | SqlType::Varchar(_))) {
        return;
    }
    for value in values {
        if characters(value, schema).is_some() {
            *value = trimmed(value.clone(), schema, settings);
        }
    }
}

/// `c IN (SELECT …)` with a `char(n)` on either side, and none of that length on the other.
pub(super) fn trim_membership(
    mut membership: InSubquery,
    schema: &DFSchema,
    settings: &FormatSettings,
) -> Result<InSubquery> {
    let rows = membership.subquery.subquery.as_ref();
    let [column] = &rows.schema().columns()[..] else {
        return Ok(membership);
    };
    let column = Expr::Column(column.clone());
    let types = (characters(&membership.expr, schema), characters(&column, rows.schema()));
    let is_alike = types.0 == types.1 && !matches!(types.0, Some(SqlType::Bpchar(None)));
    if is_alike {
        return Ok(membership);
    }
    let bare = |value: Expr, schema: &DFSchema, other: &Option<SqlType>| match (other, is_varchar(&value, schema)) {
        // Beside a `char(n)` the blanks at the end of a varchar are none.
        (Some(_), true) => {
            let (blank_padded, text) = (SqlType::Bpchar(None), SqlType::Text);
            postgres_cast(value, blank_padded, text, settings, Volatility::Immutable)
        }
        _ => trimmed(value, schema, settings),
    };
    let text = bare(column, rows.schema(), &types.0);
    let plan = LogicalPlanBuilder::from(rows.clone()).project([text])?.build()?;
    membership.subquery.subquery = plan.into();
    membership.expr = Box::new(bare(*membership.expr, schema, &types.1));
    Ok(membership)
}

/// `c = ANY (array)` with a `char(n)` on either side: both are compared without the blanks at their ends, and a parameter
/// is of the other side's type.
pub(super) fn trim_members(mut call: ScalarFunction, schema: &DFSchema, settings: &FormatSettings) -> ScalarFunction {
    let [Expr::Literal(operator, _), value, array] = call.args.as_mut_slice() else {
        return call;
    };
    let compares = operator
        .try_as_str()
        .flatten()
        .is_some_and(|operator| !operator.contains('~'));
    if !matches!(call.func.name(), "array_any" | "array_all") || !compares {
        return call;
    }
    let open = SqlType::Bpchar(None);
    let members = SqlType::Array(Box::new(open.clone()));
    let type_of = |side: &Expr| side.to_field(schema).ok().map(|(_, field)| SqlType::from_field(&field));
    let is_open = |side: &Expr| matches!(side, Expr::Placeholder(parameter) if parameter.field.is_none());
    if is_open(array) && characters(value, schema).is_some() {
        *array = cast_unknown(array.clone(), &members);
    }
    if matches!(type_of(array), Some(SqlType::Array(element)) if matches!(*element, SqlType::Bpchar(_))) {
        if is_open(value) {
            *value = cast_unknown(value.clone(), &open);
        }
        let texts = SqlType::Array(Box::new(SqlType::Text));
        *array = postgres_cast(array.clone(), members, texts, settings, Volatility::Immutable);
    }
    call
}

/// IS DISTINCT FROM compares as `=` does: the engine gives a parameter the type of the other side, whatever operators that has.
pub(super) fn with_compared_parameters(binary: BinaryExpr) -> BinaryExpr {
    if !matches!(binary.op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) {
        return binary;
    }
    let side = |side: Box<Expr>| Box::new(compared_parameter(*side));
    BinaryExpr::new(side(binary.left), binary.op, side(binary.right))
}

/// A parameter that the engine gave the type of what it is compared with.
pub(super) fn compared_parameter(side: Expr) -> Expr {
    match side {
        Expr::Placeholder(Placeholder { id, field: Some(field) }) => {
            let compared = compared_type(&SqlType::from_field(&field));
            cast_unknown(Expr::Placeholder(Placeholder::new_with_field(id, None)), &compared)
        }
        other => other,
    }
}

/// A parameter beside LIKE is a text, whatever character type stands on the other side.
pub(super) fn text_operand(side: Expr) -> Expr {
    match side {
        Expr::Placeholder(parameter)
            if parameter
                .field
                .as_ref()
                .is_none_or(|field| category(&SqlType::from_field(field)) == Category::Text) =>
        {
            let open = Placeholder::new_with_field(parameter.id, None);
            cast_unknown(Expr::Placeholder(open), &SqlType::Text)
        }
        other => other,
    }
}

pub(super) fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        operator,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// A numeric is compared with a float as a float.
pub(super) fn compare_as_floats(binary: BinaryExpr, left: &DataType, right: &DataType) -> BinaryExpr {
    let lifted =
        |side: Box<Expr>, data_type: &DataType, other: &DataType| match data_type.is_decimal() && other.is_floating() {
            true => Box::new(datafusion::logical_expr::cast(*side, DataType::Float64)),
            false => side,
        };
    BinaryExpr {
        left: lifted(binary.left, left, right),
        op: binary.op,
        right: lifted(binary.right, right, left),
    }
}

/// IS DISTINCT FROM of numerics that no one layout of the engine's choice holds.
pub(super) fn compare_distinct_numerics(binary: BinaryExpr, left: &DataType, right: &DataType) -> BinaryExpr {
    let is_test = matches!(binary.op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
    if !is_test || left == right || !left.is_decimal() || !right.is_decimal() {
        return binary;
    }
    let wide = DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1);
    let side = |side: Box<Expr>| Box::new(datafusion::logical_expr::cast(*side, wide.clone()));
    BinaryExpr {
        left: side(binary.left),
        op: binary.op,
        right: side(binary.right),
    }
}

/// A date beside a literal timestamp is compared as a date, because files and row groups keep statistics of dates; beside
/// another timestamp as a timestamp, of microseconds, because the engine's nanoseconds end in 2262.
pub(super) fn compare_dates(binary: BinaryExpr, left: &DataType, right: &DataType) -> Transformed<Expr> {
    let BinaryExpr {
        left: first,
        op,
        right: second,
    } = binary;
    let compared = |left: Expr, op: Operator, right: Expr| Transformed::yes(binary_expr(left, op, right));
    match (left, right) {
        (DataType::Date32, DataType::Timestamp(_, None)) => match beside_day(op, &second) {
            Some((op, day)) => compared(*first, op, day),
            None => compared(first_moment(&first), op, *second),
        },
        (DataType::Timestamp(_, None), DataType::Date32) => {
            let swapped = op.swap().and_then(|op| beside_day(op, &first));
            match swapped {
                Some((op, day)) => compared(*second, op, day),
                None => compared(*first, op, first_moment(&second)),
            }
        }
        _ => Transformed::no(Expr::BinaryExpr(BinaryExpr::new(first, op, second))),
    }
}

/// A date as a timestamp.
fn first_moment(date: &Expr) -> Expr {
    datafusion::logical_expr::cast(date.clone(), DataType::Timestamp(TimeUnit::Microsecond, None))
}

/// How a date compares with the day of a literal timestamp, or sum of a literal day and interval, where it compares so with
/// the timestamp.
fn beside_day(op: Operator, moment: &Expr) -> Option<(Operator, Expr)> {
    let ScalarValue::TimestampMicrosecond(Some(micros), None) = constant(moment)? else {
        return None;
    };
    let day = match micros {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_NEGATIVE_INFINITY => DATE_NEGATIVE_INFINITY,
        micros => i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?,
    };
    let is_midnight = is_infinite(micros) || micros.rem_euclid(MICROS_PER_DAY) == 0;
    let op = match op {
        op if is_midnight => op,
        // The day begins before the moment, and no other day before it begins between.
        Operator::Lt | Operator::LtEq => Operator::LtEq,
        Operator::Gt | Operator::GtEq => Operator::Gt,
        _ => return None,
    };
    Some((op, Expr::Literal(ScalarValue::Date32(Some(day)), None)))
}

fn is_infinite(micros: i64) -> bool {
    matches!(micros, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY)
}

/// An infinite date or timestamp that is written out, as a timestamp.
pub(super) fn infinite_moment(expression: &Expr) -> Option<Expr> {
    let micros = match expression {
        Expr::Literal(ScalarValue::Date32(Some(DATE_INFINITY)), _) => TIMESTAMP_INFINITY,
        Expr::Literal(ScalarValue::Date32(Some(DATE_NEGATIVE_INFINITY)), _) => TIMESTAMP_NEGATIVE_INFINITY,
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), None), _) if is_infinite(*micros) => *micros,
        Expr::Cast(cast) => return infinite_moment(&cast.expr),
        _ => return None,
    };
    Some(Expr::Literal(
        ScalarValue::TimestampMicrosecond(Some(micros), None),
        None,
    ))
}

/// Such a timestamp with an interval that is written out, which does not move it. One near the calendar's ends is moved by our
/// own function from the start: the engine computes with constants early, and further than timestamps reach.
pub(super) fn infinite_sum(binary: &BinaryExpr, right: &DataType) -> Option<Expr> {
    /// The years from 1 to 9999.
    const USUAL: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;
    let is_sum = matches!(binary.op, Operator::Plus | Operator::Minus) && matches!(right, DataType::Interval(_));
    if is_sum
        && let Some(ScalarValue::TimestampMicrosecond(Some(micros), None)) = constant(&binary.left)
        && !is_infinite(micros)
        && !USUAL.contains(&micros)
    {
        let (moment, interval) = (binary.left.as_ref().clone(), binary.right.as_ref().clone());
        return Some(shifted_moment(moment, binary.op, interval));
    }
    let is_there = matches!(binary.right.as_ref(), Expr::Literal(interval, _) if !interval.is_null());
    (is_sum && is_there).then(|| infinite_moment(&binary.left))?
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
