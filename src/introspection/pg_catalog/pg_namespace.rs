//! pg_namespace: the schemas of the connected database.

use crate::catalog::acl::access_list;
use crate::catalog::model::{BOOTSTRAP_ROLE, Object};
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for schema in lookup.schemas() {
        let object = Object::Schema(schema.clone());
        rows.add([
            ("oid", lookup.namespace_oid(schema.id).into()),
            ("nspname", schema.name.as_str().into()),
            ("nspowner", schema.owner.into()),
            ("nspacl", access_list(lookup.catalog, &object).into()),
        ])?;
    }
    // Where PostgreSQL keeps the overflow of wide rows; empty here.
    rows.add([
        ("oid", 99.into()),
        ("nspname", "pg_toast".into()),
        ("nspowner", BOOTSTRAP_ROLE.into()),
    ])
}
