//! pg_attrdef: defaults of columns, as they were written.

use crate::error::Result;
use crate::functions::builtin::default_oid;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for table in introspection.lookup.tables() {
        for column in &table.columns {
            let Some(default) = introspection.lookup.default_of(column) else {
                continue;
            };
            rows.add([
                ("oid", default_oid(table.id, column.id).into()),
                ("adrelid", table.id.into()),
                ("adnum", i64::from(column.id).into()),
                ("adbin", default.into()),
            ])?;
        }
    }
    Ok(())
}
