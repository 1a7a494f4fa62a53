//! Indexes as PostgreSQL would keep them: those that were declared, and one for each PRIMARY KEY and UNIQUE. There is
//! none; clients read them from pg_index.

use super::keys::Key;
use super::lookup::{Lookup, quote_identifier};
use crate::catalog::model::{Index, IndexedValue, Oid, Table};
use crate::types::SqlType;

/// An index of a table that the principal may know of.
#[derive(Clone, Copy)]
pub enum TableIndex<'a> {
    OfKey(Key<'a>),
    Declared(&'a Table, &'a Index),
}

/// One column of an index.
pub struct IndexColumn<'a> {
    /// The table's column; 0 for an expression.
    pub attribute: i16,
    pub name: String,
    /// As a definition spells it.
    pub text: String,
    pub sql_type: &'a SqlType,
    pub operator_class: Option<&'a str>,
    pub descending: bool,
    pub nulls_first: bool,
}

impl<'a> TableIndex<'a> {
    pub fn oid(&self) -> Oid {
        match self {
            TableIndex::OfKey(key) => key.index(),
            TableIndex::Declared(_, index) => index.id,
        }
    }

    pub fn name(&self) -> &'a str {
        match self {
            TableIndex::OfKey(key) => &key.constraint.name,
            TableIndex::Declared(_, index) => &index.name,
        }
    }

    pub fn table(&self) -> &'a Table {
        match self {
            TableIndex::OfKey(key) => key.table,
            TableIndex::Declared(table, _) => table,
        }
    }

    pub fn declared(&self) -> Option<&'a Index> {
        match self {
            TableIndex::OfKey(_) => None,
            TableIndex::Declared(_, index) => Some(index),
        }
    }

    pub fn is_primary(&self) -> bool {
        matches!(self, TableIndex::OfKey(key) if key.is_primary())
    }

    /// Whether it is tested by each statement, and never at COMMIT.
    pub fn is_immediate(&self) -> bool {
        !matches!(self, TableIndex::OfKey(key) if key.constraint.timing.is_deferrable())
    }

    pub fn is_unique(&self) -> bool {
        self.declared().is_none_or(|index| index.unique)
    }

    /// pg_am.oid.
    pub fn access_method(&self) -> i64 {
        match self.method() {
            "hash" => 405,
            "gist" => 783,
            "gin" => 2742,
            "spgist" => 4000,
            "brin" => 3580,
            _ => 403,
        }
    }

    fn method(&self) -> &'a str {
        self.declared().map_or("btree", |index| &index.method)
    }

    /// The columns of its key, without those of INCLUDE.
    pub fn key_columns(&self) -> Vec<IndexColumn<'a>> {
        let table = self.table();
        match self {
            TableIndex::OfKey(key) => key.columns.iter().filter_map(|id| plain(table, *id)).collect(),
            TableIndex::Declared(_, index) => {
                let columns = index.keys.iter().filter_map(|key| {
                    let column = match &key.of {
                        IndexedValue::Column(id) => plain(table, *id)?,
                        IndexedValue::Expression { expression, sql_type } => computed(&expression.text, sql_type),
                    };
                    Some(IndexColumn {
                        operator_class: key.operator_class.as_deref(),
                        descending: key.descending,
                        nulls_first: key.nulls_first,
                        ..column
                    })
                });
                columns.collect()
            }
        }
    }

    /// The columns of INCLUDE.
    pub fn included_columns(&self) -> Vec<IndexColumn<'a>> {
        let included = self.declared().map_or(&[][..], |index| &index.included);
        included.iter().filter_map(|id| plain(self.table(), *id)).collect()
    }

    /// pg_get_indexdef(): the statement that makes it, or one of its columns.
    pub fn definition(&self, lookup: &Lookup<'_>, column: i64, pretty: bool) -> String {
        let keys = self.key_columns();
        let included = self.included_columns();
        if column != 0 {
            let mut all = keys.iter().chain(&included);
            let named = usize::try_from(column - 1).ok().and_then(|column| all.nth(column));
            return named.map(|column| column.text.clone()).unwrap_or_default();
        }
        let schema = lookup.catalog.schema(self.table().schema);
        let mut text = format!(
            "CREATE {}INDEX {} ON {}.{} USING {} ({})",
            if self.is_unique() { "UNIQUE " } else { "" },
            quote_identifier(self.name()),
            quote_identifier(schema.map_or("?", |schema| schema.name.as_str())),
            quote_identifier(&self.table().name),
            self.method(),
            keys.iter().map(IndexColumn::with_order).collect::<Vec<_>>().join(", ")
        );
        if !included.is_empty() {
            let names: Vec<&str> = included.iter().map(|column| column.text.as_str()).collect();
            text.push_str(&format!(" INCLUDE ({})", names.join(", ")));
        }
        if let Some(index) = self.declared() {
            if index.nulls_not_distinct {
                text.push_str(" NULLS NOT DISTINCT");
            }
            if let Some(condition) = &index.condition {
                text.push_str(&match pretty {
                    true => format!(" WHERE {}", condition.text),
                    false => format!(" WHERE ({})", condition.text),
                });
            }
        }
        text
    }
}

impl IndexColumn<'_> {
    fn with_order(&self) -> String {
        let mut text = self.text.clone();
        if let Some(class) = self.operator_class {
            text.push_str(&format!(" {class}"));
        }
        text.push_str(match (self.descending, self.nulls_first) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        });
        text
    }
}

fn plain(table: &Table, id: i16) -> Option<IndexColumn<'_>> {
    let column = table.column(id)?;
    Some(IndexColumn {
        attribute: id,
        name: column.name.clone(),
        text: quote_identifier(&column.name),
        sql_type: &column.sql_type,
        operator_class: None,
        descending: false,
        nulls_first: false,
    })
}

/// A call is called by its function and needs no parentheses.
fn computed<'a>(text: &str, sql_type: &'a SqlType) -> IndexColumn<'a> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let function = text.split_once('(').map(|(function, _)| function.trim());
    let function = function.filter(|name| !name.is_empty() && name.chars().all(is_word) && text.ends_with(')'));
    IndexColumn {
        attribute: 0,
        name: function.unwrap_or("expr").to_lowercase(),
        text: match function {
            Some(_) => text.to_string(),
            None => format!("({text})"),
        },
        sql_type,
        operator_class: None,
        descending: false,
        nulls_first: false,
    }
}

impl<'a> Lookup<'a> {
    /// The indexes of the connected database's tables.
    pub fn indexes(&self) -> impl Iterator<Item = TableIndex<'a>> + '_ {
        self.tables().flat_map(|table| self.indexes_of(table))
    }

    fn indexes_of(&self, table: &'a Table) -> impl Iterator<Item = TableIndex<'a>> {
        let keys = table.keys().map(move |(constraint, columns)| {
            TableIndex::OfKey(Key {
                table,
                constraint,
                columns,
            })
        });
        let declared = self.catalog.indexes(table.id);
        keys.chain(declared.map(move |index| TableIndex::Declared(table, index)))
    }

    /// Whether the table has any.
    pub fn has_indexes(&self, table: &'a Table) -> bool {
        self.indexes_of(table).next().is_some()
    }

    /// The index of this OID.
    pub fn index(&self, oid: Oid) -> Option<TableIndex<'a>> {
        self.indexes().find(|index| index.oid() == oid)
    }
}
