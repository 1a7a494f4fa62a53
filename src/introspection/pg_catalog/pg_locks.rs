//! pg_locks: advisory locks and those of LOCK TABLE, held and waited for.

use crate::context::locks::{LockStatus, LockTag};
use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};

pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for lock in introspection.monitoring.locks() {
        let LockStatus {
            tag,
            process_id,
            mode,
            waiting_since,
        } = lock;
        let (kind, database, relation, keys) = match tag {
            LockTag::Relation { database, relation } => ("relation", database, Some(relation), None),
            LockTag::Advisory {
                database,
                first,
                second,
                halves,
            } => (
                "advisory",
                database,
                None,
                Some((first, second, if halves { 2 } else { 1 })),
            ),
        };
        rows.add([
            ("locktype", kind.into()),
            ("database", database.into()),
            ("relation", relation.into()),
            ("classid", keys.map(|(first, _, _)| first).into()),
            ("objid", keys.map(|(_, second, _)| second).into()),
            ("objsubid", keys.map(|(_, _, kind)| kind).into()),
            ("virtualtransaction", format!("{process_id}/1").into()),
            ("pid", process_id.into()),
            ("mode", mode.name().into()),
            ("granted", waiting_since.is_none().into()),
            ("fastpath", false.into()),
            (
                "waitstart",
                waiting_since.map_or(Datum::Null, |since| Datum::Micros(since.timestamp_micros())),
            ),
        ])?;
    }
    Ok(())
}
