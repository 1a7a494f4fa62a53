//! schemata: schemas that the principal owns or may use (PostgreSQL lists owned ones only; BI tools choose from them); the name of the connected
//! database, character sets and collations.

use super::catalog;
use crate::catalog::model::Object;
use crate::error::Result;
use crate::functions::builtin;
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

/// character_sets: the one that databases are in.
pub(super) fn character_sets(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    rows.add([
        ("character_set_name", "UTF8".into()),
        ("character_repertoire", "UCS".into()),
        ("form_of_use", "UTF8".into()),
        ("default_collate_catalog", catalog(introspection)),
        ("default_collate_schema", "pg_catalog".into()),
        ("default_collate_name", "C".into()),
    ])
}

/// collations: those of pg_collation.
pub(super) fn collations(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for collation in builtin::collations() {
        rows.add([
            ("collation_catalog", catalog(introspection)),
            ("collation_schema", "pg_catalog".into()),
            ("collation_name", collation.name.into()),
            ("pad_attribute", "NO PAD".into()),
        ])?;
    }
    Ok(())
}

/// collation_character_set_applicability: all of them compare UTF-8's bytes.
pub(super) fn collations_of_character_sets(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for collation in builtin::collations() {
        rows.add([
            ("collation_catalog", catalog(introspection)),
            ("collation_schema", "pg_catalog".into()),
            ("collation_name", collation.name.into()),
            ("character_set_name", "UTF8".into()),
        ])?;
    }
    Ok(())
}
