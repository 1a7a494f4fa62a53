//! Rows of a few columns of strings in the place of numbers for their strings. The rows of one source may be known apart,
//! or be found by a hash of all their strings, which are compared where they are and not kept once more.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, UInt32Array, new_null_array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use super::group_table::folded;
use super::hash_index::{HashIndex, NO_NUMBER};
use super::strings::hash_of_string;

/// In the place of a row whose strings are all null.
const NO_ROW: u32 = u32::MAX;
/// In the place of a null's hash.
const NULL_HASH: u64 = 0x7f4a_7c15_9e37_79b9;
/// Bytes that a view holds by itself.
const INLINE: u32 = 12;

/// Rows, numbered from zero.
#[derive(Debug, Default)]
pub struct TextRows {
    sources: Vec<Vec<StringViewArray>>,
    /// The source of each row and its row there.
    places: Vec<(u32, u32)>,
    /// Bytes of the sources that nothing else is known to hold.
    held: usize,
    index: Option<Index>,
}

/// Finds rows by their strings.
#[derive(Debug)]
struct Index {
    rows: HashIndex,
    seed: u64,
}

impl TextRows {
    /// Rows that are found by their strings.
    pub fn indexed() -> TextRows {
        TextRows {
            index: Some(Index {
                rows: HashIndex::default(),
                seed: RandomState::new().hash_one(0),
            }),
            ..TextRows::default()
        }
    }

    pub fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    pub fn count(&self) -> usize {
        self.places.len()
    }

    pub fn size(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.rows.size());
        size_of_val(self.places.as_slice()) + self.held + index
    }

    /// From now on rows that are added without their strings are these; somebody else holds them.
    pub fn begin_source(&mut self, columns: &[ArrayRef]) {
        self.sources.push(columns.iter().map(views).collect());
    }

    /// The number of a row of the source that was begun last, or of the row of nulls.
    pub fn add(&mut self, row: Option<usize>) -> i64 {
        let source = self.sources.len().saturating_sub(1) as u32;
        self.places.push((source, row.map_or(NO_ROW, |row| row as u32)));
        self.places.len() as i64 - 1
    }

    /// The numbers of the selected rows of columns of strings. Without an index each has one of its own.
    pub fn number(
        &mut self,
        columns: &[ArrayRef],
        selection: Option<&[u32]>,
        numbers: &mut Vec<i64>,
    ) -> Result<(), ArrowError> {
        let texts: Vec<StringViewArray> = columns.iter().map(views).collect();
        let rows = texts.first().map_or(0, |texts| texts.len());
        let first = self.places.len();
        let source = self.sources.len() as u32;
        self.sources.push(texts);
        numbers.clear();
        match selection {
            Some(selected) => self.number_rows(source, selected.iter().copied(), numbers),
            None => self.number_rows(source, 0..rows as u32, numbers),
        }
        let new = self.places.len() - first;
        let Some(texts) = self.sources.pop().filter(|_| new > 0) else {
            return Ok(());
        };
        // The rows that are no group are not held longer than they must be.
        let texts = match 2 * new >= rows {
            true => texts,
            false => {
                let places = &mut self.places[first..];
                let kept: UInt32Array = places.iter().map(|(_, row)| Some(*row)).collect();
                places.iter_mut().zip(0..).for_each(|((_, row), number)| *row = number);
                let kept = texts.iter().map(|texts| Ok(views(&take(texts, &kept, None)?).gc()));
                kept.collect::<Result<_, ArrowError>>()?
            }
        };
        self.held += texts.iter().map(|texts| texts.get_array_memory_size()).sum::<usize>();
        self.sources.push(texts);
        Ok(())
    }

    fn number_rows(&mut self, source: u32, rows: impl ExactSizeIterator<Item = u32> + Clone, numbers: &mut Vec<i64>) {
        let Some(index) = &mut self.index else {
            let first = self.places.len() as i64;
            numbers.extend(first..first + rows.len() as i64);
            self.places.extend(rows.map(|row| (source, row)));
            return;
        };
        index.rows.reserve(rows.len());
        let hashes = hashes(&self.sources[source as usize], index.seed, rows.clone());
        let mut candidates = Vec::with_capacity(hashes.len());
        index.rows.candidates(&hashes, &mut candidates);
        for ((row, hash), candidate) in rows.zip(hashes).zip(candidates) {
            let places = &self.places;
            let is = |found: u32| are_equal(&self.sources, places[found as usize], (source, row));
            if candidate != NO_NUMBER && is(candidate) {
                numbers.push(i64::from(candidate));
                continue;
            }
            let new = self.places.len() as u32;
            let found = index.rows.find_or_insert(hash, new, is);
            if found.is_none() {
                self.places.push((source, row));
            }
            numbers.push(i64::from(found.unwrap_or(new)));
        }
    }

    /// The strings of one of the columns in rows with these numbers.
    pub fn texts_of(&self, column: usize, numbers: impl Iterator<Item = i64>) -> Result<ArrayRef, ArrowError> {
        let null = new_null_array(&DataType::Utf8View, 1);
        let mut sources: Vec<&dyn Array> = self
            .sources
            .iter()
            .map(|source| &source[column] as &dyn Array)
            .collect();
        sources.push(null.as_ref());
        let places = numbers.map(|number| match self.places[number as usize] {
            (_, NO_ROW) => (self.sources.len(), 0),
            (source, row) => (source as usize, row as usize),
        });
        let texts = interleave(&sources, &places.collect::<Vec<_>>())?;
        // Without the strings of the rows that have no number.
        Ok(Arc::new(views(&texts).gc()))
    }
}

fn hashes(columns: &[StringViewArray], seed: u64, rows: impl ExactSizeIterator<Item = u32> + Clone) -> Vec<u64> {
    let mut hashes = vec![seed; rows.len()];
    for column in columns {
        let views = column.views();
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        for (hash, row) in hashes.iter_mut().zip(rows.clone()) {
            let row = row as usize;
            *hash = match nulls.is_some_and(|nulls| nulls.is_null(row)) {
                true => folded(*hash ^ NULL_HASH),
                false => hash_of_string(*hash, views[row], || column.value(row)),
            };
        }
    }
    hashes
}

fn are_equal(sources: &[Vec<StringViewArray>], one: (u32, u32), other: (u32, u32)) -> bool {
    let mut columns = sources[one.0 as usize].iter().zip(&sources[other.0 as usize]);
    let (one, other) = (one.1 as usize, other.1 as usize);
    columns.all(|(column, of_other)| {
        let (view, other_view) = (column.views()[one], of_other.views()[other]);
        match (column.is_null(one), of_other.is_null(other)) {
            (false, false) if view as u32 <= INLINE => view == other_view,
            // The lower half of a view is the length and the first bytes.
            (false, false) => view as u64 == other_view as u64 && column.value(one) == of_other.value(other),
            (one, other) => one && other,
        }
    })
}

fn views(array: &ArrayRef) -> StringViewArray {
    array.as_string_view().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::collections::HashMap;

    #[test]
    fn equal_rows_have_one_number_and_their_strings() {
        let random = &mut StdRng::seed_from_u64(1);
        for round in 0..60 {
            let (mut rows, mut found) = (TextRows::indexed(), HashMap::new());
            let (columns, span) = (1 + round % 3, [2, 12, 400][round / 3 % 3]);
            for _ in 0..6 {
                let size = random.random_range(0..200);
                let mut text = || match random.random_range(0..span) {
                    0 => None,
                    number if number % 2 == 0 => Some(format!("{number}")),
                    number => Some(format!("a text of more than twelve bytes {number}")),
                };
                let texts: Vec<Vec<Option<String>>> =
                    (0..columns).map(|_| (0..size).map(|_| text()).collect()).collect();
                let arrays: Vec<ArrayRef> = texts
                    .iter()
                    .map(|texts| Arc::new(StringViewArray::from_iter(texts.iter().cloned())) as ArrayRef)
                    .collect();
                let selection: Vec<u32> = (0..size as u32).filter(|_| random.random_bool(0.7)).collect();
                let selection = random.random_bool(0.5).then_some(selection);
                let mut numbers = Vec::new();
                rows.number(&arrays, selection.as_deref(), &mut numbers).unwrap();
                let selected = selection.unwrap_or_else(|| (0..size as u32).collect());
                assert_eq!(numbers.len(), selected.len());
                for (number, row) in numbers.iter().zip(selected) {
                    let row: Vec<_> = texts.iter().map(|texts| texts[row as usize].clone()).collect();
                    assert_eq!(*found.entry(row).or_insert(*number), *number);
                }
            }
            assert_eq!(rows.count(), found.len());
            for column in 0..columns {
                let texts = rows.texts_of(column, found.values().copied()).unwrap();
                let expected = found.keys().map(|row| row[column].clone());
                assert_eq!(texts.as_string_view(), &StringViewArray::from_iter(expected));
            }
        }
    }
}
