//! The indexes of the system catalogs, which clients list, and look for the catalogs' primary keys.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{number, rows};

/// An index of a system catalog.
#[derive(Debug, Clone)]
pub struct BuiltinIndex {
    pub oid: u32,
    pub name: &'static str,
    /// The relation that it indexes.
    pub relation: u32,
    pub is_unique: bool,
    pub is_primary: bool,
    /// pg_constraint.oid of the key that it enforces; 0 without one.
    pub constraint: u32,
    /// Column numbers.
    pub keys: Vec<i64>,
    pub collations: Vec<i64>,
    pub classes: Vec<i64>,
    pub options: Vec<i64>,
}

/// All indexes, by OID.
pub fn builtin_indexes() -> &'static [BuiltinIndex] {
    &INDEXES.0
}

/// The index of this OID.
pub fn builtin_index(oid: u32) -> Option<&'static BuiltinIndex> {
    INDEXES.1.get(&oid).and_then(|index| INDEXES.0.get(*index))
}

static INDEXES: LazyLock<(Vec<BuiltinIndex>, HashMap<u32, usize>)> = LazyLock::new(|| {
    let indexes: Vec<BuiltinIndex> = rows(include_str!("indexes.tsv"))
        .filter_map(|row| index(&row))
        .collect();
    let by_oid = indexes
        .iter()
        .enumerate()
        .map(|(place, index)| (index.oid, place))
        .collect();
    (indexes, by_oid)
});

fn index(row: &[&'static str]) -> Option<BuiltinIndex> {
    let [
        oid,
        name,
        relation,
        is_unique,
        is_primary,
        constraint,
        keys,
        collations,
        classes,
        options,
    ] = row
    else {
        return None;
    };
    let numbers = |text: &str| text.split_whitespace().map(number).collect();
    Some(BuiltinIndex {
        oid: number(oid),
        name,
        relation: number(relation),
        is_unique: *is_unique == "t",
        is_primary: *is_primary == "t",
        constraint: number(constraint),
        keys: numbers(keys),
        collations: numbers(collations),
        classes: numbers(classes),
        options: numbers(options),
    })
}
