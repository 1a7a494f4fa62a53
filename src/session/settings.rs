//! SET, RESET and SHOW, and whom the session acts as: SET ROLE and SET SESSION AUTHORIZATION.

use std::sync::Arc;

use super::Session;
use crate::context::settings::definition;
use crate::context::{Principal, QueryContext};
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{OutputColumn, RowSet, text_rows};
use crate::statement::ast::{SetValue, ShowTarget};
use crate::types::SqlType;

impl Session {
    async fn is_superuser(&mut self) -> Result<bool> {
        let catalog = self.catalog().await?;
        Ok(catalog.access(self.identity.current().role).is_superuser())
    }

    pub(super) async fn set(&mut self, name: &str, value: &SetValue, local: bool) -> Result<()> {
        if !self.may_set(local) {
            return Ok(());
        }
        if let ("role", SetValue::Default) = (name, value) {
            return self.reset_role(local).await;
        }
        let superuser = self.is_superuser().await?;
        match value {
            SetValue::Default => self.settings.reset(name, local, superuser)?,
            SetValue::Values(values) => {
                if let [value] = values.as_slice() {
                    self.check_mode(name, &value.to_ascii_lowercase())?;
                }
                self.settings.set(name, values, local, superuser)?;
            }
        }
        if name.starts_with("transaction_") {
            self.take_over_modes();
        }
        Ok(())
    }

    /// RESET name, RESET ALL.
    pub(super) async fn reset(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            Some("role") => self.reset_role(false).await,
            Some("session_authorization") => self.set_session_authorization(None, false).await,
            Some(name) => {
                let superuser = self.is_superuser().await?;
                self.settings.reset(name, false, superuser)
            }
            None => {
                self.settings.reset_all();
                Ok(())
            }
        }
    }

    /// What set_config() calls of the statement ask for.
    pub(super) async fn apply_changed_settings(&mut self, context: &QueryContext) -> Result<()> {
        let changes = std::mem::take(&mut *context.changed_settings.lock());
        for change in changes {
            let role = Some(change.value.as_str()).filter(|role| *role != "none" && !role.is_empty());
            match change.name.to_ascii_lowercase().as_str() {
                "role" => Box::pin(self.set_role(role, change.local)).await?,
                "session_authorization" => Box::pin(self.set_session_authorization(role, change.local)).await?,
                name => {
                    let superuser = context.catalog.access(self.identity.current().role).is_superuser();
                    self.settings.set_text(name, &change.value, change.local, superuser)?;
                    if name.starts_with("transaction_") {
                        self.take_over_modes();
                    }
                }
            }
            if let Some(around) = &self.around {
                around.changed_settings.lock().push(change);
            }
        }
        Ok(())
    }

    /// SET ROLE: the effective role selects policies and privileges from the next statement on.
    pub(super) async fn set_role(&mut self, role: Option<&str>, local: bool) -> Result<()> {
        self.check_may_act("role")?;
        let catalog = self.catalog().await?;
        let mut principal = self.identity.current().clone();
        match role {
            None => {
                principal.role = principal.login;
                principal.role_name = Arc::clone(&principal.login_name);
            }
            Some(name) => {
                let role = catalog.role_named(name).ok_or_else(|| no_such_role(name))?;
                if !catalog.access(principal.login).is_member_of(role.id) {
                    return Err(Error::new(
                        SqlState::InsufficientPrivilege,
                        format!("permission denied to set role \"{name}\""),
                    ));
                }
                principal.role = role.id;
                principal.role_name = role.name.as_str().into();
            }
        }
        let superuser = catalog.access(principal.role).is_superuser();
        self.act_as(principal, role.is_some(), superuser, local);
        Ok(())
    }

    /// RESET ROLE: back to the role that the login's own settings name, or to the login.
    async fn reset_role(&mut self, local: bool) -> Result<()> {
        let own = self.identity.starting_role().map(str::to_string);
        self.set_role(own.as_deref(), local).await
    }

    /// SET SESSION AUTHORIZATION: only who logged in as a superuser becomes somebody else.
    pub(super) async fn set_session_authorization(&mut self, role: Option<&str>, local: bool) -> Result<()> {
        self.check_may_act("session_authorization")?;
        let catalog = self.catalog().await?;
        let name = role.unwrap_or(self.identity.login_name().as_ref());
        let role = catalog.role_named(name).ok_or_else(|| no_such_role(name))?;
        let login = self.identity.login();
        if role.id != login && !catalog.access(login).is_superuser() {
            let message = format!("permission denied to set session authorization \"{name}\"");
            return Err(Error::new(SqlState::InsufficientPrivilege, message));
        }
        let principal = Principal {
            login: role.id,
            login_name: role.name.as_str().into(),
            role: role.id,
            role_name: role.name.as_str().into(),
        };
        let superuser = catalog.access(role.id).is_superuser();
        self.act_as(principal, false, superuser, local);
        Ok(())
    }

    /// DISCARD ALL: back to who logged in.
    pub(super) fn reset_identity(&mut self) {
        let principal = Principal {
            login: self.identity.login(),
            login_name: Arc::clone(self.identity.login_name()),
            role: self.identity.login(),
            role_name: Arc::clone(self.identity.login_name()),
        };
        let superuser = self
            .engine
            .services
            .catalog
            .current()
            .access(principal.role)
            .is_superuser();
        self.act_as(principal, false, superuser, false);
    }

    fn act_as(&mut self, principal: Principal, is_role_set: bool, superuser: bool, local: bool) {
        let role = if is_role_set { &*principal.role_name } else { "none" };
        self.settings.set_internal("role", role, local);
        self.settings
            .set_internal("session_authorization", &principal.login_name, local);
        self.settings
            .set_internal("is_superuser", if superuser { "on" } else { "off" }, local);
        self.identity.set(principal, local);
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

    pub(super) fn show(&self, name: &str) -> Result<RowSet> {
        let value = self.settings.show(name)?;
        let title = setting_title(name);
        text_rows(&[&title], &[vec![value]], "SHOW")
    }

    pub(super) fn show_all(&self) -> Result<RowSet> {
        let rows: Vec<Vec<String>> = self
            .settings
            .current()
            .show_all()
            .into_iter()
            .map(|(name, value, description)| vec![name, value, description])
            .collect();
        text_rows(&["name", "setting", "description"], &rows, "SHOW")
    }
}

fn no_such_role(name: &str) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("role \"{name}\" does not exist"),
    )
}

/// The setting's name in its usual spelling: SHOW timezone answers a column TimeZone.
fn setting_title(name: &str) -> String {
    definition(name).map_or_else(|| name.to_string(), |found| found.name.to_string())
}
