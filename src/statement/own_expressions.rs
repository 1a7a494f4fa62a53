//! Walks the expressions that belong to a part of a statement itself: inside a subquery the same words may mean others.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

/// Calls `change` with every expression of `tree` outside its subqueries, the inner ones first.
pub fn change_own_expressions(tree: &mut impl VisitMut, change: impl FnMut(&mut Expr)) {
    // Never breaks.
    let _ = tree.visit(&mut Walk { change, depth: 0 });
}

struct Walk<F> {
    change: F,
    /// Subqueries around the expression.
    depth: usize,
}

impl<F: FnMut(&mut Expr)> VisitorMut for Walk<F> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.change)(expression);
        }
        ControlFlow::Continue(())
    }
}
