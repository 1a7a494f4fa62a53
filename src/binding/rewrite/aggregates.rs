//! Aggregates that the planner would take for one another or that are others in disguise: `avg(x)` is a sum over a
//! count, so that the quotient has PostgreSQL's digits and the two are computed once for all that need them; and
//! `sum(x)` beside `sum(x::real)` would have one name.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, OrderByExpr, OrderByOptions, Value, VisitMut,
};

use super::hypothetical_ranks;
use super::syntax::{call, plain_arguments, replace_expressions, system_name};
use crate::error::Result;

/// Aggregates over one expression.
const AGGREGATES: [&str; 22] = [
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "max",
    "min",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    "corr",
    "covar_pop",
    "covar_samp",
];

/// Whether every function of this name aggregates.
pub(in crate::binding) fn is_aggregate(name: &str) -> bool {
    const OTHERS: [&str; 16] = [
        "json_agg",
        "json_agg_strict",
        "json_arrayagg",
        "jsonb_agg",
        "jsonb_agg_strict",
        "json_object_agg",
        "json_object_agg_strict",
        "json_object_agg_unique",
        "json_object_agg_unique_strict",
        "json_objectagg",
        "jsonb_object_agg",
        "jsonb_object_agg_strict",
        "jsonb_object_agg_unique",
        "jsonb_object_agg_unique_strict",
        "mode",
        "percentile_cont",
    ];
    AGGREGATES.contains(&name) || OTHERS.contains(&name)
}

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Function(function) = expression else {
            return Ok(());
        };
        let name = system_name(&function.name).unwrap_or_default();
        if let Some(gathered) = ordered_set(function, &name)? {
            *expression = gathered;
            return Ok(());
        }
        if !AGGREGATES.contains(&name.as_str()) {
            return Ok(());
        }
        let FunctionArguments::List(list) = &mut function.args else {
            return Ok(());
        };
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument
                && let Expr::Cast { data_type, .. } = &*value
            {
                let type_name = Expr::value(Value::SingleQuotedString(data_type.to_string()));
                *value = call("typed_as", vec![type_name, value.clone()]);
            }
        }
        drop_constant_keys(list);
        if name == "array_agg" || name == "string_agg" {
            sort_distinct(list);
        }
        if name == "avg" && list.args.len() == 1 {
            let named = |name: &str| {
                let mut part = function.clone();
                part.name = ObjectName::from(vec![Ident::new(name)]);
                Expr::Function(part)
            };
            *expression = call("average", vec![named("sum"), named("count")]);
        }
        Ok(())
    })
}

/// A number by which an aggregate's rows are ordered is no position in a select list, and orders nothing.
fn drop_constant_keys(list: &mut FunctionArgumentList) {
    list.clauses.retain_mut(|clause| match clause {
        FunctionArgumentClause::OrderBy(keys) => {
            keys.retain(|key| match &key.expr {
                Expr::Value(value) => matches!(value.value, Value::Placeholder(_)),
                _ => true,
            });
            !keys.is_empty()
        }
        _ => true,
    });
}

/// PostgreSQL finds distinct values by sorting them, and that shows.
fn sort_distinct(list: &mut FunctionArgumentList) {
    let is_ordered = |clause: &FunctionArgumentClause| matches!(clause, FunctionArgumentClause::OrderBy(_));
    // What stands between values is the same for all of them, or decides about their order too.
    let value = match list.args.as_slice() {
        [value] | [value, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(_)))] => value,
        _ => return,
    };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = value else {
        return;
    };
    // Values that are json already have an order of their own.
    let is_json = matches!(value, Expr::Function(function)
        if system_name(&function.name).is_some_and(|name| name.contains("json")));
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
        && !is_json
        && !list.clauses.iter().any(is_ordered)
    {
        let key = OrderByExpr {
            expr: value.clone(),
            options: OrderByOptions {
                asc: None,
                nulls_first: Some(false),
            },
            with_fill: None,
        };
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![key]));
    }
}

/// Ordered-set aggregates as functions of the values in their order: `mode() WITHIN GROUP (ORDER BY x)` and its like.
fn ordered_set(function: &Function, name: &str) -> Result<Option<Expr>> {
    let [key] = function.within_group.as_slice() else {
        return hypothetical_ranks::counted(function, name);
    };
    let FunctionArguments::List(list) = &function.args else {
        return Ok(None);
    };
    let arguments = plain_arguments(&list.args).unwrap_or_default();
    let is_array = matches!(arguments.first(), Some(Expr::Array(_)));
    let target = match name {
        "percentile_disc" | "mode" => format!("{name}_of"),
        "percentile_cont" if is_array => "percentile_cont_of".to_string(),
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" => format!("{name}_of"),
        _ => return Ok(None),
    };
    let mut gathered = function.clone();
    gathered.name = ObjectName::from(vec![Ident::new("array_agg")]);
    gathered.within_group = vec![];
    let is_descending = key.options.asc == Some(false);
    if let FunctionArguments::List(list) = &mut gathered.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(key.expr.clone()))];
        list.clauses = vec![FunctionArgumentClause::OrderBy(vec![key.clone()])];
        drop_constant_keys(list);
    }
    let is_rank = name.ends_with("rank") || name == "cume_dist";
    if !is_rank {
        let present = Expr::IsNotNull(Box::new(key.expr.clone()));
        gathered.filter = Some(Box::new(match gathered.filter.take() {
            Some(filter) => Expr::BinaryOp {
                left: filter,
                op: BinaryOperator::And,
                right: Box::new(present),
            },
            None => present,
        }));
    }
    // A value has a place among no values, too.
    let gathered = match is_rank {
        true => call("array_or_empty", vec![Expr::Function(gathered)]),
        false => Expr::Function(gathered),
    };
    let order = [is_descending, key.options.nulls_first.unwrap_or(is_descending)];
    let order = order.map(|option| Expr::value(Value::Boolean(option)));
    let order = order.into_iter().filter(|_| is_rank);
    let arguments = arguments.into_iter().chain([gathered]).chain(order);
    Ok(Some(call(&target, arguments.collect())))
}
