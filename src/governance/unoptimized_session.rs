//! A session without physical optimizer rules. The inside of a barrier is planned while the query around
//! it is being planned; the rules run once, over the whole.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProviderList, Session};
use datafusion::common::config::TableOptions;
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::registry::ExtensionTypeRegistryRef;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

/// Everything but the physical optimizer is the inner session's.
pub(crate) struct UnoptimizedSession<'a> {
    session: &'a dyn Session,
    table_options: TableOptions,
}

impl<'a> UnoptimizedSession<'a> {
    pub fn new(session: &'a dyn Session) -> Self {
        UnoptimizedSession {
            session,
            table_options: session.table_options().clone(),
        }
    }
}

#[async_trait]
impl Session for UnoptimizedSession<'_> {
    fn session_id(&self) -> &str {
        self.session.session_id()
    }
    fn config(&self) -> &SessionConfig {
        self.session.config()
    }
    fn catalog_list(&self) -> Arc<dyn CatalogProviderList> {
        self.session.catalog_list()
    }
    fn query_planner(&self) -> Arc<dyn QueryPlanner + Send + Sync> {
        self.session.query_planner()
    }
    fn optimize(&self, plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
        self.session.optimize(plan)
    }
    async fn create_physical_plan(&self, logical_plan: &LogicalPlan) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.session.create_physical_plan(logical_plan).await
    }
    fn create_physical_expr(&self, expr: Expr, df_schema: &DFSchema) -> PlanResult<Arc<dyn PhysicalExpr>> {
        self.session.create_physical_expr(expr, df_schema)
    }
    fn scalar_functions(&self) -> &HashMap<String, Arc<ScalarUDF>> {
        self.session.scalar_functions()
    }
    fn higher_order_functions(&self) -> &HashMap<String, Arc<HigherOrderUDF>> {
        self.session.higher_order_functions()
    }
    fn aggregate_functions(&self) -> &HashMap<String, Arc<AggregateUDF>> {
        self.session.aggregate_functions()
    }
    fn window_functions(&self) -> &HashMap<String, Arc<WindowUDF>> {
        self.session.window_functions()
    }
    fn extension_type_registry(&self) -> &ExtensionTypeRegistryRef {
        self.session.extension_type_registry()
    }
    fn runtime_env(&self) -> &Arc<RuntimeEnv> {
        self.session.runtime_env()
    }
    fn execution_props(&self) -> &ExecutionProps {
        self.session.execution_props()
    }
    fn as_any(&self) -> &dyn Any {
        self.session.as_any()
    }
    fn table_options(&self) -> &TableOptions {
        &self.table_options
    }
    fn table_options_mut(&mut self) -> &mut TableOptions {
        &mut self.table_options
    }
    fn task_ctx(&self) -> Arc<TaskContext> {
        self.session.task_ctx()
    }
}
