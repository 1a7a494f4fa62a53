//! pg_settings: the settings of the session that asks.

use crate::context::settings::definition;
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for setting in introspection.monitoring.settings(introspection.environment) {
        // Values with a unit stand here as numbers of that unit.
        let plain = |shown: String| -> String {
            let canonical = definition(&setting.name).and_then(|known| known.canonical(&shown, &shown).ok());
            canonical.filter(|_| setting.unit.is_some()).unwrap_or(shown)
        };
        let (value, default, reset) = (plain(setting.value), plain(setting.default), plain(setting.reset));
        rows.add([
            ("name", setting.name.as_str().into()),
            ("setting", value.into()),
            ("unit", setting.unit.clone().into()),
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
            ("boot_val", default.into()),
            ("reset_val", reset.into()),
            ("pending_restart", false.into()),
        ])?;
    }
    Ok(())
}
