//! pg_init_privs: what may be done with the system's schemas and relations from the start, which dumps leave out.

use super::pg_class::builtin_access_list;
use crate::catalog::acl::access_list;
use crate::catalog::model::{INFORMATION_SCHEMA, Object, Oid, PG_CATALOG_SCHEMA, SYSTEM_SCHEMA};
use crate::error::Result;
use crate::functions::builtin::builtin_relations;
use crate::functions::{Datum, NAMESPACE_CLASS, RELATION_CLASS};
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let mut add = |oid: Oid, class: Oid, kind: &str, privileges: Datum| {
        rows.add([
            ("objoid", oid.into()),
            ("classoid", class.into()),
            ("objsubid", 0.into()),
            ("privtype", kind.into()),
            ("initprivs", privileges),
        ])
    };
    for schema in lookup.schemas() {
        let kind = match schema.id {
            PG_CATALOG_SCHEMA | INFORMATION_SCHEMA => "i",
            SYSTEM_SCHEMA => "e",
            _ => continue,
        };
        let privileges = access_list(lookup.catalog, &Object::Schema(schema.clone()));
        add(schema.id, NAMESPACE_CLASS, kind, privileges.into())?;
    }
    for relation in builtin_relations() {
        let kind = if relation.schema == "system" { "e" } else { "i" };
        add(relation.oid, RELATION_CLASS, kind, builtin_access_list(introspection))?;
    }
    Ok(())
}
