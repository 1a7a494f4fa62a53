//! Who a session acts as over time: SET ROLE, SET SESSION AUTHORIZATION and their fate at the end of a
//! transaction, in step with the settings `role` and `session_authorization`.

use std::sync::Arc;

use super::Session;
use crate::catalog::model::Oid;
use crate::catalog::{Author, Committer};
use crate::context::Principal;

/// The role that logged in, and whom it acts as.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Proven at login; nothing changes it.
    login: (Oid, Arc<str>),
    /// The role that the settings of who logged in name.
    starting_role: Option<String>,
    current: Principal,
    /// `current` without what SET LOCAL laid over it.
    lasting: Principal,
    /// `lasting` as the open transaction found it.
    before_transaction: Option<Principal>,
}

/// Whom a session acted as when a savepoint was set.
#[derive(Debug, Clone)]
pub(super) struct IdentityMark {
    current: Principal,
    lasting: Principal,
}

impl Identity {
    pub fn new(login: Oid, login_name: Arc<str>) -> Identity {
        let current = Principal {
            login,
            login_name: Arc::clone(&login_name),
            role: login,
            role_name: Arc::clone(&login_name),
        };
        Identity {
            login: (login, login_name),
            starting_role: None,
            lasting: current.clone(),
            current,
            before_transaction: None,
        }
    }

    /// Whom the next statement runs as.
    pub fn current(&self) -> &Principal {
        &self.current
    }

    /// The role that logged in.
    pub fn login(&self) -> Oid {
        self.login.0
    }

    pub fn login_name(&self) -> &Arc<str> {
        &self.login.1
    }

    /// The session began as this role, and comes back to it.
    pub fn start_as(&mut self, role: String) {
        self.starting_role = Some(role);
    }

    /// The role to come back to, unless the session acts for another login.
    pub fn starting_role(&self) -> Option<&str> {
        match self.current.login == self.login.0 {
            true => self.starting_role.as_deref(),
            false => None,
        }
    }

    /// From now on, or until the transaction's end.
    pub fn set(&mut self, principal: Principal, local: bool) {
        if !local {
            self.lasting = principal.clone();
        }
        self.current = principal;
    }

    pub fn begin(&mut self) {
        self.before_transaction.get_or_insert_with(|| self.lasting.clone());
    }

    pub fn commit(&mut self) {
        self.before_transaction = None;
        self.current = self.lasting.clone();
    }

    pub fn rollback(&mut self) {
        if let Some(before) = self.before_transaction.take() {
            self.lasting = before;
        }
        self.current = self.lasting.clone();
    }

    pub fn mark(&self) -> IdentityMark {
        IdentityMark {
            current: self.current.clone(),
            lasting: self.lasting.clone(),
        }
    }

    pub fn back_to(&mut self, mark: &IdentityMark) {
        self.current = mark.current.clone();
        self.lasting = mark.lasting.clone();
    }
}

impl Session {
    /// Who commits.
    pub(super) fn committer(&self) -> Committer {
        let author = |role: Oid, name: &str| Author {
            id: role,
            name: name.to_string(),
        };
        let acting = self.identity.current();
        Committer {
            login: author(self.identity.login(), self.identity.login_name()),
            acting_as: (acting.role != self.identity.login()).then(|| author(acting.role, &acting.role_name)),
        }
    }
}
