//! The dependent join, pushed down a subquery until nothing depends on the outside any more: every node
//! above the domain carries the domain's columns along, groups by them and partitions by them.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, Result as PlanResult, not_impl_err};
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::WindowFunctionParams;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprFunctionExt, FetchType, Join, Limit, LogicalPlan, LogicalPlanBuilder,
    SkipType, SortExpr, SubqueryAlias, Window, lit, when,
};

use super::FreshNames;
use super::apply::same_columns;
use super::grouping;
use super::outer_references::{Substitution, outer_columns};

/// A subquery's plan and the columns that carry the domain in it.
type Pushed = (LogicalPlan, Vec<Column>);

/// The values that a subquery depends on, and the plan that gives them.
pub(super) struct Dependent<'a> {
    source: LogicalPlan,
    outer: Vec<Column>,
    /// Each combination of values once; else one row for each row of the source.
    distinct: bool,
    names: &'a mut FreshNames,
}

impl<'a> Dependent<'a> {
    /// Runs the subquery once for each combination of values of `outer` in `source`.
    pub fn distinct(source: LogicalPlan, outer: Vec<Column>, names: &'a mut FreshNames) -> Self {
        Dependent {
            source,
            outer,
            distinct: true,
            names,
        }
    }

    /// Carries all rows of `source` through the subquery.
    pub fn whole(source: LogicalPlan, outer: Vec<Column>, names: &'a mut FreshNames) -> Self {
        Dependent {
            source,
            outer,
            distinct: false,
            names,
        }
    }

    fn domain(&mut self) -> PlanResult<Pushed> {
        let columns: Vec<Column> = self
            .outer
            .iter()
            .map(|_| Column::new_unqualified(self.names.next("outer")))
            .collect();
        let projected = self
            .outer
            .iter()
            .zip(&columns)
            .map(|(outer, column)| Expr::Column(outer.clone()).alias(&column.name));
        let mut plan = LogicalPlanBuilder::from(self.source.clone()).project(projected)?;
        if self.distinct {
            plan = plan.distinct()?;
        }
        Ok((plan.build()?, columns))
    }

    fn substitution(&self, domain: &[Column]) -> Substitution {
        Substitution {
            outer: self.outer.clone(),
            inner: domain.to_vec(),
        }
    }

    /// Whether this plan reads the columns that are pushed down.
    fn depends(&self, plan: &LogicalPlan) -> PlanResult<bool> {
        Ok(outer_columns(plan)?.iter().any(|column| self.outer.contains(column)))
    }

    /// `plan` for every value of the domain at once: its own columns, then the domain's.
    pub fn push(&mut self, plan: &LogicalPlan) -> PlanResult<Pushed> {
        if !self.depends(plan)? {
            return self.cross(plan);
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let (input, domain) = self.push(&projection.input)?;
                let substitution = self.substitution(&domain);
                let mut expressions = vec![];
                for expression in &projection.expr {
                    expressions.push(substitution.apply(expression.clone())?);
                }
                expressions.extend(domain.iter().cloned().map(Expr::Column));
                Ok((LogicalPlanBuilder::from(input).project(expressions)?.build()?, domain))
            }
            LogicalPlan::Filter(filter) => {
                let (input, domain) = self.push(&filter.input)?;
                let predicate = self.substitution(&domain).replace(filter.predicate.clone())?;
                Ok((LogicalPlanBuilder::from(input).filter(predicate)?.build()?, domain))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let (input, domain) = self.push(&alias.input)?;
                let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?);
                let domain = domain
                    .into_iter()
                    .map(|column| Column::new(Some(alias.alias.clone()), column.name))
                    .collect();
                Ok((plan, domain))
            }
            LogicalPlan::Aggregate(aggregate) => self.push_aggregate(aggregate),
            LogicalPlan::Join(join) => self.push_join(join),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, domain) = self.push(input)?;
                Ok((LogicalPlanBuilder::from(input).distinct()?.build()?, domain))
            }
            LogicalPlan::Distinct(Distinct::On(on)) => self.push_distinct_on(on),
            LogicalPlan::Sort(sort) => {
                let (input, domain) = self.push(&sort.input)?;
                let keys = self.sort_keys(&sort.expr, &domain)?;
                Ok((LogicalPlanBuilder::from(input).sort(keys)?.build()?, domain))
            }
            LogicalPlan::Limit(limit) => self.push_limit(limit),
            LogicalPlan::Window(window) => self.push_window(window),
            LogicalPlan::Union(union) => {
                let mut united: Option<LogicalPlanBuilder> = None;
                let mut first_domain = vec![];
                for input in &union.inputs {
                    let (input, domain) = self.push(input)?;
                    united = Some(match united {
                        None => {
                            first_domain = domain;
                            LogicalPlanBuilder::from(input)
                        }
                        Some(before) => before.union(input)?,
                    });
                }
                match united {
                    Some(plan) => Ok((plan.build()?, first_domain)),
                    None => not_impl_err!("an empty union"),
                }
            }
            LogicalPlan::Unnest(unnest) => {
                let (input, domain) = self.push(&unnest.input)?;
                let plan = LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?
                    .build()?;
                Ok((plan, domain))
            }
            // FROM a function of outer columns: nothing stands to its left.
            LogicalPlan::Subquery(subquery) => self.push(&subquery.subquery),
            LogicalPlan::Values(values) => {
                let mut rows: Option<LogicalPlanBuilder> = None;
                let names = values.schema.columns();
                let (domain_plan, domain) = self.domain()?;
                let substitution = self.substitution(&domain);
                for row in &values.values {
                    let mut expressions = vec![];
                    for (expression, column) in row.iter().zip(&names) {
                        expressions.push(substitution.replace(expression.clone())?.alias(&column.name));
                    }
                    expressions.extend(domain.iter().cloned().map(Expr::Column));
                    let row = LogicalPlanBuilder::from(domain_plan.clone()).project(expressions)?;
                    rows = Some(match rows {
                        None => row,
                        Some(before) => before.union(row.build()?)?,
                    });
                }
                match rows {
                    Some(plan) => Ok((plan.build()?, domain)),
                    None => not_impl_err!("empty VALUES"),
                }
            }
            other => not_impl_err!("a subquery that reads outer columns in {}", other.display()),
        }
    }

    /// The first row of each group of each outer row.
    fn push_distinct_on(&mut self, on: &DistinctOn) -> PlanResult<Pushed> {
        let (input, domain) = self.push(&on.input)?;
        let substitution = self.substitution(&domain);
        let columns = || domain.iter().cloned().map(Expr::Column);
        let mut keys: Vec<Expr> = columns().collect();
        for key in &on.on_expr {
            keys.push(substitution.replace(key.clone())?);
        }
        let mut selected = vec![];
        for expression in &on.select_expr {
            selected.push(substitution.apply(expression.clone())?);
        }
        selected.extend(columns());
        let order = match &on.sort_expr {
            Some(order) => {
                let before = columns().map(|column| column.sort(true, false));
                Some(before.chain(self.sort_keys(order, &domain)?).collect())
            }
            None => None,
        };
        let distinct = DistinctOn::try_new(keys, selected, order, Arc::new(input))?;
        Ok((LogicalPlan::Distinct(Distinct::On(distinct)), domain))
    }

    /// The domain beside a plan that does not depend on it.
    fn cross(&mut self, plan: &LogicalPlan) -> PlanResult<Pushed> {
        let (domain_plan, domain) = self.domain()?;
        if let LogicalPlan::EmptyRelation(empty) = plan
            && empty.produce_one_row
            && empty.schema.fields().is_empty()
        {
            return Ok((domain_plan, domain));
        }
        Ok((
            LogicalPlanBuilder::from(plan.clone())
                .cross_join(domain_plan)?
                .build()?,
            domain,
        ))
    }

    fn sort_keys(&self, keys: &[SortExpr], domain: &[Column]) -> PlanResult<Vec<SortExpr>> {
        let substitution = self.substitution(domain);
        keys.iter()
            .map(|key| {
                Ok(SortExpr {
                    expr: substitution.replace(key.expr.clone())?,
                    ..key.clone()
                })
            })
            .collect()
    }

    fn push_aggregate(&mut self, aggregate: &Aggregate) -> PlanResult<Pushed> {
        let (input, domain) = self.push(&aggregate.input)?;
        let substitution = self.substitution(&domain);
        let keys = || domain.iter().cloned().map(Expr::Column);
        let mut groups = vec![];
        for expression in &aggregate.group_expr {
            groups.push(match expression {
                Expr::GroupingSet(sets) => Expr::GroupingSet(grouping::substituted(sets, &substitution)?),
                plain => substitution.apply(plain.clone())?,
            });
        }
        let mut aggregates = vec![];
        for expression in &aggregate.aggr_expr {
            aggregates.push(substitution.apply(expression.clone())?);
        }
        groups.extend(keys());
        let plan = LogicalPlanBuilder::from(input).aggregate(groups, aggregates)?.build()?;
        let own = grouping::output(aggregate);
        match grouping::empty_sets(&aggregate.group_expr) {
            0 => {
                let own = own.into_iter().map(|(column, _)| Expr::Column(column));
                let plan = LogicalPlanBuilder::from(plan).project(own.chain(keys()))?.build()?;
                return Ok((plan, domain));
            }
            1 => {}
            _ => return not_impl_err!("several empty grouping sets in a correlated subquery"),
        }
        // The set of no keys, which is all there is without GROUP BY, has a row for every outer row, of nothing too.
        let (all, all_domain) = self.domain()?;
        let marker = self.names.next("present");
        let marked = LogicalPlanBuilder::from(plan)
            .project(
                own.iter()
                    .map(|(column, _)| Expr::Column(column.clone()))
                    .chain(keys())
                    .chain([lit(true).alias(marker.as_str())]),
            )?
            .build()?;
        let condition = same_columns(&Substitution {
            outer: all_domain.clone(),
            inner: domain,
        });
        let joined = LogicalPlanBuilder::from(all)
            .join_on(marked, JoinType::Left, condition)?
            .build()?;
        let mut projected = vec![];
        for (column, expression) in own {
            let value = Expr::Column(column.clone());
            let of_nothing = match expression {
                Some(expression) => grouping::value_of_nothing(expression, aggregate)?,
                None => None,
            };
            projected.push(match of_nothing {
                Some(default) => when(Expr::Column(Column::new_unqualified(&marker)).is_null(), default)
                    .otherwise(value)?
                    .alias_qualified(column.relation, column.name),
                None => value,
            });
        }
        projected.extend(all_domain.iter().cloned().map(Expr::Column));
        Ok((
            LogicalPlanBuilder::from(joined).project(projected)?.build()?,
            all_domain,
        ))
    }

    fn push_join(&mut self, join: &Join) -> PlanResult<Pushed> {
        let left_depends = self.depends(&join.left)?;
        let right_depends = self.depends(&join.right)?;
        let keeps_left = matches!(
            join.join_type,
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark
        );
        let keeps_right = matches!(
            join.join_type,
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
        );
        let keeps_both = join.join_type == JoinType::Full;
        let push_left = keeps_both || keeps_left || left_depends || (!keeps_right && !right_depends);
        let push_right = keeps_both || keeps_right || right_depends || !push_left;
        let (left, left_domain) = match push_left {
            true => self.push(&join.left)?,
            false => (join.left.as_ref().clone(), vec![]),
        };
        let (right, right_domain) = match push_right {
            true => self.push(&join.right)?,
            false => (join.right.as_ref().clone(), vec![]),
        };
        let domain = if push_left && !keeps_right {
            left_domain.clone()
        } else {
            right_domain.clone()
        };
        let substitution = self.substitution(&domain);
        let mut condition = vec![];
        for (left_key, right_key) in &join.on {
            let (left_key, right_key) = (
                substitution.replace(left_key.clone())?,
                substitution.replace(right_key.clone())?,
            );
            condition.push(match join.null_equality {
                datafusion::common::NullEquality::NullEqualsNothing => left_key.eq(right_key),
                datafusion::common::NullEquality::NullEqualsNull => datafusion::logical_expr::binary_expr(
                    left_key,
                    datafusion::logical_expr::Operator::IsNotDistinctFrom,
                    right_key,
                ),
            });
        }
        if let Some(filter) = &join.filter {
            condition.push(substitution.replace(filter.clone())?);
        }
        if push_left && push_right {
            condition.extend(same_columns(&Substitution {
                outer: left_domain.clone(),
                inner: right_domain.clone(),
            }));
        }
        if condition.is_empty() {
            condition.push(lit(true));
        }
        let plan = LogicalPlanBuilder::from(left).join_on(right, join.join_type, condition)?;
        let own = join.schema.columns().into_iter().map(Expr::Column);
        if !keeps_both {
            let plan = plan.project(own.chain(domain.iter().cloned().map(Expr::Column)))?;
            return Ok((plan.build()?, domain));
        }
        // A row that only one side has, has the values of that side.
        let mut united = vec![];
        let mut values = vec![];
        for (left, right) in left_domain.into_iter().zip(right_domain) {
            let name = self.names.next("outer");
            values.push(coalesce(vec![Expr::Column(left), Expr::Column(right)]).alias(name.as_str()));
            united.push(Column::new_unqualified(name));
        }
        Ok((plan.project(own.chain(values))?.build()?, united))
    }

    /// The first rows of each outer row.
    fn push_limit(&mut self, limit: &Limit) -> PlanResult<Pushed> {
        // The order may lie below the projection that drops its keys.
        if let LogicalPlan::Projection(projection) = limit.input.as_ref()
            && matches!(projection.input.as_ref(), LogicalPlan::Sort(_))
        {
            let below = LogicalPlan::Limit(Limit {
                input: Arc::clone(&projection.input),
                ..limit.clone()
            });
            let above = LogicalPlanBuilder::from(below)
                .project(projection.expr.clone())?
                .build()?;
            return self.push(&above);
        }
        let (input, domain) = self.push(&limit.input)?;
        let order = match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => self.sort_keys(&sort.expr, &domain)?,
            _ => vec![],
        };
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return not_impl_err!("a computed LIMIT in a correlated subquery");
        };
        let numbered = row_number().partition_by(domain.iter().cloned().map(Expr::Column).collect());
        let numbered = match order.is_empty() {
            true => numbered.build()?,
            false => numbered.order_by(order).build()?,
        };
        let number = Expr::Column(Column::new_unqualified(numbered.schema_name().to_string()));
        let mut wanted = number.clone().gt(lit(skip as u64));
        if let Some(fetch) = fetch {
            wanted = wanted.and(number.lt_eq(lit(skip.saturating_add(fetch) as u64)));
        }
        let own = input.schema().columns().into_iter().map(Expr::Column);
        let plan = LogicalPlanBuilder::window_plan(input, vec![numbered])?;
        Ok((
            LogicalPlanBuilder::from(plan).filter(wanted)?.project(own)?.build()?,
            domain,
        ))
    }

    fn push_window(&mut self, window: &Window) -> PlanResult<Pushed> {
        let (input, domain) = self.push(&window.input)?;
        let substitution = self.substitution(&domain);
        let mut expressions = vec![];
        let mut outputs: Vec<Expr> = window.input.schema().columns().into_iter().map(Expr::Column).collect();
        for (expression, column) in window.window_expr.iter().zip(window_columns(window)) {
            // The name that it had goes to the output: the window node takes calls alone.
            let mut replaced = substitution.replace(expression.clone())?.unalias();
            partition_by(&mut replaced, &domain);
            let name = Column::new_unqualified(replaced.schema_name().to_string());
            outputs.push(Expr::Column(name).alias_qualified(column.relation, column.name));
            expressions.push(replaced);
        }
        outputs.extend(domain.iter().cloned().map(Expr::Column));
        let plan = LogicalPlanBuilder::window_plan(input, expressions)?;
        Ok((LogicalPlanBuilder::from(plan).project(outputs)?.build()?, domain))
    }
}

/// The output columns of a window node's own expressions: those after its input's.
fn window_columns(window: &Window) -> Vec<Column> {
    window
        .schema
        .columns()
        .into_iter()
        .skip(window.input.schema().fields().len())
        .collect()
}

fn partition_by(expression: &mut Expr, domain: &[Column]) {
    if let Expr::WindowFunction(function) = expression {
        let WindowFunctionParams { partition_by, .. } = &mut function.params;
        partition_by.extend(domain.iter().cloned().map(Expr::Column));
    }
}
