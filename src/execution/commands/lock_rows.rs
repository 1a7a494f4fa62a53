//! What SELECT … FOR UPDATE and FOR SHARE ask of a table: the transaction's turn to change its rows.

use std::time::Duration;

use datafusion::sql::sqlparser::ast::LockType;

use super::CommandContext;
use super::insert::open;
use super::lock_table::with_what_it_reads;
use crate::catalog::Resolved;
use crate::catalog::model::{Object, Privilege, Table};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::ObjectName;

/// Waits for the turn at a table, or at the tables below a view, for `patience` or as long as UPDATE would. Answers
/// whether they are the transaction's. Nothing writes the system's relations, so they are never somebody else's.
pub async fn run(
    command: &mut CommandContext<'_>,
    name: &ObjectName,
    strength: LockType,
    patience: Option<Duration>,
) -> Result<bool> {
    let catalog = std::sync::Arc::clone(&command.context.catalog);
    let relation = match catalog.find(command.names(), &name.0, &|_, _| false)? {
        Some(Resolved::Table(table)) => Object::Table(table.clone()),
        Some(Resolved::View(view)) => Object::View(view.clone()),
        // Binding says what is wrong with the name.
        Some(Resolved::System { .. }) | None => return Ok(true),
    };
    let strength = match strength {
        LockType::Update => "SELECT FOR UPDATE",
        LockType::Share => "SELECT FOR SHARE",
    };
    if command.transaction.read_only {
        let message = format!("cannot execute {strength} in a read-only transaction");
        return Err(Error::new(SqlState::ReadOnlySqlTransaction, message));
    }
    if !catalog.access(command.role()).has(&relation, Privilege::Update) {
        return Err(Error::denied(relation.kind().word(), relation.name()));
    }
    let tables = with_what_it_reads(command, &relation)
        .into_iter()
        .filter_map(|under| match under {
            Object::Table(table) => Some(table.clone()),
            _ => None,
        });
    let tables: Vec<Table> = tables.collect();
    for table in tables {
        let (delta, _) = open(command, &table).await?;
        if !command.transaction.take_turn(table.id, &delta, patience).await {
            return match patience {
                Some(_) => Ok(false),
                None => Err(not_available(name)),
            };
        }
        let (_, newest) = open(command, &table).await?;
        let seen = command.context.pin(table.id, newest);
        command.transaction.hold(table.id, seen);
    }
    Ok(true)
}

/// 55P03.
pub fn not_available(name: &ObjectName) -> Error {
    let relation = name.0.last().map(String::as_str).unwrap_or_default();
    let message = format!("could not obtain lock on row in relation \"{relation}\"");
    Error::new(SqlState::LockNotAvailable, message)
}
