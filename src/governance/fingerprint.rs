//! A digest of the policies as they apply to one principal: it goes into cache keys and into the
//! barriers that `verify` looks for. Equal digests mean equal bound expressions.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

/// SHA-256 over everything that the policies of a table or a plan say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PolicyFingerprint([u8; 32]);

impl PolicyFingerprint {
    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PolicyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PolicyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyFingerprint({self})")
    }
}

/// Collects the parts of a fingerprint; each part is delimited, so no two sequences look alike.
#[derive(Default)]
pub(crate) struct FingerprintBuilder(Sha256);

impl FingerprintBuilder {
    pub fn bytes(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// An expression or plan: its text for strength, its structural hash for what the text abbreviates.
    pub fn term<T: Hash + fmt::Debug>(&mut self, term: &T) {
        self.bytes(format!("{term:?}").as_bytes());
        let mut hasher = DefaultHasher::new();
        term.hash(&mut hasher);
        self.bytes(&hasher.finish().to_le_bytes());
    }

    pub fn finish(self) -> PolicyFingerprint {
        PolicyFingerprint(self.0.finalize().into())
    }
}
