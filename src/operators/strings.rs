//! Numbers the distinct strings of a grouping column, so that a string in a key is a word like any other.
//! Strings of at most one byte are found by it, longer ones by a hash.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{ArrowDictionaryKeyType, DataType, UInt16Type, UInt32Type};
use datafusion::arrow::error::ArrowError;

use super::group_table::folded;
use super::hash_index::{HashIndex, NO_NUMBER};

/// Bytes that a view holds by itself.
const INLINE: u32 = 12;
/// Places for all strings of at most one byte.
const TINY_STRINGS: usize = 1 << 9;
/// Rows that are looked up together: their places in the index are read before any is compared, so that the reads of
/// far memory overlap.
const TOGETHER: usize = 1 << 10;
/// In the place of a string that has no number yet.
const UNNUMBERED: i64 = -1;
/// In the place of one that is being numbered.
const AWAITED: i64 = -2;

/// Distinct strings, numbered from zero in the order of appearance.
#[derive(Debug)]
pub struct StringNumbers {
    /// The strings that no view holds.
    text: String,
    /// Each string's length and first bytes as a view has them: all of it where it is short, and else where it begins
    /// in `text`.
    views: Vec<u128>,
    index: HashIndex,
    /// The numbers of the strings of at most one byte.
    tiny: Vec<i64>,
    seed: u64,
    /// The number that stands for null.
    null: Option<u32>,
    /// The numbers of the values of the dictionary seen last.
    dictionary: Option<(ArrayRef, Vec<i64>)>,
    /// Work space: hashes of rows, and the string that each may be.
    hashes: Vec<u64>,
    candidates: Vec<u32>,
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
            views: Vec::new(),
            index: HashIndex::default(),
            tiny: vec![UNNUMBERED; TINY_STRINGS],
            seed: RandomState::new().hash_one(0),
            null: None,
            dictionary: None,
            hashes: Vec::new(),
            candidates: Vec::new(),
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
            + self.views.capacity() * size_of::<u128>()
            + self.index.size()
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
        let codes = coded.keys();
        let nulls = codes.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut places = codes.values().iter().map(|code| Into::<u32>::into(*code)).zip(0..);
        if nulls.is_none() && texts.len() == codes.len() && places.all(|(code, row)| code == row) {
            return self.number_views(texts, selection, numbers);
        }
        let mut known = match self.dictionary.take() {
            Some((values, known)) if Arc::ptr_eq(&values, coded.values()) => known,
            _ => vec![UNNUMBERED; texts.len()],
        };
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
            let row_of = |index: usize| selection.map_or(index, |rows| rows[index] as usize);
            let unnumbered = |(_, number): &(usize, &mut i64)| **number < 0;
            let mut new: Vec<u32> = Vec::new();
            for (index, number) in numbers.iter_mut().enumerate().filter(unnumbered) {
                let row = row_of(index);
                match is_null(row) {
                    true => *number = self.null_number(),
                    false if known[place(row)] == UNNUMBERED => {
                        known[place(row)] = AWAITED;
                        new.push(place(row) as u32);
                    }
                    false => {}
                }
            }
            // A join's codes are of the built side's rows, which may be null, and have a string more than once.
            let mut of_new = Vec::with_capacity(new.len());
            self.number_views(texts, Some(&new), &mut of_new);
            for (place, number) in new.iter().zip(of_new) {
                known[*place as usize] = number;
            }
            for (index, number) in numbers.iter_mut().enumerate().filter(unnumbered) {
                *number = known[place(row_of(index))];
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
        let (mut hashes, mut candidates) = (std::mem::take(&mut self.hashes), std::mem::take(&mut self.candidates));
        for start in (0..count).step_by(TOGETHER) {
            let indices = start..count.min(start + TOGETHER);
            hashes.clear();
            hashes.extend(indices.clone().map(|index| {
                let row = row(index);
                match is_null(row) {
                    true => 0,
                    false => self.hash(views[row], || array.value(row)),
                }
            }));
            self.index.candidates(&hashes, &mut candidates);
            let found = hashes.iter().zip(&candidates);
            numbers.extend(indices.zip(found).map(|(index, (hash, candidate))| {
                let row = row(index);
                if is_null(row) {
                    return self.null_number();
                }
                let text = || array.value(row);
                i64::from(match *candidate != NO_NUMBER && self.is(*candidate, views[row], text) {
                    true => *candidate,
                    false => self.find_or_add(views[row], *hash, text),
                })
            }));
        }
        (self.hashes, self.candidates) = (hashes, candidates);
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
            None => self.push(0, ""),
        };
        self.null = Some(null);
        i64::from(null)
    }

    fn find_or_add<'a>(&mut self, view: u128, hash: u64, text: impl Fn() -> &'a str) -> u32 {
        self.index.reserve(1);
        let new = self.views.len() as u32;
        let (views, texts) = (&self.views, self.text.as_bytes());
        let is = |number: u32| are_equal(views[number as usize], texts, view, &text);
        match self.index.find_or_insert(hash, new, is) {
            Some(found) => found,
            None => self.push(view, text()),
        }
    }

    /// Whether the string with this number has this view, and this text where the view does not hold it all.
    #[inline]
    fn is<'a>(&self, number: u32, view: u128, text: impl Fn() -> &'a str) -> bool {
        are_equal(self.views[number as usize], self.text.as_bytes(), view, text)
    }

    fn push(&mut self, view: u128, text: &str) -> u32 {
        // Of a long string, the upper half of the view said where it is in its array.
        self.views.push(match view as u32 <= INLINE {
            true => view,
            false => {
                self.text.push_str(text);
                u128::from(view as u64) | ((self.text.len() - text.len()) as u128) << 64
            }
        });
        (self.views.len() - 1) as u32
    }

    #[inline]
    fn hash<'a>(&self, view: u128, text: impl Fn() -> &'a str) -> u64 {
        hash_of_string(self.seed, view, text)
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
            let view = self.views[number];
            let (short, start) = (&view.to_le_bytes()[4..], (view >> 64) as usize);
            let text = match view as u32 {
                length @ ..=INLINE => str::from_utf8(&short[..length as usize]).ok(),
                length => self.text.get(start..start + length as usize),
            };
            builder.append_option(text.filter(|_| Some(number) != null));
        }
        builder.finish()
    }
}

/// Whether a string that is known by a view and, where it is long, a place in `texts` is that of another view.
#[inline]
fn are_equal<'a>(known: u128, texts: &[u8], view: u128, text: impl Fn() -> &'a str) -> bool {
    if view as u32 <= INLINE {
        return known == view;
    }
    known as u64 == view as u64 && {
        let start = (known >> 64) as usize;
        texts[start..start + view as u32 as usize] == *text().as_bytes()
    }
}

/// Where a string of at most one byte belongs: by its length and that byte.
fn tiny_place(view: u128) -> usize {
    ((view as usize & 1) << 8) | ((view >> 32) as usize & 0xff)
}

/// `text` is asked for only where the view does not hold it all.
#[inline]
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
