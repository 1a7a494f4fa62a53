//! pg_constraint: the keys of the system catalogs.

use std::sync::OnceLock;

use crate::catalog::model::PG_CATALOG_SCHEMA;
use crate::error::Result;
use crate::functions::builtin::builtin_indexes;
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

pub(super) fn generate(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for index in builtin_indexes().iter().filter(|index| index.constraint != 0) {
            rows.add([
                ("oid", index.constraint.into()),
                ("conname", index.name.into()),
                ("connamespace", PG_CATALOG_SCHEMA.into()),
                ("contype", if index.is_primary { "p" } else { "u" }.into()),
                ("condeferrable", false.into()),
                ("condeferred", false.into()),
                ("convalidated", true.into()),
                ("conrelid", index.relation.into()),
                ("contypid", 0.into()),
                ("conindid", index.oid.into()),
                ("conparentid", 0.into()),
                ("confrelid", 0.into()),
                ("confupdtype", " ".into()),
                ("confdeltype", " ".into()),
                ("confmatchtype", " ".into()),
                ("conislocal", true.into()),
                ("coninhcount", 0.into()),
                ("connoinherit", true.into()),
                ("conkey", index.keys.clone().into()),
            ])?;
        }
        Ok(())
    })
}
