//! What a routine's declaration puts around its calls: its owner's rights (SECURITY DEFINER) and settings (SET). They hold
//! until the call is over, however it ends: a call that is given up midway takes them with it.

use std::sync::Arc;

use super::super::Session;
use super::super::identity::IdentityMark;
use crate::catalog::model::{Function, Oid};
use crate::context::Principal;
use crate::context::settings::Settings;
use crate::error::{Error, Result, SqlState};

/// A session inside of a call; outside of it again when this is dropped.
pub(super) struct Surrounded<'s> {
    pub session: &'s mut Session,
    /// Whom it acted as before the call, where that is somebody else.
    caller: Option<IdentityMark>,
    /// The settings before the call, and the names of those that come back.
    before: Option<(Arc<Settings>, Vec<String>)>,
}

impl Session {
    /// Enters a call of the function.
    pub(super) async fn surrounded(&mut self, function: &Function) -> Result<Surrounded<'_>> {
        let script = function.script.as_ref().filter(|script| script.has_surroundings());
        let owner = match script {
            Some(script) if script.security_definer => Some(self.named_role(function.owner).await?),
            _ => None,
        };
        let superuser = match script {
            Some(_) => {
                let acting = owner.as_ref().map_or(self.identity.current().role, |owner| owner.role);
                self.catalog().await?.access(acting).is_superuser()
            }
            None => false,
        };
        let mut surrounded = Surrounded {
            session: self,
            caller: None,
            before: None,
        };
        let session = &mut *surrounded.session;
        if let Some(owner) = owner {
            surrounded.caller = Some(session.identity.mark());
            session.identity.set(owner, true);
            session.definers += 1;
        }
        if let Some(script) = script.filter(|script| !script.settings.is_empty()) {
            let names = script.settings.iter().map(|(name, _)| name.clone()).collect();
            surrounded.before = Some((Arc::clone(session.settings.current()), names));
            for (name, value) in &script.settings {
                session.settings.lay(name, value, superuser)?;
            }
        }
        Ok(surrounded)
    }

    /// A role that the session acts as, whoever logged in.
    async fn named_role(&mut self, role: Oid) -> Result<Principal> {
        let catalog = self.catalog().await?;
        let found = catalog.role(role);
        let found = found.ok_or_else(|| Error::internal("a function's owner is not there"))?;
        Ok(Principal {
            role,
            role_name: found.name.as_str().into(),
            ..self.identity.current().clone()
        })
    }

    /// Refuses to act as somebody else where the rights are those of a function's owner.
    pub(in crate::session) fn check_may_act(&self, setting: &str) -> Result<()> {
        if self.definers == 0 && self.around.is_none() {
            return Ok(());
        }
        let message = format!("cannot set parameter \"{setting}\" within security-definer function");
        Err(Error::new(SqlState::InsufficientPrivilege, message))
    }
}

impl Drop for Surrounded<'_> {
    fn drop(&mut self) {
        if let Some((before, names)) = self.before.take() {
            self.session.settings.lift(&names, &before);
        }
        if let Some(caller) = self.caller.take() {
            self.session.identity.back_to(&caller);
            self.session.definers -= 1;
        }
    }
}
