//! `jsonb_to_record(j) AS t(a int, b text)` and `jsonb_to_recordset`: the list of columns says which members the rows
//! have and what they are read as.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, FunctionArg, Ident, ObjectName, TableAlias, TableAliasColumnDef, TableFactor,
    VisitMut, VisitorMut,
};

use super::super::relations;
use super::syntax::{folded, plain_arguments, system_name};
use crate::error::{Error, Result};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Relations;
    impl VisitorMut for Relations {
        type Break = Error;
        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            let rewritten = match &*factor {
                TableFactor::Table {
                    name,
                    args: Some(arguments),
                    alias,
                    ..
                } => of_call(name, &arguments.args, alias.as_ref()),
                TableFactor::Function { name, args, alias, .. } => of_call(name, args, alias.as_ref()),
                _ => Ok(None),
            };
            match rewritten {
                Ok(rewritten) => {
                    rewritten.into_iter().for_each(|rewritten| *factor = rewritten);
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Relations) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn of_call(name: &ObjectName, arguments: &[FunctionArg], alias: Option<&TableAlias>) -> Result<Option<TableFactor>> {
    let function = system_name(name).unwrap_or_default();
    let (kind, is_set) = match function.as_str() {
        "json_to_record" => ("json", false),
        "jsonb_to_record" => ("jsonb", false),
        "json_to_recordset" => ("json", true),
        "jsonb_to_recordset" => ("jsonb", true),
        _ => return Ok(None),
    };
    let Some([json]) = plain_arguments(arguments).and_then(|list| <[Expr; 1]>::try_from(list).ok()) else {
        return Ok(None);
    };
    let (value, from) = match is_set {
        true => (
            "r.v".to_string(),
            format!(" FROM {kind}_array_elements({json}) AS r(v)"),
        ),
        false => (format!("CAST({json} AS {kind})"), String::new()),
    };
    let columns = alias.iter().flat_map(|alias| &alias.columns);
    let items = columns.map(|column| item(&value, column)).collect::<Result<Vec<_>>>()?;
    if items.is_empty() {
        let message = "a column definition list is required for functions returning \"record\"";
        return Err(Error::syntax(message));
    }
    let query = relations::parse_query(&format!("SELECT {}{from}", items.join(", ")))?;
    Ok(Some(TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: alias.map(|alias| TableAlias {
            columns: vec![],
            ..alias.clone()
        }),
        sample: None,
    }))
}

/// The member of this name, read as the column's type.
fn item(value: &str, column: &TableAliasColumnDef) -> Result<String> {
    let Some(data_type) = &column.data_type else {
        let message = "a column definition list is required for functions returning \"record\"";
        return Err(Error::syntax(message));
    };
    let name = folded(&column.name);
    let key = name.replace('\'', "''");
    let alias = Ident::with_quote('"', &name);
    Ok(match data_type {
        // A null is none of json's.
        DataType::JSON | DataType::JSONB => {
            format!("CAST(nullif(CAST({value} -> '{key}' AS text), 'null') AS {data_type}) AS {alias}")
        }
        DataType::Array(element) => {
            let is_json = if is_json(element) { ", true" } else { "" };
            format!("CAST(json_array_literal({value} -> '{key}', '{key}'{is_json}) AS {data_type}) AS {alias}")
        }
        _ => format!("CAST({value} ->> '{key}' AS {data_type}) AS {alias}"),
    })
}

/// Whether an array's elements are json, in which strings keep their quotes.
fn is_json(element: &ArrayElemTypeDef) -> bool {
    let element = match element {
        ArrayElemTypeDef::AngleBracket(element)
        | ArrayElemTypeDef::SquareBracket(element, _)
        | ArrayElemTypeDef::Parenthesis(element) => element.as_ref(),
        ArrayElemTypeDef::None => return false,
    };
    match element {
        DataType::Array(inner) => is_json(inner),
        element => matches!(element, DataType::JSON | DataType::JSONB),
    }
}
