//! Where functions that return sets may stand: in the select list, in FROM and in ORDER BY, where one of the select list is
//! the same set and another one goes on beside it. Elsewhere they are refused, as in PostgreSQL.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Expr, Function, FunctionArguments, Ident, JoinConstraint, JoinOperator, LimitClause, OrderByKind,
    Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
    WildcardAdditionalOptions,
};

use super::super::relations::parse_query;
use super::aggregates::is_aggregate;
use super::function_in_select::is_set_returning;
use super::output_names::output_column_name;
use super::syntax::{folded, system_name};
use crate::error::{Error, Result, SqlState};

/// Begins the names of columns that a query is ordered by and does not show.
const KEY: &str = "\u{1}key";

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Queries;
    impl VisitorMut for Queries {
        type Break = Error;
        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
            match check_query(query).and_then(|()| order_by_positions(query)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            match check_select(select) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Queries) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn check_query(query: &Query) -> Result<()> {
    if let SetExpr::Values(values) = query.body.as_ref() {
        values
            .rows
            .iter()
            .flat_map(|row| &row.content)
            .try_for_each(|value| refuse(value, "VALUES"))?;
    }
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            limit.iter().try_for_each(|limit| refuse(limit, "LIMIT"))?;
            offset.iter().try_for_each(|offset| refuse(&offset.value, "OFFSET"))
        }
        _ => Ok(()),
    }
}

fn check_select(select: &Select) -> Result<()> {
    select
        .selection
        .iter()
        .try_for_each(|condition| refuse(condition, "WHERE"))?;
    select
        .having
        .iter()
        .try_for_each(|condition| refuse(condition, "HAVING"))?;
    for join in select.from.iter().flat_map(|table| &table.joins) {
        if let JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition))
        | JoinOperator::Left(JoinConstraint::On(condition))
        | JoinOperator::LeftOuter(JoinConstraint::On(condition))
        | JoinOperator::Right(JoinConstraint::On(condition))
        | JoinOperator::RightOuter(JoinConstraint::On(condition))
        | JoinOperator::FullOuter(JoinConstraint::On(condition)) = &join.join_operator
        {
            refuse(condition, "JOIN conditions")?;
        }
    }
    select.projection.iter().filter_map(selected).try_for_each(check_item)
}

fn selected(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => Some(expression),
        _ => None,
    }
}

/// What is computed for some rows only, or of several, cannot make rows of its own.
fn check_item(expression: &Expr) -> Result<()> {
    let mut refused = None;
    each_own(expression, &mut |part| {
        let message = match part {
            Expr::Case { .. } => "set-returning functions are not allowed in CASE".to_string(),
            Expr::Function(function) => match system_name(&function.name).as_deref() {
                Some("coalesce") => "set-returning functions are not allowed in COALESCE".to_string(),
                _ if function.over.is_some() => {
                    "window function calls cannot contain set-returning function calls".to_string()
                }
                Some(name) if is_aggregate(name) => {
                    "aggregate function calls cannot contain set-returning function calls".to_string()
                }
                _ => return,
            },
            _ => return,
        };
        let has_set = match part {
            Expr::Function(function) => has_set_below(function),
            part => find_set(part).is_some(),
        };
        if has_set && refused.is_none() {
            refused = Some(message);
        }
    });
    match refused {
        None => Ok(()),
        Some(message) => Err(Error::new(SqlState::FeatureNotSupported, message)
            .with_hint("You might be able to move the set-returning function into a LATERAL FROM item.")),
    }
}

/// Whether an argument of the call has a set; that it is ordered by one is another matter.
fn has_set_below(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else {
        return false;
    };
    let mut found = false;
    each_own(list, &mut |part| found |= is_set(part));
    found
}

/// 0A000 for a set in a clause that has a value for each row.
pub(crate) fn refuse(expression: &Expr, clause: &str) -> Result<()> {
    let Some(position) = find_set(expression) else {
        return Ok(());
    };
    let message = format!("set-returning functions are not allowed in {clause}");
    let error = Error::new(SqlState::FeatureNotSupported, message);
    Err(match position {
        0 => error,
        position => error.at(position),
    })
}

/// Where a set-returning function stands in the expression, outside its subqueries.
fn find_set(expression: &Expr) -> Option<usize> {
    let mut found = None;
    each_own(expression, &mut |part| {
        if let (None, Expr::Function(function), true) = (found, part, is_set(part)) {
            let name = function.name.0.first().and_then(|name| name.as_ident());
            found = Some(name.map_or(0, |name| name.span.start.column as usize));
        }
    });
    found
}

fn is_set(expression: &Expr) -> bool {
    matches!(expression, Expr::Function(function)
        if system_name(&function.name).is_some_and(|name| is_set_returning(&name)))
}

/// Calls `look` with every expression of a part outside its subqueries.
pub(super) fn each_own(part: &impl Visit, look: &mut dyn FnMut(&Expr)) {
    struct Own<'a> {
        depth: usize,
        look: &'a mut dyn FnMut(&Expr),
    }
    impl Visitor for Own<'_> {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            if self.depth == 0 {
                (self.look)(expression);
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = part.visit(&mut Own { depth: 0, look });
}

/// Keys that are sets of the select list become their positions. Any other one is a column beside the list, which a query
/// around this one leaves out: its rows are made together with those of the list.
fn order_by_positions(query: &mut Query) -> Result<()> {
    let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &mut query.order_by) else {
        return Ok(());
    };
    let OrderByKind::Expressions(keys) = &mut order.kind else {
        return Ok(());
    };
    let has_stars = select.projection.iter().any(|item| selected(item).is_none());
    let mut others = false;
    for key in keys {
        if find_set(&key.expr).is_none() {
            continue;
        }
        let text = key.expr.to_string();
        let is_same = |item: &SelectItem| selected(item).is_some_and(|item| item.to_string() == text);
        match select.projection.iter().position(is_same).filter(|_| !has_stars) {
            Some(position) => key.expr = Expr::value(Value::Number((position + 1).to_string(), false)),
            None => others = true,
        }
    }
    match others {
        true => order_by_columns(query),
        false => Ok(()),
    }
}

fn order_by_columns(query: &mut Query) -> Result<()> {
    let mut outer = parse_query("SELECT * FROM (SELECT 1) AS sorted_rows")?;
    let (SetExpr::Select(select), Some(order), SetExpr::Select(around)) =
        (query.body.as_mut(), &mut query.order_by, outer.body.as_mut())
    else {
        return Ok(());
    };
    let OrderByKind::Expressions(keys) = &mut order.kind else {
        return Ok(());
    };
    if select.distinct.is_some() {
        let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
        return Err(Error::new(SqlState::InvalidColumnReference, message));
    }
    let outputs: Vec<String> = select.projection.iter().filter_map(output).collect();
    let mut hidden = vec![];
    for key in keys {
        let is_output = match &key.expr {
            Expr::Value(_) => true,
            Expr::Identifier(name) => outputs.contains(&folded(name)),
            _ => false,
        };
        if is_output {
            continue;
        }
        let alias = Ident::with_quote('"', format!("{KEY}{}", hidden.len()));
        let named = Expr::Identifier(alias.clone());
        let expr = std::mem::replace(&mut key.expr, named);
        hidden.push(alias.clone());
        select.projection.push(SelectItem::ExprWithAlias { expr, alias });
    }
    let mut hidden = hidden.into_iter();
    around.projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions {
        opt_except: hidden.next().map(|first_element| ExceptSelectItem {
            first_element,
            additional_elements: hidden.collect(),
        }),
        ..WildcardAdditionalOptions::default()
    })];
    if let [
        TableWithJoins {
            relation: TableFactor::Derived { subquery, .. },
            ..
        },
    ] = around.from.as_mut_slice()
    {
        std::mem::swap(&mut subquery.body, &mut query.body);
    }
    query.body = outer.body;
    Ok(())
}

/// The name by which ORDER BY may call an output.
fn output(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expression) => Some(output_column_name(expression)),
        _ => None,
    }
}
