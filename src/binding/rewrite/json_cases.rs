//! `jsonb_array_length(CASE … END)`: the planner looks for the function before it knows what the branches are, and takes
//! them for the text that json is stored as.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, VisitMut,
};

use super::syntax::{replace_expressions, system_name, take};
use crate::error::Result;

/// Functions whose first argument is json, by what follows `json_` and `jsonb_`.
const READERS: [&str; 13] = [
    "array_length",
    "extract_path",
    "extract_path_text",
    "insert",
    "path_exists",
    "path_match",
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
            && let Some(data_type) = json_type(function)
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut()
            && is_case(value)
        {
            *value = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(take(value)),
                data_type,
                array: false,
                format: None,
            };
        }
        Ok(())
    })
}

fn json_type(function: &Function) -> Option<DataType> {
    let name = system_name(&function.name)?;
    let (data_type, rest) = match name.strip_prefix("jsonb_") {
        Some(rest) => (DataType::JSONB, rest),
        None => (DataType::JSON, name.strip_prefix("json_")?),
    };
    READERS.contains(&rest).then_some(data_type)
}

fn is_case(expression: &Expr) -> bool {
    match expression {
        Expr::Case { .. } => true,
        Expr::Nested(inner) => is_case(inner),
        _ => false,
    }
}
