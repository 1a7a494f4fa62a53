//! Numbers the distinct strings of a grouping column, so that a string in a key is a word like any other.
//! Strings of at most one byte are found by it, longer ones by a hash.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{ArrowDictionaryKeyType, DataType, UInt16Type, UInt32Type};
use datafusion::arrow::error::ArrowError;

use super::group_table::{folded, tag_of};

const UNKNOWN: u32 = u32::MAX;
/// Bytes that a view holds by itself.
const INLINE: u32 = 12;
/// Places for all strings of at most one byte.
const TINY_STRINGS: usize = 1 << 9;
/// Rows that are looked up together: their places in the index are read before any is compared, so that the reads of
/// far memory overlap.
const TOGETHER: usize = 1 << 10;
/// In the place of a tiny string that has no number yet.
const UNNUMBERED: i64 = -1;

/// Distinct strings, numbered from zero in the order of appearance.
#[derive(Debug)]
pub struct StringNumbers {
    text: String,
    /// Where each string ends in `text`.
    ends: Vec<usize>,
    /// Each string's length and first bytes as a view has them: all of it where it is short, and else where it begins
    /// in `text`.
    views: Vec<u128>,
    hashes: Vec<u64>,
    /// Open addressing; an entry is the hash's upper half and the string's number.
    entries: Vec<(u32, u32)>,
    /// The numbers of the strings of at most one byte.
    tiny: Vec<i64>,
    seed: u64,
    /// The number that stands for null.
    null: Option<u32>,
    /// The numbers of the values of the dictionary seen last.
    dictionary: Option<(ArrayRef, Vec<i64>)>,
    /// Work space: hashes of rows, and the string that each may be.
    looked_up: Vec<(u64, u32)>,
    /// All strings as an array, if it was worth making.
    values: Option<StringViewArray>,
}

/// Whether a column of this type can be numbered.
pub fn holds_strings(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(keys, values) => {
            matches!(**keys, DataType::UInt16 | DataType::UInt32) && **values == DataType::Utf8View
        }
        _ => false,
    }
}

impl StringNumbers {
    pub fn new() -> StringNumbers {
        StringNumbers {
            text: String::new(),
            ends: Vec::new(),
            views: Vec::new(),
            hashes: Vec::new(),
            entries: vec![(0, UNKNOWN); 64],
            tiny: vec![UNNUMBERED; TINY_STRINGS],
            seed: RandomState::new().hash_one(0),
            null: None,
            dictionary: None,
            looked_up: Vec::new(),
            values: None,
        }
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.views.len()
    }

    /// Bytes that the strings and their index hold.
    pub fn size(&self) -> usize {
        self.text.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.views.capacity() * size_of::<u128>()
            + self.hashes.capacity() * size_of::<u64>()
            + self.entries.capacity() * size_of::<(u32, u32)>()
            + self.tiny.capacity() * size_of::<i64>()
            + self.values.as_ref().map_or(0, Array::get_array_memory_size)
    }

    /// The numbers of the selected rows' strings, or of all rows'.
    pub fn number(
        &mut self,
        array: &ArrayRef,
        selection: Option<&[u32]>,
        numbers: &mut Vec<i64>,
    ) -> Result<(), ArrowError> {
        numbers.clear();
        match array.data_type() {
            DataType::Utf8View => self.number_views(array.as_string_view(), selection, numbers),
            DataType::Dictionary(keys, _) if **keys == DataType::UInt16 => {
                self.number_codes::<UInt16Type>(array, selection, numbers);
            }
            DataType::Dictionary(..) => self.number_codes::<UInt32Type>(array, selection, numbers),
            _ => self.number_views(cast(array, &DataType::Utf8View)?.as_string_view(), selection, numbers),
        }
        Ok(())
    }

    fn number_codes<K>(&mut self, array: &ArrayRef, selection: Option<&[u32]>, numbers: &mut Vec<i64>)
    where
        K: ArrowDictionaryKeyType,
        K::Native: Into<u32>,
    {
        let coded = array.as_dictionary::<K>();
        let texts = coded.values().as_string_view();
        let mut known = match self.dictionary.take() {
            Some((values, known)) if Arc::ptr_eq(&values, coded.values()) => known,
            _ => vec![UNNUMBERED; texts.len()],
        };
        let codes = coded.keys();
        let nulls = codes.nulls().filter(|nulls| nulls.null_count() > 0);
        let null = self.null.map_or(UNNUMBERED, i64::from);
        let is_null = |row: usize| nulls.is_some_and(|nulls| nulls.is_null(row));
        let place = |row: usize| Into::<u32>::into(codes.values()[row]) as usize;
        let number = |row: usize| if is_null(row) { null } else { known[place(row)] };
        match selection {
            Some(rows) => numbers.extend(rows.iter().map(|row| number(*row as usize))),
            None => numbers.extend((0..coded.len()).map(number)),
        }
        // A value that no row has gets no number: it is no group.
        if numbers.iter().fold(0, |all, number| all | number) < 0 {
            for (index, number) in numbers
                .iter_mut()
                .enumerate()
                .filter(|(_, number)| **number == UNNUMBERED)
            {
                let row = selection.map_or(index, |rows| rows[index] as usize);
                if is_null(row) {
                    *number = self.null_number();
                    continue;
                }
                let place = place(row);
                if known[place] == UNNUMBERED && texts.is_null(place) {
                    // A join's codes are of the built side's rows, which may have nulls.
                    known[place] = self.null_number();
                } else if known[place] == UNNUMBERED {
                    let view = texts.views()[place];
                    let hash = self.hash(view, || texts.value(place));
                    known[place] = i64::from(self.find_or_add(view, hash, || texts.value(place)));
                }
                *number = known[place];
            }
        }
        self.dictionary = Some((Arc::clone(coded.values()), known));
    }

    fn number_views(&mut self, array: &StringViewArray, selection: Option<&[u32]>, numbers: &mut Vec<i64>) {
        let views = array.views();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        // The lowest 32 bits of a view are the string's length.
        let lengths = match selection {
            Some(rows) => rows.iter().fold(0, |all, row| all | views[*row as usize] as u32),
            None => views.iter().fold(0, |all, view| all | *view as u32),
        };
        match (nulls, selection) {
            (None, None) if lengths <= 1 => self.number_tiny(views.iter().copied(), numbers),
            (None, Some(rows)) if lengths <= 1 => {
                self.number_tiny(rows.iter().map(|row| views[*row as usize]), numbers);
            }
            (None, None) => self.number_all(array, |_| false, array.len(), |index| index, numbers),
            (None, Some(rows)) => {
                self.number_all(array, |_| false, rows.len(), |index| rows[index] as usize, numbers);
            }
            (Some(nulls), None) => {
                self.number_all(array, |row| nulls.is_null(row), array.len(), |index| index, numbers)
            }
            (Some(nulls), Some(rows)) => {
                let row = |index: usize| rows[index] as usize;
                self.number_all(array, |row| nulls.is_null(row), rows.len(), row, numbers);
            }
        }
    }

    fn number_all(
        &mut self,
        array: &StringViewArray,
        is_null: impl Fn(usize) -> bool,
        count: usize,
        row: impl Fn(usize) -> usize,
        numbers: &mut Vec<i64>,
    ) {
        let views = array.views();
        let mut looked_up = std::mem::take(&mut self.looked_up);
        for start in (0..count).step_by(TOGETHER) {
            let indices = start..count.min(start + TOGETHER);
            looked_up.clear();
            looked_up.extend(indices.clone().map(|index| {
                let row = row(index);
                match is_null(row) {
                    true => (0, UNKNOWN),
                    false => (self.hash(views[row], || array.value(row)), UNKNOWN),
                }
            }));
            let mask = self.entries.len() - 1;
            for (hash, candidate) in &mut looked_up {
                let (tag, found) = self.entries[*hash as usize & mask];
                *candidate = if tag == tag_of(*hash) { found } else { UNKNOWN };
            }
            numbers.extend(indices.zip(&looked_up).map(|(index, (hash, candidate))| {
                let row = row(index);
                if is_null(row) {
                    return self.null_number();
                }
                let text = || array.value(row);
                i64::from(match *candidate != UNKNOWN && self.is(*candidate, views[row], text) {
                    true => *candidate,
                    false => self.find_or_add(views[row], *hash, text),
                })
            }));
        }
        self.looked_up = looked_up;
    }

    /// Most rows are found in one pass without branches, new strings are added in a second.
    fn number_tiny(&mut self, views: impl Iterator<Item = u128> + Clone, numbers: &mut Vec<i64>) {
        let tiny = &self.tiny;
        numbers.extend(views.clone().map(|view| tiny[tiny_place(view)]));
        if numbers.iter().fold(0, |all, number| all | number) >= 0 {
            return;
        }
        for (number, view) in numbers
            .iter_mut()
            .zip(views)
            .filter(|(number, _)| **number == UNNUMBERED)
        {
            let place = tiny_place(view);
            if self.tiny[place] == UNNUMBERED {
                let text = ((view >> 32) as u8 as char).to_string();
                let text = if view as u32 == 0 { "" } else { &text };
                self.tiny[place] = i64::from(self.find_or_add(view, self.hash(view, || text), || text));
            }
            *number = self.tiny[place];
        }
    }

    fn null_number(&mut self) -> i64 {
        let null = match self.null {
            Some(null) => null,
            None => self.push(0, 0, ""),
        };
        self.null = Some(null);
        i64::from(null)
    }

    fn find_or_add<'a>(&mut self, view: u128, hash: u64, text: impl Fn() -> &'a str) -> u32 {
        let mask = self.entries.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let (tag, found) = self.entries[place];
            if found == UNKNOWN {
                break;
            }
            if tag == tag_of(hash) && self.is(found, view, &text) {
                return found;
            }
            place = (place + 1) & mask;
        }
        let number = self.push(view, hash, text());
        self.entries[place] = (tag_of(hash), number);
        if 2 * self.views.len() > self.entries.len() {
            self.grow();
        }
        number
    }

    /// Whether the string with this number has this view, and this text where the view does not hold it all.
    fn is<'a>(&self, number: u32, view: u128, text: impl Fn() -> &'a str) -> bool {
        let known = self.views[number as usize];
        if view as u32 <= INLINE {
            return known == view;
        }
        known as u64 == view as u64 && {
            let start = (known >> 64) as usize;
            self.text.as_bytes()[start..start + view as u32 as usize] == *text().as_bytes()
        }
    }

    fn push(&mut self, view: u128, hash: u64, text: &str) -> u32 {
        // Of a long string, the upper half of the view said where it is in its array.
        self.views.push(match view as u32 <= INLINE {
            true => view,
            false => u128::from(view as u64) | (self.text.len() as u128) << 64,
        });
        self.hashes.push(hash);
        self.text.push_str(text);
        self.ends.push(self.text.len());
        (self.views.len() - 1) as u32
    }

    fn hash<'a>(&self, view: u128, text: impl Fn() -> &'a str) -> u64 {
        hash_of_string(self.seed, view, text)
    }

    fn grow(&mut self) {
        let size = 4 * self.entries.len();
        let mask = size - 1;
        let mut entries = vec![(0, UNKNOWN); size];
        for number in (0..self.views.len()).filter(|number| self.null != Some(*number as u32)) {
            let hash = self.hashes[number];
            let mut place = hash as usize & mask;
            while entries[place].1 != UNKNOWN {
                place = (place + 1) & mask;
            }
            entries[place] = (tag_of(hash), number as u32);
        }
        self.entries = entries;
    }

    fn text(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[number]]
    }

    /// Makes an array of all strings, if there are no more than what will be asked for.
    pub fn prepare(&mut self, asked_for: usize) {
        let is_known = self.values.as_ref().is_some_and(|values| values.len() == self.count());
        if !is_known {
            self.values = (self.count() <= asked_for).then(|| self.views_of(0..self.count()));
        }
    }

    /// The strings with these numbers, as an array of `data_type`; `None` where it is no type of strings.
    pub fn to_array(&self, numbers: impl Iterator<Item = i64>, data_type: &DataType) -> Option<ArrayRef> {
        let strings = match &self.values {
            Some(values) if values.len() == self.count() => {
                let places: UInt32Array = numbers.map(|number| Some(number as u32)).collect();
                let taken = take(values, &places, None).ok()?;
                // Without all the strings that the rows do not have.
                match values.len() > places.len() {
                    true => taken.as_string_view().gc(),
                    false => taken.as_string_view().clone(),
                }
            }
            _ => self.views_of(numbers.map(|number| number as usize)),
        };
        match data_type {
            DataType::Utf8View => Some(Arc::new(strings)),
            DataType::Utf8 | DataType::LargeUtf8 => cast(&strings, data_type).ok(),
            _ => None,
        }
    }

    fn views_of(&self, numbers: impl Iterator<Item = usize>) -> StringViewArray {
        let null = self.null.map(|null| null as usize);
        let mut builder = StringViewBuilder::with_capacity(numbers.size_hint().0);
        for number in numbers {
            builder.append_option((Some(number) != null).then(|| self.text(number)));
        }
        builder.finish()
    }
}

/// Where a string of at most one byte belongs: by its length and that byte.
fn tiny_place(view: u128) -> usize {
    ((view as usize & 1) << 8) | ((view >> 32) as usize & 0xff)
}

/// `text` is asked for only where the view does not hold it all.
pub fn hash_of_string<'a>(seed: u64, view: u128, text: impl Fn() -> &'a str) -> u64 {
    match view as u32 <= INLINE {
        true => folded(seed ^ view as u64 ^ ((view >> 64) as u64).rotate_left(23)),
        false => hash_bytes(seed, text().as_bytes()),
    }
}

fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let start = folded(seed ^ bytes.len() as u64);
    let hash = words
        .iter()
        .fold(start, |hash, word| folded(hash ^ u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    folded(hash ^ u64::from_le_bytes(last))
}
