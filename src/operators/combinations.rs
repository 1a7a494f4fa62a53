//! Numbers the combinations of strings in grouping columns that come from one built side of a join: each of its rows is
//! looked at once, and a row of the join costs one look at a table, however many columns there are. Where nearly every
//! row has strings of its own, and groups may be found twice because they are merged later, the row is the number and
//! its strings are not looked at. Where states are merged the rows are found by all their strings at once.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, UInt32Type};
use datafusion::arrow::error::ArrowError;

use super::group_table::{GroupTable, Words};
use super::strings::StringNumbers;
use super::text_rows::TextRows;

/// In the place of a combination that has no number yet.
const UNNUMBERED: i64 = -1;
/// In the place of one that is being numbered.
const AWAITED: i64 = -2;
/// Rows by whose strings it is decided whether rows have strings of their own.
const SAMPLE: usize = if cfg!(test) { 8 } else { 1 << 10 };
/// Of as many, one may have the strings of another.
const REPEATED: usize = 10;

/// Combinations of the strings of a few grouping columns, numbered from zero in the order of appearance.
#[derive(Debug)]
pub struct Combinations {
    /// Which of the aggregation's keys they are of.
    pub keys: Vec<usize>,
    /// The combinations, in words that are numbers of strings.
    table: GroupTable,
    /// The dictionaries seen last, and the combination of each of their codes; that of null is the last.
    known: Option<(Vec<ArrayRef>, Vec<i64>)>,
    /// Whether a combination may have several numbers, as far as that is worth while.
    may_repeat: bool,
    /// How many rows' strings have been numbered.
    sampled: usize,
    /// Combinations by rows instead of the strings in them.
    rows: Option<TextRows>,
}

impl Combinations {
    /// `may_repeat`: whether a combination may have several numbers.
    pub fn new(keys: Vec<usize>, may_repeat: bool) -> Combinations {
        Combinations {
            table: GroupTable::new(keys.len()),
            keys,
            known: None,
            may_repeat,
            sampled: 0,
            rows: None,
        }
    }

    /// Of columns that are no codes, if at least half of these rows have strings of their own.
    pub fn of_texts(
        keys: Vec<usize>,
        columns: &[&ArrayRef],
        selection: Option<&[u32]>,
    ) -> Result<Option<Combinations>, ArrowError> {
        let mut combinations = Combinations {
            rows: Some(TextRows::indexed()),
            ..Combinations::new(keys, false)
        };
        let mut numbers = Vec::new();
        combinations.number_texts(columns, selection, &mut numbers)?;
        Ok((2 * combinations.count() >= numbers.len()).then_some(combinations))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.as_ref().map_or(self.table.len(), TextRows::count)
    }

    pub fn size(&self) -> usize {
        self.table.size()
            + self.rows.as_ref().map_or(0, TextRows::size)
            + self
                .known
                .as_ref()
                .map_or(0, |(_, known)| size_of_val(known.as_slice()))
    }

    /// The number of the string of a key, of those that are combined, in each of these combinations.
    pub fn strings_of(&self, member: usize, combinations: impl Iterator<Item = i64>) -> Vec<i64> {
        let word = |combination: i64| self.table.word(member, combination as usize);
        combinations.map(word).collect()
    }

    /// The strings of a key in each of these combinations, where these are rows.
    pub fn texts_of(
        &self,
        member: usize,
        combinations: impl Iterator<Item = i64>,
    ) -> Option<Result<ArrayRef, ArrowError>> {
        Some(self.rows.as_ref()?.texts_of(member, combinations))
    }

    /// From now on the rows of these dictionaries are the combinations. Those that were found are rows of it.
    fn number_rows(&mut self, dictionaries: &[ArrayRef], known: &[i64]) {
        let null = known.len() - 1;
        let mut row_of = vec![null; self.table.len()];
        for (row, combination) in known.iter().enumerate().filter(|(_, combination)| **combination >= 0) {
            row_of[*combination as usize] = row;
        }
        let mut rows = TextRows::default();
        rows.begin_source(dictionaries);
        for row in row_of {
            rows.add((row != null).then_some(row));
        }
        self.rows = Some(rows);
        self.table = GroupTable::new(self.keys.len());
    }

    /// The combination of each selected row; `columns` and `strings` are those of the keys.
    pub fn number(
        &mut self,
        columns: &[&ArrayRef],
        selection: Option<&[u32]>,
        strings: &mut [&mut StringNumbers],
        numbers: &mut Vec<i64>,
    ) -> Result<(), ArrowError> {
        match codes_of_all(columns).filter(|_| !self.rows.as_ref().is_some_and(TextRows::is_indexed)) {
            Some(codes) => self.number_codes(codes, columns, selection, strings, numbers),
            None if self.rows.is_some() => self.number_texts(columns, selection, numbers),
            None => {
                self.may_repeat = false;
                let (combinations, words) = (&mut self.table, &mut Vec::new());
                number_strings(columns, selection, strings, words)?;
                add(combinations, words, numbers);
                Ok(())
            }
        }
    }

    fn number_codes(
        &mut self,
        codes: &DictionaryArray<UInt32Type>,
        columns: &[&ArrayRef],
        selection: Option<&[u32]>,
        strings: &mut [&mut StringNumbers],
        numbers: &mut Vec<i64>,
    ) -> Result<(), ArrowError> {
        let dictionaries: Vec<&ArrayRef> = columns
            .iter()
            .map(|column| column.as_dictionary::<UInt32Type>().values())
            .collect();
        let is_same = |seen: &[ArrayRef]| seen.iter().zip(&dictionaries).all(|(seen, now)| Arc::ptr_eq(seen, now));
        let null = codes.values().len();
        let (seen, mut known) = match self.known.take() {
            Some((seen, known)) if is_same(&seen) => (seen, known),
            before => {
                let seen: Vec<ArrayRef> = dictionaries.iter().map(|values| Arc::clone(values)).collect();
                match &mut self.rows {
                    Some(rows) => rows.begin_source(&seen),
                    // Combinations of earlier dictionaries are no rows of this one.
                    None => self.may_repeat &= before.is_none(),
                }
                (seen, vec![UNNUMBERED; null + 1])
            }
        };
        let keys = codes.keys();
        let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
        let place = |row: usize| match nulls.is_some_and(|nulls| nulls.is_null(row)) {
            true => null,
            false => keys.values()[row] as usize,
        };
        let row_of = |index: usize| selection.map_or(index, |rows| rows[index] as usize);
        numbers.clear();
        match selection {
            Some(rows) => numbers.extend(rows.iter().map(|row| known[place(*row as usize)])),
            None => numbers.extend((0..codes.keys().values().len()).map(|row| known[place(row)])),
        }
        if numbers.iter().fold(0, |all, number| all | number) < 0 {
            let mut new = Vec::new();
            for (index, _) in numbers.iter().enumerate().filter(|(_, number)| **number < 0) {
                let place = place(row_of(index));
                if known[place] == UNNUMBERED {
                    known[place] = AWAITED;
                    new.push(place);
                }
            }
            let sample = match self.may_repeat && self.rows.is_none() {
                true => new.len().min(SAMPLE - self.sampled),
                false => new.len(),
            };
            let (sample, rest) = new.split_at(sample);
            self.number_new(sample, &seen, strings, &mut known)?;
            if self.may_repeat && self.rows.is_none() {
                self.sampled += sample.len();
                self.may_repeat = self.table.len() + SAMPLE / REPEATED >= self.sampled;
                if self.may_repeat && self.sampled == SAMPLE {
                    self.number_rows(&seen, &known);
                }
            }
            self.number_new(rest, &seen, strings, &mut known)?;
            for (index, number) in numbers.iter_mut().enumerate().filter(|(_, number)| **number < 0) {
                *number = known[place(row_of(index))];
            }
        }
        self.known = Some((seen, known));
        Ok(())
    }

    /// Numbers the rows of the dictionaries that are at these places among the known.
    fn number_new(
        &mut self,
        new: &[usize],
        dictionaries: &[ArrayRef],
        strings: &mut [&mut StringNumbers],
        known: &mut [i64],
    ) -> Result<(), ArrowError> {
        let null = known.len() - 1;
        if let Some(rows) = &mut self.rows {
            for place in new {
                known[*place] = rows.add((*place != null).then_some(*place));
            }
            return Ok(());
        }
        let places: UInt32Array = new
            .iter()
            .map(|place| (*place != null).then_some(*place as u32))
            .collect();
        let values = dictionaries.iter().map(|values| take(values, &places, None));
        let values: Vec<ArrayRef> = values.collect::<Result<_, _>>()?;
        let (mut words, mut added) = (Vec::new(), Vec::new());
        number_strings(&values.iter().collect::<Vec<_>>(), None, strings, &mut words)?;
        add(&mut self.table, &words, &mut added);
        for (place, combination) in new.iter().zip(added) {
            known[*place] = combination;
        }
        Ok(())
    }

    /// Numbers rows of columns that are no codes of the same rows.
    fn number_texts(
        &mut self,
        columns: &[&ArrayRef],
        selection: Option<&[u32]>,
        numbers: &mut Vec<i64>,
    ) -> Result<(), ArrowError> {
        let Some(rows) = &mut self.rows else {
            return Ok(());
        };
        let texts = columns.iter().map(|column| cast(column, &DataType::Utf8View));
        rows.number(&texts.collect::<Result<Vec<_>, _>>()?, selection, numbers)?;
        // The source of those known is no longer the last.
        self.known = None;
        Ok(())
    }
}

fn number_strings(
    columns: &[&ArrayRef],
    selection: Option<&[u32]>,
    strings: &mut [&mut StringNumbers],
    words: &mut Vec<Vec<i64>>,
) -> Result<(), ArrowError> {
    for (column, strings) in columns.iter().zip(strings) {
        let mut of_column = Vec::new();
        strings.number(column, selection, &mut of_column)?;
        words.push(of_column);
    }
    Ok(())
}

fn add(combinations: &mut GroupTable, words: &[Vec<i64>], numbers: &mut Vec<i64>) {
    let columns: Vec<Words> = words.iter().map(|words| Words { words, numbered: None }).collect();
    let mut groups = Vec::new();
    combinations.find_or_add(&columns, &mut groups);
    numbers.clear();
    numbers.extend(groups.into_iter().map(i64::from));
}

/// The keys that are codes of the same rows, at least two: their columns are combined. What is found in one batch may
/// be otherwise in the next, which then costs time.
pub fn combined_keys(columns: &[(usize, &ArrayRef)]) -> Vec<Vec<usize>> {
    let mut combined: Vec<(&ArrayRef, Vec<usize>)> = Vec::new();
    for (key, column) in columns.iter().filter(|(_, column)| is_coded(column.data_type())) {
        match combined.iter_mut().find(|(first, _)| have_equal_codes(first, column)) {
            Some((_, keys)) => keys.push(*key),
            None => combined.push((column, vec![*key])),
        }
    }
    let keys = combined.into_iter().map(|(_, keys)| keys);
    keys.filter(|keys| keys.len() > 1).collect()
}

/// Whether a column of this type has numbers of rows, or of strings, in the place of strings.
pub fn is_coded(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(keys, _) if **keys == DataType::UInt32)
}

/// The codes of each of the columns, if they are the same.
fn codes_of_all<'a>(columns: &[&'a ArrayRef]) -> Option<&'a DictionaryArray<UInt32Type>> {
    let (first, others) = columns.split_first()?;
    let are_equal = is_coded(first.data_type())
        && others
            .iter()
            .all(|other| is_coded(other.data_type()) && have_equal_codes(first, other));
    are_equal.then(|| first.as_dictionary())
}

fn have_equal_codes(left: &ArrayRef, right: &ArrayRef) -> bool {
    let (left, right) = (left.as_dictionary::<UInt32Type>(), right.as_dictionary::<UInt32Type>());
    let (left_keys, right_keys) = (left.keys(), right.keys());
    let are_one = left_keys.values().inner().ptr_eq(right_keys.values().inner());
    left.values().len() == right.values().len()
        && (are_one || left_keys.values()[..] == right_keys.values()[..])
        && left_keys.nulls() == right_keys.nulls()
}
