//! Composite types: rows whose fields the catalog names. Their values are Arrow structs with the fields in order; what
//! each field is, is told by the type, never by the struct.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use serde_json::{Value, json};

use super::SqlType;
use crate::error::{Error, Result, SqlState};

/// A type of the catalog whose values are rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CompositeType {
    /// The object that it is the rows' type of: the type itself, which is a relation too, or a table or view.
    pub relation: u32,
    pub schema: String,
    pub name: String,
    pub fields: Vec<CompositeField>,
}

/// A field of a composite type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CompositeField {
    pub name: String,
    pub sql_type: SqlType,
}

impl CompositeType {
    /// How a struct of this type is laid out.
    pub fn arrow_fields(&self) -> Fields {
        let fields = self.fields.iter();
        fields
            .map(|field| Field::new(&field.name, field.sql_type.to_arrow(), true))
            .collect()
    }

    /// The place and the type of the field of this name; 42703 without one.
    pub fn field(&self, name: &str) -> Result<(usize, &SqlType)> {
        let found = self.fields.iter().position(|field| field.name == name);
        found.map(|place| (place, &self.fields[place].sql_type)).ok_or_else(|| {
            let shown = SqlType::Composite(Arc::new(self.clone()));
            let message = format!("column \"{name}\" not found in data type {shown}");
            Error::new(SqlState::UndefinedColumn, message)
        })
    }

    /// Whether a struct may hold values of this type.
    pub(super) fn is_laid_out_as(&self, data_type: &DataType) -> bool {
        let DataType::Struct(fields) = data_type else {
            return false;
        };
        let names = fields.iter().map(|field| field.name());
        names.eq(self.fields.iter().map(|field| &field.name))
    }

    pub(super) fn to_metadata(&self) -> Value {
        let fields = self.fields.iter();
        let fields: Vec<Value> = fields
            .map(|field| json!([field.name, field.sql_type.to_metadata()]))
            .collect();
        json!({"relation": self.relation, "schema": self.schema, "name": self.name, "fields": fields})
    }

    pub(super) fn from_metadata(text: &str) -> Option<CompositeType> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_string);
        let fields = value["fields"].as_array()?.iter().map(|field| {
            Some(CompositeField {
                name: text(&field[0])?,
                sql_type: SqlType::from_metadata(field[1].as_str()?)?,
            })
        });
        Some(CompositeType {
            relation: u32::try_from(value["relation"].as_u64()?).ok()?,
            schema: text(&value["schema"])?,
            name: text(&value["name"])?,
            fields: fields.collect::<Option<_>>()?,
        })
    }
}

/// The names and types of the fields of a row, if the type is one of rows. Those of a record are its layout's.
pub fn row_fields(sql_type: &SqlType, layout: &DataType) -> Option<Vec<CompositeField>> {
    match (sql_type, layout) {
        (SqlType::Composite(composite), _) => Some(composite.fields.clone()),
        (SqlType::Record, DataType::Struct(fields)) => {
            let fields = fields.iter().map(|field| CompositeField {
                name: field.name().clone(),
                sql_type: SqlType::from_field(field),
            });
            Some(fields.collect())
        }
        _ => None,
    }
}

/// The columns of rows with their types, and which rows are NULL; `None` for an array of something else.
pub fn row_columns<'a>(
    array: &'a ArrayRef,
    sql_type: &SqlType,
) -> Option<(Vec<(&'a ArrayRef, SqlType)>, &'a StructArray)> {
    let fields = row_fields(sql_type, array.data_type())?;
    let rows = array.as_struct_opt()?;
    let types = fields.into_iter().map(|field| field.sql_type);
    Some((rows.columns().iter().zip(types).collect(), rows))
}
