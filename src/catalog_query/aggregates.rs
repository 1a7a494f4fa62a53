//! Aggregates and window functions: each becomes a column beside the items of FROM, filled when rows are grouped.

use datafusion::sql::sqlparser::ast as sql;

use super::analyzer::{Analyzer, not_covered};
use super::calls::candidates;
use super::candidates::{Choice, choose};
use super::coercion::Place;
use super::node::{AggregateCall, AggregateFunction, Kind, Node, WindowCall, WindowFunction};
use super::polymorphic::Resolution;
use super::reads::{for_each_child, items_read};
use super::value_type::{INT8, Type};
use crate::error::{Error, Result, SqlState};

fn aggregate_function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "sum" => AggregateFunction::Sum,
        "string_agg" => AggregateFunction::StringAgg,
        "array_agg" => AggregateFunction::ArrayAgg,
        "bool_and" | "every" => AggregateFunction::BoolAnd,
        "bool_or" => AggregateFunction::BoolOr,
        "json_agg" | "jsonb_agg" => AggregateFunction::JsonAgg,
        "json_object_agg" | "jsonb_object_agg" => AggregateFunction::JsonObjectAgg,
        _ => return None,
    })
}

/// Whether a call of this name groups rows.
pub(super) fn is_aggregate(name: &str) -> bool {
    aggregate_function(name).is_some() || candidates_of_any_count(name)
}

fn candidates_of_any_count(name: &str) -> bool {
    crate::functions::builtin::builtin_functions_named(name).any(|builtin| builtin.kind == "a")
}

/// Whether all columns that an aggregate reads are of queries around its own: then it is one of theirs.
fn belongs_outside(call: &AggregateCall) -> bool {
    let parts = || {
        call.arguments
            .iter()
            .chain(&call.filter)
            .chain(call.order.iter().map(|key| &key.0))
    };
    parts().any(reads_outside) && !parts().any(|part| items_read(part) != 0)
}

fn reads_outside(node: &Node) -> bool {
    let mut found = match &node.kind {
        Kind::Column { depth, .. } | Kind::WholeRow { depth, .. } => *depth > 0,
        Kind::Subquery { query, .. } => query.is_correlated,
        _ => false,
    };
    for_each_child(node, &mut |child| found |= reads_outside(child));
    found
}

impl Analyzer<'_> {
    /// An aggregate in an expression: a place in the grouped row.
    pub fn aggregate_column(
        &mut self,
        name: &str,
        list: Option<&sql::FunctionArgumentList>,
        is_star: bool,
        filter: Option<&sql::Expr>,
    ) -> Result<Node> {
        if let Some(place) = self.level()?.no_aggregates {
            let message = match place {
                "an aggregate" => "aggregate function calls cannot be nested".to_string(),
                place => format!("aggregate functions are not allowed in {place}"),
            };
            return Err(Error::new(SqlState::GroupingError, message));
        }
        let before = self.level()?.no_aggregates.replace("an aggregate");
        let call = self.aggregate_call(name, list, is_star, filter);
        self.level()?.no_aggregates = before;
        let call = call?;
        if belongs_outside(&call) {
            return Err(not_covered("an aggregate of an outer query"));
        }
        let ty = call.result.clone();
        let level = self.level()?;
        level.aggregates.push(call);
        let (item, column) = (level.item_count, level.aggregates.len() - 1);
        Ok(Node::new(ty, Kind::Column { depth: 0, item, column }))
    }

    fn aggregate_call(
        &mut self,
        name: &str,
        list: Option<&sql::FunctionArgumentList>,
        is_star: bool,
        filter: Option<&sql::Expr>,
    ) -> Result<AggregateCall> {
        let function = aggregate_function(name).ok_or_else(|| not_covered(format!("the aggregate {name}")))?;
        let (arguments, result) = match is_star {
            true => (vec![], Type::of(INT8)),
            false => {
                let arguments = self.argument_nodes(list)?;
                self.aggregate_arguments(name, arguments)?
            }
        };
        let mut order = vec![];
        for clause in list.map_or(&[][..], |list| &list.clauses) {
            let sql::FunctionArgumentClause::OrderBy(keys) = clause else {
                return Err(not_covered("a clause of an aggregate"));
            };
            order.extend(self.sort_nodes(keys)?);
        }
        let filter = filter
            .map(|filter| self.expression(filter).and_then(|node| self.boolean(node, "FILTER")))
            .transpose()?;
        let distinct = list.is_some_and(|list| list.duplicate_treatment == Some(sql::DuplicateTreatment::Distinct));
        Ok(AggregateCall {
            function,
            arguments,
            distinct,
            order,
            filter,
            result,
        })
    }

    fn aggregate_arguments(&mut self, name: &str, arguments: Vec<Node>) -> Result<(Vec<Node>, Type)> {
        let given: Vec<Type> = arguments.iter().map(|node| node.ty.clone()).collect();
        if name == "array_agg" && given.iter().any(Type::is_array) {
            return Err(not_covered("an array of several dimensions"));
        }
        let found: Vec<_> = candidates(name, given.len())
            .into_iter()
            .filter(|candidate| candidate.builtin.kind == "a")
            .collect();
        let declared: Vec<Vec<u32>> = found.iter().map(|candidate| candidate.declared.clone()).collect();
        let Choice::One(index) = choose(&given, &declared) else {
            return Err(not_covered(format!("the aggregate {name}")));
        };
        let resolution = Resolution::of(&declared[index], &given)?;
        let mut coerced = vec![];
        for (node, declared) in arguments.into_iter().zip(&declared[index]) {
            let target = resolution.argument(*declared, &node.ty);
            let node = self.coerce(node, &target, Place::Implicit)?;
            coerced.push(self.settled(node)?);
        }
        Ok((coerced, resolution.result(found[index].builtin.returns)))
    }

    /// ORDER BY inside an aggregate or a window.
    pub fn sort_nodes(&mut self, keys: &[sql::OrderByExpr]) -> Result<Vec<(Node, bool, bool)>> {
        keys.iter()
            .map(|key| {
                let node = self.expression(&key.expr)?;
                let node = self.settled(node)?;
                let descending = key.options.asc == Some(false);
                Ok((node, descending, key.options.nulls_first.unwrap_or(descending)))
            })
            .collect()
    }

    /// `f(…) OVER (…)`: a place in the row after grouping.
    pub fn window(
        &mut self,
        name: &str,
        list: Option<&sql::FunctionArgumentList>,
        window: &sql::WindowType,
    ) -> Result<Node> {
        let sql::WindowType::WindowSpec(specification) = window else {
            return Err(not_covered("a named window"));
        };
        if specification.window_name.is_some() || specification.window_frame.is_some() {
            return Err(not_covered("a window frame"));
        }
        let is_star = list.is_some_and(|list| {
            matches!(
                list.args.as_slice(),
                [sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Wildcard)]
            )
        });
        let (function, ty) = match name {
            "row_number" => (WindowFunction::RowNumber, Type::of(INT8)),
            "rank" => (WindowFunction::Rank, Type::of(INT8)),
            "dense_rank" => (WindowFunction::DenseRank, Type::of(INT8)),
            other => {
                let call = self.aggregate_call(other, list, is_star, None)?;
                let ty = call.result.clone();
                (WindowFunction::Aggregate(call), ty)
            }
        };
        let partition = specification
            .partition_by
            .iter()
            .map(|expression| self.expression(expression))
            .collect::<Result<_>>()?;
        let order = self.sort_nodes(&specification.order_by)?;
        let level = self.level()?;
        level.windows.push(WindowCall {
            function,
            partition,
            order,
        });
        let (item, column) = (level.item_count + 1, level.windows.len() - 1);
        Ok(Node::new(ty, Kind::Column { depth: 0, item, column }))
    }
}
