//! A whole snapshot in one file, beside the entries that led to it, so that opening does not replay the log
//! from its start. Checkpoints only add; losing one costs time, never content.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::entry::{FOLDER, FORMAT, OLDEST_FORMAT, corrupt, decode};
use super::model::{Object, Oid};
use super::snapshot::CatalogSnapshot;
use crate::error::{Error, Result};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    version: u64,
    format: u32,
    min_reader: u32,
    min_writer: u32,
    next_oid: Oid,
    policies_changed_at: u64,
    objects: Vec<StoredObject>,
    #[serde(default)]
    decided: BTreeMap<Oid, u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredObject {
    changed_at: u64,
    object: Arc<Object>,
}

/// Names the newest checkpoint. A hint: it may lag behind or be missing.
#[derive(Serialize, Deserialize)]
pub(super) struct LastCheckpoint {
    pub(super) version: u64,
}

impl LastCheckpoint {
    pub(super) const PATH: &str = "_boathouse/catalog/_last_checkpoint.json";
}

/// The checkpoint's file.
pub(super) fn path(version: u64) -> String {
    format!("{FOLDER}{version:020}.checkpoint.json")
}

pub(super) fn encode(snapshot: &CatalogSnapshot) -> Result<Bytes> {
    let objects = snapshot.stored_objects().into_iter();
    let needed = snapshot.objects().map(Object::format).max().unwrap_or(OLDEST_FORMAT);
    let checkpoint = Checkpoint {
        version: snapshot.version(),
        format: FORMAT,
        min_reader: needed,
        min_writer: snapshot.min_writer(),
        next_oid: snapshot.next_oid(),
        policies_changed_at: snapshot.policies_changed_at(),
        objects: objects
            .map(|(object, changed_at)| StoredObject { changed_at, object })
            .collect(),
        decided: snapshot.all_decided().collect(),
    };
    Ok(Bytes::from(
        serde_json::to_vec(&checkpoint).map_err(|error| Error::internal(error.to_string()))?,
    ))
}

pub(super) fn decode_snapshot(version: u64, bytes: &[u8]) -> Result<CatalogSnapshot> {
    let path = path(version);
    let checkpoint: Checkpoint = decode(&path, bytes)?;
    if checkpoint.version != version {
        return Err(corrupt(
            &path,
            format!("it says that its version is {}", checkpoint.version),
        ));
    }
    let objects = checkpoint
        .objects
        .into_iter()
        .map(|stored| (stored.object, stored.changed_at))
        .collect();
    let restored = CatalogSnapshot::restored(version, checkpoint.next_oid, checkpoint.policies_changed_at, objects);
    restored
        .map(|snapshot| snapshot.with_min_writer(checkpoint.min_writer))
        .map(|snapshot| snapshot.with_decided(checkpoint.decided))
        .map_err(|error| corrupt(&path, error))
}
