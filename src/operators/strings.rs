//! Numbers the distinct strings of a grouping column, so that a string in a key is a word like any other.
//! Strings of at most one byte are found by it, longer ones by a hash.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, LargeStringBuilder, StringBuilder, StringViewArray, StringViewBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{ArrowDictionaryKeyType, DataType, UInt16Type, UInt32Type};
use datafusion::arrow::error::ArrowError;

use super::group_table::folded;

const UNKNOWN: u32 = u32::MAX;
/// Bytes that a view holds by itself.
const INLINE: u32 = 12;
/// Places for all strings of at most one byte.
const TINY_STRINGS: usize = 1 << 9;
/// In the place of a tiny string that has no number yet.
const UNNUMBERED: i64 = -1;

/// Distinct strings, numbered from zero in the order of appearance.
#[derive(Debug)]
pub struct StringNumbers {
    text: String,
    /// Where each string ends in `text`.
    ends: Vec<usize>,
    /// Each string's length and first bytes as a view has them: all of it where it is short.
    views: Vec<u128>,
    /// Open addressing; an entry is the hash's upper half and the string's number.
    entries: Vec<(u32, u32)>,
    /// The numbers of the strings of at most one byte.
    tiny: Vec<i64>,
    seed: u64,
    /// The number that stands for null.
    null: Option<u32>,
    /// The numbers of the values of the dictionary seen last.
    dictionary: Option<(ArrayRef, Vec<i64>)>,
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
            entries: vec![(0, UNKNOWN); 64],
            tiny: vec![UNNUMBERED; TINY_STRINGS],
            seed: RandomState::new().hash_one(0),
            null: None,
            dictionary: None,
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
            + self.entries.capacity() * size_of::<(u32, u32)>()
            + self.tiny.capacity() * size_of::<i64>()
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
                if known[place] == UNNUMBERED {
                    known[place] = self.number_of(texts.views()[place], texts, place);
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
            (_, None) => numbers.extend((0..array.len()).map(|row| self.number_of(views[row], array, row))),
            (_, Some(rows)) => numbers.extend(rows.iter().map(|row| {
                let row = *row as usize;
                self.number_of(views[row], array, row)
            })),
        }
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
                self.tiny[place] = i64::from(self.find_or_add(view, || text));
            }
            *number = self.tiny[place];
        }
    }

    fn number_of(&mut self, view: u128, array: &StringViewArray, row: usize) -> i64 {
        if array.is_null(row) {
            return self.null_number();
        }
        if view as u32 <= INLINE {
            let (_, found) = self.entries[self.hash_of_view(view) as usize & (self.entries.len() - 1)];
            if found != UNKNOWN && self.views[found as usize] == view {
                return i64::from(found);
            }
        }
        i64::from(self.find_or_add(view, || array.value(row)))
    }

    fn null_number(&mut self) -> i64 {
        let null = match self.null {
            Some(null) => null,
            None => self.push(0, ""),
        };
        self.null = Some(null);
        i64::from(null)
    }

    fn find_or_add<'a>(&mut self, view: u128, text: impl Fn() -> &'a str) -> u32 {
        let is_inline = view as u32 <= INLINE;
        // Of a long string, the upper half of the view says where the rest is.
        let start = if is_inline { view } else { view & u128::from(u64::MAX) };
        let hash = match is_inline {
            true => self.hash_of_view(view),
            false => hash_bytes(self.seed, text().as_bytes()),
        };
        let tag = (hash >> 32) as u32;
        let mask = self.entries.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let (found_tag, found) = self.entries[place];
            if found == UNKNOWN {
                break;
            }
            if found_tag == tag
                && self.views[found as usize] == start
                && (is_inline || self.text(found as usize) == text())
            {
                return found;
            }
            place = (place + 1) & mask;
        }
        let number = self.push(start, text());
        self.entries[place] = (tag, number);
        if 2 * self.views.len() > self.entries.len() {
            self.grow();
        }
        number
    }

    fn push(&mut self, view: u128, text: &str) -> u32 {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.views.push(view);
        (self.views.len() - 1) as u32
    }

    fn hash_of_view(&self, view: u128) -> u64 {
        folded(self.seed ^ view as u64 ^ ((view >> 64) as u64).rotate_left(23))
    }

    fn grow(&mut self) {
        let size = 4 * self.entries.len();
        let mask = size - 1;
        let mut entries = vec![(0, UNKNOWN); size];
        for number in (0..self.views.len()).filter(|number| self.null != Some(*number as u32)) {
            let view = self.views[number];
            let hash = match view as u32 <= INLINE {
                true => self.hash_of_view(view),
                false => hash_bytes(self.seed, self.text(number).as_bytes()),
            };
            let mut place = hash as usize & mask;
            while entries[place].1 != UNKNOWN {
                place = (place + 1) & mask;
            }
            entries[place] = ((hash >> 32) as u32, number as u32);
        }
        self.entries = entries;
    }

    fn text(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[number]]
    }

    /// The strings with these numbers, as an array of `data_type`; `None` where it is no type of strings.
    pub fn to_array(&self, numbers: impl Iterator<Item = i64>, data_type: &DataType) -> Option<ArrayRef> {
        let null = self.null.map(i64::from);
        let texts = numbers.map(|number| (Some(number) != null).then(|| self.text(number as usize)));
        Some(match data_type {
            DataType::Utf8View => {
                let mut builder = StringViewBuilder::new();
                texts.for_each(|text| builder.append_option(text));
                Arc::new(builder.finish())
            }
            DataType::Utf8 => {
                let mut builder = StringBuilder::new();
                texts.for_each(|text| builder.append_option(text));
                Arc::new(builder.finish())
            }
            DataType::LargeUtf8 => {
                let mut builder = LargeStringBuilder::new();
                texts.for_each(|text| builder.append_option(text));
                Arc::new(builder.finish())
            }
            _ => return None,
        })
    }
}

/// Where a string of at most one byte belongs: by its length and that byte.
fn tiny_place(view: u128) -> usize {
    ((view as usize & 1) << 8) | ((view >> 32) as usize & 0xff)
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
