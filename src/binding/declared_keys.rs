//! The keys that a table's rows are held to, as expressions over its rows as they are stored. Comparing rows by them is
//! for those who write; no plan takes a key for a fact, because other engines write too.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility, cast};

use super::stored_expression::{bind_stored, renamed, stored_row};
use super::{BindingServices, equal_keys};
use crate::catalog::CatalogSnapshot;
use crate::catalog::model::{ConstraintRule, Index, IndexedValue, Oid, StoredExpression, Table, Timing};
use crate::context::QueryContext;
use crate::error::Result;
use crate::functions::postgres_cast;
use crate::types::numeric::WIDE_LAYOUT;
use crate::types::{ComparedAs, FormatSettings, SqlType};

/// A key: no two rows for which the condition holds have the same values.
#[derive(Debug, Clone)]
pub struct BoundKey {
    /// Of the constraint or index.
    pub id: Oid,
    pub timing: Timing,
    /// Of the constraint or index.
    pub name: String,
    pub values: Vec<KeyValue>,
    /// A row with a null is equal to no other.
    pub nulls_distinct: bool,
    /// Of a partial index.
    pub condition: Option<Expr>,
}

/// A part of a key. Expressions name the stored columns.
#[derive(Debug, Clone)]
pub struct KeyValue {
    /// As messages call it.
    pub name: String,
    pub value: Expr,
    /// What two values are equal by, where that is not their layout.
    pub equal_by: Option<Expr>,
    /// Where the value is a column whose values are between the bounds that files give: its position.
    pub bounded: Option<usize>,
}

impl BoundKey {
    /// Positions of the stored columns that the key reads.
    pub fn columns(&self, stored: &Schema) -> Result<BTreeSet<usize>> {
        let mut columns = BTreeSet::new();
        let read = self.values.iter().map(|value| &value.value).chain(&self.condition);
        for expression in read {
            expression.apply(|part| -> PlanResult<TreeNodeRecursion> {
                if let Expr::Column(column) = part {
                    columns.insert(stored.index_of(&column.name)?);
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(columns)
    }
}

/// Binds the keys that rows with the columns of `stored` are held to, by the definitions of `catalog`.
pub async fn bind_keys(
    services: &BindingServices,
    context: &QueryContext,
    catalog: &CatalogSnapshot,
    table: &Table,
    stored: &Schema,
) -> Result<Vec<BoundKey>> {
    let mut keys = vec![];
    for constraint in table.constraints.iter().filter(|constraint| constraint.enforced) {
        let (columns, nulls_distinct) = match &constraint.rule {
            ConstraintRule::PrimaryKey { columns } => (columns, true),
            ConstraintRule::Unique {
                columns,
                nulls_not_distinct,
            } => (columns, !nulls_not_distinct),
            _ => continue,
        };
        let values = columns.iter().map(|id| of_column(table, *id, stored));
        keys.push(BoundKey {
            id: constraint.id,
            timing: constraint.timing,
            name: constraint.name.clone(),
            values: values.collect::<Result<_>>()?,
            nulls_distinct,
            condition: None,
        });
    }
    for index in catalog.indexes(table.id).filter(|index| index.enforced) {
        keys.push(of_index(services, context, table, index, stored).await?);
    }
    Ok(keys)
}

/// One side of a foreign key over stored rows: its columns, each compared as the other side's is.
pub fn bind_side(table: &Table, columns: &[i16], compared: &[ComparedAs], stored: &Schema) -> Result<Vec<KeyValue>> {
    let sides = columns.iter().zip(compared);
    sides
        .map(|(id, compared)| of_column(table, *id, stored)?.compared_as(*compared, stored))
        .collect()
}

async fn of_index(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    index: &Index,
    stored: &Schema,
) -> Result<BoundKey> {
    let mut values = vec![];
    for key in &index.keys {
        values.push(match &key.of {
            IndexedValue::Column(id) => of_column(table, *id, stored)?,
            IndexedValue::Expression { expression, .. } => {
                let value = over_stored(services, context, table, expression, stored).await?;
                let name = expression.text.clone();
                KeyValue::new(name, value, None, stored)?
            }
        });
    }
    let condition = match &index.condition {
        Some(condition) => Some(over_stored(services, context, table, condition, stored).await?),
        None => None,
    };
    Ok(BoundKey {
        id: index.id,
        timing: Timing::Immediate,
        name: index.name.clone(),
        values,
        nulls_distinct: !index.nulls_not_distinct,
        condition,
    })
}

fn of_column(table: &Table, id: i16, stored: &Schema) -> Result<KeyValue> {
    let column = table.column(id).map_or("", |column| column.name.as_str());
    let position = stored.index_of(column)?;
    let value = Expr::Column(Column::new_unqualified(column));
    KeyValue::new(column.to_string(), value, Some(position), stored)
}

async fn over_stored(
    services: &BindingServices,
    context: &QueryContext,
    table: &Table,
    expression: &StoredExpression,
    stored: &Schema,
) -> Result<Expr> {
    let row = stored_row(table, stored, expression)?;
    let bound = bind_stored(services, context, expression, &row).await?;
    renamed(bound, &row, |position| stored.field(position).name().clone())
}

impl KeyValue {
    /// The value beside one of another type. Bounds of files are those of the column itself.
    fn compared_as(mut self, compared: ComparedAs, stored: &Schema) -> Result<KeyValue> {
        let schema = DFSchema::try_from(stored.clone())?;
        let value = self.value.clone();
        let target = match compared {
            ComparedAs::Themselves => return Ok(self),
            ComparedAs::Int8 => DataType::Int64,
            ComparedAs::Float8 => DataType::Float64,
            ComparedAs::Numeric => WIDE_LAYOUT,
            ComparedAs::Text => {
                let (_, field) = value.to_field(&schema)?;
                let (settings, from) = (FormatSettings::default(), SqlType::from_field(&field));
                let text = postgres_cast(value, from, SqlType::Text, &settings, Volatility::Immutable);
                (self.equal_by, self.bounded) = (Some(text), None);
                return Ok(self);
            }
        };
        if value.get_type(&schema)? != target {
            self.equal_by = Some(cast(value, target));
        }
        Ok(self)
    }

    fn new(name: String, value: Expr, position: Option<usize>, stored: &Schema) -> Result<KeyValue> {
        let schema = DFSchema::try_from(stored.clone())?;
        let key = equal_keys::key_or_value(value.clone(), &schema);
        let equal_by = (key != value).then_some(key);
        // Zero has two layouts among floats, which are in different places of their order.
        let is_bounded = |position: &usize| {
            let data_type = stored.field(*position).data_type();
            equal_by.is_none() && !data_type.is_nested() && !matches!(data_type, DataType::Float32 | DataType::Float64)
        };
        Ok(KeyValue {
            name,
            bounded: position.filter(is_bounded),
            value,
            equal_by,
        })
    }
}
