//! A table's schema: Delta's JSON on one side, Arrow on the other. Strings travel as Utf8View, timestamps in
//! microseconds; SQL types that Delta lacks (varchar(40), uuid, jsonb, time) ride in the field's metadata.
//! Column mapping gives each column a physical name, which is its name in files and statistics.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde_json::{Map, Value, json};

use super::action::Metadata;
use crate::error::{Error, Result, SqlState};
use crate::types::{SqlType, TYPE_KEY};

pub(super) const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
pub(super) const FIELD_ID: &str = "delta.columnMapping.id";
/// Arrow's key for a Parquet field id.
pub(super) const PARQUET_FIELD_ID: &str = "PARQUET:field_id";
/// Where Spark keeps the length of char and varchar columns.
const SPARK_CHAR_TYPE: &str = "__CHAR_VARCHAR_TYPE_STRING";

/// How file columns are found (Delta protocol, "Column Mapping").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnMapping {
    None,
    Name,
    Id,
}

/// One column of a table.
#[derive(Debug, Clone)]
pub(super) struct TableColumn {
    /// Logical name, logical Arrow type and SQL metadata: what queries see.
    pub(super) field: FieldRef,
    /// The name in files, statistics and partition values.
    pub(super) physical_name: String,
    pub(super) field_id: Option<i64>,
    /// The Arrow type that is written to files, nested names physical.
    pub(super) stored_type: DataType,
    pub(super) is_partition: bool,
}

/// A table's schema at one version.
#[derive(Debug, Clone)]
pub(super) struct TableSchema {
    pub(super) columns: Vec<TableColumn>,
    /// Logical, in the table's column order.
    pub(super) arrow: SchemaRef,
    pub(super) mapping: ColumnMapping,
    /// Indexes into `columns`, in the order of `partitionColumns`.
    pub(super) partition_columns: Vec<usize>,
    /// Indexes into `columns` of those that files hold.
    pub(super) file_columns: Vec<usize>,
}

impl TableSchema {
    /// Reads the metadata action.
    pub(super) fn from_metadata(metadata: &Metadata) -> Result<TableSchema> {
        let mapping = match metadata
            .configuration
            .get("delta.columnMapping.mode")
            .map(String::as_str)
        {
            None | Some("none") => ColumnMapping::None,
            Some("name") => ColumnMapping::Name,
            Some("id") => ColumnMapping::Id,
            Some(other) => return Err(Error::unsupported(format!("column mapping mode \"{other}\""))),
        };
        let schema: Value =
            serde_json::from_str(&metadata.schema_string).map_err(|error| damaged(&error.to_string()))?;
        let fields = schema["fields"].as_array().ok_or_else(|| damaged("it has no fields"))?;
        let columns = fields
            .iter()
            .map(|field| TableColumn::from_delta(field, mapping, &metadata.partition_columns))
            .collect::<Result<Vec<_>>>()?;
        let partition_columns = metadata
            .partition_columns
            .iter()
            .map(|name| {
                columns
                    .iter()
                    .position(|column| column.field.name() == name)
                    .ok_or_else(|| damaged(&format!("the partition column \"{name}\" is not among its columns")))
            })
            .collect::<Result<Vec<_>>>()?;
        let file_columns = (0..columns.len())
            .filter(|index| !columns[*index].is_partition)
            .collect();
        let arrow = Arc::new(Schema::new(
            columns
                .iter()
                .map(|column| Arc::clone(&column.field))
                .collect::<Fields>(),
        ));
        Ok(TableSchema {
            columns,
            arrow,
            mapping,
            partition_columns,
            file_columns,
        })
    }

    /// The columns that files hold, under their physical names, with logical types: what the scan reads.
    pub(super) fn file_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.file_columns
                .iter()
                .map(|index| self.columns[*index].physical_field())
                .collect::<Fields>(),
        ))
    }

    /// The partition columns under their physical names.
    pub(super) fn partition_fields(&self) -> Fields {
        self.partition_columns
            .iter()
            .map(|index| self.columns[*index].physical_field())
            .collect()
    }

    /// The columns that files hold, as they are written.
    pub(super) fn stored_schema(&self) -> SchemaRef {
        let fields = self.file_columns.iter().map(|index| {
            let column = &self.columns[*index];
            let field = Field::new(
                &column.physical_name,
                column.stored_type.clone(),
                column.field.is_nullable(),
            );
            match (self.mapping, column.field_id) {
                (ColumnMapping::None, _) | (_, None) => field,
                (_, Some(id)) => field.with_metadata(HashMap::from([(PARQUET_FIELD_ID.to_string(), id.to_string())])),
            }
        });
        Arc::new(Schema::new(fields.map(Arc::new).collect::<Fields>()))
    }
}

impl TableColumn {
    fn from_delta(value: &Value, mapping: ColumnMapping, partition_columns: &[String]) -> Result<TableColumn> {
        let name = value["name"].as_str().ok_or_else(|| damaged("a column has no name"))?;
        let metadata = &value["metadata"];
        let (natural, stored_type) = arrow_types(name, &value["type"], mapping)?;
        let nullable = value["nullable"].as_bool().unwrap_or(true);
        let sql_type = declared_sql_type(metadata).filter(|sql_type| stores(&stored_type, sql_type));
        let field = match sql_type {
            Some(sql_type) => sql_type.to_field(name, nullable),
            None => Field::new(name, natural, nullable),
        };
        let (physical_name, field_id) = match mapping {
            ColumnMapping::None => (name.to_string(), None),
            _ => {
                let physical = metadata[PHYSICAL_NAME].as_str();
                let physical = physical.ok_or_else(|| damaged(&format!("column \"{name}\" has no physical name")))?;
                (physical.to_string(), metadata[FIELD_ID].as_i64())
            }
        };
        let is_partition = partition_columns.iter().any(|partition| partition == name);
        Ok(TableColumn {
            field: Arc::new(field),
            physical_name,
            field_id,
            stored_type,
            is_partition,
        })
    }

    /// The logical field under the physical name.
    pub(super) fn physical_field(&self) -> FieldRef {
        if *self.field.name() == self.physical_name {
            return Arc::clone(&self.field);
        }
        Arc::new(self.field.as_ref().clone().with_name(&self.physical_name))
    }
}

/// The SQL type that a writer declared beside Delta's own type.
fn declared_sql_type(metadata: &Value) -> Option<SqlType> {
    let declared = metadata[TYPE_KEY]
        .as_str()
        .or_else(|| metadata[SPARK_CHAR_TYPE].as_str());
    declared.and_then(|text| text.parse().ok())
}

/// Whether values of this SQL type are stored as `stored`; a declaration may outlive a type change.
fn stores(stored: &DataType, sql_type: &SqlType) -> bool {
    stored_type(sql_type).is_ok_and(|(_, expected)| expected == *stored)
}

/// The logical and the stored Arrow type of a Delta type.
fn arrow_types(column: &str, value: &Value, mapping: ColumnMapping) -> Result<(DataType, DataType)> {
    if let Some(name) = value.as_str() {
        let both = |data_type: DataType| (data_type.clone(), data_type);
        return Ok(match name {
            "string" => (DataType::Utf8View, DataType::Utf8),
            "long" => both(DataType::Int64),
            "integer" => both(DataType::Int32),
            "short" => both(DataType::Int16),
            "byte" => (DataType::Int16, DataType::Int8),
            "float" => both(DataType::Float32),
            "double" => both(DataType::Float64),
            "boolean" => both(DataType::Boolean),
            "binary" => both(DataType::Binary),
            "date" => both(DataType::Date32),
            "timestamp" => both(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            "timestamp_ntz" => both(DataType::Timestamp(TimeUnit::Microsecond, None)),
            other => both(
                decimal(other).ok_or_else(|| Error::unsupported(format!("type \"{other}\" of column \"{column}\"")))?,
            ),
        });
    }
    match value["type"].as_str() {
        Some("struct") => {
            let fields = value["fields"]
                .as_array()
                .ok_or_else(|| damaged(&format!("struct \"{column}\" has no fields")))?;
            let (mut logical, mut stored) = (vec![], vec![]);
            for field in fields {
                let name = field["name"]
                    .as_str()
                    .ok_or_else(|| damaged("a nested field has no name"))?;
                let nullable = field["nullable"].as_bool().unwrap_or(true);
                let (natural, stored_inner) = arrow_types(column, &field["type"], mapping)?;
                let declared = declared_sql_type(&field["metadata"]);
                let declared = declared.filter(|sql_type| stores(&stored_inner, sql_type));
                let inner = declared.map_or(natural, |sql_type| sql_type.to_arrow());
                let physical = match mapping {
                    ColumnMapping::None => name,
                    _ => field["metadata"][PHYSICAL_NAME].as_str().unwrap_or(name),
                };
                logical.push(Field::new(name, inner, nullable));
                stored.push(Field::new(physical, stored_inner, nullable));
            }
            Ok((DataType::Struct(logical.into()), DataType::Struct(stored.into())))
        }
        Some("array") => {
            let (inner, stored) = arrow_types(column, &value["elementType"], mapping)?;
            let nullable = value["containsNull"].as_bool().unwrap_or(true);
            Ok((
                DataType::List(Field::new("item", inner, nullable).into()),
                DataType::List(Field::new("element", stored, nullable).into()),
            ))
        }
        Some("map") => {
            let (key, stored_key) = arrow_types(column, &value["keyType"], mapping)?;
            let (item, stored_item) = arrow_types(column, &value["valueType"], mapping)?;
            let nullable = value["valueContainsNull"].as_bool().unwrap_or(true);
            Ok((
                map(key, item, nullable, "entries"),
                map(stored_key, stored_item, nullable, "key_value"),
            ))
        }
        _ => Err(Error::unsupported(format!("type {value} of column \"{column}\""))),
    }
}

fn map(key: DataType, value: DataType, nullable: bool, entries: &str) -> DataType {
    let fields = Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, nullable),
    ]);
    DataType::Map(Field::new(entries, DataType::Struct(fields), false).into(), false)
}

fn decimal(name: &str) -> Option<DataType> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    ((1..=38).contains(&precision) && (0..=precision as i8).contains(&scale))
        .then_some(DataType::Decimal128(precision, scale))
}

/// Delta's type and the stored Arrow type for a SQL type.
pub(super) fn stored_type(sql_type: &SqlType) -> Result<(Value, DataType)> {
    Ok(match sql_type {
        SqlType::Bool => (json!("boolean"), DataType::Boolean),
        SqlType::Int2 => (json!("short"), DataType::Int16),
        SqlType::Int4 => (json!("integer"), DataType::Int32),
        SqlType::Int8 => (json!("long"), DataType::Int64),
        SqlType::Float4 => (json!("float"), DataType::Float32),
        SqlType::Float8 => (json!("double"), DataType::Float64),
        SqlType::Numeric(_) => match sql_type.to_arrow() {
            DataType::Decimal128(precision, scale) => (
                json!(format!("decimal({precision},{scale})")),
                DataType::Decimal128(precision, scale),
            ),
            other => return Err(Error::internal(format!("numeric is carried as {other}"))),
        },
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Bpchar(_)
        | SqlType::Name
        | SqlType::Char
        | SqlType::Uuid
        | SqlType::Enum(_)
        | SqlType::Interval(_)
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Spelled(_) => (json!("string"), DataType::Utf8),
        SqlType::Bytea => (json!("binary"), DataType::Binary),
        SqlType::Date => (json!("date"), DataType::Date32),
        SqlType::Timestamp(_) => (json!("timestamp_ntz"), DataType::Timestamp(TimeUnit::Microsecond, None)),
        SqlType::Timestamptz(_) => (
            json!("timestamp"),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        // Delta has neither; both are numbers with a name of their own.
        SqlType::Time(_) | SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc => {
            (json!("long"), DataType::Int64)
        }
        SqlType::Domain(domain) => stored_type(&domain.base)?,
        SqlType::Composite(composite) => {
            let (mut fields, mut stored) = (vec![], vec![]);
            for field in &composite.fields {
                let column = ColumnDefinition {
                    name: field.name.clone(),
                    sql_type: field.sql_type.clone(),
                    nullable: true,
                    comment: None,
                };
                fields.push(delta_field(&column)?);
                stored.push(Field::new(&field.name, stored_type(&field.sql_type)?.1, true));
            }
            let delta = json!({"type": "struct", "fields": fields});
            (delta, DataType::Struct(stored.into()))
        }
        SqlType::Array(element) => {
            let (delta, stored) = stored_type(element)?;
            (
                json!({"type": "array", "elementType": delta, "containsNull": true}),
                DataType::List(Field::new("element", stored, true).into()),
            )
        }
        SqlType::Void
        | SqlType::Record
        | SqlType::Unknown
        | SqlType::System(_)
        | SqlType::Stored(_)
        | SqlType::Named(_) => {
            return Err(Error::unsupported(format!(
                "a column of type {sql_type} in a Delta table"
            )));
        }
    })
}

/// A column to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    pub name: String,
    pub sql_type: SqlType,
    pub nullable: bool,
    pub comment: Option<String>,
}

/// The column as an entry of Delta's schema JSON, without column mapping.
pub(super) fn delta_field(column: &ColumnDefinition) -> Result<Value> {
    let sql_type = column.sql_type.base();
    let (delta_type, stored) = stored_type(sql_type)?;
    let mut metadata = Map::new();
    let natural = arrow_types(&column.name, &delta_type, ColumnMapping::None)?.0;
    // A user's type means nothing outside the catalog that has it.
    let is_known = sql_type.user_type().is_none();
    if is_known && (SqlType::from_arrow(&natural) != *sql_type || stored_differs(sql_type, &stored)) {
        metadata.insert(TYPE_KEY.into(), json!(sql_type.to_string()));
    }
    if let SqlType::Varchar(Some(length)) = sql_type {
        metadata.insert(SPARK_CHAR_TYPE.into(), json!(format!("varchar({length})")));
    }
    if let Some(comment) = &column.comment {
        metadata.insert("comment".into(), json!(comment));
    }
    Ok(json!({"name": column.name, "type": delta_type, "nullable": column.nullable, "metadata": metadata}))
}

fn stored_differs(sql_type: &SqlType, stored: &DataType) -> bool {
    matches!(
        sql_type,
        SqlType::Time(_) | SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc
    ) && *stored == DataType::Int64
}

fn damaged(detail: &str) -> Error {
    Error::new(SqlState::DataCorrupted, "the table's schema is damaged").with_detail(format!("Cause: {detail}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::action::Format;

    fn schema_of(fields: Value, configuration: &[(&str, &str)], partition_columns: &[&str]) -> Result<TableSchema> {
        TableSchema::from_metadata(&Metadata {
            id: "m".into(),
            name: None,
            description: None,
            format: Format {
                provider: "parquet".into(),
                options: Default::default(),
            },
            schema_string: json!({"type": "struct", "fields": fields}).to_string(),
            partition_columns: partition_columns.iter().map(|name| name.to_string()).collect(),
            configuration: configuration
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            created_time: None,
        })
    }

    #[test]
    fn sql_types_survive_delta() {
        let types = [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "real",
            "double precision",
            "numeric(38,10)",
            "numeric(12,2)",
            "text",
            "character varying(40)",
            "character(3)",
            "bytea",
            "date",
            "time without time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "uuid",
            "jsonb",
            "json",
            "interval",
            "oid",
            "integer[]",
            "interval[]",
            "text[]",
            "numrange",
            "tstzrange[]",
        ];
        for text in types {
            let sql_type: SqlType = text.parse().unwrap();
            let column = ColumnDefinition {
                name: "c".into(),
                sql_type: sql_type.clone(),
                nullable: true,
                comment: None,
            };
            let schema = schema_of(json!([delta_field(&column).unwrap()]), &[], &[]).unwrap();
            assert_eq!(SqlType::from_field(schema.arrow.field(0)), sql_type, "{text}");
            assert_eq!(*schema.arrow.field(0).data_type(), sql_type.to_arrow(), "{text}");
        }
        assert_eq!(
            stored_type(&SqlType::Void).unwrap_err().state(),
            SqlState::FeatureNotSupported
        );
    }

    #[test]
    fn foreign_types_and_mapping() {
        let fields = json!([
            {"name": "b", "type": "byte", "nullable": false, "metadata": {PHYSICAL_NAME: "col-1", FIELD_ID: 1}},
            {"name": "p", "type": "string", "nullable": true, "metadata": {PHYSICAL_NAME: "col-2", FIELD_ID: 2, "__CHAR_VARCHAR_TYPE_STRING": "varchar(7)"}},
        ]);
        let schema = schema_of(fields.clone(), &[("delta.columnMapping.mode", "name")], &["p"]).unwrap();
        assert_eq!(schema.file_schema().field(0).name(), "col-1");
        assert_eq!(schema.partition_fields()[0].name(), "col-2");
        assert_eq!(SqlType::from_field(schema.arrow.field(1)), SqlType::Varchar(Some(7)));
        assert_eq!(schema.stored_schema().field(0).data_type(), &DataType::Int8);
        assert_eq!(schema.stored_schema().field(0).metadata()[PARQUET_FIELD_ID], "1");
        assert!(
            schema_of(
                json!([{"name": "v", "type": "variant", "nullable": true, "metadata": {}}]),
                &[],
                &[]
            )
            .is_err()
        );
    }
}
