//! A session's settings over time: SET, SET LOCAL, RESET and their fate at the end of a transaction, and
//! which changes the client has yet to be told of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::definition::{ChangedBy, Definition, Kind, quoted_names};
use super::registry::{DEFINITIONS, definition};
use super::values::{Settings, unrecognized};
use crate::error::{Error, Result, SqlState};

/// Settings that belong to one transaction, whichever way they are set.
const OF_TRANSACTION: [&str; 3] = [
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
];

/// The same with the settings that they start from; both are declared with the same value.
pub(super) const MODES: [(&str, &str); 3] = [
    ("transaction_isolation", "default_transaction_isolation"),
    ("transaction_read_only", "default_transaction_read_only"),
    ("transaction_deferrable", "default_transaction_deferrable"),
];

/// One session's settings. `current` is what statements see; `lasting` is the same without what SET
/// LOCAL laid over it.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    current: Arc<Settings>,
    lasting: Arc<Settings>,
    /// What RESET goes back to: the server's defaults, the role's and the client's startup parameters.
    reset: Arc<Settings>,
    /// `lasting` as the open transaction found it.
    before_transaction: Option<Arc<Settings>>,
    reported: BTreeMap<&'static str, String>,
    /// The settings that `reported` was made from.
    told: Option<Arc<Settings>>,
}

/// The settings when a savepoint was set.
#[derive(Debug, Clone)]
pub struct SettingsMark {
    current: Arc<Settings>,
    lasting: Arc<Settings>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        SessionSettings::new(Arc::new(Settings::default()))
    }
}

/// The values that follow SET, as one text.
pub fn text_of(name: &str, values: &[String]) -> Result<String> {
    match (definition(name).map(|found| found.kind), values) {
        (Some(Kind::Names), names) => Ok(quoted_names(names)),
        (Some(Kind::DateStyle), words) => Ok(words.join(", ")),
        (_, [value]) => Ok(value.clone()),
        _ => Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("SET {name} takes only one argument"),
        )),
    }
}

impl SessionSettings {
    /// Settings that start from the server's defaults.
    pub fn new(defaults: Arc<Settings>) -> SessionSettings {
        SessionSettings {
            current: defaults.clone(),
            lasting: defaults.clone(),
            reset: defaults,
            before_transaction: None,
            reported: BTreeMap::new(),
            told: None,
        }
    }

    /// What a statement sees; cheap to keep.
    pub fn current(&self) -> &Arc<Settings> {
        &self.current
    }

    /// A startup parameter, a role's setting or a server default: RESET comes back to it.
    pub fn set_startup(&mut self, name: &str, value: &str, is_superuser: bool) -> Result<()> {
        let canonical = self.current.check(name, value, is_superuser)?;
        self.reset = Arc::new(self.reset.with(name, &canonical));
        self.lasting = Arc::new(self.lasting.with(name, &canonical));
        self.current = Arc::new(self.current.with(name, &canonical));
        Ok(())
    }

    /// SET and SET LOCAL: the values as they were written, names of a list apart. SET LOCAL outside a
    /// transaction has no effect; PostgreSQL warns.
    pub fn set(&mut self, name: &str, values: &[String], local: bool, is_superuser: bool) -> Result<()> {
        self.set_text(name, &text_of(name, values)?, local, is_superuser)
    }

    /// set_config(): like SET, with a list in one text.
    pub fn set_text(&mut self, name: &str, value: &str, local: bool, is_superuser: bool) -> Result<()> {
        let canonical = self.current.check(name, value, is_superuser)?;
        self.apply(name, &canonical, local);
        Ok(())
    }

    /// A value that holds until `lift`: while a function runs that is declared with it.
    pub fn lay(&mut self, name: &str, value: &str, is_superuser: bool) -> Result<()> {
        let canonical = self.current.check(name, value, is_superuser)?;
        self.current = Arc::new(self.current.with(name, &canonical));
        Ok(())
    }

    /// The values of these names as they were `before`.
    pub fn lift(&mut self, names: &[String], before: &Settings) {
        for name in names {
            let value = before.canonical(name).unwrap_or_default();
            self.current = Arc::new(self.current.with(name, value));
        }
    }

    /// A value that only the server decides: is_superuser, session_authorization, role.
    pub fn set_internal(&mut self, name: &str, value: &str, local: bool) {
        self.apply(name, value, local);
    }

    /// RESET name, and SET name TO DEFAULT.
    pub fn reset(&mut self, name: &str, local: bool, is_superuser: bool) -> Result<()> {
        match definition(name) {
            Some(found) => found.check_changeable(is_superuser)?,
            None if self.current.is_changed(name) => {}
            None => return Err(unrecognized(name)),
        }
        let canonical = self.reset.canonical(name).unwrap_or_default().to_string();
        self.apply(name, &canonical, local);
        Ok(())
    }

    /// RESET ALL; what belongs to the server and the transaction stays.
    pub fn reset_all(&mut self) {
        let resettable = |found: &&Definition| {
            !OF_TRANSACTION.contains(&found.name) && matches!(found.changed_by, ChangedBy::User | ChangedBy::Superuser)
        };
        let custom: Vec<String> = self.current.custom().map(|(name, _)| name.to_string()).collect();
        let names = DEFINITIONS
            .iter()
            .filter(resettable)
            .map(|found| found.name.to_string())
            .chain(custom);
        for name in names {
            let canonical = self.reset.canonical(&name).unwrap_or_default().to_string();
            if self.current.canonical(&name) != Some(&canonical) {
                self.apply(&name, &canonical, false);
            }
        }
    }

    /// SHOW name.
    pub fn show(&self, name: &str) -> Result<String> {
        self.current.shown(name).ok_or_else(|| unrecognized(name))
    }

    /// What RESET would bring back, as SHOW prints it.
    pub fn reset_value(&self, name: &str) -> Option<String> {
        self.reset.shown(name)
    }

    /// A transaction begins; its own settings start from the session's defaults.
    pub fn begin(&mut self) {
        if self.before_transaction.is_some() {
            return;
        }
        self.before_transaction = Some(self.lasting.clone());
        for (name, default) in MODES {
            // What nobody changed is the same for both: each statement comes by here.
            if !self.current.has_own(name) && !self.current.has_own(default) {
                continue;
            }
            let value = self.current.canonical(default).unwrap_or_default().to_string();
            if self.current.canonical(name) != Some(&value) {
                self.apply(name, &value, true);
            }
        }
    }

    /// The transaction committed: SET stays, SET LOCAL is undone.
    pub fn commit(&mut self) {
        self.before_transaction = None;
        self.current = self.lasting.clone();
    }

    /// The transaction was rolled back: everything is as it was before it.
    pub fn rollback(&mut self) {
        if let Some(before) = self.before_transaction.take() {
            self.lasting = before;
        }
        self.current = self.lasting.clone();
    }

    /// The values for a savepoint to come back to.
    pub fn mark(&self) -> SettingsMark {
        SettingsMark {
            current: self.current.clone(),
            lasting: self.lasting.clone(),
        }
    }

    /// ROLLBACK TO SAVEPOINT.
    pub fn back_to(&mut self, mark: &SettingsMark) {
        self.current = mark.current.clone();
        self.lasting = mark.lasting.clone();
    }

    /// Every reported setting with its value, for the start of the session.
    pub fn report_all(&mut self) -> Vec<(String, String)> {
        self.reported.clear();
        self.told = None;
        self.take_changes()
    }

    /// The reported settings that changed since the client was last told.
    pub fn take_changes(&mut self) -> Vec<(String, String)> {
        let mut changes = Vec::new();
        if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &self.current)) {
            return changes;
        }
        self.told = Some(Arc::clone(&self.current));
        for found in DEFINITIONS.iter().filter(|found| found.reported) {
            let shown = self.current.shown(found.name).unwrap_or_default();
            if self.reported.get(found.name) != Some(&shown) {
                self.reported.insert(found.name, shown.clone());
                changes.push((found.name.to_string(), shown));
            }
        }
        changes
    }

    /// A name that nobody declared stays known once it was set, if only for a transaction: it is empty then, as in PostgreSQL.
    fn remember(&mut self, name: &str) {
        if definition(name).is_some() || self.lasting.is_changed(name) {
            return;
        }
        self.lasting = Arc::new(self.lasting.with(name, ""));
        if let Some(before) = &mut self.before_transaction {
            *before = Arc::new(before.with(name, ""));
        }
    }

    fn apply(&mut self, name: &str, canonical: &str, local: bool) {
        let of_transaction = OF_TRANSACTION.iter().any(|own| own.eq_ignore_ascii_case(name));
        let local = local || of_transaction;
        self.remember(name);
        if local && self.before_transaction.is_none() {
            return;
        }
        self.current = Arc::new(self.current.with(name, canonical));
        if !local {
            self.lasting = Arc::new(self.lasting.with(name, canonical));
        }
    }
}
