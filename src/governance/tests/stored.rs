//! Governance over Delta tables on disk: the scans of storage are recognised, pushed filters reach the files,
//! and a plan whose scan left its barrier does not run.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{col, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use super::fixture::{World, staff_batch_of, staff_catalog_table};
use crate::binding::{BoundPolicies, BoundTable};
use crate::error::SqlState;
use crate::governance::subject::recognise_bound_table;
use crate::governance::verify;
use crate::storage::{
    ColumnDefinition, Freshness, Operation, Storage, StorageLimits, TableAddress, TableDefinition, TableDraft,
};
use crate::types::SqlType;

/// `staff` as three files, two of the north and one of the south.
async fn stored_staff(folder: &tempfile::TempDir, governed: bool) -> World {
    let storage = Storage::open(folder.path().to_str().unwrap(), &[], &StorageLimits::default()).unwrap();
    let visible = staff_batch_of(&[(1, "41", "north", 300, "1")]);
    let more = staff_batch_of(&[(2, "42", "north", 150, "2")]);
    let hidden = staff_batch_of(&[(4, "abc", "south", 300, "4"), (5, "x", "south", 1, "5")]);
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| ColumnDefinition {
        name: field.name().clone(),
        sql_type: SqlType::from_field(field),
        nullable: field.is_nullable(),
        comment: None,
    };
    let definition = TableDefinition {
        columns: visible.schema().fields().iter().map(column).collect(),
        ..TableDefinition::default()
    };
    let address = TableAddress::Managed(uuid::Uuid::new_v4());
    let delta = storage.table(&address).unwrap();
    delta
        .create(
            &TableDraft::new(&definition).unwrap(),
            None,
            Operation::new("CREATE TABLE"),
        )
        .await
        .unwrap();
    for batch in [visible, more, hidden] {
        let snapshot = delta.snapshot(Freshness::Strict).await.unwrap();
        let schema = batch.schema();
        let rows = RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(batch)]));
        let staged = delta.stage(&snapshot, vec![Box::pin(rows)]).await.unwrap();
        delta.append(staged, Operation::new("WRITE")).await.unwrap();
    }
    let snapshot = delta.snapshot(Freshness::Strict).await.unwrap();
    let mut policies = BoundPolicies::default();
    if governed {
        policies.row_filter = Some(col("region").eq(lit("north")));
        policies.masks = HashMap::from([(5, lit("***"))]);
    }
    let table = Arc::new(staff_catalog_table(governed));
    let bound = BoundTable::new(table, snapshot, None, 1, Arc::new(policies)).unwrap();
    let world = World {
        recognise: recognise_bound_table,
        ..World::new()
    };
    world
        .session
        .register_table("staff", Arc::new(bound) as Arc<dyn TableProvider>)
        .unwrap();
    world
}

fn scans(plan: &Arc<dyn ExecutionPlan>) -> String {
    let mut found = String::new();
    plan.apply(|node| {
        if node.is::<DataSourceExec>() {
            found += &displayable(node.as_ref()).indent(true).to_string();
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    found
}

#[tokio::test]
async fn stored_tables_are_read_behind_their_barriers() {
    let folder = tempfile::tempdir().unwrap();
    let world = stored_staff(&folder, true).await;
    let cases = [
        (
            "SELECT count(*), min(id), max(id) FROM staff",
            "| 2        | 1                  | 2                  |",
        ),
        ("SELECT id, ssn FROM staff WHERE id > 1", "| 2  | *** |"),
        ("SELECT id FROM staff WHERE CAST(name AS int) = 42", "| 2  |"),
        (
            "SELECT a.id FROM staff a JOIN staff b ON a.id = b.id WHERE b.name = '41'",
            "| 1  |",
        ),
        ("SELECT id FROM staff ORDER BY id DESC LIMIT 1", "| 2  |"),
        ("SELECT id FROM staff ORDER BY id DESC", "| 2  | | 1  |"),
        (
            "SELECT row_number() OVER (ORDER BY salary) AS n, id FROM staff ORDER BY n",
            "| 1 | 2  | | 2 | 1  |",
        ),
    ];
    for (sql, expected) in cases {
        let answer = world.ask(sql).await;
        let compact = |text: &str| text.split_whitespace().collect::<String>();
        assert!(compact(&answer).contains(&compact(expected)), "{sql}\n{answer}");
    }
}

#[tokio::test]
async fn pushed_predicates_reach_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let world = stored_staff(&folder, true).await;
    let sql = "SELECT id FROM staff WHERE id = 2 AND CAST(name AS int) = 42";
    let physical = world
        .plan_physically(&world.optimize(sql).await.unwrap())
        .await
        .unwrap();
    let scan = scans(&physical);
    assert!(
        scan.contains("id@0 = 2") && scan.contains("region@2 = north") && !scan.contains("CAST"),
        "{scan}"
    );
}

#[tokio::test]
async fn a_raw_scan_of_a_governed_table_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let world = stored_staff(&folder, true).await;
    let open = stored_staff(&tempfile::tempdir().unwrap(), false).await;
    let governed = world.optimize("SELECT id FROM staff").await.unwrap();
    let raw = world.bind("SELECT id FROM staff").await;
    let state = world.session.state();
    let raw = state
        .query_planner()
        .create_physical_plan(&state.optimize(&raw).unwrap(), &state)
        .await
        .unwrap();
    assert_eq!(verify(&governed, &raw).unwrap_err().state(), SqlState::InternalError);

    // Nor does the scan of a table that the plan does not read.
    let ungoverned = open.optimize("SELECT id FROM staff").await.unwrap();
    assert_eq!(verify(&ungoverned, &raw).unwrap_err().state(), SqlState::InternalError);
    assert!(verify(&ungoverned, &open.plan_physically(&ungoverned).await.unwrap()).is_ok());
}
