//! Statements that only the session can answer: transactions, settings, roles, prepared statements.

use super::{Notice, Session};
use crate::binding;
use crate::context::settings::{IsolationLevel, definition};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{Outcome, OutputColumn, RowSet, text_rows};
use crate::statement::ast::{DiscardKind, ParsedStatement, SetValue, ShowTarget, Statement};
use crate::types::SqlType;
use crate::types::format::Format;

impl Session {
    /// Runs the statement if it is the session's own; `None` leaves it to the pipeline.
    pub(super) async fn run_session_statement(
        &mut self,
        parsed: &ParsedStatement,
        result_formats: &[Format],
    ) -> Result<Option<Outcome>> {
        let done = |tag: &str| Ok(Some(Outcome::Done(tag.to_string())));
        match &parsed.statement {
            Statement::Begin { isolation, read_only } => {
                self.begin(isolation.as_deref(), *read_only)?;
                done("BEGIN")
            }
            Statement::Commit { chain } => {
                let tag = self.end_transaction(true, *chain).await?;
                done(tag)
            }
            Statement::Rollback { chain } => {
                let tag = self.end_transaction(false, *chain).await?;
                done(tag)
            }
            Statement::Set { name, value, local } => {
                self.set(name, value, *local).await?;
                done("SET")
            }
            Statement::Reset { name } => {
                let superuser = self.is_superuser().await?;
                match name.as_deref() {
                    Some("role") => self.set_role(None).await?,
                    Some("session_authorization") => self.set_session_authorization(None).await?,
                    Some(name) => self.settings.reset(name, false, superuser)?,
                    None => self.settings.reset_all(),
                }
                done("RESET")
            }
            Statement::SetTransaction {
                isolation,
                read_only,
                session,
            } => {
                self.set_transaction(isolation.as_deref(), *read_only, *session).await?;
                done("SET")
            }
            Statement::SetRole { local: true, .. } => Err(Error::unsupported("SET LOCAL ROLE")
                .with_hint("Use SET ROLE, and RESET ROLE before the transaction ends.")),
            Statement::SetRole { role, .. } => {
                self.set_role(role.as_deref()).await?;
                done("SET")
            }
            Statement::SetSessionAuthorization { role } => {
                self.set_session_authorization(role.as_deref()).await?;
                done("SET")
            }
            Statement::Show {
                name: ShowTarget::Setting(name),
            } => Ok(Some(Outcome::Rows(self.show(name)?))),
            Statement::Show { name: ShowTarget::All } => Ok(Some(Outcome::Rows(self.show_all()?))),
            Statement::Prepare { name, types, statement } => {
                let declared = types.iter().cloned().map(Some).collect();
                self.prepare(name, statement.as_ref().clone(), declared).await?;
                done("PREPARE")
            }
            Statement::Execute { name, arguments } => {
                Ok(Some(self.execute_prepared(name, arguments, result_formats).await?))
            }
            Statement::Deallocate { name } => {
                match name {
                    None => self.statements.clear(),
                    Some(name) => {
                        self.statement(name)?;
                        self.statements.remove(name);
                    }
                }
                done(if name.is_none() { "DEALLOCATE ALL" } else { "DEALLOCATE" })
            }
            Statement::Discard(kind) => {
                let tag = self.discard(*kind)?;
                done(tag)
            }
            _ => Ok(None),
        }
    }

    fn begin(&mut self, isolation: Option<&str>, read_only: Option<bool>) -> Result<()> {
        if self.transaction.explicit {
            self.notices.push(Notice::warning(
                SqlState::ActiveSqlTransaction,
                "there is already a transaction in progress",
            ));
            return Ok(());
        }
        self.transaction.explicit = true;
        self.settings.begin();
        self.apply_modes(isolation, read_only)?;
        self.transaction.start();
        Ok(())
    }

    /// COMMIT of a failed transaction is a ROLLBACK and says so.
    async fn end_transaction(&mut self, commit: bool, chain: bool) -> Result<&'static str> {
        if !self.transaction.explicit {
            self.notices.push(Notice::warning(
                SqlState::NoActiveSqlTransaction,
                "there is no transaction in progress",
            ));
            return Ok(if commit { "COMMIT" } else { "ROLLBACK" });
        }
        let succeeds = commit && !self.transaction.failed;
        if succeeds {
            self.transaction.explicit = false;
            self.commit().await?;
        } else {
            self.roll_back();
        }
        if chain {
            self.begin(None, None)?;
        }
        Ok(if succeeds { "COMMIT" } else { "ROLLBACK" })
    }

    async fn set_transaction(&mut self, isolation: Option<&str>, read_only: Option<bool>, session: bool) -> Result<()> {
        if session {
            if let Some(isolation) = isolation {
                self.settings
                    .set_text("default_transaction_isolation", isolation, false, false)?;
            }
            if let Some(read_only) = read_only {
                self.settings.set_text(
                    "default_transaction_read_only",
                    if read_only { "on" } else { "off" },
                    false,
                    false,
                )?;
            }
            return Ok(());
        }
        if !self.transaction.explicit {
            self.notices.push(Notice::warning(
                SqlState::NoActiveSqlTransaction,
                "SET TRANSACTION can only be used in transaction blocks",
            ));
            return Ok(());
        }
        self.apply_modes(isolation, read_only)
    }

    /// Sets what the statement names, and takes over the settings' isolation level and access mode.
    fn apply_modes(&mut self, isolation: Option<&str>, read_only: Option<bool>) -> Result<()> {
        if let Some(isolation) = isolation {
            self.settings.set_text("transaction_isolation", isolation, true, true)?;
        }
        if let Some(read_only) = read_only {
            self.settings.set_text(
                "transaction_read_only",
                if read_only { "on" } else { "off" },
                true,
                true,
            )?;
        }
        let settings = self.settings.current();
        self.transaction.repeatable_read = settings.transaction_isolation != IsolationLevel::ReadCommitted;
        self.transaction.read_only = settings.transaction_read_only;
        Ok(())
    }

    async fn is_superuser(&mut self) -> Result<bool> {
        let catalog = self.engine.services.refresh_catalog().await?;
        Ok(catalog.access(self.principal.role).is_superuser())
    }

    async fn set(&mut self, name: &str, value: &SetValue, local: bool) -> Result<()> {
        if local && !self.transaction.explicit {
            self.notices.push(Notice::warning(
                SqlState::NoActiveSqlTransaction,
                "SET LOCAL can only be used in transaction blocks",
            ));
            return Ok(());
        }
        let superuser = self.is_superuser().await?;
        match value {
            SetValue::Default => self.settings.reset(name, local, superuser),
            SetValue::Values(values) => self.settings.set(name, values, local, superuser),
        }
    }

    /// SET ROLE: the effective role selects policies and privileges from the next statement on.
    async fn set_role(&mut self, role: Option<&str>) -> Result<()> {
        let catalog = self.engine.services.refresh_catalog().await?;
        match role {
            None => {
                self.principal.role = self.principal.login;
                self.principal.role_name = self.principal.login_name.clone();
            }
            Some(name) => {
                let role = catalog.resolve_role(name)?;
                if !catalog.access(self.principal.login).is_member_of(role.id) {
                    return Err(Error::new(
                        SqlState::InsufficientPrivilege,
                        format!("permission denied to set role \"{name}\""),
                    ));
                }
                self.principal.role = role.id;
                self.principal.role_name = role.name.clone();
            }
        }
        let superuser = if catalog.access(self.principal.role).is_superuser() {
            "on"
        } else {
            "off"
        };
        let shown = if role.is_some() {
            self.principal.role_name.clone()
        } else {
            "none".into()
        };
        self.settings.set_internal("role", &shown, false);
        self.settings.set_internal("is_superuser", superuser, false);
        Ok(())
    }

    async fn set_session_authorization(&mut self, role: Option<&str>) -> Result<()> {
        let Some(name) = role else {
            return self.set_role(None).await;
        };
        if name == self.principal.login_name {
            return self.set_role(None).await;
        }
        Err(Error::unsupported("SET SESSION AUTHORIZATION to another role").with_hint("Use SET ROLE."))
    }

    pub(super) fn columns_of_show(&self, target: &ShowTarget) -> Result<Vec<OutputColumn>> {
        let names: Vec<String> = match target {
            ShowTarget::All => vec!["name".into(), "setting".into(), "description".into()],
            ShowTarget::Setting(name) => vec![setting_title(name)],
            ShowTarget::Tables { .. } => vec!["database".into(), "tableName".into(), "isTemporary".into()],
            ShowTarget::Schemas => vec!["databaseName".into()],
            ShowTarget::Databases => vec!["catalog".into()],
        };
        Ok(names
            .into_iter()
            .map(|name| OutputColumn::new(name, SqlType::Text))
            .collect())
    }

    fn show(&self, name: &str) -> Result<RowSet> {
        let value = self.settings.show(name)?;
        let title = setting_title(name);
        text_rows(&[&title], &[vec![value]], "SHOW")
    }

    fn show_all(&self) -> Result<RowSet> {
        let rows: Vec<Vec<String>> = self
            .settings
            .current()
            .show_all()
            .into_iter()
            .map(|(name, value, description)| vec![name, value, description])
            .collect();
        text_rows(&["name", "setting", "description"], &rows, "SHOW")
    }

    /// EXECUTE: the named statement with constant arguments, through the same path as a portal.
    async fn execute_prepared(
        &mut self,
        name: &str,
        arguments: &[datafusion::sql::sqlparser::ast::Expr],
        result_formats: &[Format],
    ) -> Result<Outcome> {
        let statement = self.statement(name)?;
        let types = &statement.description.parameters;
        if arguments.len() != types.len() {
            return Err(Error::new(
                SqlState::SyntaxError,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .with_detail(format!(
                "Expected {} parameters but got {}.",
                types.len(),
                arguments.len()
            )));
        }
        let mut parameters = vec![];
        if !arguments.is_empty() {
            let context = self.statement_context(&statement.texts).await?;
            let services = self.engine.binding_services(self.settings.current());
            for (argument, sql_type) in arguments.iter().zip(types) {
                let value = binding::bind_constant(&services, &context, argument.clone()).await?;
                parameters.push(value.cast_to(&sql_type.to_arrow())?);
            }
        }
        let inner = Box::pin(self.run_session_statement(&statement.parsed, result_formats)).await?;
        match inner {
            Some(outcome) => Ok(outcome),
            None => self.run_statement(&statement, &parameters, result_formats).await,
        }
    }

    fn discard(&mut self, kind: DiscardKind) -> Result<&'static str> {
        match kind {
            DiscardKind::Plans => Ok("DISCARD PLANS"),
            DiscardKind::Sequences => Ok("DISCARD SEQUENCES"),
            DiscardKind::Temp => Ok("DISCARD TEMP"),
            DiscardKind::All => {
                if self.transaction.explicit {
                    return Err(Error::new(
                        SqlState::ActiveSqlTransaction,
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.principal.role = self.principal.login;
                self.principal.role_name = self.principal.login_name.clone();
                self.settings.reset_all();
                self.statements.clear();
                self.portals.clear();
                Ok("DISCARD ALL")
            }
        }
    }
}

/// The setting's name in its usual spelling: SHOW timezone answers a column TimeZone.
fn setting_title(name: &str) -> String {
    definition(name).map_or_else(|| name.to_string(), |found| found.name.to_string())
}
