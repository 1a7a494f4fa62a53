//! An aggregate over nothing but columns of the query around it belongs to that query, says the standard. The engine
//! would aggregate the subquery's rows instead; such a call is refused.

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Aggregate, Expr};

use crate::error::Error;

/// 0A000 where an aggregate's columns are all of the query around it.
pub(super) fn check(aggregate: &Aggregate) -> PlanResult<()> {
    for call in &aggregate.aggr_expr {
        let (mut own, mut outer) = (false, false);
        call.apply(|part| {
            own |= matches!(part, Expr::Column(_));
            outer |= matches!(part, Expr::OuterReferenceColumn(..));
            // A subquery in the call reads the aggregated rows, or those of a query further out.
            let subquery = match part {
                Expr::ScalarSubquery(subquery) => Some(subquery),
                Expr::Exists(exists) => Some(&exists.subquery),
                Expr::InSubquery(within) => Some(&within.subquery),
                Expr::SetComparison(comparison) => Some(&comparison.subquery),
                _ => None,
            };
            for read in subquery.into_iter().flat_map(|subquery| &subquery.outer_ref_columns) {
                if let Expr::OuterReferenceColumn(_, column) = read {
                    let is_own = aggregate.input.schema().has_column(column);
                    own |= is_own;
                    outer |= !is_own;
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if outer && !own {
            return Err(Error::unsupported("an aggregate of the outer query's columns inside a subquery").into());
        }
    }
    Ok(())
}
