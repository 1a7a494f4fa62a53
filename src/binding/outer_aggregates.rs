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
            Ok(TreeNodeRecursion::Continue)
        })?;
        if outer && !own {
            return Err(Error::unsupported("an aggregate of the outer query's columns inside a subquery").into());
        }
    }
    Ok(())
}
