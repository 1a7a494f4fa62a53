//! The rows of a join's built side by the codes of their keys: addressed by the code where codes lie close together,
//! hashed otherwise. The rows of one key are in their order.

use super::key_codes::NO_CODE;

/// No row has the key.
pub const NO_ROW: u32 = u32::MAX;

/// Codes for each row up to which a table is addressed by them …
const SPARSENESS: u64 = 8;
/// … and so many always: two megabytes.
const SMALL_SPAN: u64 = 512 << 10;
/// Codes whose entries are fetched together.
const AHEAD: usize = 64;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Built rows by key.
#[derive(Debug)]
pub struct KeyTable {
    index: Index,
    /// Rows, those of one key together; empty where each key has one, which the index then names.
    rows: Vec<u32>,
    is_unique: bool,
}

#[derive(Debug)]
enum Index {
    /// The row of each code, and `NO_ROW` behind the last.
    Rows(Vec<u32>),
    /// Where in `rows` those of each code begin, and where the last end, twice.
    Starts(Vec<u32>),
    /// Open addressing by the code's hash; a power of two entries.
    Hashed { entries: Vec<Entry>, shift: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    code: u64,
    first: u32,
    count: u32,
}

const NO_ENTRY: Entry = Entry {
    code: NO_CODE,
    first: NO_ROW,
    count: 0,
};

impl KeyTable {
    /// Bytes that a table of so many rows with codes below `span` needs at most, while it is built too.
    pub fn size_for(rows: usize, span: u64) -> usize {
        let index = match is_direct(rows, span) {
            true => (span as usize + 2) * size_of::<u32>(),
            false => capacity(rows) * size_of::<Entry>(),
        };
        index + rows * 2 * size_of::<u32>()
    }

    /// The table of rows with these codes; those with `NO_CODE` are left out.
    pub fn new(codes: &[u64], span: u64) -> KeyTable {
        match is_direct(codes.len(), span) {
            true => KeyTable::direct(codes, span as usize),
            false => KeyTable::hashed(codes),
        }
    }

    fn direct(codes: &[u64], span: usize) -> KeyTable {
        let mut index = vec![NO_ROW; span + 1];
        let mut is_unique = true;
        for (row, code) in codes.iter().enumerate() {
            if *code != NO_CODE {
                let place = &mut index[*code as usize];
                is_unique &= *place == NO_ROW;
                *place = row as u32;
            }
        }
        if is_unique {
            return KeyTable {
                index: Index::Rows(index),
                rows: Vec::new(),
                is_unique,
            };
        }
        let mut starts = index;
        starts.clear();
        starts.resize(span + 2, 0);
        for code in codes.iter().filter(|code| **code != NO_CODE) {
            starts[*code as usize + 2] += 1;
        }
        // Afterwards the rows of a code begin where its successor's entry says; placing them moves it to their end.
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut rows = vec![0; sum as usize];
        for (row, code) in codes.iter().enumerate() {
            if *code != NO_CODE {
                let place = &mut starts[*code as usize + 1];
                rows[*place as usize] = row as u32;
                *place += 1;
            }
        }
        KeyTable {
            index: Index::Starts(starts),
            rows,
            is_unique,
        }
    }

    fn hashed(codes: &[u64]) -> KeyTable {
        let size = capacity(codes.len());
        let shift = u64::BITS - size.trailing_zeros();
        let mut entries = vec![NO_ENTRY; size];
        let mut is_unique = true;
        for (row, code) in codes.iter().enumerate() {
            if *code != NO_CODE {
                let place = place_of(*code, &entries, shift);
                let entry = &mut entries[place];
                entry.code = *code;
                entry.first = row as u32;
                entry.count += 1;
                is_unique &= entry.count == 1;
            }
        }
        let mut rows = Vec::new();
        if !is_unique {
            let mut sum = 0;
            for entry in &mut entries {
                entry.first = sum;
                sum += entry.count;
                entry.count = 0;
            }
            rows = vec![0; sum as usize];
            for (row, code) in codes.iter().enumerate() {
                if *code != NO_CODE {
                    let place = place_of(*code, &entries, shift);
                    let entry = &mut entries[place];
                    rows[(entry.first + entry.count) as usize] = row as u32;
                    entry.count += 1;
                }
            }
        }
        KeyTable {
            index: Index::Hashed { entries, shift },
            rows,
            is_unique,
        }
    }

    /// Whether no key has two rows.
    pub fn is_unique(&self) -> bool {
        self.is_unique
    }

    pub fn is_direct(&self) -> bool {
        !matches!(self.index, Index::Hashed { .. })
    }

    /// The only row of each code, or `NO_ROW`; of a table that is unique.
    pub fn only_rows(&self, codes: &[u64], found: &mut Vec<u32>) {
        found.clear();
        match &self.index {
            Index::Rows(rows) => {
                let last = rows.len() as u64 - 1;
                found.extend(codes.iter().map(|code| rows[(*code).min(last) as usize]));
            }
            Index::Hashed { entries, shift } => {
                let row = |code: &u64| match place_of(*code, entries, *shift) {
                    place if *code != NO_CODE => entries[place].first,
                    _ => NO_ROW,
                };
                for codes in codes.chunks(AHEAD) {
                    load_ahead(codes, entries, *shift);
                    found.extend(codes.iter().map(row));
                }
            }
            Index::Starts(_) => found.resize(codes.len(), NO_ROW),
        }
    }

    /// Where the rows of each code begin among `rows_at`, and how many there are.
    pub fn stretches(&self, codes: &[u64], found: &mut Vec<(u32, u32)>) {
        found.clear();
        match &self.index {
            Index::Rows(rows) => {
                let last = rows.len() as u64 - 1;
                found.extend(codes.iter().map(|code| {
                    let row = rows[(*code).min(last) as usize];
                    (row, u32::from(row != NO_ROW))
                }));
            }
            Index::Starts(starts) => {
                let last = starts.len() as u64 - 2;
                found.extend(codes.iter().map(|code| {
                    let place = (*code).min(last) as usize;
                    (starts[place], starts[place + 1] - starts[place])
                }));
            }
            Index::Hashed { entries, shift } => {
                let stretch = |code: &u64| match place_of(*code, entries, *shift) {
                    place if *code != NO_CODE => (entries[place].first, entries[place].count),
                    _ => (NO_ROW, 0),
                };
                for codes in codes.chunks(AHEAD) {
                    load_ahead(codes, entries, *shift);
                    found.extend(codes.iter().map(stretch));
                }
            }
        }
    }

    /// The row at a place of a stretch.
    pub fn row_at(&self, place: u32) -> u32 {
        match self.is_unique {
            true => place,
            false => self.rows[place as usize],
        }
    }
}

fn is_direct(rows: usize, span: u64) -> bool {
    span <= SMALL_SPAN.max((rows as u64).saturating_mul(SPARSENESS)) && span < u64::from(NO_ROW)
}

fn capacity(rows: usize) -> usize {
    (rows * 2).next_power_of_two().max(16)
}

/// Touches the entries of some codes, so that the processor fetches them all at once instead of one after the other.
fn load_ahead(codes: &[u64], entries: &[Entry], shift: u32) {
    let touched = codes
        .iter()
        .fold(0, |touched, code| touched ^ entries[home(*code, shift)].code);
    std::hint::black_box(touched);
}

#[inline]
fn home(code: u64, shift: u32) -> usize {
    (code.wrapping_mul(MULTIPLIER) >> shift) as usize
}

/// The place of the code's entry, or of the free one where it would be.
#[inline]
fn place_of(code: u64, entries: &[Entry], shift: u32) -> usize {
    let mut place = home(code, shift);
    while let Some(entry) = entries.get(place)
        && entry.code != code
        && entry.code != NO_CODE
    {
        place = (place + 1) & (entries.len() - 1);
    }
    place
}
