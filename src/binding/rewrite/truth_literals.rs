//! Quoted literals where a truth value is wanted are read as one: `WHERE 't'`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, JoinConstraint, JoinOperator, Select, UnaryOperator, Value, VisitMut,
    VisitorMut,
};

use super::syntax::take;

pub(super) fn rewrite(tree: &mut impl VisitMut) {
    struct Truths;
    impl VisitorMut for Truths {
        type Break = ();

        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            select.selection.iter_mut().chain(&mut select.having).for_each(read);
            let joins = select.from.iter_mut().flat_map(|relation| &mut relation.joins);
            joins
                .filter_map(|join| condition(&mut join.join_operator))
                .for_each(read);
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
            match expression {
                Expr::Case {
                    operand: None,
                    conditions,
                    ..
                } => conditions.iter_mut().for_each(|branch| read(&mut branch.condition)),
                Expr::Function(function) => function.filter.iter_mut().for_each(|filter| read(filter)),
                Expr::BinaryOp {
                    left,
                    op: BinaryOperator::And | BinaryOperator::Or,
                    right,
                } => {
                    read(left);
                    read(right);
                }
                Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr,
                }
                | Expr::IsTrue(expr)
                | Expr::IsNotTrue(expr)
                | Expr::IsFalse(expr)
                | Expr::IsNotFalse(expr)
                | Expr::IsUnknown(expr)
                | Expr::IsNotUnknown(expr) => read(expr),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    // Never breaks.
    let _ = VisitMut::visit(tree, &mut Truths);
}

fn condition(operator: &mut JoinOperator) -> Option<&mut Expr> {
    match operator {
        JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition))
        | JoinOperator::Left(JoinConstraint::On(condition))
        | JoinOperator::LeftOuter(JoinConstraint::On(condition))
        | JoinOperator::Right(JoinConstraint::On(condition))
        | JoinOperator::RightOuter(JoinConstraint::On(condition))
        | JoinOperator::FullOuter(JoinConstraint::On(condition)) => Some(condition),
        _ => None,
    }
}

fn read(condition: &mut Expr) {
    if let Expr::Nested(inner) = condition {
        return read(inner);
    }
    if matches!(condition, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))) {
        *condition = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(take(condition)),
            data_type: DataType::Boolean,
            array: false,
            format: None,
        };
    }
}
