//! Decisions about transactions that change several tables: the first entry that names one decides it. The tables'
//! logs wait for it with locks, and whoever meets such a lock asks here.

use std::time::Instant;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::commit::{Committer, Slot, author};
use super::log::{Catalog, read};
use super::model::{Oid, PUBLIC_ROLE};
use super::requirement::serialization_failure;
use crate::error::{Error, Result};
use crate::storage::{Arbiter, TableLock, Verdict};

/// What an entry of the catalog decides about a transaction over several tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// Each table gets these changes, behind its lock.
    Commit {
        transaction: Uuid,
        tables: Vec<TableActions>,
    },
    /// None of its tables will ever get anything.
    GiveUp { transaction: Uuid },
}

/// What one table's log gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableActions {
    pub table: Oid,
    /// Lines of its Delta log.
    pub actions: String,
}

impl Decision {
    fn transaction(&self) -> Uuid {
        match self {
            Decision::Commit { transaction, .. } | Decision::GiveUp { transaction } => *transaction,
        }
    }

    /// The tables that get changes.
    pub(super) fn tables(&self) -> impl Iterator<Item = Oid> {
        let tables: &[TableActions] = match self {
            Decision::Commit { tables, .. } => tables,
            Decision::GiveUp { .. } => &[],
        };
        tables.iter().map(|table| table.table)
    }
}

impl Catalog {
    /// 40001 when another server has given the transaction up. All entries before the next slot have been read.
    pub(super) fn check_not_given_up(&self, decision: Option<&Decision>) -> Result<()> {
        match decision {
            Some(decision) if self.given_up.lock().contains(&decision.transaction()) => Err(serialization_failure(
                "Another server gave the transaction up, because its tables stayed locked.".into(),
            )),
            _ => Ok(()),
        }
    }

    /// What the entries after `lock.after` up to `newest` say about the lock's transaction.
    async fn decided_until(&self, lock: &TableLock, newest: u64) -> Result<Verdict> {
        for version in lock.after + 1..=newest {
            let entry = self.within_timeout(read(self.store.as_ref(), version)).await?;
            match entry.decision {
                Some(decision) if decision.transaction() != lock.transaction => {}
                Some(Decision::GiveUp { .. }) => return Ok(Verdict::GivenUp),
                Some(Decision::Commit { tables, .. }) => {
                    let own = tables.into_iter().find(|table| table.table == lock.table);
                    let own =
                        own.ok_or_else(|| Error::internal("a decision does not name a table that waits for it"))?;
                    let actions = own.actions;
                    return Ok(Verdict::Committed { version, actions });
                }
                None => {}
            }
        }
        Ok(Verdict::Undecided)
    }
}

#[async_trait]
impl Arbiter for Catalog {
    async fn verdict(&self, lock: &TableLock, give_up: bool) -> Result<Verdict> {
        let deadline = Instant::now() + self.options.commit_deadline;
        loop {
            self.advance().await?;
            let base = self.current();
            let verdict = self.decided_until(lock, base.version()).await?;
            if !give_up || !matches!(verdict, Verdict::Undecided) {
                return Ok(verdict);
            }
            let committer = Committer {
                login: author(PUBLIC_ROLE, "boathouse"),
                acting_as: None,
            };
            let decision = Decision::GiveUp {
                transaction: lock.transaction,
            };
            let statement = "GIVE UP TRANSACTION".to_string();
            let entry = self.entry(&base, &committer, statement, vec![], Uuid::new_v4(), Some(decision));
            if let Slot::Ours = self.put_entry(&entry, deadline).await? {
                self.identifiers.add(base.next_oid()..entry.next_oid);
                self.publish(&entry)?;
                tracing::warn!(transaction = %lock.transaction, "gave up a transaction that kept a table locked");
                return Ok(Verdict::GivenUp);
            }
        }
    }
}
