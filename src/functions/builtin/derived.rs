//! OIDs that PostgreSQL hands out and Boathouse derives from another object's, above all that are handed out: a
//! relation's row type and its array type, the index of a key, a column's default.

use crate::types::user_type::{ARRAY_TYPES, ROW_TYPES};

const DEFAULTS: u32 = 0x1000_0000;
const INDEXES: u32 = 0x2000_0000;

/// The type of a relation's rows.
pub fn row_type(relation: u32) -> u32 {
    match relation {
        // Types, attributes, functions and classes describe themselves: their row types are fixed.
        1247 => 71,
        1249 => 75,
        1255 => 81,
        1259 => 83,
        other => ROW_TYPES + other,
    }
}

/// The type of arrays of a relation's rows.
pub fn row_array_type(relation: u32) -> u32 {
    ARRAY_TYPES + relation
}

/// The relation whose rows have this type, and whether it is the type of arrays of them.
pub fn relation_of_type(oid: u32) -> Option<(u32, bool)> {
    Some(match oid {
        71 => (1247, false),
        75 => (1249, false),
        81 => (1255, false),
        83 => (1259, false),
        ROW_TYPES..ARRAY_TYPES => (oid - ROW_TYPES, false),
        ARRAY_TYPES.. => (oid - ARRAY_TYPES, true),
        _ => return None,
    })
}

/// The index that a key would be kept by.
pub fn index_of_constraint(constraint: u32) -> u32 {
    INDEXES + constraint
}

/// The key of an index.
pub fn constraint_of_index(oid: u32) -> Option<u32> {
    (INDEXES..ROW_TYPES).contains(&oid).then(|| oid - INDEXES)
}

/// pg_attrdef.oid of a column's default.
pub fn default_oid(relation: u32, column: i16) -> u32 {
    /// PostgreSQL's limit of columns.
    const COLUMNS: u32 = 1_600;
    let place = relation
        .wrapping_mul(COLUMNS)
        .wrapping_add(u32::from(column.unsigned_abs()));
    DEFAULTS + place % (INDEXES - DEFAULTS)
}
