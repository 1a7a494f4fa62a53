//! Gives each numeric of a client's rows the digits behind the point that PostgreSQL would show. The scale of every
//! value is computed beside it, as far as the query's projections tell, and comes last of all.

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::{BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Limit, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Sort,
    SubqueryAlias, Window, lit,
};
use std::sync::Arc;

use crate::error::Result;
use crate::functions::{scalar_functions, shown_numeric};
use crate::types::numeric::{WIDE_LAYOUT, WideDigits};
use crate::types::{self, UNCONSTRAINED_NUMERIC};

/// Begins the names of columns that hold scales; stands in no name that a client can write.
const MARK: &str = "\u{1}scale";

/// The plan with numerics as texts where their digits depend on the row.
pub fn show_digits(plan: LogicalPlan) -> Result<LogicalPlan> {
    let has_numerics = plan
        .schema()
        .fields()
        .iter()
        .any(|field| field.data_type().is_decimal());
    if !has_numerics {
        return Ok(plan);
    }
    let mut tracer = Tracer { columns: 0 };
    let (traced, scales) = tracer.trace(&plan)?;
    let mut changed = false;
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .zip(&scales)
        .map(|((qualifier, field), scale)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            match scale {
                Some(scale) if !is_static(field.data_type(), scale) => {
                    changed = true;
                    shown_numeric(column, scale.clone()).alias_qualified(qualifier.cloned(), field.name())
                }
                _ => column,
            }
        })
        .collect();
    match changed {
        true => Ok(LogicalPlanBuilder::from(traced).project(columns)?.build()?),
        false => Ok(plan),
    }
}

/// Whether the layout shows this scale anyway.
fn is_static(data_type: &DataType, scale: &Expr) -> bool {
    matches!((static_scale(data_type), literal(scale)), (Some(shown), Some(wanted)) if shown == wanted)
}

fn literal(scale: &Expr) -> Option<i32> {
    match scale {
        Expr::Literal(datafusion::common::ScalarValue::Int32(scale), _) => *scale,
        _ => None,
    }
}

/// The scale of all values of a layout; `None` where the values tell.
fn static_scale(data_type: &DataType) -> Option<i32> {
    match data_type {
        DataType::Decimal128(..) if is_unconstrained(data_type) => None,
        DataType::Decimal128(_, scale) => Some(i32::from(*scale)),
        DataType::Decimal256(precision, scale) => match WideDigits::of(*precision, *scale) {
            WideDigits::Fixed(scale) => Some(scale),
            WideDigits::Computed | WideDigits::Open => None,
        },
        integer if integer.is_integer() => Some(0),
        _ => None,
    }
}

fn is_unconstrained(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(precision, scale) if types::is_unconstrained(*precision, *scale))
}

/// Whether values show the digits that they need.
fn has_open_digits(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal256(precision, scale) => WideDigits::of(*precision, *scale) == WideDigits::Open,
        other => is_unconstrained(other),
    }
}

/// For each column of a plan, the expression over it that gives the scale of the column's value.
type Scales = Vec<Option<Expr>>;

struct Tracer {
    columns: usize,
}

impl Tracer {
    /// The plan with the same columns, perhaps followed by columns of scales.
    fn trace(&mut self, plan: &LogicalPlan) -> Result<(LogicalPlan, Scales)> {
        match plan {
            LogicalPlan::Projection(projection) => self.trace_projection(projection),
            LogicalPlan::Aggregate(aggregate) => self.trace_aggregate(aggregate),
            LogicalPlan::Sort(sort) => {
                let (input, scales) = self.trace(&sort.input)?;
                let sort = Sort {
                    input: Arc::new(input),
                    ..sort.clone()
                };
                Ok((LogicalPlan::Sort(sort), scales))
            }
            LogicalPlan::Limit(limit) => {
                let (input, scales) = self.trace(&limit.input)?;
                let limit = Limit {
                    input: Arc::new(input),
                    ..limit.clone()
                };
                Ok((LogicalPlan::Limit(limit), scales))
            }
            LogicalPlan::Filter(filter) => {
                let (input, scales) = self.trace(&filter.input)?;
                let filter = Filter::try_new(filter.predicate.clone(), Arc::new(input))?;
                Ok((LogicalPlan::Filter(filter), scales))
            }
            LogicalPlan::Window(window) => self.trace_window(window),
            LogicalPlan::RecursiveQuery(_) => self.trace_recursion(plan),
            LogicalPlan::SubqueryAlias(alias) => {
                let (input, scales) = self.trace(&alias.input)?;
                let renamed = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                let scales = scales.into_iter().map(|scale| match scale {
                    Some(Expr::Column(column)) => {
                        Some(Expr::Column(Column::new(Some(alias.alias.clone()), column.name)))
                    }
                    other => other,
                });
                let scales = scales.collect();
                Ok((LogicalPlan::SubqueryAlias(renamed), scales))
            }
            other => {
                let fields = other.schema().fields().iter();
                let scales = fields.map(|field| static_scale(field.data_type()).map(lit)).collect();
                Ok((other.clone(), scales))
            }
        }
    }

    /// The digits that each step computes are not told: values have those that they need.
    fn trace_recursion(&mut self, plan: &LogicalPlan) -> Result<(LogicalPlan, Scales)> {
        let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let mut scales = vec![];
        for (index, field) in plan.schema().fields().iter().enumerate() {
            let known = static_scale(field.data_type()).map(lit);
            let needed = match known.is_none() && field.data_type().is_decimal() {
                true => function("min_scale", vec![columns[index].clone()]),
                false => None,
            };
            scales.push(match needed {
                Some(scale) => Some(Expr::Column(self.marked(scale, &mut columns))),
                None => known,
            });
        }
        match columns.len() > scales.len() {
            true => Ok((
                LogicalPlanBuilder::from(plan.clone()).project(columns)?.build()?,
                scales,
            )),
            false => Ok((plan.clone(), scales)),
        }
    }

    /// Variances and deviations, whose digits follow from the value in ways of their own.
    fn trace_aggregate(&mut self, aggregate: &Aggregate) -> Result<(LogicalPlan, Scales)> {
        let plan = LogicalPlan::Aggregate(aggregate.clone());
        let keys = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
        let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let mut scales = vec![];
        for (index, field) in aggregate.schema.fields().iter().enumerate() {
            let call = index.checked_sub(keys).and_then(|index| aggregate.aggr_expr.get(index));
            let is_root = call.filter(|_| field.data_type().is_decimal()).and_then(is_deviation);
            let scale = is_root
                .and_then(|is_root| function("spread_scale", vec![columns[index].clone(), lit(i32::from(is_root))]));
            scales.push(match scale {
                Some(scale) => Some(Expr::Column(self.marked(scale, &mut columns))),
                None => static_scale(field.data_type()).map(lit),
            });
        }
        match columns.len() > scales.len() {
            true => {
                // What the engine numbers grouping sets by is gone when `grouping()` is resolved.
                let is_internal = |column: &Expr| matches!(column, Expr::Column(column) if column.name == Aggregate::INTERNAL_GROUPING_ID);
                columns.retain(|column| !is_internal(column));
                Ok((LogicalPlanBuilder::from(plan).project(columns)?.build()?, scales))
            }
            false => Ok((plan, scales)),
        }
    }

    /// What lag() and lead() give where there is no row may have other digits than the others: they shift the scales, too.
    fn trace_window(&mut self, window: &Window) -> Result<(LogicalPlan, Scales)> {
        let input = window.input.schema();
        let by_layout = |field: &Arc<Field>| static_scale(field.data_type()).map(lit);
        let mut scales: Scales = window.schema.fields().iter().map(by_layout).collect();
        let mut calls = window.window_expr.clone();
        for (call, scale) in window
            .window_expr
            .iter()
            .zip(scales.iter_mut().skip(input.fields().len()))
        {
            if let Some(shifted) = shifted_scale(call, input) {
                *scale = Some(Expr::Column(self.marked(shifted, &mut calls)));
            }
        }
        let traced = match calls.len() > window.window_expr.len() {
            true => Window::try_new(calls, Arc::clone(&window.input))?,
            false => window.clone(),
        };
        Ok((LogicalPlan::Window(traced), scales))
    }

    /// A further column that holds a scale.
    fn marked(&mut self, scale: Expr, columns: &mut Vec<Expr>) -> Column {
        self.columns += 1;
        let name = format!("{MARK}{}", self.columns);
        columns.push(scale.alias(&name));
        Column::new_unqualified(name)
    }

    fn trace_projection(&mut self, projection: &Projection) -> Result<(LogicalPlan, Scales)> {
        let (input, below) = self.trace(&projection.input)?;
        let known = Known {
            schema: projection.input.schema(),
            scales: &below,
        };
        let mut expressions = projection.expr.clone();
        let mut scales = vec![];
        for (expression, field) in projection.expr.iter().zip(projection.schema.fields()) {
            let is_number = field.data_type().is_decimal() || field.data_type().is_integer();
            let scale = if is_number { known.scale_of(expression) } else { None };
            scales.push(match scale {
                Some(scale) if literal(&scale).is_none() => Some(Expr::Column(self.marked(scale, &mut expressions))),
                other => other,
            });
        }
        let traced = Projection::try_new(expressions, Arc::new(input))?;
        Ok((LogicalPlan::Projection(traced), scales))
    }
}

/// The columns below a projection, with what is known of their scales.
struct Known<'a> {
    schema: &'a DFSchema,
    scales: &'a Scales,
}

impl Known<'_> {
    fn scale_of(&self, expression: &Expr) -> Option<Expr> {
        let by_layout = || static_scale(&expression.get_type(self.schema).ok()?).map(lit);
        match expression {
            Expr::Alias(alias) => self.scale_of(&alias.expr),
            Expr::Column(column) => {
                let index = self.schema.maybe_index_of_column(column)?;
                self.scales.get(index).cloned().flatten()
            }
            Expr::Negative(inner) => self.scale_of(inner),
            // A number as the argument of a function keeps the digits that it has.
            Expr::Cast(cast) if is_unconstrained(cast.field.data_type()) => {
                let known = static_scale(&cast.expr.get_type(self.schema).ok()?);
                known
                    .filter(|scale| *scale <= i32::from(UNCONSTRAINED_NUMERIC.1))
                    .map(lit)
            }
            // So it does among others that need more digits together.
            Expr::Cast(cast) if *cast.field.data_type() == WIDE_LAYOUT => {
                let inner = cast.expr.get_type(self.schema).ok()?;
                (inner.is_decimal() || inner.is_integer()).then(|| self.scale_of(&cast.expr))?
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (left, right) = (self.operand_scale(left)?, self.operand_scale(right)?);
                match op {
                    Operator::Plus | Operator::Minus | Operator::Modulo => larger(left, right),
                    Operator::Multiply => sum(left, right),
                    _ => by_layout(),
                }
            }
            Expr::ScalarFunction(call) => self.scale_of_call(call).or_else(by_layout),
            Expr::Case(case) => self.scale_of_case(case).or_else(by_layout),
            _ => by_layout(),
        }
    }

    /// A stored number without a modifier has the digits that it shows by itself.
    fn operand_scale(&self, operand: &Expr) -> Option<Expr> {
        let is_stored = || {
            let layout = operand.get_type(self.schema);
            matches!(operand, Expr::Column(_)) && layout.is_ok_and(|layout| has_open_digits(&layout))
        };
        let by_value = || {
            is_stored()
                .then(|| function("min_scale", vec![operand.clone()]))
                .flatten()
        };
        self.scale_of(operand).or_else(by_value)
    }

    fn scale_of_call(&self, call: &ScalarFunction) -> Option<Expr> {
        let argument = |index: usize| call.args.get(index).cloned();
        let scale = |index: usize| self.operand_scale(call.args.get(index)?);
        let is_numeric = |index: usize| {
            let data_type = call
                .args
                .get(index)
                .and_then(|argument| argument.get_type(self.schema).ok());
            data_type.is_some_and(|data_type| data_type.is_decimal() || data_type.is_integer())
        };
        match call.func.name() {
            "numeric_div" | "average" if is_numeric(0) => {
                function("quotient_scale", vec![argument(0)?, argument(1)?, scale(0)?, scale(1)?])
            }
            "numeric_mul" => sum(scale(0)?, scale(1)?),
            "numeric_mod" => larger(scale(0)?, scale(1)?),
            "abs" | "nullif" | "wide_numeric" => scale(0),
            "trim_scale" => function("min_scale", vec![argument(0)?]),
            "coalesce" => {
                let mut pairs = vec![];
                for (index, argument) in call.args.iter().enumerate() {
                    pairs.push((Box::new(argument.clone().is_not_null()), Box::new(scale(index)?)));
                }
                let first = literal(&pairs.first()?.1);
                match first.is_some() && pairs.iter().all(|(_, scale)| literal(scale) == first) {
                    true => first.map(lit),
                    false => Some(Expr::Case(Case::new(None, pairs, None))),
                }
            }
            name @ ("sqrt" | "exp" | "ln" | "log" | "log10" | "power" | "pow") => {
                let result = Expr::ScalarFunction(call.clone()).get_type(self.schema).ok()?;
                let scales = match name {
                    "log10" => "log_scale".to_string(),
                    "pow" => "power_scale".to_string(),
                    name => format!("{name}_scale"),
                };
                result
                    .is_decimal()
                    .then(|| function(&scales, call.args.clone()))
                    .flatten()
            }
            _ => None,
        }
    }

    /// The scale of the branch that is taken.
    fn scale_of_case(&self, case: &Case) -> Option<Expr> {
        let is_null = |expression: &Expr| matches!(expression, Expr::Literal(value, _) if value.is_null());
        let branch = |result: &Expr| {
            if is_null(result) {
                Some(lit(0))
            } else {
                self.scale_of(result)
            }
        };
        let mut pairs = vec![];
        for (condition, result) in &case.when_then_expr {
            pairs.push((condition.clone(), Box::new(branch(result)?)));
        }
        let otherwise = match &case.else_expr {
            Some(otherwise) => Some(Box::new(branch(otherwise)?)),
            None => None,
        };
        let first = literal(&pairs.first()?.1);
        let others = pairs
            .iter()
            .map(|(_, scale)| literal(scale))
            .chain(otherwise.iter().map(|scale| literal(scale)));
        match first.is_some() && others.into_iter().all(|scale| scale == first) {
            true => first.map(lit),
            false => Some(Expr::Case(Case::new(case.expr.clone(), pairs, otherwise))),
        }
    }
}

/// The scale of what a call of lag() or lead() gives, where the default has another one than the values.
fn shifted_scale(call: &Expr, schema: &DFSchema) -> Option<Expr> {
    let window = match call {
        Expr::Alias(alias) => return shifted_scale(&alias.expr, schema),
        Expr::WindowFunction(window) if matches!(window.fun.name(), "lag" | "lead") => window,
        _ => return None,
    };
    let [value, offset, default] = window.params.args.as_slice() else {
        return None;
    };
    // As `calls::with_default` left it.
    let Expr::Cast(fitted) = default else { return None };
    let Expr::Cast(plain) = fitted.expr.as_ref() else {
        return None;
    };
    let scale = static_scale(&value.get_type(schema).ok()?)?;
    let own_scale = static_scale(&plain.expr.get_type(schema).ok()?)?;
    let mut scales = window.clone();
    scales.params.args = vec![lit(scale), offset.clone(), lit(own_scale)];
    (is_unconstrained(plain.field.data_type()) && scale != own_scale).then_some(Expr::WindowFunction(scales))
}

/// Of a variance `false`, of a deviation, which is the root of one, `true`.
fn is_deviation(call: &Expr) -> Option<bool> {
    match call {
        Expr::Alias(alias) => is_deviation(&alias.expr),
        Expr::AggregateFunction(call) => match call.func.name() {
            "variance" | "var_samp" | "var_pop" => Some(false),
            "stddev" | "stddev_samp" | "stddev_pop" => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn sum(left: Expr, right: Expr) -> Option<Expr> {
    Some(match (literal(&left), literal(&right)) {
        (Some(left), Some(right)) => lit(left + right),
        _ => left + right,
    })
}

fn larger(left: Expr, right: Expr) -> Option<Expr> {
    match (literal(&left), literal(&right)) {
        (Some(left), Some(right)) => Some(lit(left.max(right))),
        _ => Some(datafusion::functions::expr_fn::greatest(vec![left, right])),
    }
}

fn function(name: &str, arguments: Vec<Expr>) -> Option<Expr> {
    let function = scalar_functions().iter().find(|function| function.name() == name)?;
    Some(function.call(arguments))
}
