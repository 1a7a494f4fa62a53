//! Set-returning functions in a select list: `SELECT generate_series(1, 3)` is `SELECT unnest(array)`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, Select, SelectItem, Value, VisitMut, VisitorMut,
};

use super::function_in_from::{arrays_of, flat, has_columns};
use super::syntax::{call, plain_arguments, system_name};
use crate::error::Result;
use crate::functions::ZIPPED_RECORDS;
use crate::statement::change_own_expressions;

/// Set-returning functions and the functions that return the set as an array.
const SET_RETURNING: [(&str, &str); 16] = [
    ("json_populate_recordset", "json_populated_rows"),
    ("jsonb_populate_recordset", "jsonb_populated_rows"),
    ("json_array_elements", "json_elements"),
    ("jsonb_array_elements", "jsonb_elements"),
    ("json_array_elements_text", "json_element_texts"),
    ("jsonb_array_elements_text", "jsonb_element_texts"),
    ("json_object_keys", "json_keys"),
    ("jsonb_object_keys", "jsonb_keys"),
    ("regexp_matches", "regexp_matches_rows"),
    ("jsonb_path_query", "jsonb_path_rows"),
    ("jsonb_path_query_tz", "jsonb_path_rows_tz"),
    ("generate_series", "generate_series"),
    ("generate_subscripts", "array_subscripts"),
    ("regexp_split_to_table", "regexp_split_to_array"),
    ("string_to_table", "string_to_array"),
    ("pg_partition_ancestors", "pg_partition_ancestors"),
];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Selects;
    impl VisitorMut for Selects {
        type Break = ();
        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            group_by_places(select);
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } = item {
                    change_own_expressions(expression, |part| {
                        if let Some(array) = as_array(part) {
                            *part = call("unnest", vec![array]);
                        }
                    });
                }
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Selects);
    Ok(())
}

/// A set of the select list that GROUP BY repeats is one set: the key is its place.
fn group_by_places(select: &mut Select) {
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else {
        return;
    };
    for key in keys.iter_mut().filter(|key| as_array(key).is_some()) {
        let place = select.projection.iter().position(|item| match item {
            SelectItem::UnnamedExpr(shown) | SelectItem::ExprWithAlias { expr: shown, .. } => shown == key,
            _ => false,
        });
        if let Some(place) = place {
            *key = Expr::value(Value::Number((place + 1).to_string(), false));
        }
    }
}

/// Whether a function of this name returns a set, whatever its arguments are.
pub(super) fn is_set_returning(name: &str) -> bool {
    name == "unnest" || SET_RETURNING.iter().any(|(set, _)| *set == name) || has_columns(name)
}

fn records(name: &str, arguments: Vec<Expr>) -> Expr {
    let columns = arrays_of(name, &arguments).into_iter();
    let columns = columns.flat_map(|(column, array)| [Expr::value(Value::SingleQuotedString(column)), array]);
    call(ZIPPED_RECORDS, columns.collect())
}

fn as_array(expression: &Expr) -> Option<Expr> {
    let Expr::Function(function) = expression else {
        return None;
    };
    let name = system_name(&function.name)?;
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let arguments = plain_arguments(&list.args)?;
    if let ("unnest", [array]) = (name.as_str(), arguments.as_slice()) {
        return Some(flat(array.clone()));
    }
    if let Some((_, array)) = SET_RETURNING.iter().find(|(set, _)| *set == name) {
        return Some(call(array, arguments));
    }
    // Rows of several columns are records.
    has_columns(&name).then(|| records(&name, arguments))
}
