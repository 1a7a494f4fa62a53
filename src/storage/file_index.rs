//! The live files of a table at one version, column by column: what pruning and statistics read without
//! touching the log again. Increments keep the order of files: survivors first, then what was added.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, new_null_array};
use datafusion::arrow::compute::{CastOptions, cast_with_options, concat, filter};
use datafusion::arrow::datatypes::{DataType, Int64Type};

use super::action::{Add, DeletionVector, FileKey};
use super::analyze::AnalyzedFiles;
use super::column_sketches;
use super::schema::TableSchema;
use super::stats_json::{ColumnBounds, parse_stats};
use crate::error::{Error, Result, SqlState};

/// Live files; every member has one slot a file.
#[derive(Debug, Clone)]
pub(super) struct FileIndex {
    /// As the log spells them.
    pub(super) paths: StringArray,
    pub(super) sizes: Int64Array,
    /// Milliseconds since 1970.
    pub(super) modified: Int64Array,
    /// Physical rows, deleted ones included; null where unknown.
    pub(super) rows: Int64Array,
    /// Rows that a deletion vector hides.
    pub(super) deleted: Int64Array,
    /// Statistics are exact: Boathouse wrote them and no row was deleted since.
    pub(super) exact: BooleanArray,
    /// Whether Boathouse wrote the statistics.
    pub(super) own: BooleanArray,
    /// Typed values, one array for each partition column.
    pub(super) partitions: Vec<ArrayRef>,
    /// One for each file column of the schema.
    pub(super) bounds: Vec<Option<ColumnBounds>>,
    /// Texts with the sketches of the file's columns (`column_sketches`).
    pub(super) sketches: Vec<Option<Arc<str>>>,
    /// By file position.
    pub(super) deletion_vectors: HashMap<usize, Arc<DeletionVector>>,
}

impl FileIndex {
    /// Builds the index of these files.
    pub(super) fn build(schema: &TableSchema, adds: &[Add], analyzed: &AnalyzedFiles) -> Result<FileIndex> {
        let own: Vec<bool> = adds.iter().map(Add::has_exact_statistics).collect();
        let texts: Vec<Option<&str>> = adds.iter().map(|add| add.stats.as_deref()).collect();
        let stats = parse_stats(schema, &texts, &own)?;
        let partitions = schema
            .partition_columns
            .iter()
            .map(|index| {
                let column = &schema.columns[*index];
                let values: StringArray = adds
                    .iter()
                    .map(|add| {
                        add.partition_values
                            .get(&column.physical_name)
                            .and_then(Option::as_deref)
                            .filter(|text| !text.is_empty())
                    })
                    .collect();
                partition_array(&values, &column.stored_type, column.field.data_type()).map_err(|error| {
                    error.with_hint(format!(
                        "The damaged values are those of partition column \"{}\".",
                        column.field.name()
                    ))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let deletion_vectors: HashMap<usize, Arc<DeletionVector>> = adds
            .iter()
            .enumerate()
            .filter_map(|(index, add)| Some((index, Arc::new(add.deletion_vector.clone()?))))
            .collect();
        let deleted: Int64Array = adds
            .iter()
            .map(|add| Some(add.deletion_vector.as_ref().map_or(0, |vector| vector.cardinality)))
            .collect();
        let exact = (0..adds.len())
            .map(|index| Some(own[index] && stats.tight.value(index) && deleted.value(index) == 0))
            .collect();
        Ok(FileIndex {
            paths: adds.iter().map(|add| Some(add.path.as_str())).collect(),
            sizes: adds.iter().map(|add| Some(add.size)).collect(),
            modified: adds.iter().map(|add| Some(add.modification_time)).collect(),
            rows: stats.rows,
            deleted,
            exact,
            own: BooleanArray::from(own),
            partitions,
            bounds: stats.columns,
            sketches: adds
                .iter()
                .map(|add| column_sketches::together(add.distinct_values(), analyzed.of_file(add)))
                .collect(),
            deletion_vectors,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Rows that a query sees; `None` where a file does not say.
    pub(super) fn live_rows(&self, file: usize) -> Option<i64> {
        self.rows
            .is_valid(file)
            .then(|| self.rows.value(file) - self.deleted.value(file))
    }

    pub(super) fn key(&self, file: usize) -> FileKey {
        (
            self.paths.value(file).to_string(),
            self.deletion_vectors.get(&file).map(|vector| vector.unique_id()),
        )
    }

    /// Whether the files are those of `other`, and others after them.
    pub(super) fn starts_with(&self, other: &FileIndex) -> bool {
        self.len() >= other.len()
            && self.paths.slice(0, other.len()) == other.paths
            && self.deleted.slice(0, other.len()) == other.deleted
    }

    /// Where these files are; `None` when one of them is not live.
    pub(super) fn positions(&self, keys: &[FileKey]) -> Option<Vec<usize>> {
        let position_of: HashMap<FileKey, usize> = (0..self.len()).map(|file| (self.key(file), file)).collect();
        keys.iter().map(|key| position_of.get(key).copied()).collect()
    }

    /// The index after a log entry. A file that is added again replaces itself. Also answers the removed files
    /// that were not live: a sign that another writer broke Delta's conflict rules.
    pub(super) fn apply(
        &self,
        schema: &TableSchema,
        removes: &[FileKey],
        adds: &[Add],
        analyzed: &AnalyzedFiles,
    ) -> Result<(FileIndex, Vec<FileKey>)> {
        let mut gone: HashSet<(&str, Option<&str>)> = removes
            .iter()
            .map(|(path, vector)| (path.as_str(), vector.as_deref()))
            .collect();
        let added: Vec<FileKey> = adds.iter().map(Add::key).collect();
        let replaced: HashSet<(&str, Option<&str>)> = added
            .iter()
            .map(|(path, vector)| (path.as_str(), vector.as_deref()))
            .collect();
        let next = FileIndex::build(schema, adds, analyzed)?;
        if gone.is_empty() && replaced.is_empty() {
            return Ok((self.clone(), vec![]));
        }
        let mut kept = Vec::with_capacity(self.len());
        let mut hit: HashSet<(&str, Option<String>)> = HashSet::new();
        for file in 0..self.len() {
            let vector = self.deletion_vectors.get(&file).map(|vector| vector.unique_id());
            let path = self.paths.value(file);
            let key = (path, vector.as_deref());
            let is_removed = gone.contains(&key);
            kept.push(!is_removed && !replaced.contains(&key));
            if is_removed {
                hit.insert((path, vector));
            }
        }
        gone.retain(|(path, vector)| !hit.contains(&(path, vector.map(str::to_string))));
        let missed = gone
            .iter()
            .map(|(path, vector)| (path.to_string(), vector.map(str::to_string)))
            .collect();
        Ok((self.filter(&BooleanArray::from(kept))?.append(&next)?, missed))
    }

    fn filter(&self, kept: &BooleanArray) -> Result<FileIndex> {
        let all = |array: &dyn Array| filter(array, kept);
        let mut position = 0;
        let mut deletion_vectors = HashMap::new();
        for file in 0..self.len() {
            if kept.value(file) {
                if let Some(vector) = self.deletion_vectors.get(&file) {
                    deletion_vectors.insert(position, Arc::clone(vector));
                }
                position += 1;
            }
        }
        Ok(FileIndex {
            paths: all(&self.paths)?.as_string().clone(),
            sizes: all(&self.sizes)?.as_primitive::<Int64Type>().clone(),
            modified: all(&self.modified)?.as_primitive::<Int64Type>().clone(),
            rows: all(&self.rows)?.as_primitive::<Int64Type>().clone(),
            deleted: all(&self.deleted)?.as_primitive::<Int64Type>().clone(),
            exact: all(&self.exact)?.as_boolean().clone(),
            own: all(&self.own)?.as_boolean().clone(),
            partitions: self
                .partitions
                .iter()
                .map(|values| all(values))
                .collect::<Result<_, _>>()?,
            bounds: self.map_bounds(|bounds, _| {
                Ok(ColumnBounds {
                    min: all(&bounds.min)?,
                    max: all(&bounds.max)?,
                    null_count: all(&bounds.null_count)?,
                })
            })?,
            sketches: (self.sketches.iter().zip(kept))
                .filter(|(_, kept)| *kept == Some(true))
                .map(|(text, _)| text.clone())
                .collect(),
            deletion_vectors,
        })
    }

    fn append(&self, other: &FileIndex) -> Result<FileIndex> {
        let offset = self.len();
        let mut deletion_vectors = self.deletion_vectors.clone();
        deletion_vectors.extend(
            other
                .deletion_vectors
                .iter()
                .map(|(file, vector)| (file + offset, Arc::clone(vector))),
        );
        Ok(FileIndex {
            paths: concat(&[&self.paths, &other.paths])?.as_string().clone(),
            sizes: concat(&[&self.sizes, &other.sizes])?
                .as_primitive::<Int64Type>()
                .clone(),
            modified: concat(&[&self.modified, &other.modified])?
                .as_primitive::<Int64Type>()
                .clone(),
            rows: concat(&[&self.rows, &other.rows])?.as_primitive::<Int64Type>().clone(),
            deleted: concat(&[&self.deleted, &other.deleted])?
                .as_primitive::<Int64Type>()
                .clone(),
            exact: concat(&[&self.exact, &other.exact])?.as_boolean().clone(),
            own: concat(&[&self.own, &other.own])?.as_boolean().clone(),
            partitions: self
                .partitions
                .iter()
                .zip(&other.partitions)
                .map(|(mine, theirs)| concat(&[mine, theirs]))
                .collect::<Result<_, _>>()?,
            bounds: self.map_bounds(|bounds, column| match &other.bounds[column] {
                Some(theirs) => Ok(ColumnBounds {
                    min: concat(&[&bounds.min, &theirs.min])?,
                    max: concat(&[&bounds.max, &theirs.max])?,
                    null_count: concat(&[&bounds.null_count, &theirs.null_count])?,
                }),
                None => Err(Error::internal("two indexes of one schema differ in their columns")),
            })?,
            sketches: self.sketches.iter().chain(&other.sketches).cloned().collect(),
            deletion_vectors,
        })
    }

    fn map_bounds(
        &self,
        map: impl Fn(&ColumnBounds, usize) -> Result<ColumnBounds>,
    ) -> Result<Vec<Option<ColumnBounds>>> {
        self.bounds
            .iter()
            .enumerate()
            .map(|(column, bounds)| bounds.as_ref().map(|bounds| map(bounds, column)).transpose())
            .collect()
    }

    /// Bytes that the index holds.
    pub(super) fn memory_size(&self) -> usize {
        let arrays: usize = self
            .bounds
            .iter()
            .flatten()
            .flat_map(|bounds| [&bounds.min, &bounds.max, &bounds.null_count])
            .chain(&self.partitions)
            .map(|array| array.get_array_memory_size())
            .sum();
        arrays
            + self.paths.get_array_memory_size()
            + self.len() * (5 * size_of::<i64>() + 1)
            + self.deletion_vectors.len() * 256
            + self.sketches.iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

/// Partition values as the log spells them, typed. The empty string is null (Delta protocol).
fn partition_array(values: &StringArray, stored: &DataType, logical: &DataType) -> Result<ArrayRef> {
    if values.null_count() == values.len() {
        return Ok(new_null_array(logical, values.len()));
    }
    let strict = CastOptions {
        safe: false,
        ..Default::default()
    };
    cast_with_options(values, stored, &strict)
        .and_then(|typed| cast_with_options(&typed, logical, &strict))
        .map_err(|error| {
            Error::new(
                SqlState::DataCorrupted,
                "a partition value in the table's log is damaged",
            )
            .with_detail(format!("{error}."))
        })
}
