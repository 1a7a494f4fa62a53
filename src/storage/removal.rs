//! Which files of a table a transaction removes: none, some, or all that there are.

use std::sync::Arc;

use super::action::{FileKey, Remove};
use super::snapshot::TableSnapshot;
use super::staged::StagedFiles;
use crate::error::{Error, Result};

/// The files that go. Those of one statement are files of the version that it read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Removal {
    #[default]
    None,
    Files(Arc<Vec<FileKey>>),
    All,
}

impl Removal {
    pub fn is_none(&self) -> bool {
        matches!(self, Removal::None)
    }

    pub(super) fn of(files: Vec<FileKey>) -> Removal {
        match files.is_empty() {
            true => Removal::None,
            false => Removal::Files(Arc::new(files)),
        }
    }

    /// Both this removal and a later one of the same transaction; what the later one removes of the transaction's own
    /// `staged` files is left out there.
    pub fn followed_by(self, later: &Removal, staged: &mut StagedFiles) -> Removal {
        match (self, later) {
            (_, Removal::All) => {
                let all: Vec<FileKey> = staged.adds().iter().map(|add| add.key()).collect();
                staged.without(&all);
                Removal::All
            }
            (earlier, Removal::None) => earlier,
            (earlier, Removal::Files(files)) => {
                let others = staged.without(files);
                match earlier {
                    Removal::All => Removal::All,
                    Removal::None => Removal::of(others),
                    Removal::Files(known) => Removal::of([known.as_slice(), &others].concat()),
                }
            }
        }
    }

    /// The files of `snapshot` that go.
    pub(super) fn keys(&self, snapshot: &TableSnapshot) -> Vec<FileKey> {
        match self {
            Removal::None => vec![],
            Removal::Files(files) => files.to_vec(),
            Removal::All => (0..snapshot.files.len()).map(|file| snapshot.files.key(file)).collect(),
        }
    }

    /// The log's actions. All files must be live in `base`. Without `data_change` the same rows come back in other files.
    pub(super) fn actions(&self, base: &TableSnapshot, now: i64, data_change: bool) -> Result<Vec<Remove>> {
        let action = |file: usize| Remove {
            path: base.files.paths.value(file).to_string(),
            deletion_timestamp: Some(now),
            data_change,
            extended_file_metadata: None,
            partition_values: None,
            size: Some(base.files.sizes.value(file)),
            deletion_vector: base
                .files
                .deletion_vectors
                .get(&file)
                .map(|vector| vector.as_ref().clone()),
        };
        let positions = match self {
            Removal::None => vec![],
            Removal::All => (0..base.files.len()).collect(),
            Removal::Files(files) => base
                .files
                .positions(files)
                .ok_or_else(|| Error::internal("a commit removes a file that is not live"))?,
        };
        Ok(positions.into_iter().map(action).collect())
    }
}
