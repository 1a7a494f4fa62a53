//! RESTORE: a table gets the rows again that it had at a past version, in a commit of its own. For the table's owner.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};

use super::CommandContext;
use super::insert::open;
use super::row_checks::row_check;
use crate::binding::{self, TimeTravel};
use crate::catalog::model::Object;
use crate::error::{Error, Result};
use crate::execution::enforced_keys::EnforcedKeys;
use crate::execution::foreign_keys;
use crate::execution::outcome::{OutputColumn, RowSet, columns_of_shape, shaped_rows};
use crate::statement::ast::Restore;
use crate::storage::Operation;
use crate::types::SqlType;

fn shape() -> [(&'static str, SqlType); 6] {
    [
        ("table_size_after_restore", SqlType::Int8),
        ("num_of_files_after_restore", SqlType::Int8),
        ("num_removed_files", SqlType::Int8),
        ("num_restored_files", SqlType::Int8),
        ("removed_files_size", SqlType::Int8),
        ("restored_files_size", SqlType::Int8),
    ]
}

pub(super) fn columns() -> Vec<OutputColumn> {
    columns_of_shape(&shape())
}

pub(super) async fn run(command: &mut CommandContext<'_>, restore: &Restore) -> Result<RowSet> {
    let table = command.table(&restore.table)?;
    command
        .context
        .catalog
        .access(command.role())
        .require_owner(&Object::Table(table.clone()))?;
    let travel = TimeTravel::of(&restore.version)?;
    let (delta, _) = open(command, &table).await?;
    command.transaction.take_turn(table.id, &delta, None).await;
    let (delta, base) = open(command, &table).await?;
    let past = delta.snapshot_at(travel.in_storage()?).await?;
    // A condition that came later has to hold for what comes back.
    let checks = binding::bind_checks(&command.binding, command.context, &table, &base.schema()).await?;
    if past.schema() == base.schema()
        && let Some(check) = row_check(&checks, &table.name, &command.session)?
    {
        past.verify(&check, &command.session).await?;
    }
    if past.schema() == base.schema()
        && let Some(keys) = EnforcedKeys::of(command, &table, &past).await?
    {
        keys.verify_all(&past, |_| true).await?;
    }
    let catalog = Arc::clone(&command.context.catalog);
    if catalog.referencing(table.id).any(|(other, _)| other.id != table.id) {
        return Err(Error::unsupported("RESTORE of a table that foreign keys refer to")
            .with_hint("Drop the foreign keys first, and add them again."));
    }
    if past.schema() == base.schema() {
        foreign_keys::verify_all(command, &catalog, &table, &past, |_| true).await?;
    }
    let operation = Operation::new("RESTORE")
        .with_user(&*command.context.principal.role_name)
        .with_parameter("version", past.version());
    let done = delta.restore(&base, &past, operation).await?;
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![value as i64])) };
    let columns = vec![
        number(done.table.bytes),
        number(done.table.files),
        number(done.removed.files),
        number(done.restored.files),
        number(done.removed.bytes),
        number(done.restored.bytes),
    ];
    shaped_rows(&shape(), columns, "RESTORE")
}
