//! Which tables Boathouse can read and write: the protocol action against what this code knows. A feature
//! that is missing is named; a write is refused before anything is written.

use serde_json::Value;

use super::action::{Metadata, Protocol};
use crate::error::{Error, Result, SqlState};

/// Reader features whose rows Boathouse reads correctly.
const READABLE: [&str; 7] = [
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];

/// Writer features that need nothing from our writes, or what they do: append, remove whole files, metadata.
const WRITABLE: [&str; 12] = [
    "appendOnly",
    "changeDataFeed",
    "clustering",
    "columnMapping",
    "deletionVectors",
    "domainMetadata",
    "inCommitTimestamp",
    "timestampNtz",
    "typeWidening",
    "typeWidening-preview",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];

/// Writer features that old protocol versions imply; they bind only where the table uses them.
const USED_WHERE_DECLARED: [&str; 5] = [
    "invariants",
    "checkConstraints",
    "generatedColumns",
    "identityColumns",
    "allowColumnDefaults",
];

/// Refuses a table with a reader feature that is unknown here.
pub(super) fn ensure_readable(protocol: &Protocol) -> Result<()> {
    if protocol.min_reader_version > 3 {
        return Err(Error::unsupported(format!(
            "Delta reader version {}",
            protocol.min_reader_version
        )));
    }
    let unknown: Vec<&str> = features(&protocol.reader_features)
        .filter(|name| !READABLE.contains(name))
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(missing("reading", &unknown))
    }
}

/// Refuses a write that would break a promise which the table's protocol makes.
pub(super) fn ensure_writable(protocol: &Protocol, metadata: &Metadata) -> Result<()> {
    ensure_readable(protocol)?;
    if protocol.min_writer_version > 7 {
        return Err(Error::unsupported(format!(
            "Delta writer version {}",
            protocol.min_writer_version
        )));
    }
    let unknown: Vec<&str> = features(&protocol.writer_features)
        .filter(|name| {
            !WRITABLE.contains(name) && !USED_WHERE_DECLARED.contains(name) && !is_switched_off(name, metadata)
        })
        .collect();
    if !unknown.is_empty() {
        return Err(missing("writing", &unknown));
    }
    let used = declared_features(metadata)?;
    if used.is_empty() {
        Ok(())
    } else {
        Err(missing("writing", &used))
    }
}

/// Refuses the removal of rows from an append-only table.
pub(super) fn ensure_removable(metadata: &Metadata) -> Result<()> {
    if flag(metadata, "delta.appendOnly") {
        return Err(
            Error::new(SqlState::ObjectNotInPrerequisiteState, "the table is append-only")
                .with_detail("Its property delta.appendOnly is true, so rows cannot be removed."),
        );
    }
    Ok(())
}

/// Refuses changes of single rows where the table promises a record of each.
pub(super) fn ensure_rewritable(metadata: &Metadata) -> Result<()> {
    if flag(metadata, "delta.enableChangeDataFeed") {
        return Err(missing("changing rows of", &["changeDataFeed"]));
    }
    Ok(())
}

/// Whether commits must carry an in-commit timestamp.
pub(super) fn has_in_commit_timestamps(protocol: &Protocol, metadata: &Metadata) -> bool {
    features(&protocol.writer_features).any(|name| name == "inCommitTimestamp")
        && flag(metadata, "delta.enableInCommitTimestamps")
}

/// The protocol with one reader-and-writer feature more; what older version numbers implied is spelled out.
pub(super) fn with_feature(protocol: &Protocol, feature: &str) -> Protocol {
    let (mut readers, mut writers) = spelled_out(protocol);
    for list in [&mut writers, &mut readers] {
        if !list.iter().any(|listed| listed == feature) {
            list.push(feature.to_string());
        }
    }
    Protocol {
        min_reader_version: 3,
        min_writer_version: 7,
        reader_features: Some(readers),
        writer_features: Some(writers),
    }
}

/// The protocol with one feature more that readers need not know.
pub(super) fn with_writer_feature(protocol: &Protocol, feature: &str) -> Protocol {
    let (readers, mut writers) = spelled_out(protocol);
    writers.push(feature.to_string());
    Protocol {
        min_reader_version: if readers.is_empty() {
            protocol.min_reader_version
        } else {
            3
        },
        min_writer_version: 7,
        reader_features: (!readers.is_empty() || protocol.min_reader_version >= 3).then_some(readers),
        writer_features: Some(writers),
    }
}

/// Reader and writer features by name, those that version numbers imply too.
fn spelled_out(protocol: &Protocol) -> (Vec<String>, Vec<String>) {
    /// Feature, and the writer version from which it is implied.
    const IMPLIED: [(&str, i32); 7] = [
        ("appendOnly", 2),
        ("invariants", 2),
        ("checkConstraints", 3),
        ("changeDataFeed", 4),
        ("generatedColumns", 4),
        ("columnMapping", 5),
        ("identityColumns", 6),
    ];
    let writers = match &protocol.writer_features {
        Some(listed) => listed.clone(),
        None => IMPLIED
            .iter()
            .filter(|(_, since)| *since <= protocol.min_writer_version)
            .map(|(name, _)| name.to_string())
            .collect(),
    };
    let readers = match &protocol.reader_features {
        Some(listed) => listed.clone(),
        None if protocol.min_reader_version == 2 => vec!["columnMapping".to_string()],
        None => vec![],
    };
    (readers, writers)
}

fn features(list: &Option<Vec<String>>) -> impl Iterator<Item = &str> {
    list.iter().flatten().map(String::as_str)
}

fn flag(metadata: &Metadata, property: &str) -> bool {
    metadata
        .configuration
        .get(property)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Features that bind only while a property is true.
fn is_switched_off(feature: &str, metadata: &Metadata) -> bool {
    match feature {
        "icebergCompatV1" => !flag(metadata, "delta.enableIcebergCompatV1"),
        "icebergCompatV2" => !flag(metadata, "delta.enableIcebergCompatV2"),
        _ => false,
    }
}

/// Features by their use in schema and properties, whatever the protocol's way of declaring them.
fn declared_features(metadata: &Metadata) -> Result<Vec<&'static str>> {
    let mut used = vec![];
    if metadata
        .configuration
        .keys()
        .any(|key| key.starts_with("delta.constraints."))
    {
        used.push("checkConstraints");
    }
    if flag(metadata, "delta.enableRowTracking") {
        used.push("rowTracking");
    }
    let schema: Value = serde_json::from_str(&metadata.schema_string).map_err(|error| {
        Error::new(SqlState::DataCorrupted, "the table's schema is damaged").with_detail(format!("{error}."))
    })?;
    for (key, feature) in [
        ("delta.invariants", "invariants"),
        ("delta.generationExpression", "generatedColumns"),
        ("delta.identity.start", "identityColumns"),
        ("CURRENT_DEFAULT", "allowColumnDefaults"),
    ] {
        if mentions(&schema, key) {
            used.push(feature);
        }
    }
    Ok(used)
}

fn mentions(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name == key || mentions(member, key)),
        Value::Array(elements) => elements.iter().any(|element| mentions(element, key)),
        _ => false,
    }
}

fn missing(action: &str, features: &[&str]) -> Error {
    let names = features.join(", ");
    Error::unsupported(format!("{action} a table with the Delta feature {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::action::Format;

    fn metadata(schema: &str, configuration: &[(&str, &str)]) -> Metadata {
        Metadata {
            id: "m".into(),
            name: None,
            description: None,
            format: Format {
                provider: "parquet".into(),
                options: Default::default(),
            },
            schema_string: schema.into(),
            partition_columns: vec![],
            configuration: configuration
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            created_time: None,
        }
    }

    #[test]
    fn missing_features_are_named() {
        let plain = r#"{"type":"struct","fields":[]}"#;
        let invariant = r#"{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{"delta.invariants":"x"}}]}"#;
        for (reader, writer, schema, configuration, error) in [
            (vec![], vec!["appendOnly", "invariants"], plain, vec![], None),
            (vec!["deletionVectors"], vec!["deletionVectors"], plain, vec![], None),
            (
                vec!["variantType"],
                vec!["variantType"],
                plain,
                vec![],
                Some("variantType"),
            ),
            (vec![], vec!["rowTracking"], plain, vec![], Some("rowTracking")),
            (vec![], vec!["invariants"], invariant, vec![], Some("invariants")),
            (
                vec![],
                vec!["checkConstraints"],
                plain,
                vec![("delta.constraints.c", "a > 0")],
                Some("checkConstraints"),
            ),
        ] {
            let strings = |names: Vec<&str>| Some(names.into_iter().map(String::from).collect());
            let protocol = Protocol {
                min_reader_version: 3,
                min_writer_version: 7,
                reader_features: strings(reader),
                writer_features: strings(writer),
            };
            let outcome = ensure_writable(&protocol, &metadata(schema, &configuration));
            match error {
                None => outcome.unwrap(),
                Some(name) => assert!(outcome.unwrap_err().message().contains(name)),
            }
        }
    }
}
