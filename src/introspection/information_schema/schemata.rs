//! schemata: schemas that the principal owns or may use (PostgreSQL lists owned ones only; BI tools choose from them); and the name of the connected database.

use super::catalog;
use crate::catalog::model::Object;
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

pub(super) fn schemata(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for schema in lookup.schemas() {
        if !lookup.sees(&Object::Schema(schema.clone())) {
            continue;
        }
        rows.add([
            ("catalog_name", catalog(introspection)),
            ("schema_name", schema.name.as_str().into()),
            (
                "schema_owner",
                lookup.catalog.role(schema.owner).map(|role| role.name.as_str()).into(),
            ),
        ])?;
    }
    Ok(())
}

pub(super) fn catalog_name(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    rows.add([("catalog_name", catalog(introspection))])
}
