//! Statements that change rows → one plan: which rows, what becomes of each, the values that it gets, and what
//! RETURNING shows. The plan reads through the same scans as every query, so governance covers it; it never writes.

mod change;
mod compose;
mod expressions;
mod insert;
mod merge;
mod own_values;
mod rows;
mod value_rows;
mod view_target;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast as sql;

pub use change::{bind_delete, bind_update};
pub(crate) use expressions::{assigned, assigned_from_query, null};
pub use insert::{bind_insert, insert_columns};
pub use merge::bind_merge;
pub use view_target::{TargetView, ViewCheck, ViewLevel};
pub(crate) use view_target::{below_name, not_updatable};

use super::{
    BindingServices, BoundTable, ColumnSource, correlation, function, parameters, registered_output, relations,
};
use crate::catalog::model::{Table, View};
use crate::catalog::system_column;
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::AssignedColumn;
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
    /// A new row, with values in all columns.
    Insert,
    Nothing,
}

/// What a second change of the same row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// No matter: the first one counts.
    Ignored,
    /// 21000 with this message and hint.
    Refused(&'static str, &'static str),
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
    /// Columns of the target that new values of its rows are computed from.
    pub sources: BTreeSet<usize>,
    /// Columns that an INSERT names.
    pub inserted: BTreeSet<usize>,
    /// Columns of the target that RETURNING shows.
    pub returned: BTreeSet<usize>,
    /// Of each column that RETURNING gives.
    pub returned_sources: Vec<ColumnSource>,
    /// Whether RETURNING was given.
    pub returning: bool,
    pub repeated: Repeated,
    /// Keys that no two new rows share: the second is left out, or a repetition.
    pub keys: Vec<Vec<usize>>,
    /// The rows depend on what the target does not have.
    pub reads_absence: bool,
}

/// What the target is called inside a modification's query: no client can write such a name.
const TARGET: &str = "\u{0}target";

/// What a statement changes rows of.
#[derive(Debug, Clone)]
pub struct Changed {
    pub table: Table,
    /// The view over the table that the statement names.
    pub view: Option<View>,
}

/// The target, as the statement's principal may read it; below a view, as the view's owner may.
async fn load_target(services: &BindingServices, context: &QueryContext, changed: &Changed) -> Result<Arc<BoundTable>> {
    if let Some(view) = &changed.view {
        return Ok(Arc::new(view_target::load(services, context, view).await?));
    }
    let table = Arc::new(changed.table.clone());
    let bound = relations::load_table(services, context, table, None, context.principal.role, 0).await?;
    let bound = Arc::try_unwrap(bound).map_err(|_| Error::internal("a target is in use"))?;
    Ok(Arc::new(bound.into_target()))
}

/// Refuses to assign to a view's column that is none of its table's.
fn require_updatable(target: &BoundTable, column: &str, verb: &str) -> Result<()> {
    match &target.view {
        Some(view) => view.require_updatable(column, verb),
        None => Ok(()),
    }
}

/// The last steps of every binding.
fn finish(plan: LogicalPlan, declared: &[Option<SqlType>]) -> Result<(LogicalPlan, Vec<SqlType>)> {
    let plan = correlation::unnest_subqueries(function::inline_functions(plan)?)?;
    parameters::infer(registered_output::show_names(plan)?, declared)
}

/// A lone `$n` that is assigned to a column has its type.
fn declare(declared: &mut Vec<Option<SqlType>>, value: &sql::Expr, sql_type: &SqlType) {
    if let Some(number) = parameters::number_of(value) {
        parameters::declare(declared, number, sql_type);
    }
}

/// The same for a select list's item.
fn declare_item(declared: &mut Vec<Option<SqlType>>, item: &sql::SelectItem, sql_type: &SqlType) {
    if let sql::SelectItem::ExprWithAlias { expr, .. } = item {
        declare(declared, expr, sql_type);
    }
}

/// The column that INSERT or UPDATE names; 42703 where there is none.
fn column_named<'a>(table: &'a Table, name: &str) -> Result<&'a crate::catalog::model::Column> {
    table.column_named(name).ok_or_else(|| {
        let message = format!("column \"{name}\" of relation \"{}\" does not exist", table.name);
        Error::new(SqlState::UndefinedColumn, message)
    })
}

/// The column that SET names.
fn column_set<'a>(table: &'a Table, named: &AssignedColumn) -> Result<&'a crate::catalog::model::Column> {
    let found = column_named(table, &named.name);
    if found.is_err() && system_column(&named.name).is_some() {
        let message = format!("cannot assign to system column \"{}\"", named.name);
        return Err(Error::new(SqlState::FeatureNotSupported, message).at(named.position));
    }
    found.map_err(|error| error.at(named.position))
}
