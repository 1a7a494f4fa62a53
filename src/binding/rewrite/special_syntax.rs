//! Expressions with a syntax of their own become calls of the functions that PostgreSQL's grammar makes of them:
//! EXTRACT, AT TIME ZONE, TRIM, SUBSTRING, OVERLAY, SIMILAR TO, the prefix operators.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, Subscript, TimezoneInfo, TrimWhereField, UnaryOperator,
    Value, VisitMut, visit_expressions,
};

use super::named_arguments;
use super::syntax::{call, plain_arguments, replace_expressions, system_name, take};
use crate::error::{Error, Result};

/// Types whose names are called as functions: `int8(5)` is a cast.
const TYPES_AS_FUNCTIONS: [&str; 19] = [
    "bool", "bpchar", "bytea", "cidr", "float4", "float8", "inet", "int2", "int4", "int8", "json", "jsonb", "macaddr",
    "macaddr8", "money", "text", "timetz", "uuid", "varbit",
];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Some(rewritten) = like_all(expression) {
            *expression = rewritten;
        } else if let Some(rewritten) = rewritten(expression)? {
            *expression = rewritten;
        }
        Ok(())
    })
}

fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

fn negated_if(negated: bool, expression: Expr) -> Expr {
    match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(expression),
        },
        false => expression,
    }
}

fn rewritten(expression: &mut Expr) -> Result<Option<Expr>> {
    Ok(match expression {
        Expr::Extract { field, expr, .. } => Some(call("extract", vec![text(field_name(field)), take(expr)])),
        Expr::AtTimeZone { timestamp, time_zone } => Some(call("timezone", vec![take(time_zone), take(timestamp)])),
        Expr::Position { expr, r#in } => Some(call("strpos", vec![take(r#in), take(expr)])),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let mut arguments = vec![take(expr)];
            match (substring_from, substring_for) {
                (Some(from), length) => {
                    arguments.push(take(from));
                    arguments.extend(length.iter_mut().map(|length| take(length)));
                }
                (None, Some(length)) => arguments.extend([Expr::value(Value::Number("1".into(), false)), take(length)]),
                (None, None) => return Ok(None),
            }
            Some(call("substring", arguments))
        }
        Expr::Trim {
            trim_where,
            trim_what,
            expr,
            trim_characters,
        } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            };
            let mut arguments = vec![take(expr)];
            arguments.extend(trim_what.iter_mut().map(|what| take(what)));
            arguments.extend(trim_characters.iter_mut().flatten().map(take));
            Some(call(name, arguments))
        }
        Expr::Overlay {
            expr,
            overlay_what,
            overlay_from,
            overlay_for,
        } => {
            let mut arguments = vec![take(expr), take(overlay_what), take(overlay_from)];
            arguments.extend(overlay_for.iter_mut().map(|length| take(length)));
            Some(call("overlay", arguments))
        }
        Expr::Ceil {
            expr,
            field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
        } => Some(call("ceil", vec![take(expr)])),
        Expr::Floor {
            expr,
            field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
        } => Some(call("floor", vec![take(expr)])),
        Expr::IsNormalized { expr, form, negated } => {
            let mut arguments = vec![take(expr)];
            arguments.extend(form.map(|form| text(form.to_string())));
            Some(negated_if(*negated, call("is_normalized", arguments)))
        }
        // PostgreSQL prefers floats.
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr,
        } if is_unknown(expr) => Some(Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(take(expr)),
            data_type: DataType::Float8,
            array: false,
            format: None,
        }),
        Expr::UnaryOp { op, expr } => {
            let function = match op {
                UnaryOperator::PGAbs => "abs",
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                UnaryOperator::BitwiseNot => "bit_not",
                _ => return Ok(None),
            };
            let argument = match op {
                // Floats' own, unlike sqrt() of a numeric.
                UnaryOperator::PGSquareRoot | UnaryOperator::PGCubeRoot => Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(take(expr)),
                    data_type: DataType::Float8,
                    array: false,
                    format: None,
                },
                _ => take(expr),
            };
            Some(call(function, vec![argument]))
        }
        Expr::SimilarTo {
            negated,
            expr,
            pattern,
            escape_char,
        } => {
            let mut arguments = vec![take(expr), take(pattern)];
            arguments.extend(escape_char.iter().map(|escape| Expr::Value(escape.clone())));
            Some(negated_if(*negated, call("similar_to", arguments)))
        }
        Expr::Like {
            negated,
            any: true,
            expr,
            pattern,
            ..
        } => {
            let operator = if *negated { "!~~" } else { "~~" };
            Some(call(
                "array_any",
                vec![text(operator), take(expr), unnested(take(pattern))],
            ))
        }
        Expr::ILike {
            negated,
            any: true,
            expr,
            pattern,
            ..
        } => {
            let operator = if *negated { "!~~*" } else { "~~*" };
            Some(call(
                "array_any",
                vec![text(operator), take(expr), unnested(take(pattern))],
            ))
        }
        Expr::Like {
            pattern, escape_char, ..
        }
        | Expr::ILike {
            pattern, escape_char, ..
        } => {
            // A pattern that escapes with a backslash says the same.
            if let Some(escape) = escape_char.take() {
                **pattern = call("like_escape", vec![take(pattern), Expr::Value(escape)]);
            }
            None
        }
        Expr::AnyOp {
            left,
            compare_op,
            right,
            ..
        } if !matches!(right.as_ref(), Expr::Subquery(_)) => Some(quantified("array_any", left, compare_op, right)),
        Expr::AllOp {
            left,
            compare_op,
            right,
        } if !matches!(right.as_ref(), Expr::Subquery(_)) => Some(quantified("array_all", left, compare_op, right)),
        Expr::CompoundFieldAccess { root, access_chain } if is_element(root, access_chain) => {
            let mut names = vec![];
            let mut accesses = access_chain.drain(..).peekable();
            while let Some(AccessExpr::Dot(Expr::Identifier(name))) =
                accesses.next_if(|access| matches!(access, AccessExpr::Dot(_)))
            {
                names.push(name);
            }
            let value = match (take(root), names.is_empty()) {
                (Expr::Identifier(relation), false) => {
                    Expr::CompoundIdentifier(std::iter::once(relation).chain(names).collect())
                }
                (root, _) => root,
            };
            let accesses: Vec<AccessExpr> = accesses.collect();
            if accesses.len() > 1 && accesses.iter().any(is_slice) {
                return sliced(value, accesses).map(Some);
            }
            Some(subscripted(value, accesses)?)
        }
        Expr::Value(literal) => match &literal.value {
            Value::SingleQuotedByteStringLiteral(bits) => Some(bit_string(format!("b{bits}"))),
            Value::HexStringLiteral(digits) => Some(bit_string(format!("x{digits}"))),
            _ => None,
        },
        // The first bound tells what the parameter is that the second one is computed from.
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } if is_column(expr) && is_computed_from(high, low) => {
            let (above, below, both) = match negated {
                false => (BinaryOperator::GtEq, BinaryOperator::LtEq, BinaryOperator::And),
                true => (BinaryOperator::Lt, BinaryOperator::Gt, BinaryOperator::Or),
            };
            let operation = |left: Expr, op: BinaryOperator, right: Expr| Expr::BinaryOp {
                left: Box::new(left),
                op,
                right: Box::new(right),
            };
            let first = operation(expr.as_ref().clone(), above, take(low));
            let second = operation(take(expr), below, take(high));
            Some(Expr::Nested(Box::new(operation(first, both, second))))
        }
        Expr::Function(function) if let Some(data_type) = clock_type(function) => Some(Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(call("now", vec![])),
            data_type,
            array: false,
            format: None,
        }),
        Expr::Function(function) if matches!(function.args, FunctionArguments::None) => None,
        Expr::Function(function) => {
            let name = system_name(&function.name).unwrap_or_default();
            if let FunctionArguments::List(list) = &mut function.args {
                named_arguments::position(&name, &mut list.args)?;
                if let (
                    "normalize",
                    [
                        _,
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(form @ Expr::Identifier(_))),
                    ],
                ) = (name.as_str(), list.args.as_mut_slice())
                {
                    *form = text(form.to_string());
                }
                if name == "make_timestamptz"
                    && let Some(moment) = plain_arguments(&list.args).and_then(moment_in_zone)
                {
                    return Ok(Some(moment));
                }
                if TYPES_AS_FUNCTIONS.contains(&name.as_str())
                    && let Some([value]) =
                        plain_arguments(&list.args).and_then(|arguments| <[Expr; 1]>::try_from(arguments).ok())
                {
                    return Ok(Some(Expr::Cast {
                        kind: CastKind::Cast,
                        expr: Box::new(value),
                        data_type: DataType::Custom(ObjectName::from(vec![Ident::new(name)]), vec![]),
                        array: false,
                        format: None,
                    }));
                }
            }
            None
        }
        _ => None,
    })
}

/// `B'101'` and `X'1F'` have the length that they are written with.
fn bit_string(text: String) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::SingleQuotedString(text))),
        data_type: bit_type(),
        array: false,
        format: None,
    }
}

pub(super) fn is_bit_string(value: &Value) -> bool {
    matches!(
        value,
        Value::SingleQuotedByteStringLiteral(_) | Value::HexStringLiteral(_)
    )
}

/// bit of any length, which `bit` without quotes is not.
pub(super) fn bit_type() -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::with_quote('"', "bit")]), vec![])
}

/// Whether an access takes elements of a value or of a column, `t.a[1]`, and no fields of records.
fn is_element(root: &Expr, chain: &[AccessExpr]) -> bool {
    let is_name = |access: &AccessExpr| matches!(access, AccessExpr::Dot(Expr::Identifier(_)));
    let names = chain.iter().take_while(|access| is_name(access)).count();
    let rest = chain.get(names..).unwrap_or_default();
    (names == 0 || (matches!(root, Expr::Identifier(_)) && !rest.is_empty()))
        && rest.iter().all(|access| matches!(access, AccessExpr::Subscript(_)))
}

fn is_slice(access: &AccessExpr) -> bool {
    matches!(access, AccessExpr::Subscript(Subscript::Slice { .. }))
}

/// `a[from:to][n]`: where one subscript is a slice all are, a position being one from the first to it.
fn sliced(value: Expr, accesses: Vec<AccessExpr>) -> Result<Expr> {
    let number = |text: &str| Expr::value(Value::Number(text.to_string(), false));
    let mut arguments = vec![value];
    for access in accesses {
        let (lower, upper) = match access {
            AccessExpr::Subscript(Subscript::Index { index }) => (None, Some(index)),
            AccessExpr::Subscript(Subscript::Slice {
                lower_bound,
                upper_bound,
                stride: None,
            }) => (lower_bound, upper_bound),
            _ => return Err(Error::unsupported("this subscript")),
        };
        arguments.push(lower.unwrap_or_else(|| number("1")));
        arguments.push(upper.unwrap_or_else(|| number(&i32::MAX.to_string())));
    }
    Ok(call("array_slice_dimensions", arguments))
}

/// `a[m][n]` or `a[from:to]`; a step of a slice is no SQL.
fn subscripted(value: Expr, accesses: Vec<AccessExpr>) -> Result<Expr> {
    let number = |text: &str| Expr::value(Value::Number(text.to_string(), false));
    let mut arguments = vec![value];
    let mut function = "array_subscript";
    for access in accesses {
        match access {
            AccessExpr::Subscript(Subscript::Index { index }) => arguments.push(index),
            AccessExpr::Subscript(Subscript::Slice {
                lower_bound,
                upper_bound,
                stride: None,
            }) => {
                function = "array_slice_bounds";
                arguments.push(lower_bound.unwrap_or_else(|| number("1")));
                arguments.push(upper_bound.unwrap_or_else(|| number(&i32::MAX.to_string())));
            }
            _ => return Err(Error::unsupported("this subscript")),
        }
    }
    Ok(call(function, arguments))
}

fn is_column(expression: &Expr) -> bool {
    matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Whether an expression that is more than a parameter has this parameter in it.
fn is_computed_from(expression: &Expr, parameter: &Expr) -> bool {
    let (Expr::Value(parameter), false) = (parameter, matches!(expression, Expr::Value(_))) else {
        return false;
    };
    let mut is_used = false;
    if matches!(parameter.value, Value::Placeholder(_)) {
        // Breaks never.
        let _ = visit_expressions(expression, |part| {
            is_used |= matches!(part, Expr::Value(value) if value.value == parameter.value);
            ControlFlow::<()>::Continue(())
        });
    }
    is_used
}

/// The type of `localtime` and its kin, as which the transaction's start is shown: with digits of seconds behind the name
/// for `current_timestamp(3)`.
fn clock_type(function: &Function) -> Option<DataType> {
    let digits = match &function.args {
        FunctionArguments::None => None,
        FunctionArguments::List(list) => match plain_arguments(&list.args)?.as_slice() {
            [Expr::Value(literal)] => match &literal.value {
                Value::Number(digits, _) => Some(digits.parse().ok()?),
                _ => return None,
            },
            _ => return None,
        },
        FunctionArguments::Subquery(_) => return None,
    };
    Some(match system_name(&function.name)?.as_str() {
        "current_timestamp" if digits.is_some() => DataType::Timestamp(digits, TimezoneInfo::WithTimeZone),
        "localtimestamp" => DataType::Timestamp(digits, TimezoneInfo::None),
        "current_time" => DataType::Time(digits, TimezoneInfo::WithTimeZone),
        "localtime" => DataType::Time(digits, TimezoneInfo::None),
        _ => return None,
    })
}

/// make_timestamptz(): the time of a clock, that of a zone where one is named.
fn moment_in_zone(mut arguments: Vec<Expr>) -> Option<Expr> {
    let zone = if arguments.len() == 7 { arguments.pop() } else { None };
    if arguments.len() != 6 {
        return None;
    }
    let local = call("make_timestamp", arguments);
    Some(match zone {
        Some(zone) => call("timezone", vec![zone, local]),
        None => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(local),
            data_type: DataType::Timestamp(None, TimezoneInfo::Tz),
            array: false,
            format: None,
        },
    })
}

/// NULL, or a quoted literal of no type.
fn is_unknown(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_unknown(inner),
        Expr::Value(value) => matches!(value.value, Value::Null | Value::SingleQuotedString(_)),
        _ => false,
    }
}

/// Without the parentheses around it.
/// `x LIKE ALL (patterns)`, of which sqlparser makes a call of `all`.
fn like_all(expression: &mut Expr) -> Option<Expr> {
    let (negated, value, pattern, ending) = match expression {
        Expr::Like {
            any: false,
            negated,
            expr,
            pattern,
            escape_char: None,
        } => (*negated, expr, pattern, ""),
        Expr::ILike {
            any: false,
            negated,
            expr,
            pattern,
            escape_char: None,
        } => (*negated, expr, pattern, "*"),
        _ => return None,
    };
    let Expr::Function(function) = pattern.as_ref() else {
        return None;
    };
    let is_all = |name: &Ident| name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match function.name.0.as_slice() {
        [name] if name.as_ident().is_some_and(is_all) => {}
        _ => return None,
    }
    let mut patterns = plain_arguments(&list.args)?;
    let patterns = match patterns.len() {
        1 => unnested(patterns.remove(0)),
        _ => call("make_array", patterns),
    };
    let not = if negated { "!" } else { "" };
    let operator = text(format!("{not}~~{ending}"));
    Some(call("array_all", vec![operator, take(value), patterns]))
}

fn unnested(expression: Expr) -> Expr {
    match expression {
        Expr::Nested(inner) => *inner,
        other => other,
    }
}

/// `x = ANY (array)`: a list where the array is written out, so that files can be skipped by its values.
fn quantified(function: &str, left: &mut Expr, operator: &BinaryOperator, right: &mut Expr) -> Expr {
    let is_membership = matches!(
        (function, operator),
        ("array_any", BinaryOperator::Eq) | ("array_all", BinaryOperator::NotEq)
    );
    if let (true, Expr::Array(array)) = (is_membership, &mut *right)
        && !array.elem.is_empty()
        && !array.elem.iter().any(|element| matches!(element, Expr::Array(_)))
    {
        return Expr::InList {
            expr: Box::new(take(left)),
            list: std::mem::take(&mut array.elem),
            negated: function == "array_all",
        };
    }
    call(function, vec![text(operator.to_string()), take(left), take(right)])
}

fn field_name(field: &DateTimeField) -> String {
    match field {
        DateTimeField::Custom(name) => name.value.to_lowercase(),
        other => other.to_string().trim_matches('\'').to_lowercase(),
    }
}
