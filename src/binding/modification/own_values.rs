//! Columns whose values a table gives itself, by default, from a sequence or computed: what a statement may say of them.

use datafusion::logical_expr::Expr;

use super::null;
use crate::binding::{BindingServices, BoundTable, stored_expression};
use crate::catalog::model::{Column, NumberingKind};
use crate::context::QueryContext;
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::Overriding;

/// Whether new rows take the column's own value in the place of what an INSERT gives, which `is_given` tells. 428C9 where
/// it may give none.
pub(super) fn takes_own(column: &Column, is_given: bool, overriding: Overriding) -> Result<bool> {
    let name = &column.name;
    if column.generated().is_some() {
        return match is_given {
            false => Ok(true),
            true => Err(refused("cannot insert a non-DEFAULT value into column", name)
                .with_detail(format!("Column \"{name}\" is a generated column."))),
        };
    }
    match (column.numbering.map(|numbering| numbering.kind), overriding) {
        (Some(NumberingKind::Always | NumberingKind::ByDefault), Overriding::UserValue) => Ok(true),
        (Some(NumberingKind::Always), Overriding::Nothing) if is_given => {
            Err(refused("cannot insert a non-DEFAULT value into column", name)
                .with_detail(format!(
                    "Column \"{name}\" is an identity column defined as GENERATED ALWAYS."
                ))
                .with_hint("Use OVERRIDING SYSTEM VALUE to override."))
        }
        _ => Ok(false),
    }
}

/// 428C9 for another value than DEFAULT that rows which are there get in such a column.
pub(super) fn check_updated(column: &Column) -> Result<()> {
    let name = &column.name;
    let is_always = |kind| kind == NumberingKind::Always;
    let detail = if column.generated().is_some() {
        format!("Column \"{name}\" is a generated column.")
    } else if column.numbering.is_some_and(|numbering| is_always(numbering.kind)) {
        format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
    } else {
        return Ok(());
    };
    let message = format!("column \"{name}\" can only be updated to DEFAULT");
    Err(Error::new(SqlState::GeneratedAlways, message).with_detail(detail))
}

/// What SET column = DEFAULT stands for. A view's column has no default, whatever the table's has.
pub(super) async fn updated_default(
    services: &BindingServices,
    context: &QueryContext,
    target: &BoundTable,
    column: &Column,
) -> Result<Expr> {
    match target.view.is_some() && column.generated().is_none() {
        true => null(&column.sql_type),
        false => stored_expression::default_of(services, context, column).await,
    }
}

fn refused(what: &str, column: &str) -> Error {
    Error::new(SqlState::GeneratedAlways, format!("{what} \"{column}\""))
}
