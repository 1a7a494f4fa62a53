//! pg_database: every database of the warehouse.

use crate::catalog::acl::access_list;
use crate::catalog::model::Object;
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for database in lookup.catalog.databases() {
        let object = Object::Database(database.clone());
        rows.add([
            ("oid", database.id.into()),
            ("datname", database.name.as_str().into()),
            ("datdba", database.owner.into()),
            // UTF8.
            ("encoding", 6.into()),
            ("datlocprovider", "c".into()),
            ("datistemplate", false.into()),
            ("datallowconn", true.into()),
            ("dathasloginevt", false.into()),
            ("datconnlimit", (-1).into()),
            ("datfrozenxid", 3.into()),
            ("datminmxid", 1.into()),
            ("dattablespace", DEFAULT_TABLESPACE.into()),
            ("datcollate", "C.UTF-8".into()),
            ("datctype", "C.UTF-8".into()),
            ("datacl", access_list(lookup.catalog, &object).into()),
        ])?;
    }
    Ok(())
}

/// pg_default's OID.
const DEFAULT_TABLESPACE: i64 = 1663;
