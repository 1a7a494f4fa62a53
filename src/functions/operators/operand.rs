//! One side of an operator: its type, and how a literal of unknown type takes another.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Cast, Placeholder};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::super::retyped::retyped;
use crate::error::{Error, Result, SqlState};
use crate::types::coercion::{common_type, is_same, shown};
use crate::types::format::FormatSettings;
use crate::types::numeric::{WIDE_LAYOUT, exceed_one_layout};
use crate::types::parse::parse_value;
use crate::types::{Spelled, SqlType};

/// The type of one side; `SqlType::Unknown` for a quoted literal, NULL or an untyped parameter.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub sql_type: SqlType,
    pub layout: DataType,
}

impl Operand {
    /// `None` where the expression has no type yet.
    pub fn of(expression: &Expr, schema: &DFSchema) -> Option<Operand> {
        if is_unknown_literal(expression) {
            return Some(Operand {
                sql_type: SqlType::Unknown,
                layout: DataType::Utf8,
            });
        }
        if let Some(operand) = Operand::of_case(expression, schema) {
            return Some(operand);
        }
        // The engine does not pass on what SQL calls the type of such a result.
        let value = match passes_on(expression) {
            Some(value) if !is_unknown_literal(value) => value,
            _ => expression,
        };
        let (_, field) = value.to_field(schema).ok()?;
        let sql_type = match field.data_type() {
            DataType::Null => SqlType::Unknown,
            _ => SqlType::from_field(&field),
        };
        Some(Operand {
            sql_type,
            layout: field.data_type().clone(),
        })
    }

    /// CASE of branches of one type, which the engine takes for their layout.
    fn of_case(expression: &Expr, schema: &DFSchema) -> Option<Operand> {
        let Expr::Case(case) = expression else { return None };
        let results = case
            .when_then_expr
            .iter()
            .map(|(_, result)| result)
            .chain(&case.else_expr);
        let branches: Option<Vec<Operand>> = results.map(|result| Operand::of(result, schema)).collect();
        let mut known = branches?.into_iter().filter(|branch| !branch.is_unknown());
        let first = known.next()?;
        let is_named = SqlType::from_arrow(&first.layout) != first.sql_type;
        (is_named && known.all(|branch| is_same(&branch.sql_type, &first.sql_type))).then_some(first)
    }

    /// The operand's expression, which says its type where the engine knows the layout only.
    pub fn described(&self, expression: Expr) -> Expr {
        match &expression {
            Expr::Case(_) if SqlType::from_arrow(&self.layout) != self.sql_type && !self.is_unknown() => {
                retyped(expression, self.sql_type.clone())
            }
            _ => expression,
        }
    }

    pub fn is_unknown(&self) -> bool {
        self.sql_type == SqlType::Unknown
    }
}

/// The argument that an aggregate or window function gives one of the values of.
pub fn passes_on(expression: &Expr) -> Option<&Expr> {
    const SAME_TYPE: [&str; 7] = ["min", "max", "first_value", "last_value", "nth_value", "lag", "lead"];
    let (name, arguments) = match expression {
        Expr::AggregateFunction(call) => (call.func.name(), &call.params.args),
        Expr::WindowFunction(call) => (call.fun.name(), &call.params.args),
        Expr::Alias(alias) => return passes_on(&alias.expr),
        _ => return None,
    };
    arguments.first().filter(|_| SAME_TYPE.contains(&name))
}

/// Whether the text alone says nothing about the expression's type.
pub fn is_unknown_literal(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, None) => true,
        Expr::Placeholder(placeholder) => placeholder.field.is_none(),
        _ => false,
    }
}

/// An unknown literal as a value of a type; a parameter takes the type.
pub fn cast_unknown(expression: Expr, target: &SqlType) -> Expr {
    let field = Arc::new(target.to_field("", true));
    match expression {
        Expr::Placeholder(placeholder) if placeholder.field.is_none() => {
            Expr::Placeholder(Placeholder::new_with_field(placeholder.id, Some(field)))
        }
        other => cast_to(other, target),
    }
}

/// A quoted literal in the place of a value is read as one where the engine would read it its own way, or take it as it is
/// written; what depends on the session's settings stays.
pub fn read_literal(expression: Expr, sql_type: &SqlType) -> Result<Expr> {
    match &expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)), None)
            if sql_type.user_type().is_some()
                || matches!(
                    sql_type,
                    SqlType::Interval(_)
                        | SqlType::Spelled(_)
                        | SqlType::Array(_)
                        | SqlType::Bool
                        | SqlType::Bytea
                        | SqlType::Uuid
                        | SqlType::Json
                        | SqlType::Jsonb
                ) =>
        {
            let value = parse_value(sql_type, text, &FormatSettings::default())?;
            let field = sql_type.to_field("", true);
            let metadata = (!field.metadata().is_empty()).then(|| FieldMetadata::from(&field));
            Ok(Expr::Literal(value, metadata))
        }
        _ => Ok(expression),
    }
}

/// A cast that the query could have written.
pub(super) fn cast_to(expression: Expr, target: &SqlType) -> Expr {
    let field = Arc::new(target.to_field("", true));
    Expr::Cast(Cast::new_from_field(Box::new(expression), field))
}

/// The type of a parameter that is compared with a value: text beside a varchar, which has no operators of its own.
pub fn compared_type(known: &SqlType) -> SqlType {
    match known {
        SqlType::Varchar(_) => SqlType::Text,
        SqlType::Spelled(Spelled::Cidr) => SqlType::Spelled(Spelled::Inet),
        other => other.without_modifier(),
    }
}

/// The same for values that are compared with the first, where parameters take the type of the comparison.
pub fn agree_compared(expressions: Vec<Expr>, schema: &DFSchema, construct: &str) -> Result<Vec<Expr>> {
    let known = expressions
        .iter()
        .filter_map(|expression| Operand::of(expression, schema));
    let known = known
        .map(|operand| operand.sql_type)
        .find(|sql_type| *sql_type != SqlType::Unknown);
    let expressions = match known.map(|known| (compared_type(&known), known)) {
        Some((compared, known)) if !is_same(&compared, &known) => {
            let typed = expressions.into_iter().map(|expression| match &expression {
                Expr::Placeholder(parameter) if parameter.field.is_none() => cast_unknown(expression, &compared),
                _ => expression,
            });
            typed.collect()
        }
        _ => expressions,
    };
    agree(expressions, schema, construct)
}

/// Brings expressions that stand for one value (branches of CASE, arguments of COALESCE) to one type; 42804
/// names the construct where two cannot be matched.
pub fn agree(expressions: Vec<Expr>, schema: &DFSchema, construct: &str) -> Result<Vec<Expr>> {
    let operands: Option<Vec<Operand>> = expressions
        .iter()
        .map(|expression| Operand::of(expression, schema))
        .collect();
    let Some(operands) = operands else {
        return Ok(expressions);
    };
    let types: Vec<SqlType> = operands.iter().map(|operand| operand.sql_type.clone()).collect();
    // Types that only the catalogs have follow the engine's own coercion.
    if let Some(internal) = types.iter().find(|sql_type| is_internal(sql_type)) {
        let typed = expressions.into_iter().map(|expression| match &expression {
            Expr::Placeholder(parameter) if parameter.field.is_none() => cast_unknown(expression, internal),
            _ => expression,
        });
        return Ok(typed.collect());
    }
    let common = common_type(&types).map_err(|(left, right)| {
        let message = format!(
            "{construct} types {} and {} cannot be matched",
            shown(&left),
            shown(&right)
        );
        Error::new(SqlState::DatatypeMismatch, message)
    })?;
    // Literals of several scales keep their own digits; columns keep theirs, which the engine widens.
    let is_open = matches!(common, SqlType::Numeric(_))
        && types.iter().any(|sql_type| *sql_type != types[0])
        && expressions.iter().all(is_number_literal);
    let open = SqlType::Numeric(None).to_arrow();
    let known = operands.iter().filter(|operand| !operand.is_unknown());
    let layouts = known.map(|operand| &operand.layout).chain(is_open.then_some(&open));
    let is_wide = matches!(common, SqlType::Numeric(_)) && exceed_one_layout(layouts);
    let brought = expressions.into_iter().zip(operands).map(|(expression, operand)| {
        if is_wide {
            return as_wide(expression, operand.is_unknown());
        }
        if operand.is_unknown() {
            return match (&expression, &common) {
                (Expr::Literal(value, _), _) if value.is_null() => Ok(expression),
                (_, SqlType::Text) if !matches!(expression, Expr::Placeholder(_)) => Ok(expression),
                _ => Ok(cast_unknown(read_literal(expression, &common)?, &common)),
            };
        }
        if is_open {
            return Ok(datafusion::logical_expr::cast(expression, open.clone()));
        }
        Ok(
            match is_same(&operand.sql_type, &common) || matches!(common, SqlType::Numeric(_)) {
                true => expression,
                false => cast_to(expression, &common),
            },
        )
    });
    brought.collect()
}

/// A number among others that no layout of 38 digits holds together.
fn as_wide(expression: Expr, is_unknown: bool) -> Result<Expr> {
    let number = match expression {
        Expr::Literal(value, _) if value.is_null() => return Ok(Expr::Literal(value, None)),
        Expr::Literal(ScalarValue::Utf8(Some(text)), None) => {
            let value = parse_value(&SqlType::Numeric(None), &text, &FormatSettings::default())?;
            Expr::Literal(value, None)
        }
        parameter if is_unknown => cast_unknown(parameter, &SqlType::Numeric(None)),
        number => number,
    };
    Ok(datafusion::logical_expr::cast(number, WIDE_LAYOUT))
}

fn is_number_literal(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(..) => true,
        Expr::Cast(cast) => is_number_literal(&cast.expr),
        Expr::Negative(inner) => is_number_literal(inner),
        _ => false,
    }
}

fn is_internal(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Oid
        | SqlType::Regclass
        | SqlType::Regtype
        | SqlType::Regproc
        | SqlType::Name
        | SqlType::Char
        | SqlType::Void => true,
        SqlType::Array(element) => is_internal(element),
        _ => false,
    }
}
