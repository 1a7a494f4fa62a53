//! `array_agg(…)`, as the text has it, is looked at for arrays that are unlike: only the planner knows what it gathers. Calls
//! that other rewrites make gather values of any kind.

use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut};

use super::syntax::{call, replace_expressions, system_name};
use crate::error::Result;
use crate::functions::GATHERED_ARRAYS;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let gathers = matches!(&*expression, Expr::Function(function)
            if system_name(&function.name).is_some_and(|name| name == "array_agg"));
        if gathers {
            let gathered = std::mem::replace(expression, Expr::value(Value::Null));
            *expression = call(GATHERED_ARRAYS, vec![gathered]);
        }
        Ok(())
    })
}
