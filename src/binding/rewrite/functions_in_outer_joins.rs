//! `t RIGHT JOIN generate_series(1, 3) g ON …`: the planner takes every function in FROM for LATERAL, which the right side of
//! such a join cannot be. There it reads nothing of the left side, and is a subquery by itself.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    JoinOperator, Select, SetExpr, TableAlias, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::super::relations::parse_query;
use crate::error::{Error, Result};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Joins;
    impl VisitorMut for Joins {
        type Break = Error;

        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            select.from.iter_mut().try_for_each(of_relation)
        }

        fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => of_relation(table_with_joins),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match VisitMut::visit(tree, &mut Joins) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn of_relation(relation: &mut TableWithJoins) -> ControlFlow<Error> {
    for join in &mut relation.joins {
        let keeps_right = matches!(
            join.join_operator,
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
        );
        if keeps_right && let TableFactor::UNNEST { alias, .. } = &join.relation {
            let alias = alias.as_ref().map(|alias| TableAlias {
                columns: vec![],
                ..alias.clone()
            });
            match apart(&join.relation, alias) {
                Ok(subquery) => join.relation = subquery,
                Err(error) => return ControlFlow::Break(error),
            }
        }
    }
    ControlFlow::Continue(())
}

/// The function's rows as a subquery, under the names that the function has.
fn apart(function: &TableFactor, alias: Option<TableAlias>) -> Result<TableFactor> {
    let mut subquery = parse_query("SELECT * FROM x")?;
    if let SetExpr::Select(select) = subquery.body.as_mut()
        && let [from] = select.from.as_mut_slice()
    {
        from.relation = function.clone();
    }
    Ok(TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery),
        alias,
        sample: None,
    })
}
