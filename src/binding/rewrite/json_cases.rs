//! `jsonb_array_length(CASE … END)`, also with `coalesce`: the planner looks for the function before it knows what the branches are, and takes
//! them for the text that json is stored as.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, VisitMut,
};

use super::syntax::{replace_expressions, system_name, take};
use crate::error::Result;

/// Functions whose first argument is json, by what follows `json_` and `jsonb_`.
const READERS: [&str; 19] = [
    "array_elements",
    "array_elements_text",
    "array_length",
    "each",
    "each_text",
    "extract_path",
    "extract_path_text",
    "insert",
    "object_keys",
    "path_exists",
    "path_match",
    "path_query",
    "path_query_array",
    "path_query_first",
    "pretty",
    "set",
    "set_lax",
    "strip_nulls",
    "typeof",
];

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::Function(function) = expression
            && let Some((data_type, places)) = json_type(function)
            && let FunctionArguments::List(list) = &mut function.args
        {
            // The first argument is what is read, the third what is put into it.
            for argument in list.args.iter_mut().step_by(2).take(places) {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument
                    && is_case(value)
                {
                    *value = Expr::Cast {
                        kind: CastKind::Cast,
                        expr: Box::new(take(value)),
                        data_type: data_type.clone(),
                        array: false,
                        format: None,
                    };
                }
            }
        }
        Ok(())
    })
}

/// The type, and how many of the arguments are of it.
fn json_type(function: &Function) -> Option<(DataType, usize)> {
    let name = system_name(&function.name)?;
    let (data_type, rest) = match name.strip_prefix("jsonb_") {
        Some(rest) => (DataType::JSONB, rest),
        None => (DataType::JSON, name.strip_prefix("json_")?),
    };
    let places = if rest.starts_with("extract") { 1 } else { 2 };
    READERS.contains(&rest).then_some((data_type, places))
}

fn is_case(expression: &Expr) -> bool {
    match expression {
        Expr::Case { .. } => true,
        Expr::Function(function) => system_name(&function.name).is_some_and(|name| name == "coalesce"),
        Expr::Nested(inner) => is_case(inner),
        _ => false,
    }
}
