//! What an answer depends on.

use std::hash::{DefaultHasher, Hash, Hasher};

use datafusion::common::ScalarValue;

use crate::binding::RelationVersion;
use crate::catalog::model::Oid;
use crate::governance::PolicyFingerprint;
use crate::types::format::{Format, FormatSettings};

/// Two statements with equal keys have equal answers, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResultKey {
    /// The statement's text; with the catalog's version, the search path and the role it fixes the plan.
    pub text: String,
    pub login: Oid,
    pub role: Oid,
    pub database: Oid,
    pub search_path: Vec<Oid>,
    pub catalog_version: u64,
    /// The policies as they apply to this principal.
    pub policies: PolicyFingerprint,
    pub parameters: Vec<ScalarValue>,
    pub formats: Vec<Format>,
    pub format_settings: FormatSettings,
    /// A hash of the settings that change what a text means.
    pub settings: u64,
    /// Every relation after governing, mapping tables inside policies too.
    pub relations: Vec<RelationVersion>,
}

impl ResultKey {
    /// An estimate of the key's own bytes.
    pub fn size(&self) -> usize {
        std::mem::size_of::<ResultKey>()
            + self.text.len()
            + self.parameters.iter().map(ScalarValue::size).sum::<usize>()
            + self.relations.len() * std::mem::size_of::<RelationVersion>()
    }
}

/// A key with its hash, which a statement that comes again and again need not compute again.
#[derive(Debug, PartialEq, Eq)]
pub struct HashedKey {
    hash: u64,
    key: ResultKey,
}

impl HashedKey {
    pub fn new(key: ResultKey) -> HashedKey {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        HashedKey {
            hash: hasher.finish(),
            key,
        }
    }

    pub fn result(&self) -> &ResultKey {
        &self.key
    }
}

impl Hash for HashedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
