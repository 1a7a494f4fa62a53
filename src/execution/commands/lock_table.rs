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
        let tag = LockTag::Relation {
            database: command.context.database,
            relation: relation.id(),
        };
        let process_id = command.context.session.process_id;
        let locks = &command.services.locks;
        if lock.nowait {
            if !locks.try_acquire(process_id, tag, lock.mode, LockScope::Transaction) {
                let message = format!("could not obtain lock on relation \"{}\"", relation.name());
                return Err(Error::new(SqlState::LockNotAvailable, message));
            }
            continue;
        }
        let (cancel, timeout) = (&command.context.cancel, command.context.lock_timeout);
        locks
            .acquire(process_id, tag, lock.mode, LockScope::Transaction, cancel, timeout)
            .await?;
    }
    Ok("LOCK TABLE")
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
