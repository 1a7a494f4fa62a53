//! pg_index: the indexes of the system catalogs and of tables.

use std::sync::OnceLock;

use crate::error::Result;
use crate::functions::Datum;
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
    for index in introspection.lookup.indexes() {
        let keys = index.key_columns();
        let mut columns: Vec<i64> = keys.iter().map(|column| i64::from(column.attribute)).collect();
        let included = index.included_columns();
        columns.extend(included.iter().map(|column| i64::from(column.attribute)));
        let oids: Vec<u32> = keys.iter().map(|column| column.sql_type.oid()).collect();
        let collation = |oid: &u32| builtin_type(*oid).map_or(0, |ty| i64::from(ty.collation));
        let order = keys
            .iter()
            .map(|column| i64::from(column.descending) | i64::from(column.nulls_first) << 1);
        let declared = index.declared();
        let computed: Vec<&str> = keys
            .iter()
            .filter(|column| column.attribute == 0)
            .map(|column| column.text.as_str())
            .collect();
        let condition = declared.and_then(|index| index.condition.as_ref());
        rows.add([
            ("indexrelid", index.oid().into()),
            ("indrelid", index.table().id.into()),
            ("indnatts", (columns.len() as i64).into()),
            ("indnkeyatts", (keys.len() as i64).into()),
            ("indisunique", index.is_unique().into()),
            (
                "indnullsnotdistinct",
                declared.is_some_and(|index| index.nulls_not_distinct).into(),
            ),
            ("indisprimary", index.is_primary().into()),
            ("indisexclusion", false.into()),
            ("indimmediate", index.is_immediate().into()),
            ("indisclustered", false.into()),
            ("indisvalid", true.into()),
            ("indcheckxmin", false.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indisreplident", false.into()),
            ("indkey", columns.into()),
            ("indcollation", oids.iter().map(collation).collect::<Vec<i64>>().into()),
            (
                "indclass",
                oids.iter().map(|oid| operator_class(*oid)).collect::<Vec<i64>>().into(),
            ),
            ("indoption", order.collect::<Vec<i64>>().into()),
            (
                "indexprs",
                match computed.as_slice() {
                    [] => Datum::Null,
                    texts => texts.join(", ").into(),
                },
            ),
            ("indpred", condition.map(|condition| condition.text.as_str()).into()),
        ])?;
    }
    Ok(())
}

/// The default operator class of btree for a type.
fn operator_class(oid: u32) -> i64 {
    match oid {
        16 => 424,
        17 => 428,
        20 => 3124,
        21 => 1979,
        23 => 1978,
        700 => 1970,
        701 => 3123,
        1042 => 426,
        1082 => 3122,
        1114 => 3128,
        1184 => 3127,
        1700 => 3125,
        2950 => 2968,
        25 | 1043 => 3126,
        _ => 0,
    }
}
