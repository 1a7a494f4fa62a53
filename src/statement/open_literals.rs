//! A query with parameters in the place of the literals that columns are compared with in WHERE: statements that differ
//! in them only are one query. All other literals stay where they are, as they may decide about types, names, places
//! in ORDER BY and the like.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Query, SetExpr, UnaryOperator, Value};

use crate::types::SqlType;

/// A query whose parameters are literals of another.
#[derive(Debug, Clone)]
pub struct OpenQuery {
    pub query: Query,
    /// The values of `$1`, `$2` …
    pub literals: Vec<OpenLiteral>,
}

/// A literal as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLiteral {
    pub text: String,
    /// `None` for a string, whose type is the column's.
    pub sql_type: Option<SqlType>,
}

/// The query with its literals open; `None` where none can be.
pub fn with_open_literals(query: &Query) -> Option<OpenQuery> {
    let may_have_some =
        matches!(query.body.as_ref(), SetExpr::Select(select) if select.selection.is_some()) && query.locks.is_empty();
    if !may_have_some {
        return None;
    }
    let mut query = query.clone();
    let mut literals = vec![];
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(condition) = &mut select.selection
    {
        open_condition(condition, &mut literals);
    }
    (!literals.is_empty()).then_some(OpenQuery { query, literals })
}

fn open_condition(condition: &mut Expr, literals: &mut Vec<OpenLiteral>) {
    let mut condition = condition;
    // Chains lean to the left, and may be long.
    while let Expr::BinaryOp {
        left,
        op: BinaryOperator::And | BinaryOperator::Or,
        right,
    } = condition
    {
        open_condition(right, literals);
        condition = left;
    }
    match condition {
        Expr::Nested(inner)
        | Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: inner,
        } => open_condition(inner, literals),
        Expr::BinaryOp { left, op, right } if is_comparison(op) => {
            if is_column(left) {
                open_constant(right, literals);
            } else if is_column(right) {
                open_constant(left, literals);
            }
        }
        Expr::Between { expr, low, high, .. } if is_column(expr) => {
            open_constant(low, literals);
            open_constant(high, literals);
        }
        _ => {}
    }
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn is_column(expression: &Expr) -> bool {
    matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Opens a literal, or those of a sum of whole numbers and dates.
fn open_constant(constant: &mut Expr, literals: &mut Vec<OpenLiteral>) {
    match constant {
        Expr::Nested(inner) => open_constant(inner, literals),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } if is_sum(inner) => open_constant(inner, literals),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus,
            right,
        } if is_sum(left) && is_sum(right) => {
            open_constant(left, literals);
            open_constant(right, literals);
        }
        other => {
            if let Some(literal) = literal(other) {
                literals.push(literal);
                *other = Expr::value(Value::Placeholder(format!("${}", literals.len())));
            }
        }
    }
}

/// Whether an expression is made of whole numbers and dates.
fn is_sum(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_sum(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus,
            right,
        } => is_sum(left) && is_sum(right),
        other => literal(other).is_some_and(|literal| literal.sql_type.is_some()),
    }
}

/// A literal that means the same as a parameter of its type would.
fn literal(expression: &Expr) -> Option<OpenLiteral> {
    let (text, sql_type) = match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => (digits, Some(type_of_number(digits)?)),
            Value::SingleQuotedString(text) => (text, None),
            _ => return None,
        },
        Expr::TypedString(typed) => match (&typed.data_type, &typed.value.value) {
            (DataType::Date, Value::SingleQuotedString(text)) if is_plain_date(text) => (text, Some(SqlType::Date)),
            _ => return None,
        },
        _ => return None,
    };
    Some(OpenLiteral {
        text: text.clone(),
        sql_type,
    })
}

/// Whole numbers only: those with a fraction have a precision of their own.
fn type_of_number(digits: &str) -> Option<SqlType> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = digits.parse().ok()?;
    Some(match i32::try_from(number) {
        Ok(_) => SqlType::Int4,
        Err(_) => SqlType::Int8,
    })
}

/// A date that no setting and no clock changes: `1995-12-31`.
fn is_plain_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::ast::Statement;

    fn check(text: &str, shape: Option<&str>, values: &[&str]) {
        let parsed = crate::statement::parse(text).expect("a statement").remove(0);
        let Statement::Query(query) = parsed.statement else {
            panic!("{text} is no query")
        };
        let open = with_open_literals(&query);
        let shown = open.as_ref().map(|open| open.query.to_string());
        assert_eq!(shown.as_deref(), shape, "{text}");
        let literals = open.map_or(vec![], |open| open.literals);
        let texts: Vec<&str> = literals.iter().map(|literal| literal.text.as_str()).collect();
        assert_eq!(texts, values, "{text}");
    }

    #[test]
    fn literals_that_columns_are_compared_with_are_open() {
        check(
            "select a, 5 from t where a = 5 and (t.b > 'x' or not 7 < c) group by 1 limit 5",
            Some("SELECT a, 5 FROM t WHERE a = $3 AND (t.b > $2 OR NOT $1 < c) GROUP BY 1 LIMIT 5"),
            &["7", "x", "5"],
        );
        check(
            "select a from t where d between date '1995-01-01' + 3 and date '1996-01-01' and e = -3",
            Some("SELECT a FROM t WHERE d BETWEEN $2 + $3 AND $4 AND e = -$1"),
            &["3", "1995-01-01", "3", "1996-01-01"],
        );
    }

    #[test]
    fn others_stay() {
        for text in [
            "select 5",
            "select a from t where a = 0.5",
            "select a from t where a + 1 = 5",
            "select a from t where a like 'x%'",
            "select a from t where a in (1, 2)",
            "select a from t where 1 = 1",
            "select a from t where d > date 'today'",
            "select a from t where a = 1 for update",
            "select a from t where a = 1 union select a from t where a = 2",
            "select a from t where d > now() - 5",
        ] {
            check(text, None, &[]);
        }
    }
}
