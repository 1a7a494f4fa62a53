//! A WITH query that calls a volatile function and is read more than once: PostgreSQL computes it once, so that each reader
//! sees the same rows, where the planner would write a copy of it into each place.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchemaRef, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::{
    self as sql, Query, SetExpr, TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use super::relations::parse_query;
use super::rewrite::folded;
use crate::error::Result;
use crate::functions::WITH_PART;

/// A part of a plan that is computed once, however often it stands there; equal parts have equal numbers. No condition
/// and no projection passes it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SharedPart {
    number: u64,
    input: Arc<LogicalPlan>,
}

impl SharedPart {
    /// The node for `input`.
    pub fn node(number: u64, input: LogicalPlan) -> LogicalPlan {
        let input = Arc::new(input);
        LogicalPlan::Extension(Extension {
            node: Arc::new(SharedPart { number, input }),
        })
    }

    /// What equal parts have in common.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl PartialOrd for SharedPart {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for SharedPart {
    fn name(&self) -> &str {
        "Shared"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Shared: part={}", self.number)
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        Ok(SharedPart {
            number: self.number,
            input: Arc::new(inputs.swap_remove(0)),
        })
    }
}

/// Marks the WITH queries that are to be computed once. `is_volatile` knows functions by their plain names.
pub(super) fn mark(query: &mut Query, is_volatile: &dyn Fn(&str) -> bool) -> Result<()> {
    struct Marker<'a>(&'a dyn Fn(&str) -> bool);
    impl VisitorMut for Marker<'_> {
        type Break = crate::error::Error;
        fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
            match mark_own(query, self.0) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match VisitMut::visit(query, &mut Marker(is_volatile)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Numbers are of the process: the parts of a view are not those of the query that reads it.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn mark_own(query: &mut Query, is_volatile: &dyn Fn(&str) -> bool) -> Result<()> {
    if query.with.as_ref().is_none_or(|with| with.recursive) {
        return Ok(());
    }
    let readers = readers(query);
    for part in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        let is_read_again = readers.get(&folded(&part.alias.name)).is_some_and(|count| *count > 1);
        if !is_read_again || !calls_any(&part.query, is_volatile) {
            continue;
        }
        let number = NEXT.fetch_add(1, atomic::Ordering::Relaxed);
        let mut marked = parse_query(&format!("SELECT * FROM (SELECT 1) AS part WHERE {WITH_PART}({number})"))?;
        if let SetExpr::Select(select) = marked.body.as_mut()
            && let [
                TableWithJoins {
                    relation: TableFactor::Derived { subquery, .. },
                    ..
                },
            ] = select.from.as_mut_slice()
        {
            std::mem::swap(subquery, &mut part.query);
        }
        *part.query = marked;
    }
    Ok(())
}

/// How often each plain name is read as a relation.
fn readers(query: &Query) -> HashMap<String, usize> {
    struct Readers(HashMap<String, usize>);
    impl Visitor for Readers {
        type Break = ();
        fn pre_visit_relation(&mut self, name: &sql::ObjectName) -> ControlFlow<()> {
            if let [sql::ObjectNamePart::Identifier(name)] = name.0.as_slice() {
                *self.0.entry(folded(name)).or_default() += 1;
            }
            ControlFlow::Continue(())
        }
    }
    let mut readers = Readers(HashMap::new());
    let _ = query.visit(&mut readers);
    readers.0
}

fn calls_any(query: &Query, is_wanted: &dyn Fn(&str) -> bool) -> bool {
    struct Calls<'a>(&'a dyn Fn(&str) -> bool);
    impl Visitor for Calls<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expression: &sql::Expr) -> ControlFlow<()> {
            match expression {
                sql::Expr::Function(function)
                    if matches!(function.name.0.last(), Some(sql::ObjectNamePart::Identifier(name))
                        if (self.0)(&folded(name))) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    query.visit(&mut Calls(is_wanted)).is_break()
}

/// Puts a node that is computed once in the place of each mark. What reads columns of a query around it has to be
/// computed for each of its rows.
pub(super) fn settle(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let settled = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Filter(filter) = &node else {
            return Ok(Transformed::no(node));
        };
        let Expr::ScalarFunction(call) = &filter.predicate else {
            return Ok(Transformed::no(node));
        };
        let (WITH_PART, [Expr::Literal(ScalarValue::Int64(Some(number)), _)]) = (call.func.name(), &call.args[..])
        else {
            return Ok(Transformed::no(node));
        };
        let input = filter.input.as_ref().clone();
        Ok(Transformed::yes(match input.all_out_ref_exprs().is_empty() {
            false => input,
            true => SharedPart::node(number.unsigned_abs(), input),
        }))
    })?;
    Ok(settled.data)
}
