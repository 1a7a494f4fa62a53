//! The catalog at one version: immutable once shared. Lookups are hash lookups; a new version shares what
//! did not change. Names, dependents and roles in use are indexes over the objects and never stored.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::entry::OLDEST_FORMAT;
use super::model::*;
use super::names::{Name, Names};
use super::temporary::ALIAS;
use super::user_types::has_user_types;
use crate::error::{Error, Result, SqlState};

/// `changed_at` of an object that an open transaction staged.
pub const UNCOMMITTED: u64 = u64::MAX;

/// What one entry of the log does to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Creates the object, or replaces the one with its id.
    Put(Arc<Object>),
    Drop(Oid),
}

impl Change {
    /// The oldest format whose programs understand the change.
    pub(super) fn format(&self) -> u32 {
        match self {
            Change::Put(object) => object.format(),
            Change::Drop(_) => OLDEST_FORMAT,
        }
    }
}

/// All objects at one version of the catalog.
#[derive(Debug, Clone, Default)]
pub struct CatalogSnapshot {
    version: u64,
    /// No object has, had or is promised this id or a higher one.
    next_oid: Oid,
    policies_changed_at: u64,
    /// The version of the last entry that changed an object.
    definitions_changed_at: u64,
    /// Table → the last entry that decided about its rows, of tables that ever were part of such a transaction.
    decided: HashMap<Oid, u64>,
    staged: bool,
    /// The schema of the session's temporary objects, where a session looks.
    pub(super) temporary: Option<Oid>,
    /// The oldest format whose programs may write after this version.
    min_writer: u32,
    objects: HashMap<Oid, Stored>,
    names: Names,
    /// Object → the objects that cannot stay when it goes.
    dependents: HashMap<Oid, Arc<BTreeSet<Oid>>>,
    /// Role → the objects that name it: owned, granted, members.
    role_uses: HashMap<Oid, Arc<BTreeSet<Oid>>>,
}

#[derive(Debug, Clone)]
struct Stored {
    object: Arc<Object>,
    changed_at: u64,
}

impl CatalogSnapshot {
    /// The version of the last log entry in it; 0 before the first one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether it holds changes that no entry of the log has yet: caches must not know it by its version.
    pub fn is_staged(&self) -> bool {
        self.staged
    }

    /// The version that last changed what policies may say: a row filter, a mask, a function or a role.
    pub fn policies_changed_at(&self) -> u64 {
        self.policies_changed_at
    }

    /// The version that last changed any object: entries that only decide about rows leave it as it is.
    pub fn definitions_changed_at(&self) -> u64 {
        self.definitions_changed_at
    }

    /// The last entry that decided about the table's rows; 0 without one.
    pub fn decided(&self, table: Oid) -> u64 {
        self.decided.get(&table).copied().unwrap_or(0)
    }

    /// Tables with the last entry that decided about their rows.
    pub fn all_decided(&self) -> impl Iterator<Item = (Oid, u64)> {
        self.decided.iter().map(|(table, version)| (*table, *version))
    }

    pub(super) fn with_decided(mut self, decided: impl IntoIterator<Item = (Oid, u64)>) -> CatalogSnapshot {
        let objects = &self.objects;
        let there = decided.into_iter().filter(|(table, _)| objects.contains_key(table));
        self.decided.extend(there);
        self
    }

    pub(super) fn min_writer(&self) -> u32 {
        self.min_writer
    }

    pub(super) fn with_min_writer(mut self, min_writer: u32) -> CatalogSnapshot {
        self.min_writer = self.min_writer.max(min_writer);
        self
    }

    pub(super) fn next_oid(&self) -> Oid {
        self.next_oid
    }

    pub fn object(&self, id: Oid) -> Option<&Object> {
        match self.objects.get(&id) {
            Some(stored) => Some(&stored.object),
            None => SYSTEM_SCHEMAS.iter().find(|schema| schema.id() == id),
        }
    }

    /// The object to keep beyond the snapshot's life.
    pub fn shared(&self, id: Oid) -> Option<Arc<Object>> {
        self.objects.get(&id).map(|stored| stored.object.clone())
    }

    /// The version that last changed the object; `UNCOMMITTED` while it is only staged.
    pub fn changed_at(&self, id: Oid) -> Option<u64> {
        self.objects.get(&id).map(|stored| stored.changed_at)
    }

    /// All objects in no order; the system schemas are not among them.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(|stored| stored.object.as_ref())
    }

    pub fn database(&self, id: Oid) -> Option<&Database> {
        as_database(self.object(id)?)
    }
    pub fn schema(&self, id: Oid) -> Option<&Schema> {
        as_schema(self.object(id)?)
    }
    /// What the schema is called; nothing once it is gone.
    pub fn schema_name(&self, id: Oid) -> &str {
        self.schema(id).map_or("", |schema| &schema.name)
    }
    pub fn table(&self, id: Oid) -> Option<&Table> {
        as_table(self.object(id)?)
    }
    pub fn view(&self, id: Oid) -> Option<&View> {
        as_view(self.object(id)?)
    }
    pub fn function(&self, id: Oid) -> Option<&Function> {
        as_function(self.object(id)?)
    }
    pub fn role(&self, id: Oid) -> Option<&Role> {
        as_role(self.object(id)?)
    }
    pub fn external_location(&self, id: Oid) -> Option<&ExternalLocation> {
        as_external_location(self.object(id)?)
    }

    pub fn database_named(&self, name: &str) -> Option<&Database> {
        self.database(self.names.database(name)?)
    }

    /// A schema of the database, the system schemas included.
    pub fn schema_named(&self, database: Oid, name: &str) -> Option<&Schema> {
        if let Some(own) = self.temporary.filter(|_| name == ALIAS) {
            return self.schema(own);
        }
        match self.names.schema(database, name) {
            Some(id) => self.schema(id),
            None => system_schemas().find(|schema| schema.name == name),
        }
    }

    /// The table or view of that name in the schema.
    pub fn relation_named(&self, schema: Oid, name: &str) -> Option<&Object> {
        self.object(self.names.relation(schema, name)?)
    }

    /// The overloads of that name in the schema, oldest first.
    pub fn functions_named(&self, schema: Oid, name: &str) -> impl Iterator<Item = &Function> {
        self.names.functions(schema, name).filter_map(|id| self.function(id))
    }

    pub fn role_named(&self, name: &str) -> Option<&Role> {
        self.role(self.names.role(name)?)
    }

    pub fn external_location_named(&self, name: &str) -> Option<&ExternalLocation> {
        self.external_location(self.names.external_location(name)?)
    }

    /// The object that has the name.
    pub fn named(&self, name: &Name) -> Option<&Object> {
        self.object(self.names.get(name)?)
    }

    pub fn databases(&self) -> impl Iterator<Item = &Database> {
        self.objects().filter_map(as_database)
    }

    /// The database's own schemas; `system_schemas` are those of every database.
    pub fn schemas(&self, database: Oid) -> impl Iterator<Item = &Schema> {
        self.names.schemas(database).filter_map(|id| self.schema(id))
    }

    /// Tables and views of the schema.
    pub fn relations(&self, schema: Oid) -> impl Iterator<Item = &Object> {
        self.names.relations(schema).filter_map(|id| self.object(id))
    }

    pub fn functions(&self, schema: Oid) -> impl Iterator<Item = &Function> {
        self.names.all_functions(schema).filter_map(|id| self.function(id))
    }

    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.objects().filter_map(as_role)
    }

    pub fn external_locations(&self) -> impl Iterator<Item = &ExternalLocation> {
        self.objects().filter_map(as_external_location)
    }

    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.objects().filter_map(as_table)
    }

    /// The objects that cannot stay when this one goes, by id: content, views and functions that name it,
    /// tables whose policies call it.
    pub fn dependents(&self, id: Oid) -> impl Iterator<Item = &Object> {
        self.dependents
            .get(&id)
            .into_iter()
            .flat_map(|ids| ids.iter())
            .filter_map(|id| self.object(*id))
    }

    /// The indexes declared on a table, by id.
    pub fn indexes(&self, table: Oid) -> impl Iterator<Item = &Index> {
        self.dependents(table).filter_map(move |object| match object {
            Object::Index(index) if index.table == table => Some(index),
            _ => None,
        })
    }

    /// The foreign keys whose rows refer to the table, each with its own table; by table and in the order of declaration.
    pub fn referencing(&self, table: Oid) -> impl Iterator<Item = (&Table, ForeignKey<'_>)> {
        let others = self.dependents(table).filter_map(|object| match object {
            Object::Table(other) => Some(other),
            _ => None,
        });
        self.table(table)
            .into_iter()
            .chain(others)
            .flat_map(move |other| other.foreign_keys().map(move |key| (other, key)))
            .filter(move |(_, key)| key.table == table)
    }

    /// The objects that name the role as owner, grantee or grantor, and the roles that are its members.
    pub fn role_uses(&self, role: Oid) -> impl Iterator<Item = &Object> {
        self.role_uses
            .get(&role)
            .into_iter()
            .flat_map(|ids| ids.iter())
            .filter_map(|id| self.object(*id))
    }

    /// The next version of this snapshot, as one entry of the log makes it.
    pub(super) fn applied(&self, version: u64, next_oid: Oid, changes: &[Change]) -> Result<CatalogSnapshot> {
        let mut snapshot = self.clone();
        snapshot.apply(version, changes)?;
        snapshot.version = version;
        if !changes.is_empty() {
            snapshot.definitions_changed_at = version;
        }
        snapshot.next_oid = snapshot.next_oid.max(next_oid);
        Ok(snapshot)
    }

    /// Lays a transaction's own changes over the snapshot.
    pub(super) fn stage(&mut self, changes: &[Change]) -> Result<()> {
        self.staged = true;
        self.apply(UNCOMMITTED, changes)
    }

    /// All old names go before any new name comes: within one entry names may change hands.
    fn apply(&mut self, changed_at: u64, changes: &[Change]) -> Result<()> {
        for change in changes {
            let (id, new) = match change {
                Change::Put(object) => (object.id(), Some(object.as_ref())),
                Change::Drop(id) => (*id, None),
            };
            let old = self.objects.remove(&id).map(|stored| stored.object);
            if old.is_none() && new.is_none() {
                return Err(broken(format!("it drops object {id}, which does not exist")));
            }
            if changes_policies(old.as_deref(), new) {
                self.policies_changed_at = changed_at;
            }
            if let Some(old) = old {
                self.unindex(&old);
            }
            if new.is_none() {
                self.decided.remove(&id);
            }
        }
        for change in changes {
            if let Change::Put(object) = change {
                self.index(object)?;
                self.objects.insert(
                    object.id(),
                    Stored {
                        object: object.clone(),
                        changed_at,
                    },
                );
            }
        }
        self.define_types(self.outdated_by(changes));
        Ok(())
    }

    /// Gives objects the definitions of the types that they name.
    fn define_types(&mut self, ids: impl IntoIterator<Item = Oid>) {
        for id in ids {
            let defined = self.object(id).map(|object| Arc::new(self.with_definitions(object)));
            if let (Some(defined), Some(stored)) = (defined, self.objects.get_mut(&id)) {
                stored.object = defined;
            }
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    fn index(&mut self, object: &Object) -> Result<()> {
        if self.names.insert(Name::of(object), object.id()).is_some() {
            return Err(broken(format!("it gives {object} a name that is taken")));
        }
        for id in object.depends_on() {
            Arc::make_mut(self.dependents.entry(id).or_default()).insert(object.id());
        }
        for role in object.roles_named() {
            Arc::make_mut(self.role_uses.entry(role).or_default()).insert(object.id());
        }
        Ok(())
    }

    fn unindex(&mut self, object: &Object) {
        self.names.remove(&Name::of(object));
        for id in object.depends_on() {
            forget(&mut self.dependents, id, object.id());
        }
        for role in object.roles_named() {
            forget(&mut self.role_uses, role, object.id());
        }
    }

    /// A snapshot of just these objects, for other modules' tests.
    #[cfg(test)]
    pub(crate) fn of_objects(objects: Vec<Object>) -> CatalogSnapshot {
        let changes: Vec<Change> = objects
            .into_iter()
            .map(|object| Change::Put(Arc::new(object)))
            .collect();
        CatalogSnapshot::default().applied(1, FIRST_USER_OID, &changes).unwrap()
    }

    /// What a checkpoint stores: every object with the version that last changed it, by id.
    pub(super) fn stored_objects(&self) -> Vec<(Arc<Object>, u64)> {
        let mut objects: Vec<_> = self
            .objects
            .values()
            .map(|stored| (stored.object.clone(), stored.changed_at))
            .collect();
        objects.sort_unstable_by_key(|(object, _)| object.id());
        objects
    }

    /// The snapshot that a checkpoint stored.
    pub(super) fn restored(
        version: u64,
        next_oid: Oid,
        policies_changed_at: u64,
        objects: Vec<(Arc<Object>, u64)>,
    ) -> Result<CatalogSnapshot> {
        let mut snapshot = CatalogSnapshot {
            version,
            next_oid,
            policies_changed_at,
            definitions_changed_at: version,
            ..CatalogSnapshot::default()
        };
        for (object, changed_at) in objects {
            snapshot.index(&object)?;
            snapshot.objects.insert(object.id(), Stored { object, changed_at });
        }
        let users: Vec<Oid> = snapshot
            .objects()
            .filter(|object| has_user_types(object))
            .map(Object::id)
            .collect();
        snapshot.define_types(users);
        Ok(snapshot)
    }
}

/// pg_catalog, information_schema and system: part of every database, owned by the bootstrap role.
pub fn system_schemas() -> impl Iterator<Item = &'static Schema> {
    SYSTEM_SCHEMAS.iter().filter_map(as_schema)
}

static SYSTEM_SCHEMAS: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let schema = |id, name: &str| {
        let usage = vec![Privilege::Usage];
        let grant = Grant {
            grantee: PUBLIC_ROLE,
            grantor: BOOTSTRAP_ROLE,
            privileges: usage,
            grantable: vec![],
        };
        let (name, grants) = (name.to_string(), vec![grant]);
        Object::Schema(Schema {
            id,
            database: 0,
            name,
            owner: BOOTSTRAP_ROLE,
            grants,
            comment: None,
        })
    };
    vec![
        schema(PG_CATALOG_SCHEMA, "pg_catalog"),
        schema(INFORMATION_SCHEMA, "information_schema"),
        schema(SYSTEM_SCHEMA, "system"),
    ]
});

/// Whether what policies say may differ: a function or a role changed, or a governed table's columns did.
fn changes_policies(old: Option<&Object>, new: Option<&Object>) -> bool {
    let mut either = old.into_iter().chain(new);
    if either
        .clone()
        .any(|object| matches!(object, Object::Function(_) | Object::Role(_)))
    {
        return old != new;
    }
    either.any(|object| as_table(object).is_some_and(Table::is_governed)) && governed_part(old) != governed_part(new)
}

fn governed_part(object: Option<&Object>) -> Option<(&Option<RowFilter>, &[Column])> {
    object
        .and_then(as_table)
        .map(|table| (&table.row_filter, table.columns.as_slice()))
}

fn forget(index: &mut HashMap<Oid, Arc<BTreeSet<Oid>>>, key: Oid, id: Oid) {
    if let Some(ids) = index.get_mut(&key).map(Arc::make_mut) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(&key);
        }
    }
}

fn broken(why: String) -> Error {
    Error::new(
        SqlState::DataCorrupted,
        "a change does not fit the catalog that it follows",
    )
    .with_detail(format!("The change is wrong: {why}."))
}

macro_rules! downcasts {
    ($($function:ident $kind:ident),*) => {
        $(fn $function(object: &Object) -> Option<&$kind> {
            match object {
                Object::$kind(object) => Some(object),
                _ => None,
            }
        })*
    };
}

downcasts!(
    as_database Database, as_schema Schema, as_table Table, as_view View, as_function Function, as_role Role,
    as_external_location ExternalLocation
);
