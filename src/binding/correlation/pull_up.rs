//! Which correlated subqueries DataFusion's rules turn into joins without changing what they mean. The rules lift the
//! conditions that read outer columns over whatever stands above them. That is right over projections, inner joins and
//! an aggregation by more keys; a window, LIMIT, the other side of an outer join or a second aggregation sees other rows.

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, FetchType, Join, JoinType, LogicalPlan, Operator, SkipType};

use super::outer_references::outer_columns;

/// What is asked of a subquery's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whether there is one.
    Existence,
    /// Whether one has a value.
    Membership,
    /// The value of the only one.
    Value,
    /// All of them, beside the outer row.
    Rows,
}

/// Whether the conditions that read outer columns can be lifted out of a subquery.
pub(super) fn is_sound(plan: &LogicalPlan, asked: Asked) -> PlanResult<bool> {
    Above {
        asked,
        grouped: false,
        filtered: false,
        selected: false,
    }
    .is_sound(plan)
}

/// What stands between the subquery's top and a node of it.
#[derive(Debug, Clone, Copy)]
struct Above {
    asked: Asked,
    /// Rows are put together there, so that conditions become keys and have to be equalities.
    grouped: bool,
    /// A condition reads outer columns there.
    filtered: bool,
    /// A condition or a join decides there which rows there are.
    selected: bool,
}

impl Above {
    fn is_sound(self, plan: &LogicalPlan) -> PlanResult<bool> {
        if outer_columns(plan)?.is_empty() {
            return Ok(true);
        }
        match plan {
            LogicalPlan::Projection(projection) => self.is_sound(&projection.input),
            // The rules for predicates lose the columns that conditions below the name of a derived table need.
            LogicalPlan::SubqueryAlias(alias) => match self.asked {
                Asked::Existence | Asked::Membership => Ok(false),
                Asked::Value | Asked::Rows => self.is_sound(&alias.input),
            },
            LogicalPlan::Sort(sort) => self.is_sound(&sort.input),
            // Marks of LATERAL are left alone by the rules; who asks looks for what is left below them.
            LogicalPlan::Subquery(_) => Ok(true),
            LogicalPlan::Filter(filter) => {
                let mut lifted = split_conjunction(&filter.predicate);
                lifted.retain(|condition| condition.contains_outer());
                // A join's condition has no subqueries.
                for condition in &lifted {
                    if condition.exists(|part| Ok(super::is_subquery(part)))? {
                        return Ok(false);
                    }
                }
                let filtered = self.filtered || !lifted.is_empty();
                let below = Above {
                    filtered,
                    selected: true,
                    ..self
                };
                let fits = !self.grouped || lifted.into_iter().all(is_equality_of_a_column);
                Ok(fits && below.is_sound(&filter.input)?)
            }
            // Whoever asks for one row only does not mind more of the same.
            LogicalPlan::Distinct(Distinct::All(input)) => match self.asked {
                Asked::Existence | Asked::Membership if !self.grouped => self.is_sound(input),
                _ => Above { grouped: true, ..self }.is_sound(input),
            },
            LogicalPlan::Aggregate(aggregate) => {
                let of_sets = aggregate
                    .group_expr
                    .iter()
                    .any(|key| matches!(key, Expr::GroupingSet(_)));
                // Without keys there is a row of nothing too, which the rules restore for the outermost value only.
                let of_all = aggregate.group_expr.is_empty();
                let restored = matches!(self.asked, Asked::Value | Asked::Rows) && !self.grouped && !self.selected;
                let fits = !of_sets && !self.filtered && (restored || !of_all);
                Ok(fits && Above { grouped: true, ..self }.is_sound(&aggregate.input)?)
            }
            LogicalPlan::Join(join) => self.is_sound_join(join),
            // `EXISTS (… LIMIT 1)` asks for no more than EXISTS does.
            LogicalPlan::Limit(limit) => {
                let idle = matches!(limit.get_skip_type()?, SkipType::Literal(0))
                    && matches!(limit.get_fetch_type()?, FetchType::Literal(None | Some(1..)));
                Ok(self.asked == Asked::Existence && !self.grouped && idle && self.is_sound(&limit.input)?)
            }
            _ => Ok(false),
        }
    }
}

impl Above {
    fn is_sound_join(self, join: &Join) -> PlanResult<bool> {
        let below = Above { selected: true, ..self };
        match join.join_type {
            JoinType::Inner => Ok(below.is_sound(&join.left)? && below.is_sound(&join.right)?),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                Ok(outer_columns(&join.right)?.is_empty() && below.is_sound(&join.left)?)
            }
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                Ok(outer_columns(&join.left)?.is_empty() && below.is_sound(&join.right)?)
            }
            JoinType::Full => Ok(false),
        }
    }
}

/// Whether a condition compares a column as it is with what has one value for each outer row. Of a converted column
/// several values may be equal to that, and would be several groups.
fn is_equality_of_a_column(condition: &Expr) -> bool {
    let Expr::BinaryExpr(comparison) = condition else {
        return false;
    };
    let fits = |column: &Expr, other: &Expr| matches!(column, Expr::Column(_)) && !other.any_column_refs();
    comparison.op == Operator::Eq
        && (fits(&comparison.left, &comparison.right) || fits(&comparison.right, &comparison.left))
}
