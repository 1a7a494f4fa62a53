//! Functions of PostgreSQL that pg_proc lists: those that types, operators and casts refer to, and those
//! that queries call.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{number, rows};

/// A row of pg_proc.
#[derive(Debug, Clone)]
pub struct BuiltinFunction {
    pub oid: u32,
    pub name: &'static str,
    /// pg_proc.prokind: f, a, w or p.
    pub kind: &'static str,
    pub returns_set: bool,
    pub volatility: &'static str,
    pub is_strict: bool,
    pub is_leakproof: bool,
    pub variadic: u32,
    pub default_count: i16,
    pub returns: u32,
    pub arguments: Vec<u32>,
    pub source: &'static str,
}

/// All functions, by OID.
pub fn builtin_functions() -> &'static [BuiltinFunction] {
    &FUNCTIONS.functions
}

/// The function of this OID.
pub fn builtin_function(oid: u32) -> Option<&'static BuiltinFunction> {
    FUNCTIONS
        .by_oid
        .get(&oid)
        .and_then(|index| FUNCTIONS.functions.get(*index))
}

/// The overloads of this name.
pub fn builtin_functions_named(name: &str) -> impl Iterator<Item = &'static BuiltinFunction> {
    FUNCTIONS
        .by_name
        .get(name)
        .into_iter()
        .flatten()
        .filter_map(|index| FUNCTIONS.functions.get(*index))
}

struct Functions {
    functions: Vec<BuiltinFunction>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<&'static str, Vec<usize>>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let functions: Vec<BuiltinFunction> = rows(include_str!("functions.tsv"))
        .filter_map(|row| builtin(&row))
        .collect();
    let by_oid = functions
        .iter()
        .enumerate()
        .map(|(index, builtin)| (builtin.oid, index))
        .collect();
    let mut by_name: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (index, builtin) in functions.iter().enumerate() {
        by_name.entry(builtin.name).or_default().push(index);
    }
    Functions {
        functions,
        by_oid,
        by_name,
    }
});

fn builtin(row: &[&'static str]) -> Option<BuiltinFunction> {
    let [
        oid,
        name,
        kind,
        returns_set,
        volatility,
        is_strict,
        is_leakproof,
        variadic,
        default_count,
        returns,
        arguments,
        source,
    ] = row
    else {
        return None;
    };
    Some(BuiltinFunction {
        oid: number(oid),
        name,
        kind,
        returns_set: *returns_set == "t",
        volatility,
        is_strict: *is_strict == "t",
        is_leakproof: *is_leakproof == "t",
        variadic: number(variadic),
        default_count: number(default_count),
        returns: number(returns),
        arguments: arguments.split_whitespace().map(number).collect(),
        source,
    })
}
