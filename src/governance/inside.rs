//! What lies below a policy barrier, planned apart from the query: the raw scan, the row filter joined by
//! the predicates that were let in, the masks, and above all a limit. Policies without subqueries, the
//! usual ones, become operators directly; the others take the session's optimizer and planner.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::{ScanArgs, Session};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableProviderFilterPushDown};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::projection::ProjectionExec;

use super::barrier::PolicyBarrier;
use super::policy::{contains_subquery, qualify, subject};
use super::unoptimized_session::UnoptimizedSession;
use crate::functions::{guarded, lazily};

/// Plans the inside of `barrier` for these columns of it. `filters` passed the allow-list.
pub(crate) async fn plan(
    barrier: &PolicyBarrier,
    session: &dyn Session,
    columns: &[usize],
    filters: &[Expr],
    limit: Option<usize>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let raw = barrier.raw.schema();
    let schema = Arc::new(DFSchema::try_from_qualified_schema(subject(), &raw)?);
    let shown = columns.iter().map(|&index| {
        let name = raw.field(index).name();
        let column = || Expr::Column(Column::new(Some(subject()), name));
        let expr = barrier.masks[index].clone().unwrap_or_else(column);
        Ok((lazily(expr, schema.as_ref())?.data, name.clone()))
    });
    let shown: Vec<(Expr, String)> = shown.collect::<PlanResult<_>>()?;
    let mut conjuncts = vec![];
    for filter in filters {
        conjuncts.push(qualify(filter.clone())?);
    }
    for conjunct in barrier.row_filter.clone().into_iter().flat_map(split_conjunction_owned) {
        conjuncts.push(lazily(conjunct, schema.as_ref())?.data);
    }
    let conjuncts = guarded(conjuncts, schema.as_ref())?;
    let inside = Inside {
        barrier,
        session,
        schema,
        shown,
        conjuncts,
        limit,
    };
    let needs_planner = inside.expressions().any(contains_subquery);
    if needs_planner {
        inside.plan_relationally().await
    } else {
        inside.plan_directly().await
    }
}

struct Inside<'a> {
    barrier: &'a PolicyBarrier,
    session: &'a dyn Session,
    /// The raw table's, qualified by `policy::subject()`.
    schema: Arc<DFSchema>,
    /// The output: expression and name.
    shown: Vec<(Expr, String)>,
    conjuncts: Vec<Expr>,
    limit: Option<usize>,
}

impl Inside<'_> {
    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.shown.iter().map(|(expr, _)| expr).chain(&self.conjuncts)
    }

    async fn plan_directly(self) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let simplifier = self.simplifier();
        let simplify = |expr: &Expr| unqualified(simplifier.simplify(expr.clone())?);
        let shown: Vec<Expr> = self
            .shown
            .iter()
            .map(|(expr, _)| simplify(expr))
            .collect::<PlanResult<_>>()?;
        let conjuncts: Vec<Expr> = self.conjuncts.iter().map(simplify).collect::<PlanResult<_>>()?;

        let raw = self.barrier.raw.schema();
        let mut needed = BTreeSet::new();
        for column in shown.iter().chain(&conjuncts).flat_map(|expr| expr.column_refs()) {
            needed.insert(raw.index_of(&column.name)?);
        }
        let projection: Vec<usize> = needed.into_iter().collect();

        // What the scan decides by itself for every row needs no filter above it.
        let answers = self
            .barrier
            .raw
            .supports_filters_pushdown(&conjuncts.iter().collect::<Vec<_>>())?;
        let pushed: Vec<Expr> = conjuncts
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer != TableProviderFilterPushDown::Unsupported)
            .map(|(conjunct, _)| conjunct.clone())
            .collect();
        let kept = conjuncts
            .into_iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer != TableProviderFilterPushDown::Exact)
            .map(|(conjunct, _)| conjunct);
        let predicate = conjunction(kept);

        let scan_limit = if predicate.is_none() { self.limit } else { None };
        let arguments = ScanArgs::default()
            .with_projection(Some(&projection))
            .with_filters(Some(&pushed))
            .with_limit(scan_limit);
        let mut plan = self
            .barrier
            .raw
            .scan_with_args(self.session, arguments)
            .await?
            .into_inner();
        let scanned = DFSchema::try_from(plan.schema())?;
        if let Some(predicate) = predicate {
            let predicate = self.session.create_physical_expr(predicate, &scanned)?;
            let filter = FilterExecBuilder::new(predicate, plan)
                .with_batch_size(self.session.config().batch_size())
                .with_fetch(self.limit)
                .build()?;
            plan = Arc::new(filter);
        }
        let mut exprs: Vec<(Arc<dyn PhysicalExpr>, String)> = vec![];
        for (expr, (_, name)) in shown.into_iter().zip(&self.shown) {
            exprs.push((self.session.create_physical_expr(expr, &scanned)?, name.clone()));
        }
        Ok(Arc::new(ProjectionExec::try_new(exprs, plan)?))
    }

    /// Time is folded per execution: `now()` in a policy is this statement's.
    fn simplifier(&self) -> ExprSimplifier {
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&self.schema))
            .with_config_options(Arc::clone(self.session.config().options()))
            .with_query_execution_start_time(self.session.execution_props().query_execution_start_time)
            .build();
        ExprSimplifier::new(context)
    }

    async fn plan_relationally(self) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let source = provider_as_source(Arc::clone(&self.barrier.raw));
        let mut builder = LogicalPlanBuilder::scan(subject(), source, None)?;
        if let Some(predicate) = conjunction(self.conjuncts) {
            builder = builder.filter(predicate)?;
        }
        let shown = self.shown.into_iter().map(|(expr, name)| expr.alias(name));
        let logical = builder.project(shown)?.limit(0, self.limit)?.build()?;

        let optimized = self.session.optimize(&logical)?;
        let session = UnoptimizedSession::new(self.session);
        self.session
            .query_planner()
            .create_physical_plan(&optimized, &session)
            .await
    }
}

fn unqualified(expr: Expr) -> PlanResult<Expr> {
    let strip = |expr: Expr| match expr {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    };
    Ok(expr.transform(strip)?.data)
}
