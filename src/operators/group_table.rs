//! Numbers the distinct keys of an aggregation. A key is a few 64-bit words, one for each grouping column. As long
//! as the keys lie close together a table is addressed by them directly; otherwise they are hashed.

use std::hash::{BuildHasher, RandomState};

/// The word of a null: no lane has such a value.
pub const NULL_WORD: i64 = i64::MIN;

const NO_GROUP: u32 = u32::MAX;
/// A table of this many entries is always worth its memory.
const SMALL_TABLE: u128 = 1 << 16;
const LARGEST_TABLE: u128 = 1 << 25;
/// Entries of a direct table for each group that may be in it: as long as the table fits a processor's cache, and later.
const SPARSENESS: (u128, u128) = (32, 8);
const CACHED_TABLE: u128 = 1 << 21;

/// Rows that are looked up together: what is read of the index for them stays near.
const TOGETHER: usize = if cfg!(test) { 16 } else { 1 << 10 };

/// Groups by their keys, numbered from zero in the order of appearance.
#[derive(Debug)]
pub struct GroupTable {
    arity: usize,
    /// `arity` words for each group.
    keys: Vec<i64>,
    index: Index,
    seed: u64,
    /// Whether the last batch had groups that were new.
    grows: bool,
    /// Work space: where in the index each row's key belongs.
    places: Vec<u64>,
    /// Work space: what the index has in those places.
    first_entries: Vec<(u32, u32)>,
}

#[derive(Debug)]
enum Index {
    Direct(Direct),
    /// Open addressing; an entry is the hash's upper half and the group.
    Hashed(Vec<(u32, u32)>),
}

/// One entry for each combination of values within the dimensions.
#[derive(Debug, Default)]
struct Direct {
    dimensions: Vec<Dimension>,
    groups: Vec<u32>,
}

/// The values from `low` on; place zero is null's.
#[derive(Debug, Clone, Copy)]
struct Dimension {
    low: i64,
    /// How many values there is place for, null included.
    span: u64,
}

impl Dimension {
    fn holding(low: i64, high: i64) -> Dimension {
        match low <= high {
            true => Dimension {
                low,
                span: high.abs_diff(low).saturating_add(2),
            },
            // Only nulls.
            false => Dimension { low: 0, span: 1 },
        }
    }

    fn holds(&self, other: &Dimension) -> bool {
        other.span == 1 || (self.span > 1 && self.low <= other.low && other.last() <= self.last())
    }

    fn last(&self) -> i128 {
        i128::from(self.low) + i128::from(self.span) - 2
    }

    fn place(&self, word: i64) -> u64 {
        match word == NULL_WORD {
            true => 0,
            false => word.wrapping_sub(self.low) as u64 + 1,
        }
    }

    /// The union, twice as wide as before where it grew, so that keys in ascending order cost little.
    fn grown(&self, other: &Dimension) -> (Dimension, Dimension) {
        let (mut low, mut high) = (i128::from(self.low), self.last());
        if self.span == 1 {
            (low, high) = (i128::from(other.low), other.last());
        } else if other.span > 1 {
            low = low.min(i128::from(other.low));
            high = high.max(other.last());
        }
        let needed = Dimension {
            low: low as i64,
            span: (high - low + 2) as u64,
        };
        let slack = i128::from(self.span);
        if self.span > 1 && high > self.last() {
            high = (high + slack).min(i128::from(i64::MAX));
        }
        if self.span > 1 && low < i128::from(self.low) {
            low = (low - slack).max(i128::from(i64::MIN) + 1);
        }
        (
            needed,
            Dimension {
                low: low as i64,
                span: (high - low + 2) as u64,
            },
        )
    }
}

impl GroupTable {
    /// A table for keys of `arity` words, one at least.
    pub fn new(arity: usize) -> GroupTable {
        GroupTable {
            arity,
            keys: Vec::new(),
            index: Index::Direct(Direct::default()),
            seed: RandomState::new().hash_one(arity),
            grows: true,
            places: Vec::new(),
            first_entries: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len() / self.arity
    }

    /// The words of one grouping column, for the groups of a range.
    pub fn words(&self, column: usize, groups: std::ops::Range<usize>) -> impl Iterator<Item = i64> {
        let keys = &self.keys[groups.start * self.arity..groups.end * self.arity];
        keys.iter().skip(column).step_by(self.arity).copied()
    }

    /// The word of one grouping column for one group.
    pub fn word(&self, column: usize, group: usize) -> i64 {
        self.keys[group * self.arity + column]
    }

    /// Bytes that the table holds.
    pub fn size(&self) -> usize {
        let index = match &self.index {
            Index::Direct(direct) => direct.groups.capacity() * size_of::<u32>(),
            Index::Hashed(entries) => entries.capacity() * size_of::<(u32, u32)>(),
        };
        index + (self.keys.capacity() + self.places.capacity()) * size_of::<i64>()
    }

    /// The group of each row, added where it is new.
    pub fn find_or_add(&mut self, columns: &[Words], groups: &mut Vec<u32>) {
        groups.clear();
        if columns[0].words.is_empty() {
            return;
        }
        if let [
            Words {
                words,
                numbered: Some(count),
            },
        ] = columns
        {
            // The numbers are the groups.
            groups.extend(words.iter().map(|word| *word as u32));
            self.keys.extend(self.keys.len() as i64..*count as i64);
            return;
        }
        self.prepare_index(columns);
        let columns: Vec<&[i64]> = columns.iter().map(|column| column.words).collect();
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        match &mut self.index {
            Index::Direct(direct) => {
                let known = self.keys.len();
                // Groups that are known are found without branches; where that does not find all, or is not expected to,
                // each row is looked at.
                let is_found = !self.grows && direct.look_up(&columns, groups);
                if !is_found {
                    groups.clear();
                    direct.places(&columns, &mut places);
                    for (row, place) in places.iter().enumerate() {
                        let mut group = direct.groups[*place as usize];
                        if group == NO_GROUP {
                            group = (self.keys.len() / self.arity) as u32;
                            direct.groups[*place as usize] = group;
                            self.keys.extend(columns.iter().map(|column| column[row]));
                        }
                        groups.push(group);
                    }
                }
                self.grows = self.keys.len() > known;
            }
            Index::Hashed(_) => {
                places.resize(columns[0].len(), self.seed);
                for column in &columns {
                    for (hash, word) in places.iter_mut().zip(column.iter()) {
                        *hash = folded(*hash ^ *word as u64);
                    }
                }
                match columns[..] {
                    [column] => self.probe(&places, groups, |keys, group, row| keys[group] == column[row], &columns),
                    [first, second] => {
                        let is_key = |keys: &[i64], group: usize, row: usize| {
                            keys[2 * group] == first[row] && keys[2 * group + 1] == second[row]
                        };
                        self.probe(&places, groups, is_key, &columns);
                    }
                    _ => {
                        let is_key = |keys: &[i64], group: usize, row: usize| {
                            let key = &keys[group * columns.len()..][..columns.len()];
                            key.iter().zip(&columns).all(|(word, column)| *word == column[row])
                        };
                        self.probe(&places, groups, is_key, &columns);
                    }
                }
            }
        }
        self.places = places;
    }

    /// Every row a group of its own, not to be found again.
    pub fn add_all(&mut self, columns: &[Words], groups: &mut Vec<u32>) {
        let rows = columns[0].words.len();
        let first = self.len() as u32;
        groups.clear();
        groups.extend(first..first + rows as u32);
        for row in 0..rows {
            self.keys.extend(columns.iter().map(|column| column.words[row]));
        }
    }

    fn probe(
        &mut self,
        hashes: &[u64],
        groups: &mut Vec<u32>,
        is_key: impl Fn(&[i64], usize, usize) -> bool,
        columns: &[&[i64]],
    ) {
        let Index::Hashed(entries) = &mut self.index else {
            return;
        };
        let mask = entries.len() - 1;
        for (chunk, hashes) in hashes.chunks(TOGETHER).enumerate() {
            let first_row = chunk * TOGETHER;
            // All are read before any key is compared, so that the reads of far memory overlap.
            self.first_entries.clear();
            self.first_entries
                .extend(hashes.iter().map(|hash| entries[*hash as usize & mask]));
            let found = hashes.iter().zip(&self.first_entries).zip(first_row..);
            groups.extend(found.map(|((hash, (tag, group)), row)| {
                let is_found = *tag == tag_of(*hash) && *group != NO_GROUP && is_key(&self.keys, *group as usize, row);
                if is_found { *group } else { NO_GROUP }
            }));
            for (row, hash) in (first_row..).zip(hashes) {
                if groups[row] != NO_GROUP {
                    continue;
                }
                let tag = tag_of(*hash);
                let mut place = *hash as usize & mask;
                groups[row] = loop {
                    let (found_tag, found) = entries[place];
                    if found == NO_GROUP {
                        let group = (self.keys.len() / self.arity) as u32;
                        entries[place] = (tag, group);
                        self.keys.extend(columns.iter().map(|column| column[row]));
                        break group;
                    }
                    if found_tag == tag && is_key(&self.keys, found as usize, row) {
                        break found;
                    }
                    place = (place + 1) & mask;
                };
            }
        }
    }

    /// Makes the index hold every key of these columns.
    fn prepare_index(&mut self, columns: &[Words]) {
        let rows = columns[0].words.len();
        // At most half full, so that chains of occupied entries stay short.
        let entries = (2 * (self.len() + rows)).next_power_of_two();
        match &self.index {
            Index::Direct(direct) => {
                let batch: Vec<Dimension> = columns.iter().map(Words::extent).collect();
                let known = direct.dimensions.iter().zip(&batch);
                if !direct.dimensions.is_empty() && known.clone().all(|(own, other)| own.holds(other)) {
                    return;
                }
                let (needed, grown): (Vec<Dimension>, Vec<Dimension>) = match direct.dimensions.is_empty() {
                    true => (batch.clone(), batch),
                    false => known.map(|(own, other)| own.grown(other)).unzip(),
                };
                if !self.address(needed, grown, rows) {
                    self.rehash(2 * entries);
                }
            }
            Index::Hashed(held) if held.len() >= entries => {}
            Index::Hashed(_) => {
                // With more groups than before their keys may be close enough.
                let own = (0..self.arity).map(|column| extent(self.words(column, 0..self.len())));
                let united = own.zip(columns).map(|(own, column)| own.grown(&column.extent()));
                let (needed, grown) = united.unzip();
                if !self.address(needed, grown, rows) {
                    self.rehash(2 * entries);
                }
            }
        }
    }

    /// Addresses the groups directly, in a table with slack if it is not too large; false where it would be.
    fn address(&mut self, needed: Vec<Dimension>, grown: Vec<Dimension>, rows: usize) -> bool {
        let volume = |dimensions: &[Dimension]| {
            let spans = dimensions.iter().map(|dimension| u128::from(dimension.span));
            spans.fold(1, u128::saturating_mul)
        };
        let groups = (self.len() + rows) as u128;
        let most = SMALL_TABLE
            .max(CACHED_TABLE.min(SPARSENESS.0 * groups))
            .max(LARGEST_TABLE.min(SPARSENESS.1 * groups));
        if volume(&needed) > most {
            return false;
        }
        let dimensions = if volume(&grown) <= 2 * most { grown } else { needed };
        let mut direct = Direct {
            groups: vec![NO_GROUP; volume(&dimensions) as usize],
            dimensions,
        };
        for (group, key) in self.keys.chunks_exact(self.arity).enumerate() {
            let place = direct.place(key);
            direct.groups[place] = group as u32;
        }
        self.index = Index::Direct(direct);
        true
    }

    fn rehash(&mut self, size: usize) {
        let mut entries = vec![(0, NO_GROUP); size];
        let mask = size - 1;
        for (group, key) in self.keys.chunks_exact(self.arity).enumerate() {
            let hash = key.iter().fold(self.seed, |hash, word| folded(hash ^ *word as u64));
            let mut place = hash as usize & mask;
            while entries[place].1 != NO_GROUP {
                place = (place + 1) & mask;
            }
            entries[place] = (tag_of(hash), group as u32);
        }
        self.index = Index::Hashed(entries);
    }
}

impl Direct {
    fn place(&self, key: &[i64]) -> usize {
        let place = |place: u64, (dimension, word): (&Dimension, &i64)| place * dimension.span + dimension.place(*word);
        self.dimensions.iter().zip(key).fold(0, place) as usize
    }

    fn places(&self, columns: &[&[i64]], places: &mut Vec<u64>) {
        for (dimension, column) in self.dimensions.iter().zip(columns) {
            match places.is_empty() {
                true => places.extend(column.iter().map(|word| dimension.place(*word))),
                false => {
                    for (place, word) in places.iter_mut().zip(column.iter()) {
                        *place = *place * dimension.span + dimension.place(*word);
                    }
                }
            }
        }
    }

    /// The groups of rows with one or two words, `NO_GROUP` where there is none yet; whether all have one.
    fn look_up(&self, columns: &[&[i64]], groups: &mut Vec<u32>) -> bool {
        let group = |place: u64| self.groups[place as usize];
        match (self.dimensions.as_slice(), columns) {
            ([dimension], [column]) => groups.extend(column.iter().map(|word| group(dimension.place(*word)))),
            ([first, second], [column, other]) => {
                let place = |(one, other): (&i64, &i64)| first.place(*one) * second.span + second.place(*other);
                groups.extend(column.iter().zip(other.iter()).map(|words| group(place(words))));
            }
            _ => return false,
        }
        !groups.iter().fold(false, |any, group| any | (*group == NO_GROUP))
    }
}

/// One grouping column of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    pub words: &'a [i64],
    /// All words, of earlier batches too, are numbers below this, given in the order of appearance.
    pub numbered: Option<usize>,
}

impl Words<'_> {
    fn extent(&self) -> Dimension {
        match self.numbered {
            Some(count) => Dimension::holding(0, count as i64 - 1),
            None => extent(self.words.iter().copied()),
        }
    }
}

/// The smallest dimension that holds the words.
fn extent(words: impl Iterator<Item = i64>) -> Dimension {
    let mut low = i64::MAX;
    let mut high = NULL_WORD;
    for word in words {
        low = low.min(if word == NULL_WORD { i64::MAX } else { word });
        high = high.max(word);
    }
    match high == NULL_WORD {
        true => Dimension::holding(0, -1),
        false => Dimension::holding(low, high),
    }
}

/// What an entry of an index keeps of a hash.
fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Mixes all bits into all bits.
pub fn folded(value: u64) -> u64 {
    let product = u128::from(value ^ 0x9e37_79b9_7f4a_7c15) * 0xa076_1d64_78bd_642f;
    (product >> 64) as u64 ^ product as u64
}
