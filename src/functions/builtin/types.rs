//! PostgreSQL's base, range and pseudo types, and the names that format_type() gives them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{number, rows};
use crate::types::{IntervalModifier, SqlType};

/// A row of pg_type.
#[derive(Debug, Clone)]
pub struct BuiltinType {
    pub oid: u32,
    pub name: &'static str,
    pub length: i16,
    pub by_value: bool,
    pub kind: &'static str,
    pub category: &'static str,
    pub is_preferred: bool,
    pub delimiter: &'static str,
    pub element: u32,
    pub array: u32,
    pub input: u32,
    pub output: u32,
    pub receive: u32,
    pub send: u32,
    pub modifier_in: u32,
    pub modifier_out: u32,
    pub analyze: u32,
    pub subscript: u32,
    pub alignment: &'static str,
    pub storage: &'static str,
    pub collation: u32,
}

/// All types, by OID.
pub fn builtin_types() -> &'static [BuiltinType] {
    &TYPES.types
}

/// The type of this OID.
pub fn builtin_type(oid: u32) -> Option<&'static BuiltinType> {
    TYPES.by_oid.get(&oid).and_then(|index| TYPES.types.get(*index))
}

/// The type of this pg_type.typname.
pub fn builtin_type_named(name: &str) -> Option<&'static BuiltinType> {
    TYPES.by_name.get(name).and_then(|index| TYPES.types.get(*index))
}

/// format_type(): the type's SQL name with its modifier.
pub fn type_name(oid: u32, typmod: i32) -> String {
    if oid == 0 {
        return "-".into();
    }
    let Some(builtin) = builtin_type(oid) else {
        return "???".into();
    };
    if builtin.category == "A" && builtin.element != 0 && builtin.name.starts_with('_') {
        return format!("{}[]", type_name(builtin.element, typmod));
    }
    let modifier = modifier(oid, typmod);
    match builtin.name {
        "bpchar" if typmod < 0 => "bpchar".into(),
        "bpchar" => format!("character{modifier}"),
        "time" | "timestamp" => format!("{}{modifier} without time zone", builtin.name),
        "timetz" | "timestamptz" => format!("{}{modifier} with time zone", builtin.name.trim_end_matches("tz")),
        "bit" => format!("bit{modifier}"),
        "varbit" => format!("bit varying{modifier}"),
        // Names that would otherwise read as keywords.
        "char" | "any" => format!("\"{}\"", builtin.name),
        name => match SqlType::from_oid(oid) {
            Some(sql_type) => format!("{sql_type}{modifier}"),
            None => format!("{name}{modifier}"),
        },
    }
}

/// format_type() where no modifier is asked for: char(n) is `character` then, not the `bpchar` without a length.
pub fn type_name_without_modifier(oid: u32) -> String {
    match oid {
        1042 => "character".into(),
        1014 => "character[]".into(),
        _ => type_name(oid, -1),
    }
}

fn modifier(oid: u32, typmod: i32) -> String {
    if typmod < 0 {
        return String::new();
    }
    match oid {
        1042 | 1043 if typmod >= 4 => format!("({})", typmod - 4),
        1700 if typmod >= 4 => {
            let scale = ((((typmod - 4) & 0x7ff) ^ 1024) - 1024) as i16;
            format!("({},{})", ((typmod - 4) >> 16) & 0xffff, scale)
        }
        1083 | 1114 | 1184 | 1266 | 1560 | 1562 => format!("({typmod})"),
        1186 => IntervalModifier::of_typmod(typmod).map_or(String::new(), |modifier| modifier.to_string()),
        _ => String::new(),
    }
}

struct Types {
    types: Vec<BuiltinType>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<&'static str, usize>,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| {
    let types: Vec<BuiltinType> = rows(include_str!("types.tsv"))
        .filter_map(|row| builtin(&row))
        .collect();
    let by_oid = types
        .iter()
        .enumerate()
        .map(|(index, builtin)| (builtin.oid, index))
        .collect();
    let by_name = types
        .iter()
        .enumerate()
        .map(|(index, builtin)| (builtin.name, index))
        .collect();
    Types { types, by_oid, by_name }
});

fn builtin(row: &[&'static str]) -> Option<BuiltinType> {
    let [
        oid,
        name,
        length,
        by_value,
        kind,
        category,
        is_preferred,
        delimiter,
        element,
        array,
        input,
        output,
        receive,
        send,
        modifier_in,
        modifier_out,
        analyze,
        subscript,
        alignment,
        storage,
        collation,
    ] = row
    else {
        return None;
    };
    Some(BuiltinType {
        oid: number(oid),
        name,
        length: number(length),
        by_value: *by_value == "t",
        kind,
        category,
        is_preferred: *is_preferred == "t",
        delimiter,
        element: number(element),
        array: number(array),
        input: number(input),
        output: number(output),
        receive: number(receive),
        send: number(send),
        modifier_in: number(modifier_in),
        modifier_out: number(modifier_out),
        analyze: number(analyze),
        subscript: number(subscript),
        alignment,
        storage,
        collation: number(collation),
    })
}
