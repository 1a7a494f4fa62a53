//! `ARRAY[…]` in a subquery, or over one: the planner reads the elements of an array literal without the queries around it,
//! so that neither their columns nor what WITH names is known there, nor of what types parameters are. As a call of the same
//! function it reads them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, Value, Visit, VisitMut, Visitor, VisitorMut};

use super::syntax::call;

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Literals { depth: 0 });
}

struct Literals {
    /// Queries around the expression.
    depth: usize,
}

impl VisitorMut for Literals {
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
        if let Expr::Array(literal) = expression
            && names_something(&literal.elem, self.depth > 1)
        {
            *expression = call("make_array", std::mem::take(&mut literal.elem));
        }
        ControlFlow::Continue(())
    }
}

/// Whether the elements have a subquery or, without quoted literals, a parameter, or a column where that may be one of a query around theirs.
fn names_something(elements: &[Expr], is_subquery: bool) -> bool {
    struct Names {
        is_subquery: bool,
        has_parameters: bool,
    }
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) if self.is_subquery => ControlFlow::Break(()),
                Expr::Value(value) if self.has_parameters && matches!(value.value, Value::Placeholder(_)) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    // A call does not read a quoted literal as what stands beside it.
    let is_quoted =
        |element: &Expr| matches!(element, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)));
    let mut names = Names {
        is_subquery,
        has_parameters: !elements.iter().any(is_quoted),
    };
    elements.iter().any(|element| element.visit(&mut names).is_break())
}
