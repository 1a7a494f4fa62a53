//! Deletion vectors: which rows of a file are gone. Loaded through the kernel, cached by identity, and turned
//! into the row selection that a Parquet scan applies.

use std::sync::Arc;

use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use object_store::path::Path;

use super::action::DeletionVector;
use super::cache::ByteCache;
use super::location::Location;
use super::replay::{blocking, from_kernel, kernel_engine};
use crate::error::{Error, Result, SqlState};

/// What identifies a vector: store, table root and the protocol's unique id with its size.
pub(super) type VectorIdentity = (u64, String, String, i32);

/// Ascending positions of deleted rows.
pub(super) type DeletedRows = Arc<Vec<u64>>;

/// Cached deletion vectors of all tables.
pub(super) type VectorCache = ByteCache<VectorIdentity, DeletedRows>;

/// The deleted rows that a vector lists.
pub(super) async fn load(location: &Location, vector: &DeletionVector, cache: &VectorCache) -> Result<DeletedRows> {
    let identity = (
        location.store.id,
        location.root.to_string(),
        vector.unique_id(),
        vector.size_in_bytes,
    );
    if let Some(rows) = cache.get(&identity) {
        return Ok(rows);
    }
    check(location, vector)?;
    let descriptor = descriptor(vector)?;
    let engine = kernel_engine(location);
    let url = location.url.clone();
    let rows = blocking(move || {
        descriptor
            .row_indexes(engine.storage_handler(), &url)
            .map_err(from_kernel)
    })
    .await?;
    if rows.len() as i64 != vector.cardinality {
        return Err(
            Error::new(SqlState::DataCorrupted, "a deletion vector is damaged").with_detail(format!(
                "The log promises {} deleted rows, the vector lists {}.",
                vector.cardinality,
                rows.len()
            )),
        );
    }
    let rows = Arc::new(rows);
    let bytes = rows.len() * size_of::<u64>() + 128;
    cache.insert(identity, Arc::clone(&rows), bytes);
    Ok(rows)
}

/// The vector's file; `None` for one that is in the log itself.
pub(super) fn path(location: &Location, vector: &DeletionVector) -> Result<Option<Path>> {
    let url = descriptor(vector)?.absolute_path(&location.url).map_err(from_kernel)?;
    url.map(|url| location.resolve(url.as_str())).transpose()
}

/// Refuses a vector whose file lies outside the table.
pub(super) fn check(location: &Location, vector: &DeletionVector) -> Result<()> {
    path(location, vector).map(drop)
}

fn descriptor(vector: &DeletionVector) -> Result<DeletionVectorDescriptor> {
    let storage_type = vector.storage_type.parse().map_err(from_kernel)?;
    DeletionVectorDescriptor::try_new(
        storage_type,
        vector.path_or_inline_dv.clone(),
        vector.offset,
        vector.size_in_bytes,
        vector.cardinality,
    )
    .map_err(from_kernel)
}

/// The rows of a file of `rows` rows that remain.
pub(super) fn remaining_rows(deleted: &[u64], rows: u64) -> Result<RowSelection> {
    let mut selectors = vec![];
    let mut next = 0;
    for row in deleted.iter().copied() {
        if row >= rows || row < next {
            return Err(Error::new(SqlState::DataCorrupted, "a deletion vector is damaged")
                .with_detail(format!("It deletes row {row} of a file of {rows} rows.")));
        }
        if row > next {
            selectors.push(RowSelector::select((row - next) as usize));
        }
        match selectors.last_mut() {
            Some(last) if last.skip => last.row_count += 1,
            _ => selectors.push(RowSelector::skip(1)),
        }
        next = row + 1;
    }
    if next < rows {
        selectors.push(RowSelector::select((rows - next) as usize));
    }
    Ok(RowSelection::from(selectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "what is kept may be one range")]
    fn deleted_rows_become_gaps() {
        for (deleted, rows, kept) in [
            (vec![], 4, vec![0..4]),
            (vec![0], 4, vec![1..4]),
            (vec![1, 2], 4, vec![0..1, 3..4]),
            (vec![3], 4, vec![0..3]),
            (vec![0, 1, 2, 3], 4, vec![]),
        ] {
            let expected = RowSelection::from_consecutive_ranges(kept.into_iter(), rows as usize);
            let selection = remaining_rows(&deleted, rows).unwrap();
            assert_eq!(selection.row_count(), expected.row_count(), "{deleted:?}");
            assert_eq!(selection, expected, "{deleted:?}");
        }
        assert!(remaining_rows(&[4], 4).is_err());
    }
}
