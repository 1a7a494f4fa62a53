//! What a new table is, and how rows are staged: for a table that exists and for one that does not yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use serde_json::json;
use uuid::Uuid;

use super::action::{Format, Metadata, Protocol};
use super::commit::{Change, CommitRequest, Committed, Operation};
use super::features;
use super::mapping_upgrade::{self, PhysicalNames};
use super::schema::{ColumnDefinition, TableSchema, delta_field};
use super::snapshot::TableSnapshot;
use super::staged::StagedFiles;
use super::table::DeltaTable;
use super::write::WriteTarget;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// Delta properties that Boathouse keeps or that concern other engines only.
const KNOWN_PROPERTIES: [&str; 10] = [
    "delta.appendOnly",
    "delta.autoOptimize.autoCompact",
    "delta.autoOptimize.optimizeWrite",
    "delta.checkpointInterval",
    "delta.dataSkippingNumIndexedCols",
    "delta.deletedFileRetentionDuration",
    "delta.logRetentionDuration",
    "delta.randomizeFilePrefixes",
    "delta.setTransactionRetentionDuration",
    "delta.targetFileSize",
];

/// Characters that files without column mapping cannot have in column names.
const UNMAPPED_NAME_LIMIT: &str = " ,;{}()\n\t=";

/// A table to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDefinition {
    pub columns: Vec<ColumnDefinition>,
    pub partition_columns: Vec<String>,
    pub properties: Vec<(String, String)>,
    pub comment: Option<String>,
}

/// A table that is defined and not created: rows can be staged for it already.
#[derive(Debug, Clone)]
pub struct TableDraft {
    pub(super) protocol: Protocol,
    pub(super) metadata: Arc<Metadata>,
    pub(super) schema: Arc<TableSchema>,
}

impl TableDraft {
    /// Checks the definition.
    pub fn new(definition: &TableDefinition) -> Result<TableDraft> {
        let mut names = std::collections::HashSet::new();
        for column in &definition.columns {
            if !names.insert(column.name.to_lowercase()) {
                return Err(Error::new(
                    SqlState::DuplicateColumn,
                    format!("column \"{}\" specified more than once", column.name),
                )
                .with_hint("Delta tells column names apart regardless of case only."));
            }
        }
        for name in &definition.partition_columns {
            let column = definition.columns.iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| {
                Error::new(
                    SqlState::UndefinedColumn,
                    format!("column \"{name}\" named in partition key does not exist"),
                )
            })?;
            if matches!(
                column.sql_type.base(),
                SqlType::Array(_) | SqlType::Composite(_) | SqlType::Bytea
            ) {
                return Err(Error::unsupported(format!(
                    "partitioning by a column of type {}",
                    column.sql_type
                )));
            }
        }
        if !definition.columns.is_empty() && definition.partition_columns.len() == definition.columns.len() {
            return Err(Error::new(
                SqlState::InvalidTableDefinition,
                "cannot partition a table by all of its columns",
            ));
        }
        let mut configuration = BTreeMap::new();
        for (key, value) in &definition.properties {
            check_property(key)?;
            configuration.insert(key.clone(), value.clone());
        }
        let fields = definition.columns.iter().map(delta_field).collect::<Result<Vec<_>>>()?;
        let metadata = Metadata {
            id: Uuid::new_v4().to_string(),
            name: None,
            description: definition.comment.clone(),
            format: Format {
                provider: "parquet".into(),
                options: BTreeMap::new(),
            },
            schema_string: json!({"type": "struct", "fields": fields}).to_string(),
            partition_columns: definition.partition_columns.clone(),
            configuration,
            created_time: Some(chrono::Utc::now().timestamp_millis()),
        };
        let plain = Protocol {
            min_reader_version: 1,
            min_writer_version: 2,
            reader_features: None,
            writer_features: None,
        };
        let protocol = with_needed_features(&plain, &definition.columns);
        let needs_mapping = definition
            .columns
            .iter()
            .any(|column| column.name.contains(|c| UNMAPPED_NAME_LIMIT.contains(c)));
        let (protocol, metadata) = match needs_mapping {
            true => mapping_upgrade::upgrade(&protocol, &metadata, PhysicalNames::Fresh)?,
            false => (protocol, metadata),
        };
        let schema = TableSchema::from_metadata(&metadata)?;
        Ok(TableDraft {
            protocol,
            metadata: Arc::new(metadata),
            schema: Arc::new(schema),
        })
    }

    /// The columns as queries will see them.
    pub fn schema(&self) -> datafusion::arrow::datatypes::SchemaRef {
        Arc::clone(&self.schema.arrow)
    }
}

/// The protocol with the features that the columns' types need.
pub(super) fn with_needed_features(protocol: &Protocol, columns: &[ColumnDefinition]) -> Protocol {
    fn has_timestamp(sql_type: &SqlType) -> bool {
        match sql_type {
            SqlType::Timestamp(_) => true,
            SqlType::Array(element) => has_timestamp(element),
            _ => false,
        }
    }
    if columns.iter().any(|column| has_timestamp(&column.sql_type)) {
        features::with_feature(protocol, "timestampNtz")
    } else {
        protocol.clone()
    }
}

/// Refuses Delta properties that change what writers must do and that nobody keeps here.
pub(super) fn check_property(key: &str) -> Result<()> {
    if key.starts_with("delta.") && !KNOWN_PROPERTIES.contains(&key) {
        return Err(Error::unsupported(format!("table property \"{key}\"")));
    }
    Ok(())
}

impl DeltaTable {
    /// Writes rows for the table as `snapshot` shows it; nothing is visible until a commit. The streams are
    /// written at the same time; their columns are those of the table, in its order.
    pub async fn stage(
        &self,
        snapshot: &TableSnapshot,
        streams: Vec<SendableRecordBatchStream>,
    ) -> Result<StagedFiles> {
        Arc::new(self.target(snapshot).await?).write(streams).await
    }

    /// Where rows of the table go, if it may be written.
    pub(super) async fn target(&self, snapshot: &TableSnapshot) -> Result<WriteTarget> {
        features::ensure_writable(&snapshot.protocol, &snapshot.metadata)?;
        self.ensure_unsuspected()?;
        self.location
            .store
            .ensure_writable(&self.location.object("_delta_log"))
            .await?;
        Ok(WriteTarget {
            location: self.location.clone(),
            metadata: Arc::clone(&snapshot.metadata),
            schema: Arc::clone(&snapshot.schema),
            layout: self.services.layout.of_table(&snapshot.metadata),
        })
    }

    /// Writes rows for a table that is not created yet.
    pub async fn stage_new(&self, draft: &TableDraft, streams: Vec<SendableRecordBatchStream>) -> Result<StagedFiles> {
        self.location
            .store
            .ensure_writable(&self.location.object("_delta_log"))
            .await?;
        let target = WriteTarget {
            location: self.location.clone(),
            metadata: Arc::clone(&draft.metadata),
            schema: Arc::clone(&draft.schema),
            layout: self.services.layout.of_table(&draft.metadata),
        };
        Arc::new(target).write(streams).await
    }

    /// Creates the table, with its first rows in the same commit where there are any. 42P07 when the place is
    /// taken.
    pub async fn create(
        self: &Arc<Self>,
        draft: &TableDraft,
        files: Option<StagedFiles>,
        operation: Operation,
    ) -> Result<Committed> {
        let change = Change::Create {
            protocol: draft.protocol.clone(),
            metadata: Arc::clone(&draft.metadata),
        };
        self.commit(CommitRequest {
            change,
            schema: None,
            files,
            keys: None,
            operation,
        })
        .await
    }

    /// A table that the transaction has created and not committed, with the rows staged for it.
    pub fn draft_snapshot(&self, draft: &TableDraft, files: Option<&StagedFiles>) -> Result<Arc<TableSnapshot>> {
        let replayed = super::replay::Replayed {
            version: 0,
            protocol: draft.protocol.clone(),
            metadata: draft.metadata.as_ref().clone(),
            adds: files.map(StagedFiles::adds).unwrap_or_default(),
            applied: 0,
            lock: None,
        };
        let mut snapshot = self.replayed(replayed)?;
        snapshot.has_uncommitted_files = true;
        Ok(Arc::new(snapshot))
    }
}
