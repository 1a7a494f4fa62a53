//! What one statement does to rows that exist: which rows of which files of a version go, and which get new values in
//! some columns. A row is changed once; whoever comes second is told.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use roaring::RoaringTreemap;

/// Changes of rows of one version of a table.
#[derive(Debug, Default)]
pub struct RowChanges {
    /// For each kind of update: positions in the table's schema of the columns that it assigns.
    assigned: Vec<Vec<usize>>,
    /// The new values: for each kind of update its own batches, with a column for each of `assigned`.
    values: Vec<Vec<RecordBatch>>,
    pub(super) files: BTreeMap<usize, FileChanges>,
    count: u64,
}

/// Rows of one version of a table that do not stay as they are.
#[derive(Debug, Default)]
pub struct TouchedRows(BTreeMap<usize, RoaringTreemap>);

impl TouchedRows {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the row at this place of the file is one.
    pub fn contains(&self, file: usize, place: u64) -> bool {
        self.0.get(&file).is_some_and(|places| places.contains(place))
    }
}

/// Changes of one file's rows.
#[derive(Debug, Default)]
pub(super) struct FileChanges {
    pub(super) touched: RoaringTreemap,
    pub(super) updates: Vec<RowUpdate>,
}

/// Where a row's new values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowUpdate {
    /// The row's place in its file.
    pub(super) place: u64,
    pub(super) kind: u32,
    pub(super) batch: u32,
    pub(super) row: u32,
}

impl RowChanges {
    /// Nothing yet. `assigned` has the columns of each kind of update.
    pub fn new(assigned: Vec<Vec<usize>>) -> RowChanges {
        let values = assigned.iter().map(|_| vec![]).collect();
        RowChanges {
            assigned,
            values,
            files: BTreeMap::new(),
            count: 0,
        }
    }

    /// Marks a row as deleted. False: it was changed before.
    pub fn delete(&mut self, file: usize, place: u64) -> bool {
        let is_new = self.files.entry(file).or_default().touched.insert(place);
        self.count += u64::from(is_new);
        is_new
    }

    /// The number that the next batch of values of this kind will have.
    pub fn next_batch(&self, kind: usize) -> usize {
        self.values[kind].len()
    }

    /// Keeps new values; rows of it are named by `update`.
    pub fn add_values(&mut self, kind: usize, values: RecordBatch) {
        self.values[kind].push(values);
    }

    /// Gives a row the values in a row of a batch. False: it was changed before.
    pub fn update(&mut self, file: usize, place: u64, kind: usize, batch: usize, row: usize) -> bool {
        let changes = self.files.entry(file).or_default();
        if !changes.touched.insert(place) {
            return false;
        }
        changes.updates.push(RowUpdate {
            place,
            kind: kind as u32,
            batch: batch as u32,
            row: row as u32,
        });
        self.count += 1;
        true
    }

    /// Which rows change or go.
    pub fn touched(&self) -> TouchedRows {
        let rows = self
            .files
            .iter()
            .map(|(file, changes)| (*file, changes.touched.clone()));
        TouchedRows(rows.collect())
    }

    /// Rows that change.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = (&Vec<usize>, &Vec<RecordBatch>)> {
        self.assigned.iter().zip(&self.values)
    }
}
