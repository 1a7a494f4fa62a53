//! One entry of the log: a file of JSON that says who changed what, when and by which statement. The log is
//! the audit trail, so entries are never rewritten or deleted. A field or version that this program does
//! not know refuses the entry: half-understood policies would show rows.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::decision::Decision;
use super::model::Oid;
use super::snapshot::Change;
use crate::error::{Error, Result, SqlState};

/// The folder of the log below the warehouse's root.
pub(super) const FOLDER: &str = "_boathouse/catalog/";

/// The newest format that this program reads and writes. An entry asks for the oldest that knows its objects:
/// 2 has decisions about rows, 3 materialized views and indexes, 4 users' types, 5 procedures and functions of statements,
/// 6 foreign keys that rows are held to, 7 routines with their owner's rights or settings of their own, 8 functions of polymorphic types.
pub(super) const FORMAT: u32 = 8;

/// What every entry asks for.
pub(super) const OLDEST_FORMAT: u32 = 2;

/// A role as an entry names it: the id counts, the name is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    pub id: Oid,
    pub name: String,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub version: u64,
    pub format: u32,
    /// The oldest program, by format, that may read the catalog from here on.
    pub min_reader: u32,
    /// The oldest program, by format, that may write the catalog from here on.
    pub min_writer: u32,
    pub at: DateTime<Utc>,
    /// The role that logged in.
    pub by: Author,
    /// The role in effect, where SET ROLE chose another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acting_as: Option<Author>,
    /// The statements, without passwords.
    pub statement: String,
    /// Tells this commit from every other, so that a writer knows its own after a lost answer.
    pub token: Uuid,
    /// All ids from here on are free: the commit reserves those below.
    pub next_oid: Oid,
    pub changes: Vec<Change>,
    /// What becomes of a transaction over several tables; since format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// The part of entries and checkpoints that every format keeps.
#[derive(Deserialize)]
struct Header {
    min_reader: u32,
}

/// The token alone, which is all that a writer needs of an entry in its slot.
#[derive(Deserialize)]
struct Token {
    token: Uuid,
}

impl Entry {
    /// The entry's file.
    pub fn path(version: u64) -> String {
        format!("{FOLDER}{version:020}.json")
    }

    pub(super) fn encode(&self) -> Result<Bytes> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        bytes.push(b'\n');
        Ok(Bytes::from(bytes))
    }

    pub(super) fn decode(version: u64, bytes: &[u8]) -> Result<Entry> {
        let path = Entry::path(version);
        let entry: Entry = decode(&path, bytes)?;
        if entry.version != version {
            return Err(corrupt(&path, format!("it says that its version is {}", entry.version)));
        }
        Ok(entry)
    }

    /// Whether the file holds the commit with this token.
    pub(super) fn has_token(bytes: &[u8], token: Uuid) -> bool {
        serde_json::from_slice::<Token>(bytes).is_ok_and(|found| found.token == token)
    }
}

/// Reads a file of the log after checking that this program may.
pub(super) fn decode<T: for<'de> Deserialize<'de>>(path: &str, bytes: &[u8]) -> Result<T> {
    let header: Header = serde_json::from_slice(bytes).map_err(|error| corrupt(path, error))?;
    if header.min_reader > FORMAT {
        let message = format!("catalog file \"{path}\" needs a newer version of Boathouse");
        return Err(Error::new(SqlState::FeatureNotSupported, message)
            .with_detail(format!(
                "It needs format {}, this program reads up to {FORMAT}.",
                header.min_reader
            ))
            .with_hint("Upgrade this server, or stop it: the warehouse is served by a newer one."));
    }
    serde_json::from_slice(bytes).map_err(|error| corrupt(path, error))
}

pub(super) fn corrupt(path: &str, why: impl std::fmt::Display) -> Error {
    Error::new(SqlState::DataCorrupted, format!("catalog file \"{path}\" is corrupt"))
        .with_detail(format!("It cannot be read: {why}."))
        .with_hint("Restore the file from a backup of the warehouse; do not remove it, for it may hold policies.")
}
