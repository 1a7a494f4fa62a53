//! Rows that PostgreSQL ships and that are the same in every database: access methods, operator families, aggregates,
//! conversions, text search. Read from the files of `shipped/`: a line of column names (with a constant where a value
//! never differs), then a line a row.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::error::{Error, Result};
use crate::functions::Datum;
use crate::functions::builtin::{BuiltinRelation, builtin_relation_named};
use crate::introspection::rows::{Rows, SharedRow};
use crate::introspection::{Generator, Introspection};
use crate::types::SqlType;

const FILES: [(&str, &str); 12] = [
    ("pg_aggregate", include_str!("shipped/pg_aggregate.tsv")),
    ("pg_am", include_str!("shipped/pg_am.tsv")),
    ("pg_amop", include_str!("shipped/pg_amop.tsv")),
    ("pg_amproc", include_str!("shipped/pg_amproc.tsv")),
    ("pg_conversion", include_str!("shipped/pg_conversion.tsv")),
    ("pg_opclass", include_str!("shipped/pg_opclass.tsv")),
    ("pg_opfamily", include_str!("shipped/pg_opfamily.tsv")),
    ("pg_ts_config", include_str!("shipped/pg_ts_config.tsv")),
    ("pg_ts_config_map", include_str!("shipped/pg_ts_config_map.tsv")),
    ("pg_ts_dict", include_str!("shipped/pg_ts_dict.tsv")),
    ("pg_ts_parser", include_str!("shipped/pg_ts_parser.tsv")),
    ("pg_ts_template", include_str!("shipped/pg_ts_template.tsv")),
];

/// Rows of each shipped relation; made once a process.
static SHIPPED: LazyLock<HashMap<&'static str, Vec<SharedRow>>> = LazyLock::new(|| {
    FILES
        .iter()
        .filter_map(|(name, file)| Some((*name, rows(builtin_relation_named("pg_catalog", name)?, file))))
        .collect()
});

/// Fills a relation whose rows are shipped.
pub(super) fn generator(name: &str) -> Option<Generator> {
    FILES
        .iter()
        .any(|(shipped, _)| *shipped == name)
        .then_some(generate as Generator)
}

fn generate(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let shipped = SHIPPED.get(rows.relation().name);
    let shipped = shipped.ok_or_else(|| Error::internal("a shipped relation without rows"))?;
    rows.add_shared(shipped);
    Ok(())
}

fn rows(relation: &'static BuiltinRelation, file: &'static str) -> Vec<SharedRow> {
    let mut lines = file.lines();
    let header: Vec<(&str, Option<&str>)> = lines
        .next()
        .unwrap_or_default()
        .split('\t')
        .map(|name| match name.split_once('=') {
            Some((name, constant)) => (name, Some(constant)),
            None => (name, None),
        })
        .collect();
    lines
        .map(|line| {
            let mut row = vec![Datum::Null; relation.columns.len()];
            let mut fields = line.split('\t');
            for (name, constant) in &header {
                let text = constant.or_else(|| fields.next()).unwrap_or("\\N");
                let column = relation.columns.iter().position(|column| column.name == *name);
                if let Some(column) = column {
                    row[column] = value(text, &relation.columns[column].sql_type);
                }
            }
            row.push(relation.oid.into());
            row.into()
        })
        .collect()
}

fn value(text: &str, sql_type: &SqlType) -> Datum {
    match sql_type {
        _ if text == "\\N" => Datum::Null,
        SqlType::Bool => (text == "t").into(),
        SqlType::Text | SqlType::Name | SqlType::Char => text.into(),
        _ => text.parse::<i64>().map_or(Datum::Null, Datum::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_the_files_is_a_column_of_its_relation() {
        for (name, file) in FILES {
            let relation = builtin_relation_named("pg_catalog", name).unwrap();
            for column in file.lines().next().unwrap().split('\t') {
                let column = column.split('=').next().unwrap();
                assert!(
                    relation.columns.iter().any(|known| known.name == column),
                    "{name}.{column}"
                );
            }
            let filled = rows(relation, file);
            assert_eq!(filled.len(), file.lines().count() - 1);
            assert!(filled.iter().all(|row| !row[0].is_null()), "{name}");
        }
    }
}
