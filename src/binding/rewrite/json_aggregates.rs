//! `json_agg(x)` gathers the values as an array of json first: so ORDER BY, DISTINCT and FILTER mean what they mean to
//! `array_agg`.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, VisitMut,
};

use super::syntax::{call, plain_arguments, replace_expressions, system_name};
use crate::error::Result;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Function(function) = &*expression else {
            return Ok(());
        };
        let Some(name) = system_name(&function.name) else {
            return Ok(());
        };
        let FunctionArguments::List(list) = &function.args else {
            return Ok(());
        };
        let Some(arguments) = plain_arguments(&list.args) else {
            return Ok(());
        };
        let gathered = match (name.as_str(), arguments.as_slice()) {
            ("json_agg", [value]) => call(
                "json_aggregated",
                vec![gather(function, call("json_element", vec![value.clone()]))],
            ),
            ("jsonb_agg", [value]) => call(
                "jsonb_aggregated",
                vec![gather(function, call("to_jsonb", vec![value.clone()]))],
            ),
            ("json_object_agg" | "jsonb_object_agg", [key, value]) => {
                let to_json = if name.starts_with("jsonb") {
                    "to_jsonb"
                } else {
                    "to_json"
                };
                let keys = gather(function, call("json_key", vec![key.clone()]));
                let values = gather(function, call(to_json, vec![value.clone()]));
                call(&format!("{name}regated"), vec![keys, values])
            }
            _ => return Ok(()),
        };
        *expression = gathered;
        Ok(())
    })
}

/// The same aggregate call as `array_agg` of another argument.
fn gather(function: &Function, value: Expr) -> Expr {
    let mut gathered = function.clone();
    gathered.name = ObjectName::from(vec![Ident::new("array_agg")]);
    if let FunctionArguments::List(list) = &mut gathered.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
    }
    Expr::Function(gathered)
}
