//! `json_agg(x)` gathers the values as an array of json first: so ORDER BY, DISTINCT and FILTER mean what they mean to
//! `array_agg`.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Value, VisitMut,
};

use super::syntax::{call, plain_arguments, replace_expressions, system_name};
use crate::error::Result;

/// The arguments, with `(t.*)` for `t.*`.
fn arguments(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    let rows = arguments.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => {
            let row = Expr::QualifiedWildcard(name.clone(), AttachedToken::empty());
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Nested(Box::new(row))))
        }
        other => other.clone(),
    });
    plain_arguments(&rows.collect::<Vec<_>>())
}

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
        let Some(arguments) = arguments(&list.args) else {
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
            ("json_agg_strict", [value]) => call(
                "json_aggregated_strict",
                vec![gather(function, call("json_element", vec![value.clone()]))],
            ),
            ("jsonb_agg_strict", [value]) => call(
                "jsonb_aggregated_strict",
                vec![gather(function, call("to_jsonb", vec![value.clone()]))],
            ),
            // SQL/JSON's, as the dialect writes them.
            ("json_arrayagg", [rules, value]) => {
                let strict = if is_text(rules, "absent any") { "_strict" } else { "" };
                call(
                    &format!("json_aggregated{strict}"),
                    vec![gather(function, call("json_element", vec![value.clone()]))],
                )
            }
            ("json_objectagg", [rules, key, value]) => object_by(function, "json", rules.clone(), key, value),
            (
                "json_object_agg_strict"
                | "json_object_agg_unique"
                | "json_object_agg_unique_strict"
                | "jsonb_object_agg_strict"
                | "jsonb_object_agg_unique"
                | "jsonb_object_agg_unique_strict",
                [key, value],
            ) => {
                let nulls = if name.ends_with("strict") { "absent" } else { "null" };
                let keys = if name.contains("unique") { "unique" } else { "any" };
                let rules = Expr::value(Value::SingleQuotedString(format!("{nulls} {keys}")));
                let kind = name.split('_').next().unwrap_or_default();
                object_by(function, kind, rules, key, value)
            }
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

fn is_text(expression: &Expr, text: &str) -> bool {
    matches!(expression, Expr::Value(literal) if matches!(&literal.value, Value::SingleQuotedString(found) if found == text))
}

/// An object of json or jsonb, with rules for nulls and repeated keys.
fn object_by(function: &Function, kind: &str, rules: Expr, key: &Expr, value: &Expr) -> Expr {
    let keys = gather(function, call("json_key", vec![key.clone()]));
    let values = gather(function, call(&format!("to_{kind}"), vec![value.clone()]));
    call(&format!("{kind}_object_aggregated_by"), vec![rules, keys, values])
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
