//! Fits a scan's expressions to one file. The scan speaks physical top-level names; this finds the file's
//! columns by field id where the table maps by id, translates nested names, fills missing columns with nulls,
//! and casts only where the types truly differ (DataFusion's adapter also casts for metadata).

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use super::schema::{ColumnMapping, PARQUET_FIELD_ID, TableSchema};

/// Makes adapters for the files of one table.
#[derive(Debug)]
pub(super) struct DeltaAdapterFactory {
    /// Physical name → field id, where the table maps by id.
    ids: HashMap<String, String>,
    /// Physical name → nested physical and logical types, where they differ in names.
    nested: HashMap<String, (DataType, DataType)>,
}

impl DeltaAdapterFactory {
    pub(super) fn new(schema: &TableSchema) -> DeltaAdapterFactory {
        let file_columns = || schema.file_columns.iter().map(|index| &schema.columns[*index]);
        let ids = match schema.mapping {
            ColumnMapping::Id => file_columns()
                .filter_map(|column| Some((column.physical_name.clone(), column.field_id?.to_string())))
                .collect(),
            _ => HashMap::new(),
        };
        let nested = match schema.mapping {
            ColumnMapping::None => HashMap::new(),
            _ => file_columns()
                .filter(|column| column.stored_type.is_nested())
                .map(|column| {
                    (
                        column.physical_name.clone(),
                        (column.stored_type.clone(), column.field.data_type().clone()),
                    )
                })
                .collect(),
        };
        DeltaAdapterFactory { ids, nested }
    }

    /// The file's position of a table column.
    fn find(&self, name: &str, file: &Schema) -> Option<usize> {
        if let Some(id) = self.ids.get(name)
            && let Some(position) = file
                .fields()
                .iter()
                .position(|field| field.metadata().get(PARQUET_FIELD_ID) == Some(id))
        {
            return Some(position);
        }
        // Files written before the table mapped its columns carry no ids; then names are physical names.
        let has_ids = !self.ids.is_empty()
            && file
                .fields()
                .iter()
                .any(|field| field.metadata().contains_key(PARQUET_FIELD_ID));
        (!has_ids).then(|| file.index_of(name).ok())?
    }
}

impl PhysicalExprAdapterFactory for DeltaAdapterFactory {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        // The file's schema as DataFusion's adapter should see it: the table's names, and the table's own field
        // wherever the type is the same.
        let mut seen: Vec<FieldRef> = file
            .fields()
            .iter()
            .enumerate()
            .map(|(position, field)| {
                Arc::new(Field::new(
                    format!("\u{0}unused {position}"),
                    field.data_type().clone(),
                    true,
                ))
            })
            .collect();
        let mut relabeled = HashMap::new();
        for column in table.fields() {
            let Some(position) = self.find(column.name(), &file) else {
                continue;
            };
            let found = file.field(position).data_type();
            seen[position] = if found == column.data_type() {
                Arc::clone(column)
            } else {
                let logical_names = match self.nested.get(column.name()) {
                    Some((stored, logical)) => relabel(found, stored, logical),
                    None => found.clone(),
                };
                if logical_names != *found {
                    relabeled.insert(position, logical_names.clone());
                }
                Arc::new(Field::new(column.name(), logical_names, true))
            };
        }
        let seen = Arc::new(Schema::new(seen));
        let inner = DefaultPhysicalExprAdapterFactory.create(table, seen)?;
        Ok(Arc::new(DeltaAdapter { inner, file, relabeled }))
    }
}

#[derive(Debug)]
struct DeltaAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    file: SchemaRef,
    /// File columns whose nested names change.
    relabeled: HashMap<usize, DataType>,
}

impl PhysicalExprAdapter for DeltaAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        // Columns now point at the file's positions under the table's names: give them the file's names.
        self.inner
            .rewrite(expr)?
            .transform(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(expr));
                };
                let Some(field) = self.file.fields().get(column.index()) else {
                    return Ok(Transformed::no(expr));
                };
                let renamed: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), column.index()));
                Ok(match self.relabeled.get(&column.index()) {
                    Some(data_type) => Transformed::new(
                        Arc::new(Relabel {
                            column: renamed,
                            data_type: data_type.clone(),
                        }),
                        true,
                        datafusion::common::tree_node::TreeNodeRecursion::Jump,
                    ),
                    None if field.name() == column.name() => Transformed::no(expr),
                    None => Transformed::yes(renamed),
                })
            })
            .data()
    }
}

/// The type of a file's nested column with logical instead of physical names; the layout stays.
fn relabel(found: &DataType, stored: &DataType, logical: &DataType) -> DataType {
    match (found, stored, logical) {
        (DataType::Struct(found), DataType::Struct(stored), DataType::Struct(logical)) => DataType::Struct(
            found
                .iter()
                .map(
                    |field| match stored.iter().position(|stored| stored.name() == field.name()) {
                        Some(at) => Arc::new(Field::new(
                            logical[at].name(),
                            relabel(field.data_type(), stored[at].data_type(), logical[at].data_type()),
                            field.is_nullable(),
                        )),
                        None => Arc::clone(field),
                    },
                )
                .collect::<Fields>(),
        ),
        (DataType::List(found), DataType::List(stored), DataType::List(logical)) => {
            let item = relabel(found.data_type(), stored.data_type(), logical.data_type());
            DataType::List(Arc::new(found.as_ref().clone().with_data_type(item)))
        }
        (DataType::Map(found, sorted), DataType::Map(stored, _), DataType::Map(logical, _)) => {
            let (DataType::Struct(entries), DataType::Struct(stored), DataType::Struct(logical)) =
                (found.data_type(), stored.data_type(), logical.data_type())
            else {
                return DataType::Map(Arc::clone(found), *sorted);
            };
            let inner: Fields = entries
                .iter()
                .enumerate()
                .map(|(at, field)| {
                    Arc::new(field.as_ref().clone().with_data_type(relabel(
                        field.data_type(),
                        stored[at].data_type(),
                        logical[at].data_type(),
                    )))
                })
                .collect();
            DataType::Map(
                Arc::new(found.as_ref().clone().with_data_type(DataType::Struct(inner))),
                *sorted,
            )
        }
        _ => found.clone(),
    }
}

/// A column under another nested naming; no value moves.
#[derive(Debug, Eq)]
struct Relabel {
    column: Arc<dyn PhysicalExpr>,
    data_type: DataType,
}

impl PartialEq for Relabel {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.data_type == other.data_type
    }
}

impl Hash for Relabel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.data_type.hash(state);
    }
}

impl std::fmt::Display for Relabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.column)
    }
}

impl PhysicalExpr for Relabel {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.column.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(relabel_array(&values, &self.data_type)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(column) => Ok(Arc::new(Relabel {
                column,
                data_type: self.data_type.clone(),
            })),
            None => datafusion::common::internal_err!("a relabeled column needs its column"),
        }
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.column.fmt_sql(f)
    }
}

/// Arrow names fields in types, so new names are new arrays over the same buffers.
fn relabel_array(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(Arc::clone(values));
    }
    Ok(match data_type {
        DataType::Struct(fields) => {
            let (_, columns, nulls) = values.as_struct().clone().into_parts();
            let columns = columns
                .iter()
                .zip(fields)
                .map(|(column, field)| relabel_array(column, field.data_type()))
                .collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                nulls,
                values.len(),
            )?)
        }
        DataType::List(field) => {
            let (_, offsets, items, nulls) = values.as_list::<i32>().clone().into_parts();
            Arc::new(ListArray::try_new(
                Arc::clone(field),
                offsets,
                relabel_array(&items, field.data_type())?,
                nulls,
            )?)
        }
        DataType::Map(field, sorted) => {
            let (_, offsets, entries, nulls, _) = values.as_map().clone().into_parts();
            let entries = relabel_array(&(Arc::new(entries) as ArrayRef), field.data_type())?;
            Arc::new(MapArray::try_new(
                Arc::clone(field),
                offsets,
                entries.as_struct().clone(),
                nulls,
                *sorted,
            )?)
        }
        _ => Arc::clone(values),
    })
}
