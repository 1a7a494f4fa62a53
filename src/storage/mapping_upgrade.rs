//! Turns a table into one that maps column names (mode `name`): renaming and dropping columns then leave the
//! files alone. Existing columns keep their names as physical names.

use serde_json::{Value, json};
use uuid::Uuid;

use super::action::{Metadata, Protocol};
use super::features;
use super::schema::{FIELD_ID, PHYSICAL_NAME};
use crate::error::{Error, Result, SqlState};

const MODE: &str = "delta.columnMapping.mode";
const LARGEST_ID: &str = "delta.columnMapping.maxColumnId";

/// Where physical names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhysicalNames {
    /// Files have the columns under their present names.
    Present,
    /// No file has the columns; a new name cannot find the values of a dropped column.
    Fresh,
}

/// Protocol and metadata with column mapping; unchanged where the table has it.
pub(super) fn upgrade(protocol: &Protocol, metadata: &Metadata, names: PhysicalNames) -> Result<(Protocol, Metadata)> {
    if is_mapped(metadata) {
        return Ok((protocol.clone(), metadata.clone()));
    }
    let mut schema = schema_json(metadata)?;
    let mut largest = 0;
    number_fields(&mut schema, &mut largest, names)?;
    let mut metadata = metadata.clone();
    metadata.schema_string = schema.to_string();
    metadata.configuration.insert(MODE.into(), "name".into());
    metadata.configuration.insert(LARGEST_ID.into(), largest.to_string());
    // Where no feature list is needed, the old version numbers are understood by more readers.
    let protocol = match protocol.writer_features {
        Some(_) => features::with_feature(protocol, "columnMapping"),
        None => Protocol {
            min_reader_version: protocol.min_reader_version.max(2),
            min_writer_version: protocol.min_writer_version.max(5),
            reader_features: None,
            writer_features: None,
        },
    };
    Ok((protocol, metadata))
}

/// Whether columns have physical names.
pub(super) fn is_mapped(metadata: &Metadata) -> bool {
    metadata.configuration.get(MODE).is_some_and(|mode| mode != "none")
}

/// Gives a new column (with what is nested in it) ids and physical names, where the table maps columns.
pub(super) fn map_new_field(metadata: &mut Metadata, field: &mut Value) -> Result<()> {
    numbered(metadata, |largest| number_field(field, largest, PhysicalNames::Fresh))
}

/// The same for what is nested in a column's new type.
pub(super) fn map_new_parts(metadata: &mut Metadata, data_type: &mut Value) -> Result<()> {
    numbered(metadata, |largest| {
        number_nested(data_type, largest, PhysicalNames::Fresh)
    })
}

/// Counts on from the table's largest id, where the table maps columns.
fn numbered(metadata: &mut Metadata, number: impl FnOnce(&mut i64) -> Result<()>) -> Result<()> {
    if !is_mapped(metadata) {
        return Ok(());
    }
    let known = metadata
        .configuration
        .get(LARGEST_ID)
        .and_then(|text| text.parse().ok());
    let mut largest: i64 = known.ok_or_else(|| damaged("its largest column id is missing"))?;
    number(&mut largest)?;
    metadata.configuration.insert(LARGEST_ID.into(), largest.to_string());
    Ok(())
}

/// The metadata's schema as JSON.
pub(super) fn schema_json(metadata: &Metadata) -> Result<Value> {
    serde_json::from_str(&metadata.schema_string).map_err(|error| damaged(&error.to_string()))
}

fn number_fields(structure: &mut Value, largest: &mut i64, names: PhysicalNames) -> Result<()> {
    let fields = structure["fields"]
        .as_array_mut()
        .ok_or_else(|| damaged("a struct has no fields"))?;
    fields
        .iter_mut()
        .try_for_each(|field| number_field(field, largest, names))
}

fn number_field(field: &mut Value, largest: &mut i64, names: PhysicalNames) -> Result<()> {
    *largest += 1;
    let physical = match names {
        PhysicalNames::Present => field["name"]
            .as_str()
            .ok_or_else(|| damaged("a column has no name"))?
            .to_string(),
        PhysicalNames::Fresh => format!("col-{}", Uuid::new_v4()),
    };
    if !field["metadata"].is_object() {
        field["metadata"] = json!({});
    }
    field["metadata"][FIELD_ID] = json!(*largest);
    field["metadata"][PHYSICAL_NAME] = json!(physical);
    number_nested(&mut field["type"], largest, names)
}

fn number_nested(data_type: &mut Value, largest: &mut i64, names: PhysicalNames) -> Result<()> {
    match data_type["type"].as_str() {
        Some("struct") => number_fields(data_type, largest, names),
        Some("array") => number_nested(&mut data_type["elementType"], largest, names),
        Some("map") => {
            number_nested(&mut data_type["keyType"], largest, names)?;
            number_nested(&mut data_type["valueType"], largest, names)
        }
        _ => Ok(()),
    }
}

pub(super) fn damaged(detail: &str) -> Error {
    Error::new(SqlState::DataCorrupted, "the table's schema is damaged").with_detail(format!("Cause: {detail}."))
}
