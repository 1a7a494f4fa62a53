//! pg_settings: the settings of the session that asks.

use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for setting in introspection.monitoring.settings(introspection.environment) {
        rows.add([
            ("name", setting.name.into()),
            ("setting", setting.value.into()),
            ("unit", setting.unit.into()),
            ("category", setting.category.into()),
            ("short_desc", setting.description.into()),
            ("context", setting.context.into()),
            ("vartype", setting.kind.into()),
            ("source", setting.source.into()),
            ("min_val", setting.minimum.into()),
            ("max_val", setting.maximum.into()),
            (
                "enumvals",
                if setting.allowed.is_empty() {
                    Datum::Null
                } else {
                    setting.allowed.into()
                },
            ),
            ("boot_val", setting.default.into()),
            ("reset_val", setting.reset.into()),
            ("pending_restart", false.into()),
        ])?;
    }
    Ok(())
}
