//! What PostgreSQL ships in its own catalogs and clients look up: system relations with their columns,
//! types, functions, operators, casts. The files beside this one were read out of a PostgreSQL 15 and
//! carry version 17's column lists, with two columns of 15 at the end of pg_database and pg_collation that psql 15
//! reads from any server. Only rows whose types Boathouse has are in them.

mod collations;
mod derived;
mod descriptions;
mod functions;
mod indexes;
mod relations;
mod signatures;
mod types;

pub use collations::{Collation, collations};
pub use derived::{constraint_of_index, default_oid, index_of_constraint, relation_of_type, row_array_type, row_type};
pub use descriptions::{builtin_description, builtin_descriptions};
pub use functions::{BuiltinFunction, builtin_function, builtin_functions, builtin_functions_named};
pub use indexes::{BuiltinIndex, builtin_index, builtin_indexes};
pub use relations::{BuiltinColumn, BuiltinRelation, builtin_relation, builtin_relation_named, builtin_relations};
pub use signatures::{Signature, builtin_signature};
pub use types::{BuiltinType, builtin_type, builtin_type_named, builtin_types, type_name, type_name_without_modifier};

/// pg_operator's rows: oid, name, kind, can merge, can hash, left, right, result, commutator, negator,
/// function, restriction estimator, join estimator.
pub fn builtin_operators() -> impl Iterator<Item = Vec<&'static str>> {
    rows(include_str!("operators.tsv"))
}

/// pg_cast's rows: oid, source, target, function, context, method.
pub fn builtin_casts() -> impl Iterator<Item = Vec<&'static str>> {
    rows(include_str!("casts.tsv"))
}

fn rows(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().map(|line| line.split('\t').collect())
}

/// A field of the files; they are tested to parse.
fn number<T: std::str::FromStr + Default>(text: &str) -> T {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SqlType;

    #[test]
    fn every_line_of_the_files_has_its_fields() {
        assert!(rows(include_str!("relations.tsv")).all(|row| row.len() == 5 && row[2].parse::<u32>().is_ok()));
        assert!(rows(include_str!("types.tsv")).all(|row| row.len() == 21 && row[0].parse::<u32>().is_ok()));
        assert!(rows(include_str!("functions.tsv")).all(|row| row.len() == 12 && row[0].parse::<u32>().is_ok()));
        assert!(builtin_operators().all(|row| row.len() == 13));
        assert!(builtin_casts().all(|row| row.len() == 6));
    }

    #[test]
    fn our_types_are_postgres_types() {
        for name in [
            "boolean",
            "bigint",
            "numeric",
            "text",
            "timestamp with time zone",
            "uuid",
            "jsonb",
            "oid",
        ] {
            let sql_type: SqlType = name.parse().unwrap();
            let builtin = builtin_type(sql_type.oid()).unwrap();
            assert_eq!(builtin.name, sql_type.internal_name());
            assert_eq!(builtin.length, sql_type.length(), "{name}");
            assert_eq!(builtin.array, SqlType::Array(Box::new(sql_type)).oid(), "{name}");
        }
    }

    #[test]
    fn types_are_named_as_format_type_names_them() {
        for (oid, typmod, name) in [
            (23, -1, "integer"),
            (1043, 44, "character varying(40)"),
            (1700, 786438, "numeric(12,2)"),
            (1007, -1, "integer[]"),
            (1184, -1, "timestamp with time zone"),
            (1114, 3, "timestamp(3) without time zone"),
            (18, -1, "\"char\""),
            (1042, 5, "character(1)"),
            (869, -1, "inet"),
            (2276, -1, "\"any\""),
            (1015, 14, "character varying(10)[]"),
            (0, -1, "-"),
            (99999, -1, "???"),
        ] {
            assert_eq!(type_name(oid, typmod), name);
        }
    }

    #[test]
    fn system_relations_have_postgres_columns() {
        let relation = builtin_relation_named("pg_catalog", "pg_namespace").unwrap();
        let names: Vec<_> = relation.columns.iter().map(|column| column.name).collect();
        assert_eq!(
            (relation.oid, names),
            (2615, vec!["oid", "nspname", "nspowner", "nspacl"])
        );
    }
}
