//! pg_index: the indexes of the system catalogs, and one for each declared key of a table.

use std::sync::OnceLock;

use crate::error::Result;
use crate::functions::builtin::{builtin_indexes, builtin_type};
use crate::introspection::Introspection;
use crate::introspection::rows::{Rows, SharedRow};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
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
    })?;
    for key in introspection.lookup.keys() {
        let columns: Vec<i64> = key.columns.iter().copied().map(i64::from).collect();
        let count = columns.len();
        let types = key.columns.iter().map(|id| {
            let mut columns = key.table.columns.iter();
            columns
                .find(|column| column.id == *id)
                .map(|column| column.sql_type.oid())
        });
        let types: Vec<Option<u32>> = types.collect();
        let collation = |oid: &Option<u32>| oid.and_then(builtin_type).map_or(0, |ty| i64::from(ty.collation));
        rows.add([
            ("indexrelid", key.index().into()),
            ("indrelid", key.table.id.into()),
            ("indnatts", (count as i64).into()),
            ("indnkeyatts", (count as i64).into()),
            ("indisunique", true.into()),
            ("indnullsnotdistinct", false.into()),
            ("indisprimary", key.is_primary().into()),
            ("indisexclusion", false.into()),
            ("indimmediate", true.into()),
            ("indisclustered", false.into()),
            ("indisvalid", true.into()),
            ("indcheckxmin", false.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indisreplident", false.into()),
            ("indkey", columns.into()),
            ("indcollation", types.iter().map(collation).collect::<Vec<i64>>().into()),
            (
                "indclass",
                types
                    .iter()
                    .map(|oid| operator_class(*oid))
                    .collect::<Vec<i64>>()
                    .into(),
            ),
            ("indoption", vec![0_i64; count].into()),
        ])?;
    }
    Ok(())
}

/// The default operator class of btree for a type.
fn operator_class(oid: Option<u32>) -> i64 {
    match oid {
        Some(16) => 424,
        Some(17) => 428,
        Some(20) => 3124,
        Some(21) => 1979,
        Some(23) => 1978,
        Some(700) => 1970,
        Some(701) => 3123,
        Some(1042) => 426,
        Some(1082) => 3122,
        Some(1114) => 3128,
        Some(1184) => 3127,
        Some(1700) => 3125,
        Some(2950) => 2968,
        Some(25 | 1043) => 3126,
        _ => 0,
    }
}
