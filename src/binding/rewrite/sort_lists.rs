//! Lists of sort keys as PostgreSQL reads them: a key that repeats an earlier one says nothing, and the expressions of DISTINCT ON
//! stand in the order of ORDER BY and behind its end. The planner counts repeated keys (some of its aggregates panic then, and
//! RANGE refuses two of them), and wants both lists alike.

use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Function, FunctionArgumentClause, FunctionArguments, OrderByExpr, OrderByKind, OrderByOptions,
    Query, Select, SelectItem, SetExpr, Value, VisitMut, VisitorMut, WindowType,
};

use super::syntax::folded;

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    // No visit ends early.
    let _ = VisitMut::visit(tree, &mut Lists);
}

struct Lists;

impl VisitorMut for Lists {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if let SetExpr::Select(select) = query.body.as_mut()
            && let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(order) = &mut order.kind
        {
            align(select, order);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Function(function) = expression {
            shorten(function);
        }
        ControlFlow::Continue(())
    }
}

fn shorten(function: &mut Function) {
    if let Some(WindowType::WindowSpec(window)) = &mut function.over {
        without_repeated(&mut window.order_by, |key| &key.expr);
    }
    if let FunctionArguments::List(list) = &mut function.args {
        for clause in &mut list.clauses {
            if let FunctionArgumentClause::OrderBy(order) = clause {
                without_repeated(order, |key| &key.expr);
            }
        }
    }
}

fn without_repeated<T>(list: &mut Vec<T>, key: impl Fn(&T) -> &Expr) {
    let mut place = 0;
    while place < list.len() {
        match list[..place].iter().any(|earlier| key(earlier) == key(&list[place])) {
            true => drop(list.remove(place)),
            false => place += 1,
        }
    }
}

/// Makes the expressions of DISTINCT ON the first ones of ORDER BY, if those are all among them. Otherwise both stay for the planner to refuse.
fn align(select: &mut Select, order: &mut Vec<OrderByExpr>) {
    let Some(Distinct::On(keys)) = &select.distinct else {
        return;
    };
    let is_expression =
        |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if !select.projection.iter().all(is_expression) {
        return;
    }
    let mut keys: Vec<(Expr, Expr)> = keys.iter().map(|key| (meant(key, select), key.clone())).collect();
    without_repeated(&mut keys, |(meant, _)| meant);
    let mut sorted: Vec<(Expr, OrderByExpr)> = order
        .iter()
        .map(|key| (meant(&key.expr, select), key.clone()))
        .collect();
    without_repeated(&mut sorted, |(meant, _)| meant);
    let is_key = |(meant, _): &&(Expr, OrderByExpr)| keys.iter().any(|(key, _)| key == meant);
    let leading = sorted.iter().take_while(is_key).count();
    if leading < keys.len() && leading < sorted.len() {
        return;
    }
    // Both lists get the same spelling, and the keys that ORDER BY does not name come behind it.
    let mut aligned: Vec<Expr> = Vec::with_capacity(keys.len());
    for (meant, key) in &mut sorted[..leading] {
        if let Some(place) = keys.iter().position(|(on, _)| on == meant) {
            key.expr = keys.remove(place).1;
            aligned.push(key.expr.clone());
        }
    }
    let behind = keys.into_iter().map(|(_, key)| key);
    let behind: Vec<OrderByExpr> = behind.map(ascending).collect();
    aligned.extend(behind.iter().map(|key| key.expr.clone()));
    *order = sorted.into_iter().map(|(_, key)| key).chain(behind).collect();
    select.distinct = Some(Distinct::On(aligned));
}

fn ascending(expr: Expr) -> OrderByExpr {
    let options = OrderByOptions {
        asc: None,
        nulls_first: None,
    };
    OrderByExpr {
        expr,
        options,
        with_fill: None,
    }
}

/// The expression that a key stands for: positions and names of outputs are what is selected, and of one relation columns need no qualifier.
fn meant(key: &Expr, select: &Select) -> Expr {
    let selected = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => {
            Some(unqualified(expression, select))
        }
        _ => None,
    };
    let found = match key {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => {
                let position = text.parse::<usize>().ok();
                position.and_then(|position| selected(select.projection.get(position.checked_sub(1)?)?))
            }
            _ => None,
        },
        Expr::Identifier(name) => {
            let is_named = |item: &&SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if folded(alias) == folded(name));
            select.projection.iter().find(is_named).and_then(selected)
        }
        _ => None,
    };
    found.unwrap_or_else(|| unqualified(key, select))
}

fn unqualified(expression: &Expr, select: &Select) -> Expr {
    let of_one = matches!(select.from.as_slice(), [relation] if relation.joins.is_empty());
    match expression {
        Expr::CompoundIdentifier(parts) if of_one => parts.last().cloned().map(Expr::Identifier),
        Expr::Nested(inner) => Some(unqualified(inner, select)),
        _ => None,
    }
    .unwrap_or_else(|| expression.clone())
}
