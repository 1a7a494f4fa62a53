//! TRUNCATE: every file of the table goes, in one commit; with RESTART IDENTITY its sequences begin anew.

use std::sync::Arc;

use super::CommandContext;
use super::insert::open;
use crate::catalog::changes::{self, SequenceOptions};
use crate::catalog::model::{Object, Oid, Privilege, Table};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Notice;
use crate::execution::transaction::TableWrite;
use crate::statement::ast::ObjectName;
use crate::storage::{Operation, Removal};

pub(super) async fn run(
    command: &mut CommandContext<'_>,
    tables: &[ObjectName],
    restarts: bool,
    cascade: bool,
) -> Result<&'static str> {
    let mut all: Vec<Table> = vec![];
    for name in tables {
        let table = command.table(name)?;
        require_truncate(command, &table)?;
        if all.iter().all(|known| known.id != table.id) {
            all.push(table);
        }
    }
    add_referring(command, &mut all, cascade)?;
    for table in all {
        let (delta, _) = open(command, &table).await?;
        command.transaction.take_turn(table.id, &delta, None).await;
        let (delta, base) = open(command, &table).await?;
        // Who refers to it is as the catalog had it.
        command.context.check_decided(&table, &base)?;
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

fn require_truncate(command: &CommandContext<'_>, table: &Table) -> Result<()> {
    let access = command.context.catalog.access(command.role());
    match access.has(&Object::Table(table.clone()), Privilege::Truncate) {
        true => Ok(()),
        false => Err(Error::denied("table", &table.name)),
    }
}

/// With CASCADE the tables that refer to those of the statement; 0A000 where there are others without.
fn add_referring(command: &mut CommandContext<'_>, all: &mut Vec<Table>, cascade: bool) -> Result<()> {
    let catalog = Arc::clone(&command.context.catalog);
    let mut next = 0;
    while let Some(table) = all.get(next).cloned() {
        next += 1;
        for (other, _) in catalog.referencing(table.id) {
            if all.iter().any(|known| known.id == other.id) {
                continue;
            }
            if !cascade {
                let message = "cannot truncate a table referenced in a foreign key constraint";
                let (child, parent) = (&other.name, &table.name);
                return Err(Error::new(SqlState::FeatureNotSupported, message)
                    .with_detail(format!("Table \"{child}\" references \"{parent}\"."))
                    .with_hint(format!(
                        "Truncate table \"{child}\" at the same time, or use TRUNCATE ... CASCADE."
                    )));
            }
            let notice = format!("truncate cascades to table \"{}\"", other.name);
            command.notices.push(Notice::notice(notice));
            require_truncate(command, other)?;
            all.push(other.clone());
        }
    }
    Ok(())
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
