//! Which policy expressions cannot fail, whatever the row. Beside a policy that can fail, even a harmless
//! predicate of the query would tell something: it decides which rows the policy sees, hence whether it fails.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{InSubquery, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use crate::functions::{RETYPED, is_total_text_cast};

/// Functions that answer every value of their arguments' types. `None`: all arguments are free;
/// `Some(n)`: those from the n-th on must be small literals that are not negative.
const TOTAL_FUNCTIONS: [(&str, Option<usize>); 27] = [
    ("ascii", None),
    ("bit_length", None),
    ("btrim", None),
    ("character_length", None),
    ("coalesce", None),
    ("concat", None),
    ("concat_ws", None),
    ("ends_with", None),
    ("initcap", None),
    ("left", Some(1)),
    ("lower", None),
    ("lpad", Some(1)),
    ("ltrim", None),
    ("md5", None),
    ("nullif", None),
    ("octet_length", None),
    ("repeat", Some(1)),
    ("replace", None),
    ("reverse", None),
    ("right", Some(1)),
    ("rpad", Some(1)),
    ("rtrim", None),
    ("sha256", None),
    ("sha512", None),
    ("starts_with", None),
    ("substr", Some(1)),
    ("upper", None),
];

const LARGEST_LENGTH: i64 = 10_000;

/// Whether evaluating `expr` over rows of `schema` always yields a value.
pub(crate) fn infallible(expr: &Expr, schema: &DFSchema) -> bool {
    let all = |parts: &[&Expr]| parts.iter().all(|part| infallible(part, schema));
    match expr {
        Expr::Column(_) | Expr::Literal(..) | Expr::OuterReferenceColumn(..) => true,
        Expr::Alias(alias) => infallible(&alias.expr, schema),
        Expr::Not(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => infallible(inner, schema),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => is_total(*op) && all(&[left, right]),
        Expr::Between(between) => all(&[&between.expr, &between.low, &between.high]),
        Expr::InList(list) => infallible(&list.expr, schema) && list.list.iter().all(|item| infallible(item, schema)),
        Expr::Like(like) => infallible(&like.expr, schema) && is_plain_pattern(&like.pattern),
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().all(|(when, then)| all(&[when, then]));
            let ends = [&case.expr, &case.else_expr];
            branches && ends.into_iter().flatten().all(|end| infallible(end, schema))
        }
        Expr::Cast(cast) => {
            let from = cast.expr.get_type(schema);
            infallible(&cast.expr, schema) && from.is_ok_and(|from| is_lossless(&from, cast.field.data_type()))
        }
        Expr::ScalarFunction(call) => {
            is_total_call(call, schema) && call.args.iter().all(|arg| infallible(arg, schema))
        }
        Expr::Exists(exists) => infallible_subquery(&exists.subquery.subquery),
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            infallible(expr, schema) && infallible_subquery(&subquery.subquery)
        }
        _ => false,
    }
}

fn is_total(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::And
            | Operator::Or
            | Operator::StringConcat
    )
}

/// A pattern is compiled once; one with escapes may not compile.
fn is_plain_pattern(pattern: &Expr) -> bool {
    match pattern {
        Expr::Literal(value, _) => match value.try_as_str() {
            Some(text) => text.is_none_or(|text| !text.contains('\\')),
            None => value.is_null(),
        },
        _ => false,
    }
}

fn is_total_call(call: &ScalarFunction, schema: &DFSchema) -> bool {
    if call.name() == RETYPED {
        let shown = Expr::ScalarFunction(call.clone()).get_type(schema);
        let given = call.args.first().map(|arg| arg.get_type(schema));
        return matches!((given, shown), (Some(Ok(given)), Ok(shown)) if is_lossless(&given, &shown));
    }
    if is_total_text_cast(&call.func) {
        return true;
    }
    let known = TOTAL_FUNCTIONS.iter().find(|(name, _)| *name == call.name());
    match known {
        Some((_, None)) => true,
        Some((_, Some(first))) => call.args.iter().skip(*first).all(is_small_or_text),
        None => false,
    }
}

fn is_small_or_text(argument: &Expr) -> bool {
    let Expr::Literal(value, _) = argument else {
        return false;
    };
    match value {
        ScalarValue::Int64(Some(number)) => (0..=LARGEST_LENGTH).contains(number),
        ScalarValue::Int32(Some(number)) => (0..=LARGEST_LENGTH).contains(&i64::from(*number)),
        ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::LargeUtf8(_) => true,
        other => other.is_null(),
    }
}

/// Conversions that keep every value.
pub(crate) fn is_lossless(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    if from == to || from.is_null() {
        return true;
    }
    match (from, to) {
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (Int8 | Int16 | Int32, Float64) | (Float32, Float64) => true,
        (Boolean | Int8 | Int16 | Int32 | Int64 | Date32, Utf8 | LargeUtf8 | Utf8View) => true,
        (Int8, Decimal128(precision, scale)) => whole_digits(*precision, *scale) >= 3,
        (Int16, Decimal128(precision, scale)) => whole_digits(*precision, *scale) >= 5,
        (Int32, Decimal128(precision, scale)) => whole_digits(*precision, *scale) >= 10,
        (Int64, Decimal128(precision, scale)) => whole_digits(*precision, *scale) >= 19,
        (Decimal128(from_precision, from_scale), Decimal128(precision, scale)) => {
            scale >= from_scale && whole_digits(*precision, *scale) >= whole_digits(*from_precision, *from_scale)
        }
        (Dictionary(_, value), _) => is_lossless(value, to),
        _ => false,
    }
}

fn whole_digits(precision: u8, scale: i8) -> i16 {
    i16::from(precision) - i16::from(scale)
}

/// A lookup in another table: reading, filtering and projecting, each without a chance to fail.
fn infallible_subquery(plan: &Arc<LogicalPlan>) -> bool {
    let mut total = true;
    let walked = plan.apply(|node| {
        total &= is_plain_relation(node)
            && expressions_of(node)
                .iter()
                .all(|(expr, schema)| infallible(expr, schema));
        Ok(if total {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    total && walked.is_ok()
}

fn is_plain_relation(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Subquery(_)
    )
}

fn expressions_of(node: &LogicalPlan) -> Vec<(Expr, DFSchema)> {
    let input = node.inputs().first().map(|input| input.schema().as_ref().clone());
    let schema = input.unwrap_or_else(|| node.schema().as_ref().clone());
    node.expressions()
        .into_iter()
        .map(|expr| (expr, schema.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::functions::expr_fn::{concat, regexp_replace, repeat, right, substr};
    use datafusion::logical_expr::{Volatility, cast, col, lit, when};

    use super::*;
    use crate::functions::{assignment_cast, postgres_cast, retyped};
    use crate::types::SqlType;
    use crate::types::format::FormatSettings;

    #[test]
    fn what_can_fail_is_told_from_what_cannot() {
        let schema = DFSchema::try_from(Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("name", DataType::Utf8View, true),
            Field::new("salary", DataType::Decimal128(10, 2), true),
        ]))
        .unwrap();
        let between_texts =
            |from, to| postgres_cast(col("name"), from, to, &FormatSettings::default(), Volatility::Immutable);
        let cases = [
            (col("name").eq(lit("north")), true),
            (
                when(col("id").gt(lit(5)), lit("x")).otherwise(col("name")).unwrap(),
                true,
            ),
            (concat(vec![lit("***"), right(col("name"), lit(4i64))]), true),
            (repeat(lit("*"), lit(8i64)), true),
            (col("name").like(lit("n%")), true),
            (cast(col("id"), DataType::Int64).gt(lit(5i64)), true),
            (cast(col("salary"), DataType::Decimal128(20, 4)).is_null(), true),
            // Texts of one kind as another: cut, padded or as they are.
            (between_texts(SqlType::Bpchar(Some(15)), SqlType::Text), true),
            (between_texts(SqlType::Text, SqlType::Bpchar(Some(15))), true),
            (retyped(col("name"), SqlType::Bpchar(Some(15))), true),
            (
                retyped(between_texts(SqlType::Text, SqlType::Int4), SqlType::Int4),
                false,
            ),
            (between_texts(SqlType::Text, SqlType::Date), false),
            (between_texts(SqlType::Text, SqlType::Bpchar(Some(10_000_000))), false),
            (
                assignment_cast(
                    col("name"),
                    SqlType::Text,
                    SqlType::Varchar(Some(3)),
                    &FormatSettings::default(),
                ),
                false,
            ),
            (retyped(cast(col("name"), DataType::Int32), SqlType::Int4), false),
            // Overflow, division, conversion.
            ((lit(1) / (col("id") - lit(300))).gt(lit(-5)), false),
            ((col("id") + lit(1)).gt(lit(0)), false),
            (cast(col("name"), DataType::Int32).eq(lit(1)), false),
            (cast(col("salary"), DataType::Decimal128(8, 2)).is_null(), false),
            (cast(col("salary"), DataType::Int32).eq(lit(1)), false),
            // Arguments that a row decides.
            (repeat(lit("*"), cast(col("id"), DataType::Int64)), false),
            (substr(col("name"), cast(col("id"), DataType::Int64)), false),
            (regexp_replace(col("name"), col("name"), lit("x"), None), false),
            (col("name").like(col("name")), false),
            (col("name").like(lit("100\\%")), false),
        ];
        for (expr, expected) in cases {
            assert_eq!(infallible(&expr, &schema), expected, "{expr}");
        }
    }
}
