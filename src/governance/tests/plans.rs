//! What reaches the inside of a barrier, and what the outside sees of it.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::functions::expr_fn::now;
use datafusion::logical_expr::{ColumnarValue, Expr, LogicalPlan, Operator, Volatility, col, create_udf, exists, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, DynamicFilterPhysicalExpr, cast};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterPushdownResult, ChildPushdownResult, FilterPushdownPhase, PushedDown, PushedDownPredicate,
};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{collect, displayable};

use super::fixture::{StaffRow, World, numbers, texts};
use crate::governance::{GovernedPlan, PolicyBarrierExec, verify};

const HIDDEN: [StaffRow; 1] = [(4, "abc", "south", 300, "333-00-4444")];

fn governed_world() -> World {
    let masks = [None, None, None, None, Some(lit("***"))];
    World::with_staff(&HIDDEN, Some(col("region").eq(lit("north"))), masks)
}

fn filters_inside(governed: &GovernedPlan) -> Vec<String> {
    let mut found = vec![];
    governed
        .plan()
        .apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                found.extend(scan.filters.iter().map(|filter| filter.to_string()));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
    found
}

#[tokio::test]
async fn only_allow_listed_predicates_get_in() {
    let cases = [
        ("id = 2", true),
        ("id > 1::bigint", true),
        ("region IN ('north', 'south')", true),
        ("id BETWEEN 1 AND 3", true),
        ("name IS NOT NULL", true),
        ("id = 1 OR name = '42'", true),
        ("random() < 0.5", false),
        ("1 / (SELECT 0) = 1", false),
        ("CAST(name AS int) = 1", false),
        ("name LIKE '4%'", false),
        ("upper(name) = '42'", false),
        ("ssn = '***'", false),
        ("ssn IS NULL", false),
        ("id + 1 = 2", false),
        ("id = 1 OR ssn = 'x'", false),
    ];
    let world = governed_world();
    let shapes = [
        "SELECT id FROM staff WHERE {}",
        "SELECT s.id FROM (SELECT * FROM staff) s WHERE {}",
        "WITH s AS (SELECT id, name, region, ssn FROM staff) SELECT id FROM s WHERE {} ORDER BY id",
    ];
    for (predicate, enters) in cases {
        for shape in shapes {
            let sql = shape.replace("{}", predicate);
            let governed = world.optimize(&sql).await.unwrap();
            assert_eq!(
                !filters_inside(&governed).is_empty(),
                enters,
                "{sql}\n{}",
                governed.plan()
            );
        }
    }
    let governed = world
        .optimize("SELECT id FROM staff WHERE id = 2 AND CAST(name AS int) = 42")
        .await
        .unwrap();
    assert_eq!(filters_inside(&governed), ["staff.id = Int32(2)"]);
}

#[tokio::test]
async fn nothing_gets_beside_a_policy_that_can_fail() {
    let fallible = (lit(1) / (col("id") - lit(400))).gt(lit(-5));
    let world = World::with_staff(&HIDDEN, Some(fallible), Default::default());
    let governed = world.optimize("SELECT id FROM staff WHERE id <> 300").await.unwrap();
    assert_eq!(filters_inside(&governed), Vec::<String>::new());
}

#[tokio::test]
async fn dynamic_filters_get_in_on_open_columns_only() {
    let answers = |row_filter: Expr| async move {
        let world = World::with_staff(&HIDDEN, Some(row_filter), [None, None, None, None, Some(lit("***"))]);
        let governed = world.optimize("SELECT id, name, ssn FROM staff").await.unwrap();
        let barrier = world.plan_physically(&governed).await.unwrap();
        assert!(
            barrier.is::<PolicyBarrierExec>(),
            "{}",
            displayable(barrier.as_ref()).indent(true)
        );
        let column = |name, index| Arc::new(Column::new(name, index)) as Arc<dyn PhysicalExpr>;
        let (id, name, ssn) = (column("id", 0), column("name", 1), column("ssn", 2));
        let converted = cast(Arc::clone(&name), &barrier.schema(), DataType::Int32).unwrap();
        let dynamic = |children| {
            let truth = datafusion::physical_expr::expressions::lit(true);
            Arc::new(DynamicFilterPhysicalExpr::new(children, truth)) as Arc<dyn PhysicalExpr>
        };
        let filters = vec![
            dynamic(vec![ssn]),
            dynamic(vec![id]),
            dynamic(vec![converted]),
            dynamic(vec![name]),
        ];
        let options = ConfigOptions::default();
        let description = barrier
            .gather_filters_for_pushdown(FilterPushdownPhase::Post, filters, &options)
            .unwrap();
        let enters = |filter: &PushedDownPredicate| matches!(filter.discriminant, PushedDown::Yes);
        description.parent_filters()[0].iter().map(enters).collect::<Vec<_>>()
    };
    assert_eq!(
        answers(col("region").eq(lit("north"))).await,
        [false, true, false, true]
    );
    let fallible = (lit(1) / (col("id") - lit(400))).gt(lit(-5));
    assert_eq!(answers(fallible).await, [false; 4]);
}

/// What a scan skips by it depends on hidden rows too; a join looks for it in the sealed plan.
#[tokio::test]
async fn run_time_filters_hold_for_every_row_that_leaves() {
    let world = governed_world();
    let governed = world.optimize("SELECT id FROM staff").await.unwrap();
    let barrier = world.plan_physically(&governed).await.unwrap();
    let id = Arc::new(Column::new("id", 0)) as Arc<dyn PhysicalExpr>;
    let truth = datafusion::physical_expr::expressions::lit(true);
    let filter = Arc::new(DynamicFilterPhysicalExpr::new(vec![Arc::clone(&id)], truth));
    let pushed = ChildFilterPushdownResult {
        filter: Arc::clone(&filter) as Arc<dyn PhysicalExpr>,
        child_results: vec![PushedDown::No],
    };
    let results = ChildPushdownResult {
        parent_filters: vec![pushed],
        self_filters: vec![],
    };
    let answers = barrier
        .handle_child_pushdown_result(FilterPushdownPhase::Post, results, &ConfigOptions::default())
        .unwrap();
    let barrier = answers.updated_node.unwrap();
    verify(&governed, &barrier).unwrap();
    let mut seen = vec![];
    let mut look = |expression: &Arc<dyn PhysicalExpr>| {
        seen.push(expression.expression_id());
        Ok(TreeNodeRecursion::Continue)
    };
    barrier.apply_expressions(&mut look).unwrap();
    assert_eq!(seen, [filter.expression_id()]);

    let two = datafusion::physical_expr::expressions::lit(2);
    filter
        .update(Arc::new(BinaryExpr::new(id, Operator::GtEq, two)))
        .unwrap();
    let batches = collect(Arc::clone(&barrier), world.session.task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
    let fresh = barrier.reset_state().unwrap();
    let batches = collect(fresh, world.session.task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3);
}

#[tokio::test]
async fn columns_are_pruned_down_to_the_raw_scan() {
    let world = World::new();
    let masks = vec![Some(lit(0))];
    let raw = world.add_table(20, "t", numbers("a", &[1, 2]), None, masks);
    world.ask("SELECT a FROM t").await;
    assert_eq!(
        raw.scanned.lock().unwrap().as_slice(),
        [Vec::<usize>::new()],
        "a constant mask reads nothing"
    );
}

#[tokio::test]
async fn statistics_tell_the_order_of_magnitude_only() {
    let world = governed_world();
    let governed = world.optimize("SELECT count(*), max(id) FROM staff").await.unwrap();
    let physical = world.plan_physically(&governed).await.unwrap();
    let text = displayable(physical.as_ref()).indent(true).to_string();
    assert!(text.contains("AggregateExec"), "{text}");
    let mut seen = None;
    physical
        .apply(|node| {
            if node.is::<PolicyBarrierExec>() {
                seen = Some(StatisticsContext::new().compute(node.as_ref(), &StatisticsArgs::new())?);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
    let seen = seen.unwrap();
    assert!(matches!(seen.num_rows, Precision::Inexact(1 | 4)), "{seen:?}");
    assert!(
        seen.column_statistics
            .iter()
            .all(|column| column.min_value == Precision::Absent),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_verified_plan_shows_nothing_of_the_inside() {
    let world = governed_world();
    let governed = world.optimize("SELECT id, ssn FROM staff WHERE id > 1").await.unwrap();
    let physical = world.plan_physically(&governed).await.unwrap();
    assert!(
        displayable(physical.as_ref())
            .indent(true)
            .to_string()
            .contains("north")
    );
    verify(&governed, &physical).unwrap();
    let shown = displayable(physical.as_ref()).indent(true).to_string();
    assert!(
        shown.contains("PolicyBarrierExec: table=staff") && !shown.contains("north"),
        "{shown}"
    );
    assert!(!shown.contains("***") && !shown.contains("DataSource"), "{shown}");
    let logical = governed.plan().display_indent_schema().to_string();
    assert!(!logical.contains("north") && !logical.contains("***"), "{logical}");
}

#[tokio::test]
async fn void_policies_cost_nothing() {
    let keeps = [None, None, None, None, Some(col("ssn"))];
    let world = World::with_staff(&HIDDEN, Some(lit(true).or(col("region").eq(lit("north")))), keeps);
    let governed = world.optimize("SELECT count(*) FROM staff").await.unwrap();
    assert!(!governed.has_barriers());
    assert!(world.ask("SELECT count(*) FROM staff").await.contains("| 4        |"));
}

#[tokio::test]
async fn policies_may_look_into_mapping_tables() {
    let world = World::new();
    // As current_user: stable, the same for one statement.
    let answer = |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::from("west")));
    let identity = create_udf("identity", vec![], DataType::Utf8, Volatility::Stable, Arc::new(answer));
    world.session.register_udf(identity);
    let mapping = texts("region", &["north", "east", "west"]);
    world.add_table(40, "mapping", mapping, None, vec![None]);
    let lookup = world
        .bind("SELECT region FROM mapping WHERE region <> identity()")
        .await;
    let field = Arc::new(lookup.schema().field(0).as_ref().clone().with_nullable(true));
    let correlated = datafusion::logical_expr::LogicalPlanBuilder::from(lookup)
        .filter(col("mapping.region").eq(Expr::OuterReferenceColumn(field, "region".into())))
        .unwrap()
        .build()
        .unwrap();
    let policy = exists(Arc::new(correlated));
    let regions = texts("region", &["north", "south", "west", "east", "north"]);
    world.add_table(41, "mapped", regions, Some(policy), vec![None]);

    let governed = world.optimize("SELECT * FROM mapped").await.unwrap();
    let relations: Vec<_> = governed.relations().iter().map(|relation| relation.table).collect();
    assert_eq!(relations, [41, 40]);
    assert!(governed.is_repeatable(), "an identity in a policy is folded");
    let answer = world
        .ask("SELECT region, count(*) FROM mapped GROUP BY region ORDER BY region")
        .await;
    assert!(
        answer.contains("| east   | 1        |") && answer.contains("| north  | 2        |"),
        "{answer}"
    );
    assert!(!answer.contains("south") && !answer.contains("west"), "{answer}");
    let filtered = world.ask("SELECT count(*) FROM mapped WHERE region = 'east'").await;
    assert!(filtered.contains("| 1        |"), "{filtered}");
    let joined = world
        .ask("SELECT m.region FROM mapped m JOIN mapping o ON o.region = m.region ORDER BY 1 LIMIT 1")
        .await;
    assert!(joined.contains("east"), "{joined}");
}

#[tokio::test]
async fn time_in_a_policy_is_the_statements() {
    let policy = now()
        .gt(lit("1999-12-31T00:00:00Z"))
        .and(col("region").eq(lit("north")));
    let world = World::with_staff(&HIDDEN, Some(policy), Default::default());
    let governed = world.optimize("SELECT count(*) FROM staff").await.unwrap();
    assert!(!governed.is_repeatable());
    assert!(world.ask("SELECT count(*) FROM staff").await.contains("| 3        |"));
}

#[tokio::test]
async fn equal_policies_have_equal_fingerprints() {
    let fingerprint = |filter: Expr| async move {
        let world = World::with_staff(&HIDDEN, Some(filter), Default::default());
        world.govern("SELECT id FROM staff").await.unwrap().fingerprint()
    };
    let north = fingerprint(col("region").eq(lit("north"))).await;
    assert_eq!(north, fingerprint(lit(true).and(col("region").eq(lit("north")))).await);
    assert_ne!(north, fingerprint(col("region").eq(lit("south"))).await);
    assert_ne!(north, fingerprint(lit(true)).await);
}
