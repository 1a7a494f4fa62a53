//! Temporary tables, views, types and functions: objects of one session, laid over whatever version of the catalog it sees and
//! never written to the log. They have ids of the shared sequence, so nothing else ever has the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::*;
use super::snapshot::{CatalogSnapshot, Change};
use super::staged::Staged;
use crate::error::{Error, Result, SqlState};

/// The name by which every session calls its own temporary schema.
pub(super) const ALIAS: &str = "pg_temp";

/// What COMMIT does to a temporary table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCommit {
    PreserveRows,
    DeleteRows,
    Drop,
}

/// A session's temporary schema and what is in it.
#[derive(Debug, Clone)]
pub struct Temporary {
    schema: Arc<Object>,
    objects: BTreeMap<Oid, Arc<Object>>,
    on_commit: BTreeMap<Oid, OnCommit>,
}

impl Temporary {
    /// The tables in it.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.objects.values().filter_map(|object| match object.as_ref() {
            Object::Table(table) => Some(table),
            _ => None,
        })
    }

    /// Whether the object is in it.
    pub fn has(&self, id: Oid) -> bool {
        self.objects.contains_key(&id)
    }

    /// What COMMIT does to the table.
    pub fn on_commit(&self, table: Oid) -> OnCommit {
        self.on_commit.get(&table).copied().unwrap_or(OnCommit::PreserveRows)
    }

    /// Adds what a transaction's CREATE statements said of COMMIT; of tables that are not there any more,
    /// nothing.
    pub fn remember(&mut self, said: impl IntoIterator<Item = (Oid, OnCommit)>) {
        self.on_commit.extend(said);
        let objects = &self.objects;
        self.on_commit.retain(|table, _| objects.contains_key(table));
    }

    /// Carries over what was said of COMMIT before.
    pub fn remember_all_of(&mut self, earlier: &Temporary) {
        self.remember(earlier.on_commit.iter().map(|(table, action)| (*table, *action)));
    }

    /// Drops the tables that COMMIT drops, with the views over them.
    pub fn drop_at_commit(&mut self) {
        let goes = |temporary: &Temporary, object: &Object| {
            temporary.on_commit(object.id()) == OnCommit::Drop
                || object
                    .depends_on()
                    .iter()
                    .any(|id| !temporary.objects.contains_key(id) && temporary.on_commit.contains_key(id))
        };
        loop {
            let gone: Vec<Oid> = self
                .objects
                .values()
                .filter(|object| goes(self, object))
                .map(|object| object.id())
                .collect();
            if gone.is_empty() {
                break;
            }
            for id in gone {
                self.objects.remove(&id);
                // What depends on it finds that it went.
                self.on_commit.insert(id, OnCommit::Drop);
            }
        }
        let objects = &self.objects;
        self.on_commit.retain(|table, _| objects.contains_key(table));
    }

    fn changes(&self) -> Vec<Change> {
        let objects = std::iter::once(&self.schema).chain(self.objects.values());
        objects.map(|object| Change::Put(Arc::clone(object))).collect()
    }
}

impl CatalogSnapshot {
    /// This version as a session with temporary objects sees it.
    pub fn with_temporary(&self, temporary: &Temporary) -> Result<CatalogSnapshot> {
        let mut snapshot = self.clone();
        snapshot.stage(&temporary.changes())?;
        snapshot.temporary = Some(temporary.schema.id());
        Ok(snapshot)
    }

    /// The session's own schema for temporary objects, once it has one.
    pub fn temporary_schema(&self) -> Option<Oid> {
        self.temporary
    }

    /// Whether the object is the session's own and temporary.
    pub fn is_temporary(&self, object: &Object) -> bool {
        self.temporary
            .is_some_and(|schema| object.id() == schema || object.parent() == Some(schema))
    }

    /// A statement's search path without the temporary schema: what a stored text may be kept with.
    pub fn without_temporary(&self, search_path: &[Oid]) -> Vec<Oid> {
        let lasting = search_path.iter().filter(|schema| Some(**schema) != self.temporary);
        lasting.copied().collect()
    }
}

impl Staged {
    /// Shows the session's temporary objects beside the shared ones.
    pub fn lay(&mut self, temporary: &Temporary) -> Result<()> {
        self.set_view(Arc::new(self.view().with_temporary(temporary)?));
        Ok(())
    }

    /// The session's temporary schema, made with its first object; needs TEMPORARY on the database.
    pub fn temporary_schema(&mut self, role: Oid, database: Oid, process_id: i32) -> Result<Oid> {
        let allowed = self
            .view()
            .object(database)
            .is_some_and(|database| self.view().access(role).has(database, Privilege::Temporary));
        if !allowed {
            let name = self.view().database(database).map_or("", |database| &database.name);
            let message = format!("permission denied to create temporary tables in database \"{name}\"");
            return Err(Error::new(SqlState::InsufficientPrivilege, message));
        }
        if let Some(schema) = self.view().temporary {
            return Ok(schema);
        }
        let id = self.new_oid()?;
        // Nobody else ever sees it: it is open to every role that the session may become.
        let everybody = Grant {
            grantee: PUBLIC_ROLE,
            grantor: BOOTSTRAP_ROLE,
            privileges: vec![Privilege::Usage, Privilege::Create],
            grantable: vec![],
        };
        let temporary = Temporary {
            schema: Arc::new(Object::Schema(Schema {
                id,
                database,
                name: format!("{ALIAS}_{process_id}"),
                owner: BOOTSTRAP_ROLE,
                grants: vec![everybody],
                comment: None,
            })),
            objects: BTreeMap::new(),
            on_commit: BTreeMap::new(),
        };
        self.lay(&temporary)?;
        Ok(id)
    }

    /// The temporary objects as the transaction sees them.
    pub fn temporary(&self) -> Option<Temporary> {
        let view = self.view();
        let schema = view.temporary?;
        let types = view.user_types(schema).map(|user_type| user_type.id);
        let functions = view.functions(schema).map(|function| function.id);
        let all = view.relations(schema).map(Object::id).chain(types).chain(functions);
        let in_it = all.filter_map(|id| view.shared(id));
        Some(Temporary {
            objects: in_it.map(|object| (object.id(), object)).collect(),
            schema: view.shared(schema)?,
            on_commit: BTreeMap::new(),
        })
    }

    /// DISCARD TEMP.
    pub fn drop_temporary(&mut self) -> Result<()> {
        let all = self.temporary().map(|temporary| temporary.objects).unwrap_or_default();
        for id in all.into_keys() {
            self.drop_object(id)?;
        }
        Ok(())
    }

    /// Refuses that what lasts refers to what does not.
    pub(super) fn refuse_temporary_reference(&self, object: &Object) -> Result<()> {
        let view = self.view();
        if view.is_temporary(object) {
            return Ok(());
        }
        let refers = object
            .depends_on()
            .into_iter()
            .filter_map(|id| view.object(id))
            .find(|other| view.is_temporary(other));
        match refers {
            None => Ok(()),
            Some(other) => Err(Error::new(
                SqlState::InvalidTableDefinition,
                format!("{object} cannot refer to the temporary {other}"),
            )),
        }
    }
}
