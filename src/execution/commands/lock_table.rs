//! LOCK TABLE: keeps apart the sessions that ask for it. Reads see one version and writes that overtake each
//! other fail, with a lock or without.

use super::CommandContext;
use crate::catalog::model::{Object, Privilege};
use crate::context::locks::{LockMode, LockScope, LockTag};
use crate::error::{Error, Result, SqlState};
use crate::statement::ast::LockTable;

pub(super) async fn run(command: &mut CommandContext<'_>, lock: &LockTable) -> Result<&'static str> {
    for name in &lock.tables {
        let catalog = &command.context.catalog;
        let relation = catalog.resolve_relation(command.names(), &name.0)?;
        require(command, relation, lock.mode)?;
        for relation in with_what_it_reads(command, relation) {
            acquire(command, relation, lock).await?;
        }
    }
    Ok("LOCK TABLE")
}

/// A view is locked with the relations under it.
pub(super) fn with_what_it_reads<'a>(command: &'a CommandContext<'_>, relation: &'a Object) -> Vec<&'a Object> {
    let mut found = vec![relation];
    let mut next = 0;
    while let Some(relation) = found.get(next).copied() {
        next += 1;
        let Object::View(view) = relation else { continue };
        for reference in &view.references {
            match command.context.catalog.object(reference.object) {
                Some(under @ (Object::Table(_) | Object::View(_)))
                    if found.iter().all(|known| known.id() != under.id()) =>
                {
                    found.push(under);
                }
                _ => {}
            }
        }
    }
    found
}

async fn acquire(command: &CommandContext<'_>, relation: &Object, lock: &LockTable) -> Result<()> {
    let tag = LockTag::Relation {
        database: command.context.database,
        relation: relation.id(),
    };
    let process_id = command.context.session.process_id;
    let locks = &command.services.locks;
    if lock.nowait {
        return match locks.try_acquire(process_id, tag, lock.mode, LockScope::Transaction) {
            true => Ok(()),
            false => {
                let message = format!("could not obtain lock on relation \"{}\"", relation.name());
                Err(Error::new(SqlState::LockNotAvailable, message))
            }
        };
    }
    let (cancel, timeout) = (&command.context.cancel, command.context.lock_timeout);
    locks
        .acquire(process_id, tag, lock.mode, LockScope::Transaction, cancel, timeout)
        .await
}

/// Reading rights lock out nobody but DROP; writing rights lock as writers do.
fn require(command: &CommandContext<'_>, relation: &Object, mode: LockMode) -> Result<()> {
    let access = command.context.catalog.access(command.role());
    let has = |privilege| access.has(relation, privilege);
    let allowed = has(Privilege::Update)
        || has(Privilege::Delete)
        || has(Privilege::Truncate)
        || mode <= LockMode::RowExclusive && has(Privilege::Insert)
        || mode == LockMode::AccessShare && has(Privilege::Select);
    match allowed {
        true => Ok(()),
        false => Err(Error::denied(relation.kind().word(), relation.name())),
    }
}
