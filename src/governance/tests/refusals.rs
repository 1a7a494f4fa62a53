//! What is refused: policies that nobody resolved, and plans that lost a barrier on the way.

use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan, col, lit};

use super::fixture::{StaffRow, World, numbers};
use crate::error::SqlState;
use crate::governance::verify;

const HIDDEN: [StaffRow; 1] = [(4, "abc", "south", 300, "333-00-4444")];

fn only_north() -> Option<Expr> {
    Some(col("region").eq(lit("north")))
}

#[tokio::test]
async fn an_optimizer_that_drops_the_barrier_is_stopped() {
    let world = World::with_staff(&HIDDEN, only_north(), Default::default());
    let raw = world.bind("SELECT id FROM staff").await;
    let governed = world.govern("SELECT id FROM staff").await.unwrap();
    let error = governed.rewrite(|_| Ok(raw.clone())).unwrap_err();
    assert_eq!(error.state(), SqlState::InternalError);

    let other = World::with_staff(&HIDDEN, Some(lit(1).eq(col("id"))), Default::default());
    let foreign = other.govern("SELECT id FROM staff").await.unwrap();
    let error = governed.rewrite(|_| Ok(foreign.plan().clone())).unwrap_err();
    assert_eq!(error.state(), SqlState::InternalError);
    assert!(governed.rewrite(Ok).is_ok());
}

#[tokio::test]
async fn a_physical_plan_under_other_policies_is_refused() {
    let world = World::with_staff(&HIDDEN, only_north(), Default::default());
    let other = World::with_staff(&HIDDEN, Some(lit(1).eq(col("id"))), Default::default());
    let governed = world.optimize("SELECT id FROM staff").await.unwrap();
    let foreign = other.optimize("SELECT id FROM staff").await.unwrap();
    let physical = other.plan_physically(&foreign).await.unwrap();
    assert_eq!(
        verify(&governed, &physical).unwrap_err().state(),
        SqlState::InternalError
    );
    assert!(verify(&foreign, &physical).is_ok());
}

#[tokio::test]
async fn a_predicate_that_was_forced_in_is_refused() {
    let world = World::with_staff(&HIDDEN, only_north(), Default::default());
    let governed = world.govern("SELECT id FROM staff").await.unwrap();
    let forced = governed
        .rewrite(|plan| {
            let forced = plan.transform_up_with_subqueries(|node| {
                Ok(match node {
                    LogicalPlan::TableScan(mut scan) => {
                        scan.filters.push((lit(1) / col("id")).eq(lit(1)));
                        Transformed::yes(LogicalPlan::TableScan(scan))
                    }
                    other => Transformed::no(other),
                })
            })?;
            Ok(forced.data)
        })
        .unwrap();
    let error = world.plan_physically(&forced).await.unwrap_err();
    assert_eq!(error.state(), SqlState::InternalError, "{error}");
}

#[tokio::test]
async fn unresolved_policies_refuse_the_table() {
    let world = World::new();
    let raw = world.add_table(20, "t", numbers("a", &[1]), Some(lit(true)), vec![Some(col("a"))]);
    assert!(world.govern("SELECT a FROM t").await.is_ok());
    // The catalog says that there are policies; binding resolved none.
    for (row_filter, mask) in [(None, Some(col("a"))), (Some(lit(true)), None)] {
        let mut subject = super::fixture::subject_of(&raw);
        subject.row_filter = row_filter;
        subject.masks = vec![mask];
        assert_eq!(
            subject.applied_policies(&Default::default()).unwrap_err().state(),
            SqlState::InsufficientPrivilege
        );
    }
}

#[tokio::test]
async fn a_mapping_table_with_policies_of_its_own_is_refused() {
    let world = World::new();
    world.add_table(40, "mapping", numbers("a", &[1]), Some(col("a").gt(lit(0))), vec![None]);
    let lookup = world.bind("SELECT a FROM mapping").await;
    let policy = datafusion::logical_expr::in_subquery(col("a"), std::sync::Arc::new(lookup));
    world.add_table(41, "t", numbers("a", &[1]), Some(policy), vec![None]);
    let error = world.govern("SELECT a FROM t").await.unwrap_err();
    assert_eq!(error.state(), SqlState::FeatureNotSupported);
}
