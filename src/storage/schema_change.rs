//! Changes of a table's metadata: columns, properties, comment. Each is one commit on exactly the version it was
//! made from. Data files stay as they are.

use std::sync::Arc;

use serde_json::{Value, json};

use super::action::{Metadata, Protocol};
use super::commit::{Change, CommitRequest, Committed, Operation, SchemaStep};
use super::definition::{check_property, with_needed_features};
use super::features;
use super::mapping_upgrade::{self, PhysicalNames, damaged, schema_json};
use super::replay::{Replayed, replay};
use super::schema::{ColumnDefinition, FIELD_ID, PHYSICAL_NAME, delta_field};
use super::snapshot::TableSnapshot;
use super::table::DeltaTable;
use crate::error::{Error, Result, SqlState};

/// One change of a table's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaChange {
    /// Rows that exist hold null in the new column.
    AddColumn(ColumnDefinition),
    DropColumn {
        name: String,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    DropNotNull {
        name: String,
    },
    /// The column of this name gets another type. Files that hold the old one go in the same commit, unless both are
    /// stored alike.
    SetColumnType(ColumnDefinition),
    /// No row that exists holds null there.
    SetNotNull {
        name: String,
    },
    SetColumnComment {
        name: String,
        comment: Option<String>,
    },
    SetProperties(Vec<(String, String)>),
    UnsetProperties(Vec<String>),
    SetComment(Option<String>),
}

impl DeltaTable {
    /// Changes the metadata that `snapshot` shows; 40001 when the table has moved on since.
    pub async fn alter(
        self: &Arc<Self>,
        snapshot: &Arc<TableSnapshot>,
        changes: &[SchemaChange],
        operation: Operation,
    ) -> Result<Committed> {
        let (protocol, metadata) = altered(snapshot, changes)?;
        self.commit(CommitRequest {
            change: Change::Alter { base: snapshot.version },
            schema: Some(SchemaStep {
                from: Arc::clone(snapshot),
                protocol: Arc::new(protocol),
                metadata: Arc::new(metadata),
            }),
            files: None,
            keys: None,
            operation,
        })
        .await
    }

    /// The table as a transaction sees it that has made these changes and not committed them.
    pub async fn altered(&self, snapshot: &TableSnapshot, changes: &[SchemaChange]) -> Result<Arc<TableSnapshot>> {
        let (protocol, metadata) = altered(snapshot, changes)?;
        let replayed = replay(&self.location, Some(snapshot.version)).await?;
        let replayed = Replayed {
            protocol,
            metadata,
            ..replayed.ok_or_else(|| self.missing())?
        };
        let mut altered = self.replayed(replayed)?;
        altered.has_uncommitted_files = true;
        Ok(Arc::new(altered))
    }
}

fn altered(snapshot: &TableSnapshot, changes: &[SchemaChange]) -> Result<(Protocol, Metadata)> {
    features::ensure_writable(&snapshot.protocol, &snapshot.metadata)?;
    let mut protocol = snapshot.protocol.as_ref().clone();
    let mut metadata = snapshot.metadata.as_ref().clone();
    for change in changes {
        (protocol, metadata) = apply(protocol, metadata, change, snapshot.file_count() == 0)?;
    }
    Ok((protocol, metadata))
}

fn apply(
    protocol: Protocol,
    mut metadata: Metadata,
    change: &SchemaChange,
    is_empty: bool,
) -> Result<(Protocol, Metadata)> {
    match change {
        SchemaChange::AddColumn(column) => {
            if !column.nullable && !is_empty {
                return Err(Error::new(
                    SqlState::NotNullViolation,
                    format!("column \"{}\" contains null values", column.name),
                )
                .with_hint("Rows that exist hold null in a new column."));
            }
            let mut schema = schema_json(&metadata)?;
            ensure_free(&schema, &column.name)?;
            let mut field = delta_field(column)?;
            mapping_upgrade::map_new_field(&mut metadata, &mut field)?;
            fields(&mut schema)?.push(field);
            metadata.schema_string = schema.to_string();
            Ok((with_needed_features(&protocol, std::slice::from_ref(column)), metadata))
        }
        SchemaChange::DropColumn { name } => {
            if metadata.partition_columns.iter().any(|partition| partition == name) {
                return Err(Error::unsupported(format!("dropping partition column \"{name}\"")));
            }
            let (protocol, mut metadata) = mapping_upgrade::upgrade(&protocol, &metadata, PhysicalNames::Present)?;
            let mut schema = schema_json(&metadata)?;
            let position = position(&schema, name)?;
            let fields = fields(&mut schema)?;
            if fields.len() == 1 {
                return Err(Error::unsupported("dropping the only column of a table"));
            }
            fields.remove(position);
            metadata.schema_string = schema.to_string();
            Ok((protocol, metadata))
        }
        SchemaChange::RenameColumn { from, to } => {
            let (protocol, mut metadata) = mapping_upgrade::upgrade(&protocol, &metadata, PhysicalNames::Present)?;
            let mut schema = schema_json(&metadata)?;
            let position = position(&schema, from)?;
            if !from.eq_ignore_ascii_case(to) {
                ensure_free(&schema, to)?;
            }
            fields(&mut schema)?[position]["name"] = json!(to);
            metadata.schema_string = schema.to_string();
            metadata
                .partition_columns
                .iter_mut()
                .filter(|partition| *partition == from)
                .for_each(|partition| partition.clone_from(to));
            Ok((protocol, metadata))
        }
        SchemaChange::DropNotNull { name } => {
            edit_field(&mut metadata, name, |field| field["nullable"] = json!(true))?;
            Ok((protocol, metadata))
        }
        SchemaChange::SetColumnType(column) => {
            let mut new = delta_field(column)?;
            mapping_upgrade::map_new_parts(&mut metadata, &mut new["type"])?;
            edit_field(&mut metadata, &column.name, |field| {
                let mut members = new["metadata"].clone();
                for key in [FIELD_ID, PHYSICAL_NAME] {
                    if let Some(kept) = field["metadata"].get(key) {
                        members[key] = kept.clone();
                    }
                }
                field["type"] = new["type"].clone();
                field["metadata"] = members;
            })?;
            Ok((with_needed_features(&protocol, std::slice::from_ref(column)), metadata))
        }
        SchemaChange::SetNotNull { name } => {
            edit_field(&mut metadata, name, |field| field["nullable"] = json!(false))?;
            Ok((protocol, metadata))
        }
        SchemaChange::SetColumnComment { name, comment } => {
            edit_field(&mut metadata, name, |field| {
                match (comment, field["metadata"].as_object_mut()) {
                    (Some(comment), _) => field["metadata"]["comment"] = json!(comment),
                    (None, Some(members)) => {
                        members.shift_remove("comment");
                    }
                    (None, None) => {}
                }
            })?;
            Ok((protocol, metadata))
        }
        SchemaChange::SetProperties(properties) => {
            for (key, value) in properties {
                check_property(key)?;
                metadata.configuration.insert(key.clone(), value.clone());
            }
            Ok((protocol, metadata))
        }
        SchemaChange::UnsetProperties(keys) => {
            for key in keys {
                check_property(key)?;
                metadata.configuration.remove(key);
            }
            Ok((protocol, metadata))
        }
        SchemaChange::SetComment(comment) => {
            metadata.description.clone_from(comment);
            Ok((protocol, metadata))
        }
    }
}

fn fields(schema: &mut Value) -> Result<&mut Vec<Value>> {
    schema["fields"]
        .as_array_mut()
        .ok_or_else(|| damaged("it has no fields"))
}

fn edit_field(metadata: &mut Metadata, name: &str, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let mut schema = schema_json(metadata)?;
    let position = position(&schema, name)?;
    edit(&mut fields(&mut schema)?[position]);
    metadata.schema_string = schema.to_string();
    Ok(())
}

fn position(schema: &Value, name: &str) -> Result<usize> {
    let found = schema["fields"]
        .as_array()
        .and_then(|fields| fields.iter().position(|field| field["name"].as_str() == Some(name)));
    found.ok_or_else(|| Error::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist")))
}

fn ensure_free(schema: &Value, name: &str) -> Result<()> {
    let is_taken = |field: &Value| {
        field["name"]
            .as_str()
            .is_some_and(|taken| taken.to_lowercase() == name.to_lowercase())
    };
    match schema["fields"]
        .as_array()
        .is_some_and(|fields| fields.iter().any(is_taken))
    {
        true => Err(Error::new(
            SqlState::DuplicateColumn,
            format!("column \"{name}\" of relation already exists"),
        )),
        false => Ok(()),
    }
}
