//! What values sort and compare by where their layout does not tell: intervals by their length, jsonb not by its text, values of enumerations
//! by the place of the label. The engine compares layouts alone.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, Sort as SortExpr, WindowFunction};
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window, lit};

use super::{calls, equal_keys};
use crate::error::Result;
use crate::functions::{
    enum_label, enum_position, interval_key, interval_of_key, passes_on, retyped, row_key, scalar_functions,
    spelled_key, spelled_key_and_value, spelled_of_key,
};
use crate::types::{EnumType, Spelled, SqlType};

/// The key of an expression; `None` where its own values do.
pub(super) fn sort_key(expression: &Expr, schema: &DFSchema) -> Option<Expr> {
    match type_of(expression, schema)? {
        SqlType::Interval(_) => called("interval_length", expression, schema),
        SqlType::Jsonb => called("jsonb_order_key", expression, schema),
        rows @ (SqlType::Composite(_) | SqlType::Record) => Some(row_key(expression.clone(), rows)),
        other => match other.innermost() {
            SqlType::Enum(definition) => Some(enum_position(expression.clone(), definition)),
            SqlType::Spelled(spelled) if !spelled.is_ordered_by_spelling() => {
                Some(spelled_key(expression.clone(), *spelled))
            }
            _ => None,
        },
    }
}

fn called(name: &str, expression: &Expr, schema: &DFSchema) -> Option<Expr> {
    let func = scalar_functions().iter().find(|function| function.name() == name)?;
    let call = ScalarFunction {
        func: Arc::clone(func),
        args: vec![expression.clone()],
    };
    Some(calls::pin(call, schema).ok()?.data)
}

fn type_of(expression: &Expr, schema: &DFSchema) -> Option<SqlType> {
    let (_, field) = expression.to_field(schema).ok()?;
    Some(SqlType::from_field(&field))
}

/// ORDER BY of a query and DISTINCT ON.
pub(super) fn of_plan(mut plan: LogicalPlan) -> LogicalPlan {
    use datafusion::logical_expr::Distinct;
    match &mut plan {
        LogicalPlan::Sort(sort) => {
            order_by(&mut sort.expr, sort.input.schema());
            sort.expr = nulls_apart(std::mem::take(&mut sort.expr), sort.input.schema());
        }
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let schema = Arc::clone(on.input.schema());
            order_by(on.sort_expr.as_mut().map_or(&mut [][..], Vec::as_mut_slice), &schema);
            keys(&mut on.on_expr, &schema);
        }
        _ => {}
    }
    plan
}

/// The order of an aggregate's or a window's rows.
pub(super) fn of_expression(expression: &mut Expr, schema: &DFSchema) {
    match expression {
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            order_by(&mut params.order_by, schema);
            if !params.distinct {
                params.order_by = nulls_apart(std::mem::take(&mut params.order_by), schema);
            }
            if params.distinct && func.name() == "count" {
                equal_keys::counted(&mut params.args, schema);
            }
        }
        Expr::WindowFunction(window) => {
            order_by(&mut window.params.order_by, schema);
            spell_bytes(&mut window.params.order_by, schema);
            keys(&mut window.params.partition_by, schema);
        }
        _ => {}
    }
}

fn order_by(order: &mut [SortExpr], schema: &DFSchema) {
    for sort in order {
        if let Some(key) = sort_key(&sort.expr, schema) {
            sort.expr = key;
        }
    }
}

/// Where NULLs are asked for at the end that is not theirs, the engine has those inside arrays there, too. In PostgreSQL they
/// stay the largest elements: so a key of its own says where missing arrays are.
fn nulls_apart(order: Vec<SortExpr>, schema: &DFSchema) -> Vec<SortExpr> {
    let keys = order.into_iter().flat_map(|mut sort| {
        let is_array = sort.expr.get_type(schema).is_ok_and(|data_type| data_type.is_list());
        let apart = (is_array && sort.nulls_first == sort.asc).then(|| SortExpr {
            expr: Expr::IsNull(Box::new(sort.expr.clone())),
            asc: !sort.nulls_first,
            nulls_first: false,
        });
        if apart.is_some() {
            sort.nulls_first = !sort.asc;
        }
        apart.into_iter().chain([sort])
    });
    keys.collect()
}

/// The engine compares the rows of a frame by values that it can reckon with, which bytes are not; as hexadecimal digits
/// they have the same order.
fn spell_bytes(order: &mut [SortExpr], schema: &DFSchema) {
    let encode = scalar_functions().iter().find(|function| function.name() == "encode");
    for sort in order {
        if let (Some(func), Ok(DataType::Binary | DataType::BinaryView)) = (encode, sort.expr.get_type(schema)) {
            let args = vec![sort.expr.clone(), lit("hex")];
            sort.expr = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(func), args));
        }
    }
}

fn keys(expressions: &mut [Expr], schema: &DFSchema) {
    for expression in expressions {
        if let Some(key) = sort_key(expression, schema) {
            *expression = key;
        }
    }
}

/// Largest and smallest labels, found among their places, and the types of gathered arrays.
pub(super) fn of_aggregate(mut aggregate: Aggregate) -> Result<LogicalPlan> {
    let schema = Arc::clone(aggregate.input.schema());
    let restored = aggregate.aggr_expr.iter_mut().map(|call| Restored::of(call, &schema));
    let restored: Vec<Restored> = restored.collect();
    let keys = aggregate.schema.fields().len() - restored.len();
    if restored.iter().all(Restored::is_nothing) {
        return equal_keys::of_aggregate(aggregate);
    }
    let plan = Aggregate::try_new(aggregate.input, aggregate.group_expr, aggregate.aggr_expr)?;
    let kept = std::iter::repeat_with(|| Restored::Nothing).take(keys);
    project(equal_keys::of_aggregate(plan)?, kept.chain(restored).collect())
}

/// The same over windows, and the types of values that a window function passes on.
pub(super) fn of_window(mut window: Window) -> Result<LogicalPlan> {
    let schema = Arc::clone(window.input.schema());
    let restored = window.window_expr.iter_mut().map(|call| Restored::of(call, &schema));
    let restored: Vec<Restored> = restored.collect();
    if restored.iter().all(Restored::is_nothing) {
        return Ok(LogicalPlan::Window(window));
    }
    let kept = std::iter::repeat_with(|| Restored::Nothing).take(schema.fields().len());
    let plan = Window::try_new(window.window_expr, window.input)?;
    project(LogicalPlan::Window(plan), kept.chain(restored).collect())
}

/// Values whose largest and smallest is found by a stand-in that leads back to them.
enum Compared {
    Labels(Arc<EnumType>),
    Intervals,
    Spelled(Spelled),
}

impl Compared {
    fn of(sql_type: &SqlType) -> Option<Compared> {
        match sql_type {
            SqlType::Enum(definition) => Some(Compared::Labels(Arc::clone(definition))),
            SqlType::Interval(_) => Some(Compared::Intervals),
            SqlType::Spelled(spelled) if !spelled.is_ordered_by_spelling() => Some(Compared::Spelled(*spelled)),
            _ => None,
        }
    }

    fn key(&self, value: Expr) -> Expr {
        match self {
            Compared::Labels(definition) => enum_position(value, definition),
            Compared::Intervals => interval_key(value),
            Compared::Spelled(spelled) => spelled_key_and_value(value, *spelled),
        }
    }

    fn value(&self, key: Expr) -> Expr {
        match self {
            Compared::Labels(definition) => enum_label(key, definition),
            Compared::Intervals => interval_of_key(key),
            Compared::Spelled(spelled) => spelled_of_key(key, *spelled),
        }
    }
}

/// What makes a column of an aggregation what the query asked for.
enum Restored {
    Nothing,
    Compared(Compared),
    Type(SqlType),
}

impl Restored {
    fn is_nothing(&self) -> bool {
        matches!(self, Restored::Nothing)
    }

    /// Changes the call where it compares values; its name stays.
    fn of(call: &mut Expr, schema: &DFSchema) -> Restored {
        if let Expr::AggregateFunction(AggregateFunction { func, params }) = &call.clone().unalias_nested().data
            && func.name() == "array_agg"
        {
            let element = params.args.first().and_then(|value| type_of(value, schema));
            return match element.filter(SqlType::is_named) {
                Some(element) => Restored::Type(SqlType::Array(Box::new(element))),
                None => Restored::Nothing,
            };
        }
        let Some(sql_type) = passes_on(call).and_then(|value| type_of(value, schema)) else {
            return Restored::Nothing;
        };
        let Some(compared) = Compared::of(&sql_type) else {
            return match sql_type.innermost() {
                SqlType::Enum(_) | SqlType::Spelled(_) | SqlType::Composite(_) => Restored::Type(sql_type),
                SqlType::Bpchar(_) if !matches!(sql_type, SqlType::Array(_)) => {
                    Restored::Type(sql_type.without_modifier())
                }
                _ => Restored::Nothing,
            };
        };
        let name = call.schema_name().to_string();
        let relation = call.qualified_name().0;
        let mut plain = call.clone().unalias_nested().data;
        let compares = match &mut plain {
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                compare_keys(func.name(), &mut params.args, &compared)
            }
            Expr::WindowFunction(window) => {
                let WindowFunction { fun, params } = window.as_mut();
                compare_keys(fun.name(), &mut params.args, &compared)
            }
            _ => false,
        };
        match compares {
            true => {
                *call = plain.alias_qualified(relation, name);
                Restored::Compared(compared)
            }
            false if matches!(sql_type, SqlType::Interval(_)) => Restored::Nothing,
            false => Restored::Type(sql_type),
        }
    }

    fn restore(&self, column: Column) -> Expr {
        let value = Expr::Column(column.clone());
        let restored = match self {
            Restored::Nothing => return value,
            Restored::Compared(compared) => compared.value(value),
            Restored::Type(sql_type) => retyped(value, sql_type.clone()),
        };
        restored.alias_qualified(column.relation, column.name)
    }
}

fn compare_keys(name: &str, arguments: &mut [Expr], compared: &Compared) -> bool {
    let compares = matches!(name, "min" | "max");
    if let (true, Some(value)) = (compares, arguments.first_mut()) {
        *value = compared.key(value.clone());
    }
    compares
}

fn project(plan: LogicalPlan, restored: Vec<Restored>) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().zip(restored);
    // What the engine numbers grouping sets by is gone when `grouping()` is resolved.
    let columns = columns.filter(|(column, _)| column.name != Aggregate::INTERNAL_GROUPING_ID);
    let columns: Vec<Expr> = columns.map(|(column, restored)| restored.restore(column)).collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

/// The greatest or least of values that have a stand-in; `None` of others.
pub(super) fn greatest(arguments: &[Expr], schema: &DFSchema, choose: impl Fn(Vec<Expr>) -> Expr) -> Option<Expr> {
    let compared = Compared::of(&type_of(arguments.first()?, schema)?)?;
    let keys = arguments.iter().map(|argument| compared.key(argument.clone()));
    Some(compared.value(choose(keys.collect())))
}

/// A value between two others, by what they sort by.
pub(super) fn between(
    between: datafusion::logical_expr::Between,
    schema: &DFSchema,
) -> PlanResult<datafusion::logical_expr::Between> {
    let Some(key) = sort_key(&between.expr, schema) else {
        return Ok(between);
    };
    let bound = |bound: Box<Expr>| match sort_key(&bound, schema) {
        Some(key) => Box::new(key),
        None => bound,
    };
    Ok(datafusion::logical_expr::Between {
        expr: Box::new(key),
        negated: between.negated,
        low: bound(between.low),
        high: bound(between.high),
    })
}
