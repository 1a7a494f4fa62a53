//! Statements that change rows → one plan: which rows, what becomes of each, the values that it gets, and what
//! RETURNING shows. The plan reads through the same scans as every query, so governance covers it; it never writes.

mod change;
mod expressions;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast as sql;

pub use change::{bind_delete, bind_update};

use super::{BindingServices, BoundTable, Rights, correlation, function, parameters, registered_output, relations};
use crate::catalog::model::Table;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// Where the action, the file and the place stand in a modification's plan; the values follow.
pub const ACTION: usize = 0;
pub const FILE: usize = 1;
pub const PLACE: usize = 2;
pub const FIRST_VALUE: usize = 3;

/// What becomes of a row of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The row of the target gets values in these columns of it.
    Update(Vec<usize>),
    Delete,
}

/// A statement that changes rows, with all names resolved.
#[derive(Debug, Clone)]
pub struct BoundModification {
    /// The number of the action (Int32; null: none), the target's row, the values, what RETURNING shows.
    pub plan: LogicalPlan,
    pub parameter_types: Vec<SqlType>,
    pub target: Arc<BoundTable>,
    pub actions: Vec<Action>,
    /// For each value in the plan, the column of the target that it is for.
    pub values: Vec<usize>,
    /// Columns of the target that the values are computed from.
    pub sources: BTreeSet<usize>,
    /// Columns of the target that RETURNING shows.
    pub returned: BTreeSet<usize>,
    /// Whether RETURNING was given.
    pub returning: bool,
}

/// What the target is called inside a modification's query: no client can write such a name.
const TARGET: &str = "\u{0}target";

/// The target, as the statement's principal may read it.
async fn load_target(services: &BindingServices, context: &QueryContext, table: &Table) -> Result<Arc<BoundTable>> {
    let table = Arc::new(table.clone());
    let bound = relations::load_table(services, context, table, None, context.principal.role, 0).await?;
    let bound = Arc::try_unwrap(bound).map_err(|_| Error::internal("a target is in use"))?;
    Ok(Arc::new(bound.into_target()))
}

/// The last steps of every binding.
fn finish(plan: LogicalPlan, declared: &[Option<SqlType>]) -> Result<(LogicalPlan, Vec<SqlType>)> {
    let plan = correlation::unnest_subqueries(function::inline_functions(plan)?)?;
    parameters::infer(registered_output::show_names(plan)?, declared)
}

/// A lone `$n` that is assigned to a column has its type.
fn declare(declared: &mut Vec<Option<SqlType>>, value: &sql::Expr, sql_type: &SqlType) {
    let sql::Expr::Value(value) = value else { return };
    let sql::Value::Placeholder(placeholder) = &value.value else {
        return;
    };
    let number = placeholder.trim_start_matches('$').parse::<usize>().ok();
    let Some(number) = number.filter(|number| (1..=65535).contains(number)) else {
        return;
    };
    if declared.len() < number {
        declared.resize(number, None);
    }
    declared[number - 1].get_or_insert_with(|| sql_type.clone());
}

/// 42703, as INSERT and UPDATE word it.
fn undefined_column(table: &Table, name: &str) -> Error {
    let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
    Error::new(SqlState::UndefinedColumn, message)
}

fn rights(context: &QueryContext) -> Rights {
    Rights::of_statement(context)
}
