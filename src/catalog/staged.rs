//! A transaction's DDL before it is one commit: a base snapshot, the changes laid over it, and a record of
//! what they rely on. Statements read through `snapshot`, so they see their own transaction's changes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::decision::{Decision, TableActions};
use super::identifiers::Identifiers;
use super::model::*;
use super::names::Name;
use super::requirement::{Permission, Requirements, overlapping_table, serialization_failure};
use super::snapshot::{CatalogSnapshot, Change};
use crate::error::{Error, Result, SqlState};

/// What a DDL statement tells the client besides its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub severity: Severity,
    pub state: SqlState,
    pub message: String,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Debug,
    Notice,
    Warning,
}

/// DDL that no entry of the log has yet. Dropping it rolls back; a clone is what a savepoint comes back to.
#[derive(Debug, Clone)]
pub struct Staged {
    base: Arc<CatalogSnapshot>,
    view: Arc<CatalogSnapshot>,
    /// The last change of each object.
    changes: BTreeMap<Oid, Change>,
    requirements: Requirements,
    identifiers: Arc<Identifiers>,
    statements: Vec<String>,
    notices: Vec<Notice>,
    /// Changes of tables that the entry decides.
    decision: Option<Decision>,
}

impl Staged {
    pub(super) fn new(base: Arc<CatalogSnapshot>, identifiers: Arc<Identifiers>) -> Staged {
        let view = base.clone();
        let (changes, requirements) = (BTreeMap::new(), Requirements::default());
        Staged {
            base,
            view,
            changes,
            requirements,
            identifiers,
            statements: vec![],
            notices: vec![],
            decision: None,
        }
    }

    /// The catalog as this transaction sees it.
    pub fn snapshot(&self) -> Arc<CatalogSnapshot> {
        self.view.clone()
    }

    /// Borrowed `snapshot`, so that a change need not copy what nobody else holds.
    pub(super) fn view(&self) -> &CatalogSnapshot {
        &self.view
    }

    pub(super) fn set_view(&mut self, view: Arc<CatalogSnapshot>) {
        self.view = view;
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.decision.is_none() && !self.changes.values().any(|change| self.lasts(change))
    }

    /// Lets the entry decide about rows too. The tables have to be there still.
    pub fn decide(&mut self, transaction: Uuid, tables: Vec<TableActions>) {
        for table in &tables {
            self.requirements.exists(&self.base.clone(), table.table);
        }
        if self.statements.is_empty() {
            self.statements.push("COMMIT".into());
        }
        self.decision = Some(Decision::Commit { transaction, tables });
    }

    pub(super) fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// Whether a change is the log's: what is temporary is the session's.
    fn lasts(&self, change: &Change) -> bool {
        !matches!(change, Change::Put(object) if self.view.is_temporary(object))
    }

    /// The version that the changes lie over.
    pub fn base_version(&self) -> u64 {
        self.base.version()
    }

    /// The objects that this transaction created, changed or dropped.
    pub fn changed(&self) -> impl Iterator<Item = Oid> {
        self.changes.keys().copied()
    }

    /// Remembers the statement for the audit trail; secrets are taken out here.
    pub fn add_statement(&mut self, text: &str) {
        self.statements.push(super::redact::redact(text));
    }

    pub(super) fn statement_text(&self) -> String {
        self.statements.join(";\n")
    }

    /// The notices since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(super) fn debug(&mut self, message: String) {
        self.notices.push(Notice {
            severity: Severity::Debug,
            state: SqlState::SuccessfulCompletion,
            message,
            detail: None,
        });
    }

    pub fn notice(&mut self, message: String) {
        self.notices.push(Notice {
            severity: Severity::Notice,
            state: SqlState::SuccessfulCompletion,
            message,
            detail: None,
        });
    }

    /// What IF NOT EXISTS keeps, with the state of the error that it would be without.
    pub(super) fn skipping(&mut self, error: &Error) {
        self.notices.push(Notice {
            severity: Severity::Notice,
            state: error.state(),
            message: format!("{}, skipping", error.message()),
            detail: None,
        });
    }

    pub(super) fn notice_with_detail(&mut self, message: String, detail: String) {
        self.notices.push(Notice {
            severity: Severity::Notice,
            state: SqlState::SuccessfulCompletion,
            message,
            detail: Some(detail),
        });
    }

    pub(super) fn warn(&mut self, message: String) {
        self.notices.push(Notice {
            severity: Severity::Warning,
            state: SqlState::Warning,
            message,
            detail: None,
        });
    }

    /// An id for a new object.
    pub(super) fn new_oid(&self) -> Result<Oid> {
        self.identifiers.take()
    }

    /// Creates or replaces an object; 42P07 and its kin when the name is taken. Relies on what it names: the name free
    /// or its own, the parent, the roles and the objects that it refers to.
    pub(super) fn put(&mut self, object: impl Into<Object>) -> Result<()> {
        let object = object.into();
        self.refuse_temporary_reference(&object)?;
        if self
            .view
            .named(&Name::of(&object))
            .is_some_and(|taken| taken.id() != object.id())
        {
            return Err(already_exists(&object));
        }
        let base = self.base.clone();
        self.requirements.unchanged(&base, object.id());
        self.requirements.absent(&base, Name::of(&object));
        for id in object.parent().into_iter().chain(object.roles_named()) {
            self.requirements.exists(&base, id);
        }
        for id in object
            .depends_on()
            .into_iter()
            .filter(|id| Some(*id) != object.parent())
        {
            self.requirements.definition(&base, id);
        }
        self.stage(Change::Put(Arc::new(object)))
    }

    /// Drops an object; the caller has seen to its dependents.
    pub(super) fn drop_object(&mut self, id: Oid) -> Result<()> {
        self.requirements.exists(&self.base.clone(), id);
        self.stage(Change::Drop(id))
    }

    fn stage(&mut self, change: Change) -> Result<()> {
        Arc::make_mut(&mut self.view).stage(std::slice::from_ref(&change))?;
        match change {
            Change::Drop(id) if self.base.changed_at(id).is_none() => {
                self.changes.remove(&id);
            }
            Change::Drop(id) => {
                self.changes.insert(id, change);
            }
            Change::Put(ref object) => {
                self.changes.insert(object.id(), change);
            }
        }
        Ok(())
    }

    /// Checks a right and relies on it.
    pub fn require(&mut self, permission: Permission) -> Result<()> {
        permission.check(&self.view)?;
        self.requirements.permission(&self.base.clone(), permission);
        Ok(())
    }

    /// Relies on the object's definition staying as the transaction sees it.
    pub fn rely_on_definition(&mut self, id: Oid) {
        self.requirements.definition(&self.base.clone(), id);
    }

    /// Relies on nothing else becoming a dependent of the object.
    pub(super) fn rely_on_dependents(&mut self, id: Oid) {
        self.requirements.dependents(&self.base.clone(), id);
    }

    pub(super) fn rely_on_role_uses(&mut self, role: Oid) {
        self.requirements.role_uses(&self.base.clone(), role);
    }

    /// A table in the way of a new one at this URL; relies on there being none.
    pub(super) fn occupant(&mut self, url: &str) -> Option<&Table> {
        self.requirements.free_location(url.to_string());
        overlapping_table(&self.view, url)
    }

    /// The object as the transaction sees it.
    pub(super) fn object(&self, id: Oid) -> Result<Object> {
        self.view
            .object(id)
            .cloned()
            .ok_or_else(|| Error::internal(format!("object {id} vanished")))
    }

    /// Moves the changes on top of a later version, or fails with 40001 when something that they rely on
    /// no longer holds there.
    pub fn rebase(&mut self, now: Arc<CatalogSnapshot>) -> Result<()> {
        if now.version() <= self.base.version() {
            return Ok(());
        }
        let own: HashSet<Oid> = self.changes.keys().copied().collect();
        self.requirements.recheck(&now, &own)?;
        // The view that follows has the log's changes only; before it they can be told apart.
        let view = self.view.clone();
        self.changes
            .retain(|_, change| !matches!(change, Change::Put(object) if view.is_temporary(object)));
        for change in self.changes.values() {
            let Change::Put(object) = change else { continue };
            if let Some(taken) = now.named(&Name::of(object)).filter(|taken| !own.contains(&taken.id())) {
                return Err(serialization_failure(format!(
                    "A concurrent transaction created {taken}."
                )));
            }
        }
        let mut view = now.clone();
        if !self.changes.is_empty() {
            Arc::make_mut(&mut view).stage(&self.change_list())?;
        }
        self.base = now;
        self.view = view;
        Ok(())
    }

    pub(super) fn base(&self) -> &Arc<CatalogSnapshot> {
        &self.base
    }

    pub(super) fn change_list(&self) -> Vec<Change> {
        self.changes
            .values()
            .filter(|change| self.lasts(change))
            .cloned()
            .collect()
    }
}

/// What PostgreSQL says when the object's name is taken.
pub(super) fn already_exists(object: &Object) -> Error {
    let name = object.name();
    let plain = |state: SqlState| Error::new(state, format!("{} \"{name}\" already exists", object.kind().word()));
    match object {
        Object::Database(_) => plain(SqlState::DuplicateDatabase),
        Object::Schema(_) => plain(SqlState::DuplicateSchema),
        Object::Table(_) | Object::View(_) | Object::Sequence(_) | Object::Index(_) => {
            Error::new(SqlState::DuplicateTable, format!("relation \"{name}\" already exists"))
        }
        Object::Function(_) => {
            let message = format!("function \"{name}\" already exists with same argument types");
            Error::new(SqlState::DuplicateFunction, message)
        }
        Object::Type(_) | Object::Role(_) | Object::ExternalLocation(_) => plain(SqlState::DuplicateObject),
    }
}
