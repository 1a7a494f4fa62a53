//! Types of PostgreSQL that no column of a table can have here: those of its catalogs, of network addresses, ranges and
//! the like. Their values travel as text, or as what they look like, and are only ever shown.

/// (pg_type.oid, typarray, typlen, typname)
#[rustfmt::skip]
const SYSTEM_TYPES: &[(u32, u32, i16, &str)] = &[
    (22, 1006, -1, "int2vector"),
    (27, 1010, 6, "tid"),
    (28, 1011, 4, "xid"),
    (29, 1012, 4, "cid"),
    (30, 1013, -1, "oidvector"),
    (32, 0, 8, "pg_ddl_command"),
    (142, 143, -1, "xml"),
    (194, 0, -1, "pg_node_tree"),
    (269, 0, 4, "table_am_handler"),
    (325, 0, 4, "index_am_handler"),
    (600, 1017, 16, "point"),
    (601, 1018, 32, "lseg"),
    (602, 1019, -1, "path"),
    (603, 1020, 32, "box"),
    (604, 1027, -1, "polygon"),
    (628, 629, 24, "line"),
    (718, 719, 24, "circle"),
    (1033, 1034, 12, "aclitem"),
    (1790, 2201, -1, "refcursor"),
    (2202, 2207, 4, "regprocedure"),
    (2203, 2208, 4, "regoper"),
    (2204, 2209, 4, "regoperator"),
    (2249, 2287, -1, "record"),
    (2275, 1263, -2, "cstring"),
    (2276, 0, 4, "any"),
    (2277, 0, -1, "anyarray"),
    (2279, 0, 4, "trigger"),
    (2280, 0, 4, "language_handler"),
    (2281, 0, 8, "internal"),
    (2283, 0, 4, "anyelement"),
    (2776, 0, 4, "anynonarray"),
    (2970, 2949, -1, "txid_snapshot"),
    (3115, 0, 4, "fdw_handler"),
    (3220, 3221, 8, "pg_lsn"),
    (3310, 0, 4, "tsm_handler"),
    (3361, 0, -1, "pg_ndistinct"),
    (3402, 0, -1, "pg_dependencies"),
    (3500, 0, 4, "anyenum"),
    (3614, 3643, -1, "tsvector"),
    (3615, 3645, -1, "tsquery"),
    (3642, 3644, -1, "gtsvector"),
    (3734, 3735, 4, "regconfig"),
    (3769, 3770, 4, "regdictionary"),
    (3831, 0, -1, "anyrange"),
    (3838, 0, 4, "event_trigger"),
    (4072, 4073, -1, "jsonpath"),
    (4089, 4090, 4, "regnamespace"),
    (4096, 4097, 4, "regrole"),
    (4191, 4192, 4, "regcollation"),
    (4537, 0, -1, "anymultirange"),
    (4538, 0, -1, "anycompatiblemultirange"),
    (4600, 0, -1, "pg_brin_bloom_summary"),
    (4601, 0, -1, "pg_brin_minmax_multi_summary"),
    (5017, 0, -1, "pg_mcv_list"),
    (5038, 5039, -1, "pg_snapshot"),
    (5069, 271, 8, "xid8"),
    (5077, 0, 4, "anycompatible"),
    (5078, 0, -1, "anycompatiblearray"),
    (5079, 0, 4, "anycompatiblenonarray"),
    (5080, 0, -1, "anycompatiblerange"),
];

fn row(oid: u32) -> Option<&'static (u32, u32, i16, &'static str)> {
    SYSTEM_TYPES
        .binary_search_by_key(&oid, |row| row.0)
        .ok()
        .and_then(|index| SYSTEM_TYPES.get(index))
}

/// Whether this is a system type's OID.
pub fn is_system_type(oid: u32) -> bool {
    row(oid).is_some()
}

/// The element's OID of an array of a system type.
pub fn system_element(array: u32) -> Option<u32> {
    SYSTEM_TYPES
        .iter()
        .find(|row| row.1 == array && array != 0)
        .map(|row| row.0)
}

/// pg_type.typname.
pub fn system_name(oid: u32) -> &'static str {
    row(oid).map_or("record", |row| row.3)
}

/// pg_type.typarray.
pub fn system_array(oid: u32) -> u32 {
    row(oid).map_or(2287, |row| row.1)
}

/// pg_type.typlen.
pub fn system_length(oid: u32) -> i16 {
    row(oid).map_or(-1, |row| row.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_their_oid() {
        assert!(SYSTEM_TYPES.is_sorted_by_key(|row| row.0));
        assert_eq!(
            (system_name(22), system_array(1033), system_length(28)),
            ("int2vector", 1034, 4)
        );
        assert_eq!(system_element(1034), Some(1033));
        assert!(!is_system_type(23));
    }
}
