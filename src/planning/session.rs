//! DataFusion's view of one statement. The functions, rules and runtime are shared by all statements;
//! only the options are this statement's own. (`SessionContext::state()` would clone every map.)

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{CatalogProviderList, Session};
use datafusion::common::alias::AliasGenerator;
use datafusion::common::config::{ConfigOptions, TableOptions};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::execution::config::SessionConfig;
use datafusion::execution::context::{ExecutionProps, QueryPlanner};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{FunctionRegistry, SessionState, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::registry::ExtensionTypeRegistryRef;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::optimizer::{Optimizer, OptimizerConfig};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::rules;
use super::{join_order, outer_joins};

/// One statement's planning session.
#[derive(Clone)]
pub struct PlanningSession {
    base: Arc<SessionState>,
    config: SessionConfig,
    properties: ExecutionProps,
    table_options: TableOptions,
    /// In the place of the base's, for statements that do without some of them.
    rules: Option<Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>>,
}

impl PlanningSession {
    /// `options` are the base's, with this statement's partitions and function environment set.
    pub fn new(base: Arc<SessionState>, config: SessionConfig, started: DateTime<Utc>) -> PlanningSession {
        let mut properties = ExecutionProps::new().with_query_execution_start_time(started);
        properties.config_options = Some(Arc::clone(config.options()));
        let table_options = base.table_options().clone();
        PlanningSession {
            base,
            config,
            properties,
            table_options,
            rules: None,
        }
    }

    /// The same without our own operators.
    pub fn with_stock_operators(mut self) -> PlanningSession {
        self.rules = Some(vec![rules::physical_of_stock()]);
        self
    }

    /// The same for plans of so many partitions.
    pub fn with_partitions(mut self, partitions: usize) -> PlanningSession {
        // Options that nobody else holds are changed in place.
        self.properties.config_options = None;
        self.config = self.config.with_target_partitions(partitions);
        self.properties.config_options = Some(Arc::clone(self.config.options()));
        self
    }

    /// How many partitions plans have at most.
    pub fn partitions(&self) -> usize {
        self.config.target_partitions()
    }

    /// Whether operators of our own are put into plans.
    pub(super) fn has_own_operators(&self) -> bool {
        self.rules.is_none()
    }

    pub fn base(&self) -> &Arc<SessionState> {
        &self.base
    }

    /// The statement's options, with its function environment.
    pub fn config_options(&self) -> &Arc<ConfigOptions> {
        self.config.options()
    }

    /// Type coercion and the rules that do not look at how many rows there are.
    pub(super) fn optimize_for_all(&self, plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
        let options = self.config.options();
        let analyzed = self
            .base
            .analyzer()
            .execute_and_check(plan.clone(), options, |_, _| {})?;
        let optimized = self.base.optimizer().optimize(analyzed, self, |_, _| {})?;
        rules::order_conditions(rules::with_null_keys(optimized)?)
    }

    /// Makes the joins of an optimized plan simpler and orders them; they then carry only the columns needed.
    pub(super) fn order_joins(&self, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
        let narrow = |plan| {
            let rules = Optimizer::with_rules(rules::narrowing());
            rules.optimize(plan, self, |_, _| {})
        };
        let simpler = outer_joins::with_simpler_outer_joins(plan)?;
        let plan = match simpler.transformed {
            true => narrow(simpler.data)?,
            false => simpler.data,
        };
        match join_order::order_joins(&plan)? {
            None => Ok(plan),
            Some(ordered) => narrow(ordered),
        }
    }

    /// What the operators run with. Plans hold their functions, so the context carries none.
    pub fn execution_context(&self) -> Arc<TaskContext> {
        Arc::new(TaskContext::new(
            None,
            self.base.session_id().to_string(),
            self.config.clone(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            Arc::clone(self.base.runtime_env()),
        ))
    }
}

impl OptimizerConfig for PlanningSession {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        self.properties.query_execution_start_time
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        &self.properties.alias_generator
    }

    fn options(&self) -> Arc<ConfigOptions> {
        Arc::clone(self.config.options())
    }

    // DISTINCT ON is rewritten with the aggregate `first_value`, which the rule looks up here.
    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(self.base.as_ref())
    }
}

#[async_trait]
impl Session for PlanningSession {
    fn session_id(&self) -> &str {
        self.base.session_id()
    }

    fn config(&self) -> &SessionConfig {
        &self.config
    }

    fn catalog_list(&self) -> Arc<dyn CatalogProviderList> {
        Arc::clone(self.base.catalog_list())
    }

    fn query_planner(&self) -> Arc<dyn QueryPlanner + Send + Sync> {
        Arc::clone(self.base.query_planner())
    }

    fn optimize(&self, plan: &LogicalPlan) -> PlanResult<LogicalPlan> {
        self.order_joins(self.optimize_for_all(plan)?)
    }

    fn physical_optimizers(&self) -> &[Arc<dyn PhysicalOptimizerRule + Send + Sync>] {
        self.rules.as_deref().unwrap_or_else(|| self.base.physical_optimizers())
    }

    async fn create_physical_plan(&self, plan: &LogicalPlan) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let optimized = self.optimize(plan)?;
        self.base.query_planner().create_physical_plan(&optimized, self).await
    }

    fn create_physical_expr(&self, expression: Expr, schema: &DFSchema) -> PlanResult<Arc<dyn PhysicalExpr>> {
        // As the base does it, with this statement's options: functions find their session in them.
        let simplify = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(Arc::clone(self.config.options()))
            .with_query_execution_start_time(self.properties.query_execution_start_time)
            .build();
        let mut expression = ExprSimplifier::new(simplify).coerce(expression, schema)?;
        for rewrite in self.base.analyzer().function_rewrites() {
            expression = expression
                .transform_up(|expression| rewrite.rewrite(expression, schema, self.config.options()))?
                .data;
        }
        let context = PhysicalPlanningContext::default();
        create_physical_expr(&expression, schema, &self.properties, &context)
    }

    fn scalar_functions(&self) -> &HashMap<String, Arc<ScalarUDF>> {
        self.base.scalar_functions()
    }

    fn higher_order_functions(&self) -> &HashMap<String, Arc<HigherOrderUDF>> {
        self.base.higher_order_functions()
    }

    fn aggregate_functions(&self) -> &HashMap<String, Arc<AggregateUDF>> {
        self.base.aggregate_functions()
    }

    fn window_functions(&self) -> &HashMap<String, Arc<WindowUDF>> {
        self.base.window_functions()
    }

    fn extension_type_registry(&self) -> &ExtensionTypeRegistryRef {
        Session::extension_type_registry(self.base.as_ref())
    }

    fn runtime_env(&self) -> &Arc<RuntimeEnv> {
        self.base.runtime_env()
    }

    fn execution_props(&self) -> &ExecutionProps {
        &self.properties
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn table_options(&self) -> &TableOptions {
        &self.table_options
    }

    fn table_options_mut(&mut self) -> &mut TableOptions {
        &mut self.table_options
    }

    fn task_ctx(&self) -> Arc<TaskContext> {
        self.execution_context()
    }
}
