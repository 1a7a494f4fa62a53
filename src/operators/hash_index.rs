//! Finds numbers by hashes, with open addressing. A hash's place is its upper bits, so that the entries of a larger
//! index are in the order of a smaller one's: it grows by reading and writing memory from one end to the other, and
//! without the hashes, of which an entry has the upper half.

/// Of no number.
pub const NO_NUMBER: u32 = u32::MAX;

/// Entries that the smallest index has.
const FEWEST_ENTRIES: usize = 64;

/// Numbers by the hashes of what they stand for; whether that is what is looked for is for the caller to say.
#[derive(Debug)]
pub struct HashIndex {
    /// A power of two, at most half of them taken.
    entries: Vec<Entry>,
    /// By how much a hash's upper half is shifted to get its place.
    shift: u32,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The upper half of the hash.
    tag: u32,
    number: u32,
}

const NO_ENTRY: Entry = Entry {
    tag: 0,
    number: NO_NUMBER,
};

impl Default for HashIndex {
    fn default() -> HashIndex {
        HashIndex::of_size(FEWEST_ENTRIES)
    }
}

impl HashIndex {
    fn of_size(size: usize) -> HashIndex {
        HashIndex {
            entries: vec![NO_ENTRY; size],
            shift: u32::BITS - size.trailing_zeros(),
            count: 0,
        }
    }

    /// Bytes that the index holds.
    pub fn size(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// Makes place for more numbers.
    pub fn reserve(&mut self, more: usize) {
        if 2 * (self.count + more) <= self.entries.len() {
            return;
        }
        let mut grown = HashIndex::of_size(4 * (self.count + more).next_power_of_two());
        for entry in self.entries.iter().filter(|entry| entry.number != NO_NUMBER) {
            grown.insert(*entry);
        }
        *self = grown;
    }

    /// For each hash the number that it may be of, or `NO_NUMBER` where `find_or_insert` is to be asked. All places are
    /// read before anything is compared, so that the reads of far memory overlap.
    pub fn candidates(&self, hashes: &[u64], candidates: &mut Vec<u32>) {
        candidates.clear();
        candidates.extend(hashes.iter().map(|hash| {
            let tag = tag_of(*hash);
            let entry = self.entries[self.place(tag)];
            if entry.tag == tag { entry.number } else { NO_NUMBER }
        }));
    }

    /// The number with this hash for which `is` holds; where there is none, `None`, and `new` is from now on. There must
    /// be place for it.
    #[inline]
    pub fn find_or_insert(&mut self, hash: u64, new: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag_of(hash);
        let mask = self.entries.len() - 1;
        let mut place = self.place(tag);
        loop {
            let entry = self.entries[place];
            if entry.number == NO_NUMBER {
                self.entries[place] = Entry { tag, number: new };
                self.count += 1;
                return None;
            }
            if entry.tag == tag && is(entry.number) {
                return Some(entry.number);
            }
            place = (place + 1) & mask;
        }
    }

    fn insert(&mut self, entry: Entry) {
        let mask = self.entries.len() - 1;
        let mut place = self.place(entry.tag);
        while self.entries[place].number != NO_NUMBER {
            place = (place + 1) & mask;
        }
        self.entries[place] = entry;
        self.count += 1;
    }

    fn place(&self, tag: u32) -> usize {
        // Entries are at least two, and at most two to the power of 32.
        (tag >> self.shift) as usize
    }
}

fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::collections::HashMap;

    #[test]
    fn numbers_are_found_by_hashes_however_much_it_grows() {
        let random = &mut StdRng::seed_from_u64(1);
        // With few bits many hashes are equal, and with the upper ones set their places are at the end of the index.
        for mask in [u64::MAX, 0xff00_0000_0000_0000, 0xffff_ffff_0000_00ff, 0x3] {
            let (mut index, mut known, mut keys) = (HashIndex::default(), HashMap::new(), Vec::new());
            for _ in 0..3_000 {
                let key: u64 = random.random_range(0..2_000);
                let hash = !key.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask;
                let mut candidates = Vec::new();
                index.candidates(&[hash], &mut candidates);
                let candidate = candidates[0];
                assert!(candidate == NO_NUMBER || (candidate as usize) < keys.len());
                index.reserve(1);
                let new = keys.len() as u32;
                let found = index.find_or_insert(hash, new, |number| keys[number as usize] == key);
                assert_eq!(found, known.get(&key).copied());
                if found.is_none() {
                    keys.push(key);
                    known.insert(key, new);
                }
            }
        }
    }
}
