//! `ARRAY(SELECT x … ORDER BY y)` becomes an aggregate over the subquery; the order moves into the
//! aggregate, because a derived table has none.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArgumentClause, FunctionArguments, Ident, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value, VisitMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::syntax::{call, replace_expressions, system_name};
use crate::error::{Error, Result};
use crate::functions::GATHERED_ARRAYS;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        if let Expr::Function(function) = expression
            && let FunctionArguments::Subquery(subquery) = &function.args
            && system_name(&function.name).as_deref() == Some("array")
        {
            *expression = aggregate(subquery.as_ref().clone())?;
        }
        Ok(())
    })
}

fn aggregate(mut subquery: Query) -> Result<Expr> {
    let mut columns = vec![TableAliasColumnDef::from_name("c")];
    let mut order = vec![];
    let keys = match &subquery.order_by {
        Some(order_by) => match &order_by.kind {
            OrderByKind::Expressions(keys) => keys.clone(),
            OrderByKind::All(_) => vec![],
        },
        None => vec![],
    };
    for key in keys {
        let column = if is_first_column(&key.expr, &subquery) {
            "c".to_string()
        } else {
            let name = format!("o{}", columns.len());
            add_column(&mut subquery, key.expr.clone(), &name)?;
            columns.push(TableAliasColumnDef::from_name(name.as_str()));
            name
        };
        order.push(OrderByExpr {
            expr: Expr::Identifier(Ident::new(column)),
            ..key
        });
    }
    if subquery.limit_clause.is_none() && subquery.fetch.is_none() {
        subquery.order_by = None;
    }
    let mut array = call("array_agg", vec![Expr::Identifier(Ident::new("c"))]);
    if let (Expr::Function(function), false) = (&mut array, order.is_empty())
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    let mut outer = template()?;
    let SetExpr::Select(select) = outer.body.as_mut() else {
        return Err(broken_template());
    };
    let array = call(GATHERED_ARRAYS, vec![array]);
    select.projection = vec![SelectItem::UnnamedExpr(call("array_or_empty", vec![array]))];
    select.from = vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(subquery),
            alias: Some(TableAlias {
                explicit: true,
                name: Ident::new("array_rows"),
                columns,
                at: None,
            }),
            sample: None,
        },
        joins: vec![],
    }];
    Ok(Expr::Subquery(Box::new(outer)))
}

/// ORDER BY 1, or by the very expression that is selected.
fn is_first_column(key: &Expr, subquery: &Query) -> bool {
    if let Expr::Value(value) = key {
        return matches!(&value.value, Value::Number(number, _) if number == "1");
    }
    match selected(subquery).and_then(|select| select.projection.first()) {
        Some(SelectItem::UnnamedExpr(expression)) => expression == key,
        Some(SelectItem::ExprWithAlias { expr, alias }) => {
            expr == key || matches!(key, Expr::Identifier(identifier) if identifier.value == alias.value)
        }
        _ => false,
    }
}

fn selected(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

/// A further column to sort by, which may be one that is selected already.
fn add_column(subquery: &mut Query, expr: Expr, name: &str) -> Result<()> {
    match subquery.body.as_mut() {
        SetExpr::Select(select) if select.distinct.is_none() => {
            let alias = Ident::with_quote('"', format!("\u{1}{name}"));
            select.projection.push(SelectItem::ExprWithAlias { expr, alias });
            Ok(())
        }
        _ => Err(Error::unsupported("this ORDER BY inside ARRAY(SELECT …)")),
    }
}

fn template() -> Result<Query> {
    let query = Parser::new(&PostgreSqlDialect {})
        .try_with_sql("SELECT 1")
        .and_then(|mut parser| parser.parse_query());
    query.map(|query| *query).map_err(|_| broken_template())
}

fn broken_template() -> Error {
    Error::internal("the template of ARRAY(SELECT …) does not parse")
}
