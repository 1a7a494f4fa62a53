//! pg_database: every database of the warehouse, and PostgreSQL's templates, which nobody can connect to.

use crate::catalog::acl::access_list;
use crate::catalog::model::{BOOTSTRAP_ROLE, Object, Oid};
use crate::error::Result;
use crate::functions::{Datum, TEMPLATE_DATABASES};
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let mut add = |oid: Oid, name: &str, owner: Oid, is_template: bool, access_list: Datum| {
        rows.add([
            ("oid", oid.into()),
            ("datname", name.into()),
            ("datdba", owner.into()),
            // UTF8.
            ("encoding", 6.into()),
            ("datlocprovider", "c".into()),
            ("datistemplate", is_template.into()),
            ("datallowconn", (!is_template).into()),
            ("dathasloginevt", false.into()),
            ("datconnlimit", (-1).into()),
            ("datfrozenxid", 3.into()),
            ("datminmxid", 1.into()),
            ("dattablespace", DEFAULT_TABLESPACE.into()),
            ("datcollate", "C.UTF-8".into()),
            ("datctype", "C.UTF-8".into()),
            ("datacl", access_list),
        ])
    };
    for (oid, name) in TEMPLATE_DATABASES {
        add(oid, name, BOOTSTRAP_ROLE, true, Datum::Null)?;
    }
    for database in lookup.catalog.databases() {
        let object = Object::Database(database.clone());
        add(
            database.id,
            &database.name,
            database.owner,
            false,
            access_list(lookup.catalog, &object).into(),
        )?;
    }
    Ok(())
}

/// pg_default's OID.
const DEFAULT_TABLESPACE: i64 = 1663;
