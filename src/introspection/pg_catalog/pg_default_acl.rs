//! pg_default_acl: what ALTER DEFAULT PRIVILEGES said in the connected database.

use crate::catalog::acl::access_items;
use crate::catalog::model::{Grant, Privilege};
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let database = lookup.catalog.database(lookup.context.database);
    for known in database.into_iter().flat_map(|database| &database.default_privileges) {
        // Everywhere, the creator's own privileges are among them.
        let own = known.schema.is_none().then(|| Grant {
            grantee: known.role,
            grantor: known.role,
            privileges: Privilege::all_of(known.of.kind()).to_vec(),
            grantable: vec![],
        });
        let grants = own.iter().chain(&known.grants);
        rows.add([
            ("oid", known.id.into()),
            ("defaclrole", known.role.into()),
            (
                "defaclnamespace",
                known.schema.map_or(0, |schema| lookup.namespace_oid(schema)).into(),
            ),
            ("defaclobjtype", known.of.code().into()),
            ("defaclacl", access_items(lookup.catalog, grants).into()),
        ])?;
    }
    Ok(())
}
