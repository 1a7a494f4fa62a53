//! TRUNCATE: every file of the table goes, in one commit; with RESTART IDENTITY its sequences begin anew.

use std::sync::Arc;

use super::CommandContext;
use super::insert::open;
use crate::catalog::changes::{self, SequenceOptions};
use crate::catalog::model::{Object, Oid, Privilege, Table};
use crate::error::{Error, Result};
use crate::execution::transaction::TableWrite;
use crate::statement::ast::ObjectName;
use crate::storage::{Operation, Removal};

pub(super) async fn run(
    command: &mut CommandContext<'_>,
    tables: &[ObjectName],
    restarts: bool,
) -> Result<&'static str> {
    for name in tables {
        let table = command.table(name)?;
        let access = command.context.catalog.access(command.role());
        if !access.has(&Object::Table(table.clone()), Privilege::Truncate) {
            return Err(Error::denied("table", &table.name));
        }
        let (delta, _) = open(command, &table).await?;
        command.transaction.take_turn(table.id, &delta, None).await;
        let (delta, base) = open(command, &table).await?;
        let files = delta.stage(&base, vec![]).await?;
        let operation = Operation::new("TRUNCATE").with_user(&*command.context.principal.role_name);
        let write = TableWrite {
            delta,
            base,
            removal: Removal::All,
            files,
            complete: false,
            keys: None,
            operation,
        };
        command.transaction.add_write(&table, write).await?;
        if restarts {
            restart_sequences(command, &table).await?;
        }
    }
    Ok("TRUNCATE TABLE")
}

/// Those that the table's columns own; who truncates must own them.
async fn restart_sequences(command: &mut CommandContext<'_>, table: &Table) -> Result<()> {
    let catalog = Arc::clone(&command.context.catalog);
    let owned = catalog.relations(table.schema).filter_map(|object| match object {
        Object::Sequence(sequence) if sequence.owned_by.is_some_and(|(owner, _)| owner == table.id) => {
            Some(sequence.id)
        }
        _ => None,
    });
    let owned: Vec<Oid> = owned.collect();
    let restart = SequenceOptions {
        restart: Some(None),
        ..SequenceOptions::default()
    };
    for id in owned {
        let numbers = Arc::clone(&command.services.catalog);
        command
            .stage(|staged, role, _| {
                numbers.settle_sequence(staged, id)?;
                changes::alter_sequence(staged, role, id, &restart, None)
            })
            .await?;
    }
    Ok(())
}
