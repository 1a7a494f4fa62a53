//! What PostgreSQL's window functions are beside the planner's: ntile() is an integer, and the n-th value of none is an
//! error.

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, Function, FunctionArguments, Value, VisitMut};

use super::syntax::{plain_arguments, replace_expressions, system_name};
use crate::error::{Error, Result, SqlState};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Function(function) = &*expression else {
            return Ok(());
        };
        if function.over.is_none() {
            return Ok(());
        }
        match system_name(&function.name).as_deref() {
            Some("ntile") => {
                if argument(function, 0).is_some_and(|count| is_below_one(&count)) {
                    let message = "argument of ntile must be greater than zero";
                    return Err(Error::new(SqlState::InvalidArgumentForNtile, message));
                }
                *expression = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(expression.clone()),
                    data_type: DataType::Int(None),
                    array: false,
                    format: None,
                };
            }
            Some("nth_value") if argument(function, 1).is_some_and(|place| is_below_one(&place)) => {
                let message = "argument of nth_value must be greater than zero";
                return Err(Error::new(SqlState::InvalidArgumentForNthValue, message));
            }
            _ => {}
        }
        Ok(())
    })
}

fn argument(function: &Function, index: usize) -> Option<Expr> {
    match &function.args {
        FunctionArguments::List(list) => plain_arguments(&list.args)?.into_iter().nth(index),
        _ => None,
    }
}

/// Whether a number that is written out is zero or negative.
fn is_below_one(expression: &Expr) -> bool {
    match expression {
        Expr::Value(value) => matches!(&value.value, Value::Number(text, _) if text == "0"),
        Expr::UnaryOp { expr, .. } => {
            matches!(expr.as_ref(), Expr::Value(value) if matches!(value.value, Value::Number(..)))
        }
        _ => false,
    }
}
