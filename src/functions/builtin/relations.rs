//! The relations of pg_catalog and information_schema: names, OIDs and columns in PostgreSQL 17's order.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::types::builtin_type_named;
use super::{number, rows};
use crate::types::SqlType;

/// One system relation.
#[derive(Debug, Clone)]
pub struct BuiltinRelation {
    pub schema: &'static str,
    pub name: &'static str,
    pub oid: u32,
    /// pg_class.relkind: `r` or `v`.
    pub kind: char,
    pub columns: Vec<BuiltinColumn>,
}

/// A column of a system relation.
#[derive(Debug, Clone)]
pub struct BuiltinColumn {
    pub name: &'static str,
    pub sql_type: SqlType,
    /// The type's name in PostgreSQL, where Boathouse carries it as another one.
    pub type_name: &'static str,
    pub is_not_null: bool,
}

impl BuiltinColumn {
    /// pg_type.oid of the type that PostgreSQL gives the column; `None` for a type that is not in pg_type.
    pub fn exact_type(&self) -> Option<u32> {
        let name = self.type_name;
        let named = |name: &str| builtin_type_named(name.trim_matches('"'));
        let exact = match name.strip_suffix("[]") {
            Some(element) => named(element).map(|element| element.array),
            None => named(name).map(|exact| exact.oid),
        };
        exact.or_else(|| name.parse::<SqlType>().ok().map(|sql_type| sql_type.oid()))
    }
}

/// All system relations.
pub fn builtin_relations() -> &'static [BuiltinRelation] {
    &RELATIONS.relations
}

/// The system relation of this OID.
pub fn builtin_relation(oid: u32) -> Option<&'static BuiltinRelation> {
    RELATIONS
        .by_oid
        .get(&oid)
        .and_then(|index| RELATIONS.relations.get(*index))
}

/// The system relation of this name.
pub fn builtin_relation_named(schema: &str, name: &str) -> Option<&'static BuiltinRelation> {
    RELATIONS
        .by_name
        .get(name)?
        .iter()
        .filter_map(|index| RELATIONS.relations.get(*index))
        .find(|relation| relation.schema == schema)
}

struct Relations {
    relations: Vec<BuiltinRelation>,
    by_oid: HashMap<u32, usize>,
    by_name: HashMap<&'static str, Vec<usize>>,
}

static RELATIONS: LazyLock<Relations> = LazyLock::new(|| {
    let relations: Vec<BuiltinRelation> = rows(include_str!("relations.tsv"))
        .filter_map(|row| relation(&row))
        .collect();
    let by_oid = relations
        .iter()
        .enumerate()
        .map(|(index, relation)| (relation.oid, index))
        .collect();
    let mut by_name: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for (index, relation) in relations.iter().enumerate() {
        by_name.entry(relation.name).or_default().push(index);
    }
    Relations {
        relations,
        by_oid,
        by_name,
    }
});

fn relation(row: &[&'static str]) -> Option<BuiltinRelation> {
    let [schema, name, oid, kind, columns] = row else {
        return None;
    };
    Some(BuiltinRelation {
        schema,
        name,
        oid: number(oid),
        kind: kind.chars().next().unwrap_or('r'),
        columns: columns.split(',').filter_map(column).collect(),
    })
}

fn column(text: &'static str) -> Option<BuiltinColumn> {
    let (name, declared) = text.split_once(':')?;
    // NOT NULL.
    let type_name = declared.trim_end_matches('!');
    Some(BuiltinColumn {
        name,
        sql_type: carried_as(type_name),
        type_name,
        is_not_null: declared.ends_with('!'),
    })
}

/// The type that carries a column. Types that only system catalogs use travel as what they look like.
fn carried_as(type_name: &str) -> SqlType {
    if let Some(element) = type_name.strip_suffix("[]") {
        return SqlType::Array(Box::new(carried_as(element)));
    }
    match type_name {
        "int2vector" => SqlType::Array(Box::new(SqlType::Int2)),
        "oidvector" => SqlType::Array(Box::new(SqlType::Oid)),
        "xid" => SqlType::Int8,
        "anyarray" => SqlType::Text,
        other => other.parse().unwrap_or(SqlType::Text),
    }
}
