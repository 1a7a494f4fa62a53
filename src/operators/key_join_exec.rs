//! A hash join on whole numbers. It stands for DataFusion's where one table of the built side serves all partitions: all
//! partitions of the built side are read at once, keys are compared as numbers, mostly by their place in a table, and
//! the scans of the other side learn which keys there are.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, ReplaceChildrenOptions, replace_children_if_necessary,
};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, PhysicalExpr,
    PlanProperties,
};

use super::aggregate_exec::FusedAggregateExec;
use super::join_shape::{JoinShape, shape_of};
use super::join_spill::sort_merge_join;
use super::join_stream::{BuiltSide, run};

/// A join of the rows of two inputs with equal keys.
#[derive(Debug)]
pub struct KeyJoinExec {
    stock: Arc<dyn ExecutionPlan>,
    /// The built side, in as many partitions as it has.
    built: Arc<dyn ExecutionPlan>,
    probing: Arc<dyn ExecutionPlan>,
    shape: Arc<JoinShape>,
    properties: Arc<PlanProperties>,
    side: Arc<BuiltSide>,
    metrics: ExecutionPlanMetricsSet,
}

impl KeyJoinExec {
    /// Stands for `stock`, if it is a join that this operator covers.
    pub fn standing_for(stock: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<KeyJoinExec>> {
        let Some(join) = stock.downcast_ref::<HashJoinExec>() else {
            return Ok(None);
        };
        Ok(shape_of(join)?.map(|shape| KeyJoinExec {
            stock: Arc::clone(stock),
            built: undivided(join.left()),
            probing: Arc::clone(join.right()),
            shape: Arc::new(shape),
            properties: Arc::clone(stock.properties()),
            side: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    /// The same with as many as possible of these columns, which are strings, as codes of the built side's rows, or
    /// of those of a join that probes; `None` where there are none.
    pub fn with_coded_strings(&self, wanted: &[usize]) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let (coded, of_probing) = self.shape.codable(wanted);
        let probing = coded_input(&self.probing, &of_probing)?;
        if coded.is_empty() && probing.is_none() {
            return Ok(None);
        }
        let probing = probing.unwrap_or_else(|| Arc::clone(&self.probing));
        let stock = stock_on(Arc::clone(&self.stock), Arc::clone(&self.built), probing)?;
        let join = KeyJoinExec::standing_for(&stock)?;
        Ok(join.map(|join| Arc::new(join.emitting_codes(coded)) as Arc<dyn ExecutionPlan>))
    }

    fn emitting_codes(mut self, coded: Vec<usize>) -> KeyJoinExec {
        if coded.is_empty() {
            return self;
        }
        let shape = Arc::unwrap_or_clone(self.shape).with_coded(coded);
        let stock = self.stock.properties();
        let properties = PlanProperties::new(
            // Nothing is known of codes' order.
            EquivalenceProperties::new(Arc::clone(&shape.schema)),
            stock.output_partitioning().clone(),
            stock.emission_type,
            stock.boundedness,
        );
        self.properties = Arc::new(properties.with_scheduling_type(stock.scheduling_type));
        self.shape = Arc::new(shape);
        self
    }

    /// The operator for `stock`, which has been made of this one's.
    fn again(&self, stock: Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(match KeyJoinExec::standing_for(&stock)? {
            Some(join) => Arc::new(join.emitting_codes(self.shape.coded.clone())),
            None => stock,
        })
    }

    /// Makes a join by stock operators of a built side, for little memory or for enough.
    pub(super) fn stock(
        &self,
    ) -> impl FnOnce(Arc<dyn ExecutionPlan>, bool) -> PlanResult<Arc<dyn ExecutionPlan>> + use<> {
        let (stock, probing) = (Arc::clone(&self.stock), Arc::clone(&self.probing));
        move |built, is_short| match stock.downcast_ref::<HashJoinExec>() {
            Some(join) if is_short => sort_merge_join(join, built, probing),
            _ => stock_on(stock, built, probing),
        }
    }

    pub(super) fn built(&self) -> &Arc<dyn ExecutionPlan> {
        &self.built
    }

    pub(super) fn probing(&self) -> &Arc<dyn ExecutionPlan> {
        &self.probing
    }

    pub(super) fn shape(&self) -> &Arc<JoinShape> {
        &self.shape
    }

    pub(super) fn metrics_set(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    /// The filter of the probing side, if one of its operators reads it.
    pub(super) fn filter_in_use(&self) -> PlanResult<Option<Arc<DynamicFilterPhysicalExpr>>> {
        let produced = self.stock.dynamic_expressions_produced().into_iter().next();
        let Some(filter) = produced.and_then(|filter| Arc::downcast::<DynamicFilterPhysicalExpr>(filter).ok()) else {
            return Ok(None);
        };
        let identity = filter.expression_id();
        let mut is_read = false;
        self.probing.apply(|operator| {
            operator.apply_expressions(&mut |root| {
                root.apply(|part| {
                    is_read |= part.expression_id() == identity;
                    Ok(if is_read {
                        TreeNodeRecursion::Stop
                    } else {
                        TreeNodeRecursion::Continue
                    })
                })
            })?;
            Ok(if is_read {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })?;
        Ok(is_read.then_some(filter))
    }
}

fn stock_on(
    stock: Arc<dyn ExecutionPlan>,
    built: Arc<dyn ExecutionPlan>,
    probing: Arc<dyn ExecutionPlan>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let built = match built.properties().output_partitioning().partition_count() {
        1 => built,
        _ => Arc::new(CoalescePartitionsExec::new(built)),
    };
    replace_children_if_necessary(stock, vec![built, probing])
}

/// An operator's input with these of its columns as codes; `None` where it is none of ours that can emit them.
pub fn coded_input(input: &Arc<dyn ExecutionPlan>, columns: &[usize]) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    if columns.is_empty() {
        return Ok(None);
    }
    if let Some(aggregation) = input.downcast_ref::<FusedAggregateExec>() {
        let coded = aggregation.with_coded_strings(columns);
        return Ok(coded.map(|coded| Arc::new(coded) as _));
    }
    match input.downcast_ref::<KeyJoinExec>() {
        Some(join) => join.with_coded_strings(columns),
        None => Ok(None),
    }
}

/// The plan whose partitions this one would only put into one.
fn undivided(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.downcast_ref::<CoalescePartitionsExec>() {
        Some(coalesce) if coalesce.fetch().is_none() => Arc::clone(coalesce.input()),
        _ => Arc::clone(plan),
    }
}

impl DisplayAs for KeyJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, formatter: &mut fmt::Formatter) -> fmt::Result {
        if !matches!(format, DisplayFormatType::TreeRender) {
            formatter.write_str("KeyJoinExec, as ")?;
        }
        self.stock.fmt_as(format, formatter)?;
        match self.shape.coded.as_slice() {
            [] => Ok(()),
            coded => write!(formatter, ", coded={coded:?}"),
        }
    }
}

impl ExecutionPlan for KeyJoinExec {
    fn name(&self) -> &str {
        "KeyJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let any = || Distribution::UnspecifiedDistribution;
        InputDistributionRequirements::new(vec![any(), any()])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.stock.maintains_input_order()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.built, &self.probing]
    }

    fn apply_expressions(
        &self,
        call: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        self.stock.apply_expressions(call)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.stock.dynamic_expressions_produced()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    /// Most rules that change an input leave its properties: then the join is the same one.
    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let probing = children.swap_remove(1);
        let built = children.swap_remove(0);
        match options.children_properties {
            ChildrenPropertiesMode::Recompute => self.again(stock_on(Arc::clone(&self.stock), built, probing)?),
            ChildrenPropertiesMode::Keep => Ok(Arc::new(KeyJoinExec {
                // Its inputs are put in when it is to run.
                stock: Arc::clone(&self.stock),
                built,
                probing,
                shape: Arc::clone(&self.shape),
                properties: Arc::clone(&self.properties),
                side: Arc::default(),
                metrics: ExecutionPlanMetricsSet::new(),
            })),
        }
    }

    fn reset_state(self: Arc<Self>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let stock = stock_on(
            Arc::clone(&self.stock),
            Arc::clone(&self.built),
            Arc::clone(&self.probing),
        )?;
        self.again(stock.reset_state()?)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        run(self, &self.side, partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
