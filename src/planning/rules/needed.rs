//! Runs those physical rules that may change a plan. A rule walks the whole plan to find the operators that it is about,
//! which for a short statement takes longer than running it; what the plan has no operator of, it is not asked for. Before
//! each rule it is looked at what the plan consists of, whenever a rule changed it: so nothing is assumed about what rules do
//! to each other, but only what each one leaves as it is (`Parts::concern`).

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result as PlanResult, internal_err};
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_optimizer::{ConfigOnlyContext, PhysicalOptimizerContext, PhysicalOptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::operators::SharedExec;

const PROJECTIONS: &str = "ProjectionPushdown";
const REQUIREMENT: &str = "OutputRequirements";

/// A list of rules as one.
#[derive(Debug)]
pub struct NeededRules {
    rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>,
}

impl NeededRules {
    pub fn of(rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>) -> NeededRules {
        NeededRules { rules }
    }
}

impl PhysicalOptimizerRule for NeededRules {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.optimize_with_context(plan, &ConfigOnlyContext::new(config))
    }

    fn optimize_with_context(
        &self,
        mut plan: Arc<dyn ExecutionPlan>,
        context: &dyn PhysicalOptimizerContext,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut parts = Parts::of(&plan);
        // Whether a rule changed the plan since projections went down: doing that again changes nothing.
        let mut has_projections_down = false;
        for rule in &self.rules {
            let puts_projections_down = rule.name() == PROJECTIONS;
            let is_done = puts_projections_down && has_projections_down;
            has_projections_down |= puts_projections_down;
            if is_done || !parts.concern(rule.name(), context.config_options()) {
                continue;
            }
            let failed = |error| DataFusionError::Context(rule.name().to_string(), Box::new(error));
            let changed = rule.optimize_with_context(Arc::clone(&plan), context).map_err(failed)?;
            if Arc::ptr_eq(&plan, &changed) {
                continue;
            }
            if rule.schema_check() {
                check_schema(rule.name(), &plan.schema(), &changed.schema())?;
            }
            // A requirement that goes keeps nothing from going down but what is right above it.
            has_projections_down &= puts_projections_down || rule.name() == REQUIREMENT && !parts.projected_requirement;
            parts = Parts::of(&changed);
            plan = changed;
        }
        Ok(plan)
    }

    fn name(&self) -> &str {
        "needed_rules"
    }

    /// Each rule's is checked here.
    fn schema_check(&self) -> bool {
        false
    }
}

/// As DataFusion's planner does after each rule: a column may come to be known as never null, and nothing else changes.
fn check_schema(rule: &str, before: &Schema, after: &Schema) -> PlanResult<()> {
    let is_kept = before.metadata == after.metadata
        && before.fields.len() == after.fields.len()
        && before.fields.iter().zip(&after.fields).all(|(before, after)| {
            Arc::ptr_eq(before, after)
                || before.name() == after.name()
                    && before.data_type() == after.data_type()
                    && before.metadata() == after.metadata()
                    && (before.is_nullable() || !after.is_nullable())
        });
    match is_kept {
        true => Ok(()),
        false => internal_err!("PhysicalOptimizer rule '{rule}' failed. Schema mismatch: {before:?} and {after:?}"),
    }
}

/// What a plan has somewhere in it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Parts {
    /// Operators of several inputs.
    branches: bool,
    pub hash_joins: bool,
    loop_joins: bool,
    pub filters: bool,
    projections: bool,
    /// What the query asks of its answer, with a projection right above it.
    projected_requirement: bool,
    /// Limits, or operators that stop after so many rows.
    limits: bool,
    sorts: bool,
    /// Sorts that keep the first rows only.
    top_sorts: bool,
    pub windows: bool,
    pub aggregates: bool,
    /// Aggregations of all rows to one.
    totals: bool,
    /// Aggregations by the states of another one.
    final_aggregates: bool,
    /// Aggregations that work better in an order.
    ordered_aggregates: bool,
    shared: bool,
    recursions: bool,
    unions: bool,
}

impl Parts {
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Parts {
        let mut parts = Parts::default();
        parts.add(plan.as_ref());
        parts
    }

    fn add(&mut self, node: &dyn ExecutionPlan) {
        let stops = node.fetch().is_some();
        self.limits |= stops || node.is::<GlobalLimitExec>() || node.is::<LocalLimitExec>();
        if node.is::<FilterExec>() {
            self.filters = true;
        } else if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            self.projections = true;
            self.projected_requirement |= projection.input().is::<OutputRequirementExec>();
        } else if node.is::<SortExec>() {
            self.sorts = true;
            self.top_sorts |= stops;
        } else if node.is::<HashJoinExec>() {
            self.hash_joins = true;
        } else if node.is::<NestedLoopJoinExec>() {
            self.loop_joins = true;
        } else if node.is::<BoundedWindowAggExec>() || node.is::<WindowAggExec>() {
            self.windows = true;
        } else if node.is::<SharedExec>() {
            self.shared = true;
        } else if node.is::<RecursiveQueryExec>() {
            self.recursions = true;
        } else if node.is::<UnionExec>() {
            self.unions = true;
        } else if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            self.aggregates = true;
            self.totals |= aggregate.group_expr().is_empty();
            self.final_aggregates |= aggregate.input().is::<AggregateExec>();
            let mut functions = aggregate.aggr_expr().iter();
            self.ordered_aggregates |= functions.any(|function| function.order_sensitivity().is_beneficial());
        }
        let inputs = node.children();
        self.branches |= inputs.len() > 1;
        inputs.into_iter().for_each(|input| self.add(input.as_ref()));
    }

    /// Whether the rule of this name may change a plan of such parts. Each arm says what the rule looks for: without it, it
    /// gives the plan back as it is. A rule that is not named here is always asked.
    fn concern(&self, rule: &str, options: &ConfigOptions) -> bool {
        match rule {
            // An aggregation without keys whose results are in the statistics.
            "aggregate_statistics" => self.totals,
            // Its parts match hash joins, cross joins and nested loops.
            "join_selection" | "yield_in_joins" => self.branches,
            "filter_before_grouping" => self.hash_joins,
            "HashJoinBuffering" => self.hash_joins && options.execution.hash_join_buffering_capacity > 0,
            // A limit above an aggregation; one below a sort of few rows.
            "LimitedDistinctAggregation" => self.limits && self.aggregates,
            "LimitAggregation" => self.top_sorts && self.aggregates,
            "TopKRepartition" => self.top_sorts,
            // It hands down what limits and such operators say. Without them there is nothing to hand.
            "LimitPushdown" => self.limits,
            // Windows below filters and limits.
            "WindowTopN" => self.windows && self.filters,
            "LimitPushPastWindows" => self.windows && self.limits,
            // Filters' conditions go down from filters; conditions that are made while a query runs are made by joins, by
            // sorts of few rows and, where that is switched on, by aggregations.
            "FilterPushdown" => self.filters,
            "FilterPushdown(Post)" => {
                let by_aggregates = options.optimizer.enable_aggregate_dynamic_filter_pushdown && self.aggregates;
                self.hash_joins || self.top_sorts || by_aggregates
            }
            // An aggregation right above another one.
            "CombinePartialFinalAggregate" => self.final_aggregates,
            // Functions that work better in an order; it finds out whether the input has it.
            "OptimizeAggregateOrder" => self.ordered_aggregates,
            // Projections, and the conditions of nested loops, whose expressions it computes below.
            PROJECTIONS => self.projections || self.loop_joins,
            "PushdownSort" => self.sorts,
            "link_shared_parts" => self.shared,
            super::recursion_order::NAME => self.recursions,
            super::union_order::NAME => self.unions,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
    use datafusion::datasource::MemTable;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::planning::rules::{ours, scan_filters, single_partition};

    /// Asks rules that are of no concern as well, and fails if one changes the plan.
    #[derive(Debug)]
    struct Proof(Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>);

    impl PhysicalOptimizerRule for Proof {
        fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
            let shown = |plan: &Arc<dyn ExecutionPlan>| displayable(plan.as_ref()).indent(true).to_string();
            let mut plan = plan;
            for rule in &self.0 {
                let concerns = Parts::of(&plan).concern(rule.name(), config);
                let changed = rule.optimize(Arc::clone(&plan), config)?;
                assert!(
                    concerns || shown(&plan) == shown(&changed),
                    "{}\n{}",
                    rule.name(),
                    shown(&plan)
                );
                plan = changed;
            }
            Ok(plan)
        }

        fn name(&self) -> &str {
            "proof"
        }

        fn schema_check(&self) -> bool {
            true
        }
    }

    fn all() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
        [PhysicalOptimizer::new().rules, ours()].concat()
    }

    fn context(rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>, partitions: usize) -> SessionContext {
        let state = SessionStateBuilder::new()
            .with_config(SessionConfig::new().with_target_partitions(partitions))
            .with_default_features()
            .with_physical_optimizer_rules(rules)
            .build();
        let context = SessionContext::new_with_state(state);
        for (name, rows) in [("t", 40_i64), ("u", 300)] {
            let keys: Int64Array = (0..rows).map(|row| (row % 11 > 0).then_some(row % 17)).collect();
            let texts: StringArray = (0..rows).map(|row| Some(format!("x{}", row % 5))).collect();
            let batch = RecordBatch::try_from_iter([("k", Arc::new(keys) as _), ("s", Arc::new(texts) as _)]).unwrap();
            let half = (rows / 2) as usize;
            let parts = vec![vec![batch.slice(0, half)], vec![batch.slice(half, half)]];
            let table = MemTable::try_new(batch.schema(), parts).unwrap();
            context.register_table(name, Arc::new(table)).unwrap();
        }
        context
    }

    #[tokio::test]
    async fn plans_are_those_that_all_rules_make() {
        let statements = [
            "select k from t",
            "select k + 1 from t where s = 'x1'",
            "select k from t where k > 3 limit 5",
            "select k from t limit 5 offset 2",
            "select count(*) from t",
            "select count(*), max(k) from t where k > 3",
            "select s, sum(k) from t group by s",
            "select s, sum(k) from t where k < 9 group by s order by s",
            "select s, count(*) from t group by s order by 2 desc limit 3",
            "select s, max(k) from t group by s order by max(k) desc limit 3",
            "select distinct s from t",
            "select distinct s from t limit 2",
            "select distinct s from t order by s limit 2",
            "select count(distinct k) from t",
            "select array_agg(k order by s), first_value(k order by s) from t",
            "select s, last_value(k order by k) from (select * from t order by s, k) group by s",
            "select k from t order by k",
            "select k from t order by k desc limit 3",
            "select t.k, u.s from t join u on t.k = u.k",
            "select t.k, u.s from t join u on t.k = u.k where u.s = 'x1' order by 1, 2 limit 4",
            "select t.k, u.s from t join u on t.k < u.k and t.s || 'a' = 'x1a'",
            "select t.k, u.s from t cross join u",
            "select t.k, u.s from t left join u on t.k = u.k and u.k > 3",
            "select k from t where k in (select k from u where s = 'x2')",
            "select k from t where not exists (select 1 from u where u.k = t.k)",
            "select k, (select max(k) from u) from t",
            "select t.s, m.n from t join (select k, count(*) as n from u group by k) m on t.k = m.k where t.s = 'x3'",
            "select k, row_number() over (partition by s order by k) from t",
            "select * from (select k, row_number() over (partition by s order by k) as r from t) where r <= 2",
            "select k, sum(k) over (order by k rows between 1 preceding and current row) from t limit 3",
            "select k from t union all select k from u",
            "select k from t union all select 1 limit 2",
            "select array_agg(k) from (select k from t union all select 1) q",
            "with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select array_agg(n) from r",
            "select k from t union select k from u order by 1 limit 3",
            "select s, sum(k) from t group by rollup (s) having sum(k) > 3",
            "select * from (values (1, 'a'), (2, 'b')) v (a, b) where a > 1",
            "select s, k + 1 as l from t order by l, s",
            "select upper(s), n + 1 from (select s, count(*) as n from t group by s) q order by n, s limit 2",
            "select s, k from (select s, k from t order by k) q order by s, k",
            "select s, k from (select s, k from t order by s, k limit 9) q order by s",
            "select count(*) from (select s from t order by s) q",
            "select s, n from (select s, count(*) as n from t group by s order by n limit 3) q where n > 1 order by s",
            "select u.s, count(*), max(t.k) from t join u on t.k = u.k where t.k > 2 group by u.s order by u.s",
            "select u.s, q.n from u join (select k, count(*) as n from t group by k) q on q.k = u.k order by q.n + 1, u.s",
            "select a.s from t a join u b on a.k = b.k join t c on c.k = b.k where c.s = 'x2' order by a.s limit 5",
            "select s, array_agg(k order by k) from t group by s order by s",
            "select distinct on (s) s, k from t order by s, k desc",
            "select 1 where false",
            "select 1 as a union all select 2 order by a",
            "select 1",
        ];
        for partitions in [1, 4] {
            let one_by_one = context(all(), partitions);
            let proof = context(vec![Arc::new(Proof(all()))], partitions);
            let shorter = all()
                .into_iter()
                .map(single_partition::shortened)
                .map(scan_filters::shortened);
            let needed = context(vec![Arc::new(NeededRules::of(shorter.collect()))], partitions);
            for sql in statements {
                let mut shown = vec![];
                for context in [&one_by_one, &needed, &proof] {
                    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
                    shown.push(displayable(plan.as_ref()).indent(true).to_string());
                }
                assert_eq!(shown[0], shown[1], "{sql}");
                assert_eq!(shown[0], shown[2], "{sql}");
            }
        }
    }
}
