//! Positions inside ROLLUP, CUBE, GROUPING SETS and DISTINCT ON name outputs, as they do in a plain GROUP BY; the planner
//! reads them as numbers there.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Distinct, Expr, GroupByExpr, Select, SelectItem, Value, VisitMut, VisitorMut};

use crate::error::{Error, Result, SqlState};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Groupings;
    impl VisitorMut for Groupings {
        type Break = Error;
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            match name_positions(select) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(tree, &mut Groupings) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn name_positions(select: &mut Select) -> Result<()> {
    let is_expression =
        |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    if let Some(Distinct::On(keys)) = &mut select.distinct
        && select.projection.iter().all(is_expression)
    {
        for key in keys {
            name_position(key, "DISTINCT ON", &select.projection)?;
        }
    }
    let GroupByExpr::Expressions(keys, _) = &mut select.group_by else {
        return Ok(());
    };
    let has_sets = |key: &Expr| matches!(key, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
    if !keys.iter().any(has_sets) {
        return Ok(());
    }
    for key in keys {
        match key {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                for part in sets.iter_mut().flatten() {
                    name_position(part, "GROUP BY", &select.projection)?;
                }
            }
            // Beside sets the planner does not look positions up either.
            key => name_position(key, "GROUP BY", &select.projection)?,
        }
    }
    Ok(())
}

fn name_position(key: &mut Expr, clause: &str, projection: &[SelectItem]) -> Result<()> {
    let Expr::Value(value) = &*key else { return Ok(()) };
    let Value::Number(text, _) = &value.value else {
        return Ok(());
    };
    let position = text.parse::<usize>().ok();
    let item = position.and_then(|position| projection.get(position.checked_sub(1)?));
    *key = match item {
        Some(SelectItem::UnnamedExpr(expression) | SelectItem::ExprWithAlias { expr: expression, .. }) => {
            expression.clone()
        }
        _ => {
            let message = format!("{clause} position {text} is not in select list");
            return Err(Error::new(SqlState::InvalidColumnReference, message));
        }
    };
    Ok(())
}
