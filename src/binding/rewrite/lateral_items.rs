//! `FROM a, LATERAL (… a.x …) l JOIN b ON …` is `FROM a CROSS JOIN LATERAL (…) l JOIN b ON …`: the planner shows an item of
//! FROM that has joins of its own nothing of the items before it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, Select, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    struct Items;
    impl VisitorMut for Items {
        type Break = ();
        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            if select.from.iter().skip(1).any(looks_back) {
                let items = std::mem::take(&mut select.from);
                select.from = items.into_iter().fold(vec![], with_item);
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Items);
}

fn with_item(mut items: Vec<TableWithJoins>, item: TableWithJoins) -> Vec<TableWithJoins> {
    match items.last_mut().filter(|_| looks_back(&item)) {
        Some(before) => {
            before.joins.push(Join {
                relation: item.relation,
                global: false,
                join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
            });
            before.joins.extend(item.joins);
        }
        None => items.push(item),
    }
    items
}

/// Whether an item with joins may read those before it, and its joins mean the same behind them.
fn looks_back(item: &TableWithJoins) -> bool {
    let is_lateral = |relation: &TableFactor| matches!(relation, TableFactor::Derived { lateral: true, .. });
    let relations = std::iter::once(&item.relation).chain(item.joins.iter().map(|join| &join.relation));
    !item.joins.is_empty()
        && relations.into_iter().any(is_lateral)
        && item.joins.iter().all(|join| keeps_its_left_side(&join.join_operator))
}

fn keeps_its_left_side(operator: &JoinOperator) -> bool {
    use JoinOperator::{CrossJoin, Inner, Join, Left, LeftOuter};
    match operator {
        Join(constraint) | Inner(constraint) | Left(constraint) | LeftOuter(constraint) | CrossJoin(constraint) => {
            matches!(constraint, JoinConstraint::On(_) | JoinConstraint::None)
        }
        _ => false,
    }
}
