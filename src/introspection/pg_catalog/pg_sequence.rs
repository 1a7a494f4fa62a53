//! pg_sequence and pg_sequences.

use super::pg_tables::{role_name, schema_name};
use crate::catalog::model::{Object, Sequence};
use crate::error::Result;
use crate::introspection::{Introspection, Rows};

/// The sequences that the principal may know of.
pub(in crate::introspection) fn sequences<'i>(
    introspection: &'i Introspection<'_>,
) -> impl Iterator<Item = &'i Sequence> {
    introspection.lookup.relations().filter_map(|object| match object {
        Object::Sequence(sequence) => Some(sequence),
        _ => None,
    })
}

/// pg_sequence.
pub(super) fn generate(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for sequence in sequences(introspection) {
        rows.add([
            ("seqrelid", sequence.id.into()),
            ("seqtypid", sequence.sql_type.oid().into()),
            ("seqstart", sequence.start.into()),
            ("seqincrement", sequence.increment.into()),
            ("seqmax", sequence.maximum.into()),
            ("seqmin", sequence.minimum.into()),
            ("seqcache", sequence.cache.into()),
            ("seqcycle", sequence.cycle.into()),
        ])?;
    }
    Ok(())
}

/// pg_sequences.
pub(super) fn view(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let lookup = &introspection.lookup;
    for sequence in sequences(introspection) {
        rows.add([
            ("schemaname", schema_name(lookup, sequence.schema)),
            ("sequencename", sequence.name.as_str().into()),
            ("sequenceowner", role_name(lookup, sequence.owner)),
            ("data_type", sequence.sql_type.oid().into()),
            ("start_value", sequence.start.into()),
            ("min_value", sequence.minimum.into()),
            ("max_value", sequence.maximum.into()),
            ("increment_by", sequence.increment.into()),
            ("cycle", sequence.cycle.into()),
            ("cache_size", sequence.cache.into()),
            ("last_value", lookup.last_value_of(sequence).into()),
        ])?;
    }
    Ok(())
}
