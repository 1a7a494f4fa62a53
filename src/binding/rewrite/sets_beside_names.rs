//! Sets in a select list beside an expression that is called like a column: `SELECT upper(t) AS t, unnest(a) FROM v`. The planner
//! computes such a list below the sets, where the column is at hand under the same name. So the expression gets a name of its own
//! there, and its name above.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, Ident, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, Value, VisitMut,
    VisitorMut,
};

use super::super::relations;
use super::output_names::{Wildcard, mentions};
use super::set_returning::each_own;
use super::syntax::{folded, system_name};

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    struct Queries;
    impl VisitorMut for Queries {
        type Break = ();
        fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            let keys = match query.order_by.as_ref().map(|order| &order.kind) {
                Some(OrderByKind::Expressions(keys)) => keys.as_slice(),
                Some(OrderByKind::All(_)) => return ControlFlow::Continue(()),
                None => &[],
            };
            separate(&mut query.body, keys);
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Queries);
}

fn separate(body: &mut SetExpr, keys: &[OrderByExpr]) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            separate(left, &[]);
            separate(right, &[]);
        }
        SetExpr::Select(select) => {
            if let Some(around) = around(select, keys) {
                *body = around;
            }
        }
        _ => {}
    }
}

/// The select that gives the columns their names; `None` where they need none, or where ORDER BY asks for more than them.
fn around(select: &mut Select, keys: &[OrderByExpr]) -> Option<SetExpr> {
    if !select.projection.iter().any(has_set) || matches!(&select.distinct, Some(Distinct::On(_))) {
        return None;
    }
    let names: Vec<String> = select.projection.iter().map(name).collect::<Option<_>>()?;
    let are_unique = (1..names.len()).all(|place| !names[..place].contains(&names[place]));
    let is_output = |key: &OrderByExpr| match &key.expr {
        Expr::Identifier(name) => names.contains(&folded(name)),
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        _ => false,
    };
    let is_hidden = |place: usize| match &select.projection[place] {
        SelectItem::ExprWithAlias { expr, .. } => {
            let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            let mut items = select.projection.iter().filter_map(expression);
            !is_column
                && !has_set(&select.projection[place])
                && items.any(|item| mentions(item, &names[place], &Wildcard::All))
        }
        _ => false,
    };
    let hidden: Vec<usize> = (0..names.len()).filter(|place| is_hidden(*place)).collect();
    if hidden.is_empty() || !are_unique || !keys.iter().all(is_output) {
        return None;
    }
    let quoted = |name: &str| Ident::with_quote('"', name);
    let mut outer = relations::parse_query("SELECT 1 FROM (SELECT 1) AS sets").ok()?;
    let SetExpr::Select(outputs) = outer.body.as_mut() else {
        return None;
    };
    let mut items = vec![];
    for (place, name) in names.iter().enumerate() {
        let mut inner = name.clone();
        if hidden.contains(&place)
            && let SelectItem::ExprWithAlias { alias, .. } = &mut select.projection[place]
        {
            inner = format!("\u{1}beside{place}");
            *alias = quoted(&inner);
        }
        items.push(SelectItem::ExprWithAlias {
            expr: Expr::Identifier(quoted(&inner)),
            alias: quoted(name),
        });
    }
    outputs.projection = items;
    let TableFactor::Derived { subquery, alias, .. } = &mut outputs.from.first_mut()?.relation else {
        return None;
    };
    alias.as_mut()?.name = quoted("\u{1}sets");
    *subquery.body = SetExpr::Select(Box::new(select.clone()));
    Some(*outer.body)
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. } => Some(expression),
        _ => None,
    }
}

/// What an output is called; `None` of a wildcard, and of what the planner names.
fn name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(folded(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().map(folded),
        _ => None,
    }
}

/// Whether a set stands in the item, outside of its subqueries. All of them are calls of unnest() by now.
fn has_set(item: &SelectItem) -> bool {
    let mut has = false;
    each_own(item, &mut |part| {
        has |= matches!(part, Expr::Function(function)
            if system_name(&function.name).is_some_and(|name| name == "unnest"));
    });
    has
}
