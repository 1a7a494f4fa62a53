//! The schemas that a session's search_path names. They are looked up again when the setting, the role or any object of the
//! catalog changed, and for each statement over changes that are not committed.

use super::Session;
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::Oid;

/// What was found last, and all that it follows from.
#[derive(Debug)]
pub(super) struct SearchPath {
    names: Vec<String>,
    role: Oid,
    temporary: Option<Oid>,
    catalog_version: u64,
    schemas: Vec<Oid>,
}

impl Session {
    pub(super) fn search_path(&mut self, catalog: &CatalogSnapshot) -> Vec<Oid> {
        let (names, role) = (&self.settings.current().search_path, self.identity.current().role);
        let stands = |found: &&SearchPath| {
            found.catalog_version == catalog.definitions_changed_at()
                && found.temporary == catalog.temporary_schema()
                && found.role == role
                && found.names == *names
        };
        if catalog.is_staged() {
            return catalog.search_path(self.database, names, role);
        }
        if let Some(found) = self.search_path.as_ref().filter(stands) {
            return found.schemas.clone();
        }
        let schemas = catalog.search_path(self.database, names, role);
        self.search_path = Some(SearchPath {
            names: names.clone(),
            role,
            temporary: catalog.temporary_schema(),
            catalog_version: catalog.definitions_changed_at(),
            schemas: schemas.clone(),
        });
        schemas
    }
}
