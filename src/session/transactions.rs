//! Transaction blocks: BEGIN, COMMIT and ROLLBACK, savepoints, modes. The transaction, the settings, the
//! identity, cursors and locks all go the same way at its end.

use super::identity::IdentityMark;
use super::prepared::PreparedStatement;
use super::{Notice, Session};
use crate::context::settings::{IsolationLevel, SettingsMark};
use crate::error::{Error, Result, SqlState};
use crate::execution::transaction::TransactionMark;
use crate::statement::ast::{ParsedStatement, Statement, TransactionModes};

/// What ROLLBACK TO comes back to.
pub(super) struct Savepoint {
    name: String,
    transaction: TransactionMark,
    settings: SettingsMark,
    identity: IdentityMark,
    /// RELEASE comes back to it too: the mode is a subtransaction's.
    read_only: bool,
    locks: usize,
    listening: (usize, usize),
}

impl Session {
    /// Whether statements are in a transaction block: after BEGIN, beside others in one simple query, or in a routine.
    pub(super) fn in_block(&self) -> bool {
        self.transaction.explicit || self.in_script || self.nesting > 0
    }

    /// The settings and the identity go with the transaction from its first statement on.
    pub(super) fn ensure_begun(&mut self) -> Result<()> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        self.settings.begin();
        self.identity.begin();
        self.take_over_modes();
        Ok(())
    }

    /// BEGIN; the statements of a simple query before it belong to the block.
    pub(super) fn begin(&mut self, modes: &TransactionModes) -> Result<()> {
        if self.transaction.explicit {
            self.notices.push(Notice::warning(
                SqlState::ActiveSqlTransaction,
                "there is already a transaction in progress",
            ));
        }
        self.ensure_begun()?;
        self.transaction.explicit = true;
        self.set_modes(modes)?;
        self.transaction.start(self.arrived);
        Ok(())
    }

    /// COMMIT and ROLLBACK. COMMIT of a failed transaction is a ROLLBACK and says so.
    pub(super) async fn end_transaction(&mut self, commit: bool, chain: bool) -> Result<&'static str> {
        if !self.transaction.explicit {
            if chain {
                let command = if commit {
                    "COMMIT AND CHAIN"
                } else {
                    "ROLLBACK AND CHAIN"
                };
                return Err(outside_block(command));
            }
            self.notices.push(Notice::warning(
                SqlState::NoActiveSqlTransaction,
                "there is no transaction in progress",
            ));
        }
        let succeeds = commit && !self.transaction.failed;
        let modes = chain.then(|| self.current_modes());
        if succeeds {
            self.transaction.explicit = false;
            self.commit().await?;
        } else {
            self.roll_back();
        }
        if let Some(modes) = modes {
            self.begin(&modes)?;
        }
        Ok(if succeeds { "COMMIT" } else { "ROLLBACK" })
    }

    fn current_modes(&self) -> TransactionModes {
        let settings = self.settings.current();
        let value = |name: &str| settings.canonical(name).map(str::to_string);
        TransactionModes {
            isolation: value("transaction_isolation"),
            read_only: Some(settings.transaction_read_only),
            deferrable: Some(value("transaction_deferrable").as_deref() == Some("on")),
        }
    }

    /// SET TRANSACTION, and SET SESSION CHARACTERISTICS AS TRANSACTION.
    pub(super) fn set_transaction(&mut self, modes: &TransactionModes, session: bool) -> Result<()> {
        if session {
            for (name, value) in settings_of(modes) {
                self.settings
                    .set_text(&format!("default_{name}"), &value, false, false)?;
            }
            return Ok(());
        }
        if !self.in_block() {
            self.notices.push(Notice::warning(
                SqlState::NoActiveSqlTransaction,
                "SET TRANSACTION can only be used in transaction blocks",
            ));
            return Ok(());
        }
        self.set_modes(modes)
    }

    fn set_modes(&mut self, modes: &TransactionModes) -> Result<()> {
        for (name, value) in settings_of(modes) {
            self.check_mode(name, &value)?;
            self.settings.set_text(name, &value, true, true)?;
        }
        self.take_over_modes();
        Ok(())
    }

    /// Modes hold for a whole transaction: some changes come too late.
    pub(super) fn check_mode(&self, name: &str, value: &str) -> Result<()> {
        let too_late = |message: &str| Err(Error::new(SqlState::ActiveSqlTransaction, message));
        let changes = self.settings.current().canonical(name) != Some(value);
        let in_savepoint = !self.savepoints.is_empty();
        match name {
            "transaction_isolation" if changes && self.has_queried => {
                too_late("SET TRANSACTION ISOLATION LEVEL must be called before any query")
            }
            "transaction_isolation" if changes && in_savepoint => {
                too_late("SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction")
            }
            "transaction_read_only" if changes && value == "off" && in_savepoint => {
                too_late("cannot set transaction read-write mode inside a read-only transaction")
            }
            "transaction_read_only" if changes && value == "off" && self.has_queried => {
                too_late("transaction read-write mode must be set before any query")
            }
            "transaction_deferrable" if in_savepoint => {
                too_late("SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction")
            }
            "transaction_deferrable" if self.has_queried => {
                too_late("SET TRANSACTION [NOT] DEFERRABLE must be called before any query")
            }
            _ => Ok(()),
        }
    }

    /// The settings' isolation level and access mode are the transaction's.
    pub(super) fn take_over_modes(&mut self) {
        let settings = self.settings.current();
        self.transaction.repeatable_read = settings.transaction_isolation != IsolationLevel::ReadCommitted;
        self.transaction.read_only = settings.transaction_read_only;
    }

    /// SAVEPOINT: a name may be taken again, and then hides the earlier one.
    pub(super) fn set_savepoint(&mut self, name: &str) -> Result<()> {
        if !self.transaction.explicit {
            return Err(outside_block("SAVEPOINT"));
        }
        self.push_savepoint(name);
        Ok(())
    }

    fn push_savepoint(&mut self, name: &str) {
        self.savepoints.push(Savepoint {
            name: name.to_string(),
            transaction: self.transaction.mark(),
            settings: self.settings.mark(),
            identity: self.identity.mark(),
            read_only: self.transaction.read_only,
            locks: self.engine.services.locks.mark(self.handle().process_id),
            listening: self.listening.mark(),
        });
    }

    /// A savepoint of a routine's own, by its place among all of them.
    pub(super) fn begin_subtransaction(&mut self) -> usize {
        self.push_savepoint("");
        self.savepoints.len() - 1
    }

    pub(super) fn end_subtransaction(&mut self, position: usize) {
        self.release_savepoint_at(position);
    }

    /// Undoes what was done since, and forgets the savepoint.
    pub(super) fn undo_subtransaction(&mut self, position: usize) {
        self.roll_back_to_savepoint_at(position);
        self.release_savepoint_at(position);
    }

    /// COMMIT and ROLLBACK inside of a routine: what follows is a new transaction.
    pub(super) async fn end_routine_transaction(&mut self, commit: bool, chain: bool) -> Result<()> {
        let modes = chain.then(|| self.current_modes());
        match commit {
            true => self.commit().await?,
            false => self.roll_back(),
        }
        self.ensure_begun()?;
        match modes {
            Some(modes) => self.set_modes(&modes),
            None => Ok(()),
        }
    }

    /// RELEASE: it and all later ones are forgotten, what was done stays.
    pub(super) fn release_savepoint(&mut self, name: &str) -> Result<()> {
        let position = self.savepoint(name, "RELEASE SAVEPOINT")?;
        self.release_savepoint_at(position);
        Ok(())
    }

    fn release_savepoint_at(&mut self, position: usize) {
        let read_only = self
            .savepoints
            .get(position)
            .is_some_and(|savepoint| savepoint.read_only);
        self.savepoints.truncate(position);
        if read_only != self.transaction.read_only {
            let value = if read_only { "on" } else { "off" };
            self.settings.set_internal("transaction_read_only", value, true);
            self.take_over_modes();
        }
        self.transaction.keep_savepoints(position);
        for portal in self.portals.values_mut() {
            portal.depth = portal.depth.min(position);
        }
    }

    /// ROLLBACK TO: all that was done since is undone, and the savepoint stays.
    pub(super) fn roll_back_to(&mut self, name: &str) -> Result<()> {
        let position = self.savepoint(name, "ROLLBACK TO SAVEPOINT")?;
        self.roll_back_to_savepoint_at(position);
        Ok(())
    }

    fn roll_back_to_savepoint_at(&mut self, position: usize) {
        self.savepoints.truncate(position + 1);
        let process_id = self.handle().process_id;
        let Some(savepoint) = self.savepoints.last() else {
            return;
        };
        self.transaction.back_to(&savepoint.transaction);
        self.transaction.keep_savepoints(position + 1);
        self.settings.back_to(&savepoint.settings);
        self.identity.back_to(&savepoint.identity);
        self.listening.back_to(savepoint.listening);
        self.engine
            .services
            .locks
            .release_transaction(process_id, savepoint.locks);
        self.take_over_modes();
        self.drop_portals(|portal| portal.held || portal.depth <= position);
    }

    fn savepoint(&self, name: &str, command: &str) -> Result<usize> {
        if !self.transaction.explicit {
            return Err(outside_block(command));
        }
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| {
            Error::new(
                SqlState::InvalidSavepoint,
                format!("savepoint \"{name}\" does not exist"),
            )
        })
    }

    /// Makes the transaction's work durable and visible. On an error all of it is undone.
    pub(super) async fn commit(&mut self) -> Result<()> {
        let interrupt = std::sync::Arc::clone(&self.interrupt);
        let _hold = interrupt.hold();
        match self.commit_now().await {
            Ok(()) => {
                self.send_messages();
                self.settings.commit();
                self.identity.commit();
                self.hold_cursors();
                self.drop_portals(|portal| portal.held);
                self.forget_transaction();
                Ok(())
            }
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    async fn commit_now(&mut self) -> Result<()> {
        self.check_messages()?;
        if self.transaction.deferral.has_waiting() {
            let all = Statement::SetConstraints {
                names: vec![],
                deferred: Some(false),
            };
            Box::pin(self.run_own(all, "SET CONSTRAINTS ALL IMMEDIATE")).await?;
        }
        if self.transaction.end_if_reading() {
            return Ok(());
        }
        let services = std::sync::Arc::clone(&self.engine.services);
        let committer = self.committer();
        Box::pin(self.transaction.commit(&services, committer)).await
    }

    /// Compares rows with foreign keys that do not wait for COMMIT, after what brought them without.
    pub(super) async fn compare_due(&mut self) -> Result<()> {
        if !self.transaction.deferral.has_due() {
            return Ok(());
        }
        let due = Statement::SetConstraints {
            names: vec![],
            deferred: None,
        };
        self.run_own(due, "SET CONSTRAINTS").await
    }

    /// Runs a statement that nobody sent.
    async fn run_own(&mut self, statement: Statement, text: &str) -> Result<()> {
        let parsed = ParsedStatement {
            statement,
            text: text.to_string(),
            parameter_count: 0,
        };
        let statement = PreparedStatement::undescribed(parsed, vec![]);
        self.run_statement(&statement, &[], &[]).await?;
        self.end_statement().await
    }

    pub(super) fn roll_back(&mut self) {
        self.handle().transaction_undone();
        self.transaction.clear();
        self.listening.clear();
        self.settings.rollback();
        self.identity.rollback();
        self.drop_portals(|portal| portal.held);
        self.forget_transaction();
    }

    fn forget_transaction(&mut self) {
        self.savepoints.clear();
        self.begun = false;
        self.has_queried = false;
        self.transaction_limit = None;
        self.engine
            .services
            .locks
            .release_transaction(self.handle().process_id, 0);
    }
}

/// The settings that the modes are, in the order in which PostgreSQL sets them.
fn settings_of(modes: &TransactionModes) -> Vec<(&'static str, String)> {
    let flag = |value: bool| if value { "on" } else { "off" }.to_string();
    let isolation = modes.isolation.clone().map(|level| ("transaction_isolation", level));
    let read_only = modes.read_only.map(|value| ("transaction_read_only", flag(value)));
    let deferrable = modes.deferrable.map(|value| ("transaction_deferrable", flag(value)));
    isolation.into_iter().chain(read_only).chain(deferrable).collect()
}

/// 25P01.
pub(super) fn outside_block(command: &str) -> Error {
    Error::new(
        SqlState::NoActiveSqlTransaction,
        format!("{command} can only be used in transaction blocks"),
    )
}

/// What is answered in a failed transaction block.
pub(super) fn ends_failure(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Commit { .. } | Statement::Rollback { .. } | Statement::RollbackTo { .. } | Statement::Empty
    )
}

/// 25P02 in a failed transaction block.
pub(super) fn refuse_in_failed_transaction() -> Error {
    Error::new(
        SqlState::InFailedSqlTransaction,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}
