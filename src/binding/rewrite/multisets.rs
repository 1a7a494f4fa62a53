//! `EXCEPT ALL` and `INTERSECT ALL` count duplicates: each row is numbered among its equals first, so that the plain
//! operators compare rows together with their number.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::super::relations;
use super::syntax::folded;
use crate::error::{Error, Result};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Bodies;
    impl VisitorMut for Bodies {
        type Break = Error;
        fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            match counted(&mut query.body) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Bodies) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn counted(body: &mut SetExpr) -> Result<()> {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return Ok(());
    };
    counted(left)?;
    counted(right)?;
    if *set_quantifier != SetQuantifier::All || !matches!(op, SetOperator::Except | SetOperator::Intersect) {
        return Ok(());
    }
    let names = output_names(left)?;
    let numbered = |side: &SetExpr| numbered(side, names.len());
    let (left, right) = (numbered(left)?, numbered(right)?);
    let operation = SetExpr::SetOperation {
        op: *op,
        set_quantifier: SetQuantifier::None,
        left: Box::new(left),
        right: Box::new(right),
    };
    let columns = columns(names.len());
    let mut outer = select_from(operation, &columns, true)?;
    outer.projection = columns
        .iter()
        .zip(names)
        .map(|(column, name)| SelectItem::ExprWithAlias {
            expr: Expr::Identifier(column.clone()),
            alias: name,
        })
        .collect();
    *body = SetExpr::Select(Box::new(outer));
    Ok(())
}

fn columns(count: usize) -> Vec<Ident> {
    (1..=count)
        .map(|index| Ident::new(format!("counted_{index}")))
        .collect()
}

/// The names of a query's columns; they must be told without looking anything up.
fn output_names(body: &SetExpr) -> Result<Vec<Ident>> {
    let unknown = || Error::unsupported("EXCEPT ALL or INTERSECT ALL of columns that are not listed");
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Ok(alias.clone()),
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => Ok(Ident::with_quote('"', folded(name))),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts
                    .last()
                    .map(|name| Ident::with_quote('"', folded(name)))
                    .ok_or_else(unknown),
                _ => Err(unknown()),
            })
            .collect(),
        SetExpr::SetOperation { left, .. } => output_names(left),
        SetExpr::Query(query) => output_names(&query.body),
        SetExpr::Values(values) => {
            let count = values.rows.first().map_or(0, |row| row.len());
            Ok((1..=count).map(|index| Ident::new(format!("column{index}"))).collect())
        }
        _ => Err(unknown()),
    }
}

/// `SELECT columns FROM (body) AS counted (columns [, number])`, with the columns as its list.
fn select_from(body: SetExpr, columns: &[Ident], has_number: bool) -> Result<Select> {
    let mut inner = relations::parse_query("SELECT 1")?;
    *inner.body = body;
    let mut names = columns.to_vec();
    if has_number {
        names.push(Ident::new("counted_number"));
    }
    let mut outer = relations::parse_query("SELECT 1")?;
    let SetExpr::Select(select) = outer.body.as_mut() else {
        return Err(Error::internal("a template is no SELECT"));
    };
    select.projection = columns
        .iter()
        .map(|column| SelectItem::UnnamedExpr(Expr::Identifier(column.clone())))
        .collect();
    select.from = vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(inner),
            alias: Some(TableAlias {
                explicit: true,
                name: Ident::new("counted"),
                columns: names
                    .into_iter()
                    .map(|name| TableAliasColumnDef { name, data_type: None })
                    .collect(),
                at: None,
            }),
            sample: None,
        },
        joins: vec![],
    }];
    Ok(select.as_ref().clone())
}

/// A side with the number that each row has among its equals.
fn numbered(side: &SetExpr, count: usize) -> Result<SetExpr> {
    let columns = columns(count);
    let list: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
    let number = relations::parse_query(&format!(
        "SELECT row_number() OVER (PARTITION BY {}) AS counted_number",
        list.join(", ")
    ))?;
    let mut select = select_from(side.clone(), &columns, false)?;
    let SetExpr::Select(template) = *number.body else {
        return Err(Error::internal("a template is no SELECT"));
    };
    select.projection.extend(template.projection);
    Ok(SetExpr::Select(Box::new(select)))
}
