//! pg_rewrite: the rule that makes a relation a view, which clients join to find what a view reads.

use crate::error::Result;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for object in introspection.lookup.relations() {
        let Some(view) = object.stored_view() else { continue };
        rows.add([
            // A view has exactly one rule: its own OID tells rules apart.
            ("oid", view.id.into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", view.id.into()),
            ("ev_type", "1".into()),
            ("ev_enabled", "O".into()),
            ("is_instead", true.into()),
        ])?;
    }
    Ok(())
}
