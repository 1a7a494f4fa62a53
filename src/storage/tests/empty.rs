//! Scans without files: tables that hold nothing, and predicates that no file can fulfil.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, Int64Array, StringViewArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::*;

#[derive(Debug)]
struct Provider(Arc<TableSnapshot>);

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
    fn table_type(&self) -> TableType {
        TableType::Base
    }
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self.0.scan(session, projection, filters, limit).await?)
    }
}

/// `held(n, region)`, whose one file holds 1 and north, and `nothing` of the same columns.
async fn context(scratch: &Scratch) -> SessionContext {
    let context = session();
    for (name, has_rows) in [("held", true), ("nothing", false)] {
        let table = scratch.storage.table(&managed()).unwrap();
        create(&table, &[("n", "bigint"), ("region", "text")], &["region"]).await;
        if has_rows {
            let n: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            let region: ArrayRef = Arc::new(StringViewArray::from(vec!["north"]));
            insert(&table, vec![("n", n), ("region", region)]).await.unwrap();
        }
        let snapshot = table.snapshot(Freshness::Strict).await.unwrap();
        context.register_table(name, Arc::new(Provider(snapshot))).unwrap();
    }
    context
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_run_over_no_files() {
    let scratch = scratch();
    let context = context(&scratch).await;
    let cases: [(&str, &[&str]); 7] = [
        ("SELECT * FROM {} ORDER BY n", &[]),
        ("SELECT n FROM {} ORDER BY region LIMIT 3", &[]),
        ("SELECT count(*), sum(n), min(region) FROM {}", &["0|null|null"]),
        ("SELECT region, count(*) FROM {} GROUP BY region", &[]),
        ("SELECT DISTINCT region FROM {} LIMIT 1 OFFSET 1", &[]),
        ("SELECT a.n FROM {} a JOIN held b ON a.n = b.n ORDER BY 1", &[]),
        ("SELECT b.n, a.n FROM held b LEFT JOIN {} a ON a.n = b.n", &["1|null"]),
    ];
    for (sql, expected) in cases {
        for relation in ["nothing", "(SELECT * FROM held WHERE region = 'west')"] {
            let sql = match relation.starts_with('(') && !sql.contains("{} a") {
                true => sql.replace("{}", &format!("{relation} h")),
                false => sql.replace("{}", relation),
            };
            let frame = context.sql(&sql).await.unwrap();
            let schema = Arc::clone(frame.schema().inner());
            let batches = frame.collect().await.unwrap();
            assert_eq!(texts(&schema, &batches), expected, "{sql}");
        }
    }
}
