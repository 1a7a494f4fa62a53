//! CREATE INDEX: an index is recorded with the table that it is declared on, whose schema and owner it shares.

use super::table::missing_column;
use super::*;
use crate::types::SqlType;

/// An index as a statement declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIndex {
    pub table: Oid,
    /// `None` chooses a name as PostgreSQL does.
    pub name: Option<String>,
    pub method: String,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub keys: Vec<NewIndexKey>,
    pub included: Vec<String>,
    pub condition: Option<StoredExpression>,
}

/// One part of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIndexKey {
    pub of: NewIndexedValue,
    pub operator_class: Option<String>,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NewIndexedValue {
    Column(String),
    Expression {
        expression: StoredExpression,
        sql_type: SqlType,
        /// What the column of the index is called.
        name: String,
    },
}

/// Declares the index; needs ownership of the table.
pub fn create_index(staged: &mut Staged, role: Oid, new: NewIndex, when_taken: WhenTaken) -> Result<Created> {
    let Object::Table(table) = staged.object(new.table)? else {
        return Err(Error::internal("an index is declared on no table"));
    };
    staged.require(Permission::Owns { role, object: table.id })?;
    let snapshot = staged.snapshot();
    if let Some(name) = &new.name {
        check_name(ObjectKind::Index, name)?;
        if let Some(existing) = snapshot.relation_named(table.schema, name) {
            return keep_existing(staged, existing, when_taken);
        }
        if snapshot.key_named(table.schema, name).is_some() {
            let message = format!("relation \"{name}\" already exists");
            return Err(Error::new(SqlState::DuplicateTable, message));
        }
    }
    let column = |name: &String| {
        let column = table.column_named(name).map(|column| column.id);
        column.ok_or_else(|| match name.as_str() {
            "" => missing_column(name, &table.name),
            _ if system_column(name).is_some() => {
                let message = "index creation on system columns is not supported";
                Error::new(SqlState::FeatureNotSupported, message)
            }
            _ => Error::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist")),
        })
    };
    let (mut keys, mut names) = (vec![], vec![]);
    for key in &new.keys {
        let of = match &key.of {
            NewIndexedValue::Column(name) => {
                names.push(name.clone());
                IndexedValue::Column(column(name)?)
            }
            NewIndexedValue::Expression {
                expression,
                sql_type,
                name,
            } => {
                names.push(name.clone());
                IndexedValue::Expression {
                    expression: expression.clone(),
                    sql_type: sql_type.clone(),
                }
            }
        };
        keys.push(IndexKey {
            of,
            operator_class: key.operator_class.clone(),
            descending: key.descending,
            nulls_first: key.nulls_first,
        });
    }
    let included = new.included.iter().map(column).collect::<Result<Vec<i16>>>()?;
    names.extend(new.included.iter().cloned());
    let name = new.name.unwrap_or_else(|| free_name(&snapshot, &table, &names));
    drop(snapshot);
    let id = staged.new_oid()?;
    staged.put(Index {
        id,
        schema: table.schema,
        name,
        owner: table.owner,
        table: table.id,
        method: new.method,
        unique: new.unique,
        enforced: new.unique && table.holds_writers(),
        nulls_not_distinct: new.nulls_not_distinct,
        keys,
        included,
        condition: new.condition,
        comment: None,
    })?;
    Ok(Created::New(id))
}

/// `table_columns_idx`, with a number where that is taken.
fn free_name(snapshot: &CatalogSnapshot, table: &Table, columns: &[String]) -> String {
    let base: String = format!("{}_{}_idx", table.name, columns.join("_"))
        .chars()
        .take(60)
        .collect();
    let numbered = (1..).map(|number| format!("{base}{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    let is_free = |name: &String| {
        snapshot.relation_named(table.schema, name).is_none() && snapshot.key_named(table.schema, name).is_none()
    };
    names.find(is_free).unwrap_or(base)
}

/// What becomes of a table becomes of its indexes.
pub(super) fn move_indexes(staged: &mut Staged, table: Oid, change: impl Fn(&mut Index)) -> Result<()> {
    let indexes: Vec<Index> = staged.view().indexes(table).cloned().collect();
    for mut index in indexes {
        change(&mut index);
        staged.put(index)?;
    }
    Ok(())
}
