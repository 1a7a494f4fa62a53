//! Output columns of types whose values are OIDs written as names: `SELECT oid::regclass` shows the name. Inside
//! a query such a value is a number, so that it joins and compares as one.

use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::error::Result;
use crate::functions::scalar_functions;
use crate::types::SqlType;

/// The plan with names in the place of registered OIDs.
pub(super) fn show_names(plan: LogicalPlan) -> Result<LogicalPlan> {
    let columns: Vec<(Expr, Option<&str>)> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            (
                Expr::from((qualifier, field)),
                output_function(&SqlType::from_field(field)),
            )
        })
        .collect();
    if columns.iter().all(|(_, function)| function.is_none()) {
        return Ok(plan);
    }
    let shown = columns.into_iter().map(|(column, name)| {
        let function = name.and_then(|name| scalar_functions().iter().find(|function| function.name() == name));
        match (function, column) {
            (Some(function), Expr::Column(column)) => {
                let shown = function.call(vec![Expr::Column(column.clone())]);
                shown.alias_qualified(column.relation, column.name)
            }
            (_, column) => column,
        }
    });
    let shown: Vec<Expr> = shown.collect();
    Ok(LogicalPlanBuilder::from(plan).project(shown)?.build()?)
}

fn output_function(sql_type: &SqlType) -> Option<&'static str> {
    match sql_type {
        SqlType::Regclass => Some("regclassout"),
        SqlType::Regtype => Some("regtypeout"),
        SqlType::Regproc => Some("regprocout"),
        _ => None,
    }
}
