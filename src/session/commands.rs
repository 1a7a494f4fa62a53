//! Statements that only the session can answer: transactions, settings, roles, prepared statements, cursors,
//! notifications. Each is one call to the file that knows it.

use super::transactions::outside_block;
use super::{Notice, Session};
use crate::context::notifications::Notification;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::Outcome;
use crate::statement::ast::{DiscardKind, ParsedStatement, ShowTarget, Statement};
use crate::types::format::Format;

impl Session {
    /// Runs the statement if it is the session's own; `None` leaves it to the pipeline.
    pub(super) async fn run_session_statement(
        &mut self,
        parsed: &ParsedStatement,
        result_formats: &[Format],
    ) -> Result<Option<Outcome>> {
        self.check_within(&parsed.statement)?;
        let tag = match &parsed.statement {
            Statement::Begin(modes) => {
                self.begin(modes)?;
                let starts = parsed
                    .text
                    .get(..5)
                    .is_some_and(|word| word.eq_ignore_ascii_case("start"));
                if starts { "START TRANSACTION" } else { "BEGIN" }
            }
            Statement::Commit { chain } => self.end_transaction(true, *chain).await?,
            Statement::Rollback { chain } => self.end_transaction(false, *chain).await?,
            Statement::Savepoint { name } => {
                self.set_savepoint(name)?;
                "SAVEPOINT"
            }
            Statement::ReleaseSavepoint { name } => {
                self.release_savepoint(name)?;
                "RELEASE"
            }
            Statement::RollbackTo { name } => {
                self.roll_back_to(name)?;
                "ROLLBACK"
            }
            Statement::Set { name, value, local } => {
                self.set(name, value, *local).await?;
                "SET"
            }
            Statement::Reset { name } => {
                self.reset(name.as_deref()).await?;
                "RESET"
            }
            Statement::SetTransaction { modes, session } => {
                self.set_transaction(modes, *session)?;
                "SET"
            }
            Statement::SetRole { role, local } => {
                if self.may_set(*local) {
                    self.set_role(role.as_deref(), *local).await?;
                }
                "SET"
            }
            Statement::SetSessionAuthorization { role, local } => {
                if self.may_set(*local) {
                    self.set_session_authorization(role.as_deref(), *local).await?;
                }
                "SET"
            }
            Statement::Show {
                name: ShowTarget::Setting(name),
            } => return Ok(Some(Outcome::Rows(self.show(name)?))),
            Statement::Show { name: ShowTarget::All } => return Ok(Some(Outcome::Rows(self.show_all()?))),
            Statement::Prepare { name, types, statement } => {
                let declared = types.iter().cloned().map(Some).collect();
                let source = self.source_of(&parsed.text);
                Box::pin(self.prepare(name, statement.as_ref().clone(), declared, Some(&source))).await?;
                "PREPARE"
            }
            Statement::Execute { name, arguments } => {
                return Ok(Some(
                    Box::pin(self.execute_prepared(name, arguments, result_formats)).await?,
                ));
            }
            Statement::Explain { statement, .. } => {
                let Statement::Execute { name, arguments } = statement.as_ref() else {
                    return Ok(None);
                };
                return Ok(Some(Box::pin(self.explain_prepared(parsed, name, arguments)).await?));
            }
            Statement::CreateTable(create) => {
                let Some((name, arguments)) = &create.execute else {
                    return Ok(None);
                };
                return Ok(Some(
                    Box::pin(self.create_from_prepared(parsed, create, name, arguments)).await?,
                ));
            }
            Statement::CreateSchema(create) if !create.elements.is_empty() => {
                Box::pin(self.create_schema_with(parsed, create)).await?;
                "CREATE SCHEMA"
            }
            Statement::Do(inline) => {
                self.run_inline(parsed, inline).await?;
                "DO"
            }
            Statement::Deallocate { name: None } => {
                self.deallocate_all();
                "DEALLOCATE ALL"
            }
            Statement::Deallocate { name: Some(name) } => {
                self.deallocate(name)?;
                "DEALLOCATE"
            }
            Statement::Fetch(fetch) => return Ok(Some(self.fetch_cursor(fetch).await?)),
            Statement::CloseCursor { name } => self.close_cursor(name.as_deref())?,
            Statement::Listen { channel } => {
                self.listening.push(Some(channel.clone()), true);
                "LISTEN"
            }
            Statement::Unlisten { channel } => {
                self.listening.push(channel.clone(), false);
                "UNLISTEN"
            }
            Statement::Notify { channel, payload } => {
                let message = Notification::new(self.handle().process_id, channel, payload)?;
                self.listening.notify(message);
                "NOTIFY"
            }
            Statement::SetConstraints { .. } if !self.in_block() => {
                self.notices.push(Notice::warning(
                    SqlState::NoActiveSqlTransaction,
                    "SET CONSTRAINTS can only be used in transaction blocks",
                ));
                return Ok(None);
            }
            Statement::LockTable(_) if !self.in_block() => return Err(outside_block("LOCK TABLE")),
            Statement::Vacuum(_) | Statement::Optimize(_) | Statement::Restore(_) if self.in_block() => {
                let command = parsed.statement.kind().to_uppercase();
                return Err(Error::new(
                    SqlState::ActiveSqlTransaction,
                    format!("{command} cannot run inside a transaction block"),
                ));
            }
            Statement::Discard(kind) => self.discard(*kind).await?,
            _ => return Ok(None),
        };
        Ok(Some(Outcome::Done(tag.to_string())))
    }

    /// Whether SET LOCAL has a transaction to be local to; else the client is warned.
    pub(super) fn may_set(&mut self, local: bool) -> bool {
        if !local || self.in_block() {
            return true;
        }
        self.notices.push(Notice::warning(
            SqlState::NoActiveSqlTransaction,
            "SET LOCAL can only be used in transaction blocks",
        ));
        false
    }

    async fn discard(&mut self, kind: DiscardKind) -> Result<&'static str> {
        match kind {
            // Plans are the server's, and checked at each use.
            DiscardKind::Plans => Ok("DISCARD PLANS"),
            DiscardKind::Sequences => Ok("DISCARD SEQUENCES"),
            DiscardKind::Temp => {
                self.discard_temporary().await?;
                Ok("DISCARD TEMP")
            }
            DiscardKind::All => {
                if self.in_block() {
                    return Err(Error::new(
                        SqlState::ActiveSqlTransaction,
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.drop_portals(|_| false);
                self.reset_identity();
                self.settings.reset_all();
                self.deallocate_all();
                self.discard_temporary().await?;
                self.listening.push(None, false);
                self.engine.services.locks.release_session(self.handle().process_id);
                Ok("DISCARD ALL")
            }
        }
    }

    async fn discard_temporary(&mut self) -> Result<()> {
        if self.catalog().await?.temporary_schema().is_none() {
            return Ok(());
        }
        let services = std::sync::Arc::clone(&self.engine.services);
        self.transaction.staged(&services).await?.drop_temporary()
    }
}
