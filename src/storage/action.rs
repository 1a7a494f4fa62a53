//! The Delta log's actions, as far as Boathouse reads and writes them (Delta protocol, "Actions").

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result, SqlState};

/// Tag of add actions whose statistics Boathouse computed: exact, decimals included.
pub(super) const EXACT_STATISTICS_TAG: &str = "boathouse.exactStatistics";

/// Tag of add actions with the sketches of the columns' different values.
pub(super) const DISTINCT_VALUES_TAG: &str = "boathouse.distinctValues";

/// One line of a log entry. Exactly one member is set; actions that we do not know are all `None`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) commit_info: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<Protocol>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "metaData")]
    pub(super) metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) add: Option<Add>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) remove: Option<Remove>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) txn: Option<SetTransaction>,
}

impl LogLine {
    pub(super) fn of_protocol(protocol: &Protocol) -> LogLine {
        LogLine {
            protocol: Some(protocol.clone()),
            ..LogLine::default()
        }
    }

    pub(super) fn of_metadata(metadata: &Metadata) -> LogLine {
        LogLine {
            metadata: Some(metadata.clone()),
            ..LogLine::default()
        }
    }
}

/// How far an application has got with this table; survives in checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetTransaction {
    pub(super) app_id: String,
    pub(super) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_updated: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    pub(super) min_reader_version: i32,
    pub(super) min_writer_version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) writer_features: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) format: Format,
    pub(super) schema_string: String,
    #[serde(default)]
    pub(super) partition_columns: Vec<String>,
    #[serde(default)]
    pub(super) configuration: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Format {
    pub(super) provider: String,
    #[serde(default)]
    pub(super) options: BTreeMap<String, String>,
}

/// A file that belongs to the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    /// Relative to the table's root or an absolute URL; percent-encoded.
    pub(super) path: String,
    #[serde(default)]
    pub(super) partition_values: HashMap<String, Option<String>>,
    pub(super) size: i64,
    /// Milliseconds since 1970.
    pub(super) modification_time: i64,
    pub(super) data_change: bool,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<HashMap<String, Option<String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_vector: Option<DeletionVector>,
}

/// A file that belongs to the table no longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remove {
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_timestamp: Option<i64>,
    #[serde(default = "yes")]
    pub(super) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) extended_file_metadata: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) partition_values: Option<HashMap<String, Option<String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_vector: Option<DeletionVector>,
}

fn yes() -> bool {
    true
}

/// Where the deleted rows of a file are listed (Delta protocol, "Deletion Vectors").
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletionVector {
    pub(super) storage_type: String,
    pub(super) path_or_inline_dv: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<i32>,
    pub(super) size_in_bytes: i32,
    pub(super) cardinality: i64,
}

impl DeletionVector {
    /// The protocol's unique id: with the path it identifies a logical file.
    pub(super) fn unique_id(&self) -> String {
        match self.offset {
            Some(offset) => format!("{}{}@{offset}", self.storage_type, self.path_or_inline_dv),
            None => format!("{}{}", self.storage_type, self.path_or_inline_dv),
        }
    }
}

/// What identifies a logical file: its logged path and its deletion vector's unique id.
pub(super) type FileKey = (String, Option<String>);

impl Add {
    pub(super) fn key(&self) -> FileKey {
        (
            self.path.clone(),
            self.deletion_vector.as_ref().map(DeletionVector::unique_id),
        )
    }

    /// Whether Boathouse computed the statistics.
    pub(super) fn has_exact_statistics(&self) -> bool {
        self.tag(EXACT_STATISTICS_TAG) == Some("true")
    }

    /// The sketches of the columns' different values, as the writer of the file tells.
    pub(super) fn distinct_values(&self) -> Option<&str> {
        self.tag(DISTINCT_VALUES_TAG)
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.as_ref()?.get(name)?.as_deref()
    }
}

impl Remove {
    pub(super) fn key(&self) -> FileKey {
        (
            self.path.clone(),
            self.deletion_vector.as_ref().map(DeletionVector::unique_id),
        )
    }
}

/// The actions of one log entry.
pub(super) fn parse_entry(version: u64, bytes: &[u8]) -> Result<Vec<LogLine>> {
    let corrupt = |detail: String| {
        Error::new(
            SqlState::DataCorrupted,
            format!("version {version} of the table's log is damaged"),
        )
        .with_detail(detail)
    };
    let text = std::str::from_utf8(bytes).map_err(|_| corrupt("The entry is not UTF-8 text.".into()))?;
    let lines: Vec<LogLine> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map_err(|error| corrupt(format!("Line {} is not a Delta action: {error}.", number + 1)))
        })
        .collect::<Result<_>>()?;
    if lines.is_empty() {
        Err(corrupt("The entry is empty.".into()))
    } else {
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_entry_is_refused() {
        let whole = r#"{"add":{"path":"p","partitionValues":{},"size":1,"modificationTime":2,"dataChange":true}}"#;
        assert_eq!(parse_entry(3, whole.as_bytes()).unwrap().len(), 1);
        for torn in ["", "\n", &whole[..40], &format!("{whole}\n{{\"remove\":{{\"pa")] {
            assert_eq!(
                parse_entry(3, torn.as_bytes()).unwrap_err().state(),
                SqlState::DataCorrupted,
                "{torn}"
            );
        }
        // Unknown actions are no damage: domainMetadata, cdc and those still to come.
        assert!(
            parse_entry(
                3,
                br#"{"domainMetadata":{"domain":"d","configuration":"","removed":false}}"#
            )
            .is_ok()
        );
    }
}
