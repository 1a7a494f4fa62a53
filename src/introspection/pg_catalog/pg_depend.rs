//! pg_depend: what views and tables depend on.

use crate::catalog::model::{Object, Oid};
use crate::error::Result;
use crate::functions::{FUNCTION_CLASS, NAMESPACE_CLASS, RELATION_CLASS, REWRITE_CLASS};
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    let mut add = |class: Oid, oid: Oid, referenced_class: Oid, referenced: Oid, column: i64, kind: &str| {
        rows.add([
            ("classid", class.into()),
            ("objid", oid.into()),
            ("objsubid", 0.into()),
            ("refclassid", referenced_class.into()),
            ("refobjid", referenced.into()),
            ("refobjsubid", column.into()),
            ("deptype", kind.into()),
        ])
    };
    for object in lookup.relations() {
        if let Some(schema) = object.parent() {
            add(RELATION_CLASS, object.id(), NAMESPACE_CLASS, schema, 0, "n")?;
        }
        let Object::View(view) = object else { continue };
        add(REWRITE_CLASS, view.id, RELATION_CLASS, view.id, 0, "i")?;
        for reference in &view.references {
            let class = match lookup.catalog.object(reference.object) {
                Some(Object::Function(_)) => FUNCTION_CLASS,
                Some(referenced) if lookup.sees(referenced) => RELATION_CLASS,
                _ => continue,
            };
            add(REWRITE_CLASS, view.id, class, reference.object, 0, "n")?;
            for (column, _) in &reference.columns {
                add(REWRITE_CLASS, view.id, class, reference.object, i64::from(*column), "n")?;
            }
        }
    }
    Ok(())
}
