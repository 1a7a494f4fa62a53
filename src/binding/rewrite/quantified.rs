//! `x > ALL (SELECT …)` and `x >= ANY (SELECT …)` by the largest or smallest value of the subquery, as
//! scalar subqueries with the same answer for NULLs and no rows. `= ANY` is IN, `<> ALL` is NOT IN.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SelectItem, SetExpr, UnaryOperator, VisitMut, VisitorMut,
};

use super::super::expression;
use super::syntax::replace_expressions;
use crate::error::{Error, Result};

const LEFT: &str = "quantified_left";
const ROWS: &str = "quantified_rows";

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let (left, operator, right, is_all) = match &*expression {
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => (left, compare_op, right, true),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => (left, compare_op, right, false),
            _ => return Ok(()),
        };
        let Expr::Subquery(query) = right.as_ref() else {
            return Ok(());
        };
        let membership = |negated| Expr::InSubquery {
            expr: left.clone(),
            subquery: query.clone(),
            negated,
        };
        let rewritten = match (operator, is_all) {
            (BinaryOperator::Eq, false) => membership(false),
            (BinaryOperator::NotEq, true) => membership(true),
            (operator, true) => all(left, operator, query)?,
            // Some row compares so unless all rows compare the other way.
            (operator, false) => Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr: Box::new(Expr::Nested(Box::new(all(left, &opposite(operator)?, query)?))),
            },
        };
        *expression = rewritten;
        Ok(())
    })
}

fn opposite(operator: &BinaryOperator) -> Result<BinaryOperator> {
    Ok(match operator {
        BinaryOperator::Gt => BinaryOperator::LtEq,
        BinaryOperator::GtEq => BinaryOperator::Lt,
        BinaryOperator::Lt => BinaryOperator::GtEq,
        BinaryOperator::LtEq => BinaryOperator::Gt,
        BinaryOperator::NotEq => BinaryOperator::Eq,
        other => return Err(unsupported(other)),
    })
}

fn unsupported(operator: &BinaryOperator) -> Error {
    Error::unsupported(format!("{operator} with ANY or ALL of a subquery"))
}

fn all(left: &Expr, operator: &BinaryOperator, query: &Query) -> Result<Expr> {
    let of = |what: &str| format!("(SELECT {what} FROM (SELECT {ROWS}) AS quantified (c))");
    let holds = match operator {
        BinaryOperator::Gt | BinaryOperator::GtEq => format!("{LEFT} {operator} {}", of("max(c)")),
        BinaryOperator::Lt | BinaryOperator::LtEq => format!("{LEFT} {operator} {}", of("min(c)")),
        BinaryOperator::Eq => format!("({LEFT} = {} AND {LEFT} = {})", of("min(c)"), of("max(c)")),
        other => return Err(unsupported(other)),
    };
    let text = format!(
        "CASE WHEN NOT {holds} THEN false WHEN {} = 0 THEN true WHEN {} > 0 THEN NULL ELSE {holds} END",
        of("count(*)"),
        of("count(*) - count(c)"),
    );
    let mut template = expression::parse(&text)?;
    let mut fill = Fill { left, query };
    match VisitMut::visit(&mut template, &mut fill) {
        ControlFlow::Continue(()) => Ok(Expr::Nested(Box::new(template))),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Puts the operands in the template's places.
struct Fill<'a> {
    left: &'a Expr,
    query: &'a Query,
}

impl VisitorMut for Fill<'_> {
    type Break = Error;

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let SetExpr::Select(select) = query.body.as_ref()
            && let [
                SelectItem::UnnamedExpr(Expr::Identifier(name))
                | SelectItem::ExprWithAlias {
                    expr: Expr::Identifier(name),
                    ..
                },
            ] = select.projection.as_slice()
            && name.value == ROWS
        {
            *query = self.query.clone();
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        if matches!(&*expression, Expr::Identifier(name) if name.value == LEFT) {
            *expression = Expr::Nested(Box::new(self.left.clone()));
        }
        ControlFlow::Continue(())
    }
}
