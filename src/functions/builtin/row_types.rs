//! The row types of relations. PostgreSQL gives each relation one, with an array type; here their OIDs follow from the
//! relation's own, above all that are handed out.

const ROW_TYPES: u32 = 0x4000_0000;
const ARRAY_TYPES: u32 = 0x6000_0000;

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
