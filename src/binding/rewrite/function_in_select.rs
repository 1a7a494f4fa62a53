//! Set-returning functions in a select list: `SELECT generate_series(1, 3)` is `SELECT unnest(array)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, FunctionArguments, Ident, Select, SelectItem, VisitMut, VisitorMut};

use super::syntax::{call, plain_arguments, system_name};
use crate::error::Result;

/// Set-returning functions and the functions that return the set as an array.
const SET_RETURNING: [(&str, &str); 6] = [
    ("generate_series", "generate_series"),
    ("generate_subscripts", "array_subscripts"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("pg_partition_ancestors", "pg_partition_ancestors"),
    ("_pg_expandarray", "pg_expandarray_rows"),
];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = ();
        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            for item in &mut select.projection {
                match item {
                    SelectItem::UnnamedExpr(expression) => {
                        if let Some((name, array)) = as_array(expression) {
                            let expr = call("unnest", vec![array]);
                            *item = SelectItem::ExprWithAlias {
                                expr,
                                alias: Ident::new(name),
                            };
                        }
                    }
                    SelectItem::ExprWithAlias { expr, .. } => {
                        if let Some((_, array)) = as_array(expr) {
                            *expr = call("unnest", vec![array]);
                        }
                    }
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Selects);
    Ok(())
}

fn as_array(expression: &Expr) -> Option<(&'static str, Expr)> {
    let Expr::Function(function) = expression else {
        return None;
    };
    let name = system_name(&function.name)?;
    let (set, array) = SET_RETURNING.iter().find(|(set, _)| *set == name)?;
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    Some((set, call(array, plain_arguments(&list.args)?)))
}
