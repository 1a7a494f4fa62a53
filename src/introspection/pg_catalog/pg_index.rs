//! pg_index: the indexes of the system catalogs. Tables have none.

use std::sync::OnceLock;

use crate::error::Result;
use crate::functions::builtin::builtin_indexes;
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

pub(super) fn generate(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    static SYSTEM: OnceLock<Vec<SharedRow>> = OnceLock::new();
    rows.add_once(&SYSTEM, |rows| {
        for index in builtin_indexes() {
            let count = index.keys.len() as i64;
            rows.add([
                ("indexrelid", index.oid.into()),
                ("indrelid", index.relation.into()),
                ("indnatts", count.into()),
                ("indnkeyatts", count.into()),
                ("indisunique", index.is_unique.into()),
                ("indnullsnotdistinct", false.into()),
                ("indisprimary", index.is_primary.into()),
                ("indisexclusion", false.into()),
                ("indimmediate", true.into()),
                ("indisclustered", false.into()),
                ("indisvalid", true.into()),
                ("indcheckxmin", false.into()),
                ("indisready", true.into()),
                ("indislive", true.into()),
                ("indisreplident", false.into()),
                ("indkey", index.keys.clone().into()),
                ("indcollation", index.collations.clone().into()),
                ("indclass", index.classes.clone().into()),
                ("indoption", index.options.clone().into()),
            ])?;
        }
        Ok(())
    })
}
