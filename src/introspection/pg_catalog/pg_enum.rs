//! pg_enum: the labels of enumerations.

use crate::catalog::model::TypeDefinition;
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for user_type in introspection.lookup.user_types() {
        let TypeDefinition::Enum(labels) = &user_type.definition else {
            continue;
        };
        for label in labels {
            rows.add([
                ("oid", label.id.into()),
                ("enumtypid", user_type.id.into()),
                ("enumsortorder", Datum::Float(f64::from(label.order))),
                ("enumlabel", label.label.as_str().into()),
            ])?;
        }
    }
    Ok(())
}
