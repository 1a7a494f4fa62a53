//! Row filters and column masks: functions are found by name here, once; from then on the policy holds
//! their ids.

use super::CommandContext;
use crate::catalog::changes;
use crate::catalog::model::{Oid, Table};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::{CreateTable, ObjectName};

/// The functions that a name may mean; which of them fits is for the arguments' types to say.
fn candidates(command: &CommandContext<'_>, name: &ObjectName) -> Result<Vec<Oid>> {
    let found: Vec<Oid> = command
        .context
        .catalog
        .find_functions(command.names(), &name.0)?
        .into_iter()
        .map(|function| function.id)
        .collect();
    if found.is_empty() {
        return Err(
            Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist"))
                .with_hint("A policy calls an SQL function: see CREATE FUNCTION."),
        );
    }
    Ok(found)
}

pub(super) async fn set_row_filter(
    command: &mut CommandContext<'_>,
    table: &Table,
    function: &ObjectName,
    columns: &[String],
) -> Result<()> {
    let candidates = candidates(command, function)?;
    command
        .stage(|staged, role, _| changes::set_row_filter(staged, role, table.id, &candidates, columns))
        .await
}

pub(super) async fn set_column_mask(
    command: &mut CommandContext<'_>,
    table: &Table,
    column: &str,
    function: &ObjectName,
    using_columns: &[String],
) -> Result<()> {
    let candidates = candidates(command, function)?;
    command
        .stage(|staged, role, _| changes::set_column_mask(staged, role, table.id, column, &candidates, using_columns))
        .await
}

/// WITH ROW FILTER and MASK in CREATE TABLE.
pub(super) async fn set_inline(command: &mut CommandContext<'_>, table: &Table, create: &CreateTable) -> Result<()> {
    if let Some(filter) = &create.row_filter {
        set_row_filter(command, table, &filter.function, &filter.columns).await?;
    }
    for column in &create.columns {
        if let Some(mask) = &column.mask {
            set_column_mask(command, table, &column.name, &mask.function, &mask.columns).await?;
        }
    }
    Ok(())
}
