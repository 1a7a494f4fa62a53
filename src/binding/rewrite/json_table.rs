//! JSON_TABLE, which the dialect reads as a call of one argument, becomes a subquery over the rows that its paths find.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, SelectItem, SetExpr, TableAlias,
    TableFactor, Value, VisitMut, VisitorMut,
};

use super::super::relations::parse_query;
use super::rows_from::check_width;
use super::syntax::{plain_arguments, system_name};
use crate::error::{Error, Result, SqlState};
use crate::statement::{JSON_ROW, JSON_TABLE};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Relations;
    impl VisitorMut for Relations {
        type Break = Error;
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            let relation = match &*factor {
                TableFactor::Table {
                    name,
                    args: Some(arguments),
                    alias,
                    ..
                } if is_json_table(name) => relation(&arguments.args, alias.as_ref()),
                TableFactor::Function { name, args, alias, .. } if is_json_table(name) => {
                    relation(args, alias.as_ref())
                }
                _ => return ControlFlow::Continue(()),
            };
            match relation {
                Ok(relation) => {
                    *factor = relation;
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

fn is_json_table(name: &ObjectName) -> bool {
    system_name(name).is_some_and(|name| name == JSON_TABLE)
}

fn relation(arguments: &[FunctionArg], alias: Option<&TableAlias>) -> Result<TableFactor> {
    let broken = || Error::internal("JSON_TABLE without its rows and columns");
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(table)))] = arguments else {
        return Err(broken());
    };
    let FunctionArguments::List(list) = &table.args else {
        return Err(broken());
    };
    let mut parts = plain_arguments(&list.args).ok_or_else(broken)?.into_iter();
    let rows = parts.next().ok_or_else(broken)?;
    let mut columns = vec![];
    let mut names = HashSet::new();
    while let (Some(Expr::Value(name)), Some(value)) = (parts.next(), parts.next()) {
        let Value::SingleQuotedString(name) = name.value else {
            return Err(broken());
        };
        if !names.insert(name.clone()) {
            let message = format!("duplicate JSON_TABLE column or path name: {name}");
            return Err(Error::new(SqlState::DuplicateAlias, message));
        }
        columns.push(SelectItem::ExprWithAlias {
            expr: value,
            alias: Ident::with_quote('"', name),
        });
    }
    check_width(alias, "json_table", columns.len())?;
    let template = format!("SELECT 1 FROM UNNEST(f()) AS \"{JSON_ROW}\" (levels)");
    let mut query = parse_query(&template)?;
    put_in(&mut query, columns, rows);
    let own = TableAlias {
        explicit: true,
        name: Ident::new("json_table"),
        columns: vec![],
        at: None,
    };
    Ok(TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: Some(alias.cloned().unwrap_or(own)),
        sample: None,
    })
}

/// Puts the columns and the rows in the places that the template has for them.
fn put_in(query: &mut Query, columns: Vec<SelectItem>, rows: Expr) {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let [table] = select.from.as_mut_slice()
    {
        select.projection = columns;
        if let TableFactor::UNNEST { array_exprs, .. } = &mut table.relation {
            *array_exprs = vec![rows];
        }
    }
}
