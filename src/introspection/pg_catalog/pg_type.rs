//! pg_type: the types that PostgreSQL has, so that drivers recognize what they meet.

use crate::catalog::model::{BOOTSTRAP_ROLE, PG_CATALOG_SCHEMA};
use crate::error::Result;
use crate::functions::builtin::builtin_types;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(_introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for builtin in builtin_types() {
        rows.add([
            ("oid", builtin.oid.into()),
            ("typname", builtin.name.into()),
            ("typnamespace", PG_CATALOG_SCHEMA.into()),
            ("typowner", BOOTSTRAP_ROLE.into()),
            ("typlen", builtin.length.into()),
            ("typbyval", builtin.by_value.into()),
            ("typtype", builtin.kind.into()),
            ("typcategory", builtin.category.into()),
            ("typispreferred", builtin.is_preferred.into()),
            ("typisdefined", true.into()),
            ("typdelim", builtin.delimiter.into()),
            ("typrelid", 0.into()),
            ("typsubscript", builtin.subscript.into()),
            ("typelem", builtin.element.into()),
            ("typarray", builtin.array.into()),
            ("typinput", builtin.input.into()),
            ("typoutput", builtin.output.into()),
            ("typreceive", builtin.receive.into()),
            ("typsend", builtin.send.into()),
            ("typmodin", builtin.modifier_in.into()),
            ("typmodout", builtin.modifier_out.into()),
            ("typanalyze", builtin.analyze.into()),
            ("typalign", builtin.alignment.into()),
            ("typstorage", builtin.storage.into()),
            ("typnotnull", false.into()),
            ("typbasetype", 0.into()),
            ("typtypmod", (-1).into()),
            ("typndims", 0.into()),
            ("typcollation", builtin.collation.into()),
        ])?;
    }
    Ok(())
}
