//! PostgreSQL's hash functions of single values, to the bit: clients spread rows and name advisory locks by them.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::overload::{Arguments, OverloadedFunction, RowBody, rows};
use crate::error::Result;

/// What the state begins with, before the length is added.
const START: u32 = 0x9e37_79b9 + 3_923_095;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    const KINDS: [(&str, &str, &str); 8] = [
        ("hashtext", "hashtextextended", "text"),
        ("hashint2", "hashint2extended", "int2"),
        ("hashint4", "hashint4extended", "int4"),
        ("hashint8", "hashint8extended", "int8"),
        ("hashoid", "hashoidextended", "oid"),
        ("hashfloat4", "hashfloat4extended", "float4"),
        ("hashfloat8", "hashfloat8extended", "float8"),
        ("hashvarlena", "hashvarlenaextended", "bytea"),
    ];
    let (plain, extended): (RowBody, RowBody) = (hashed, hashed_with_seed);
    let of_kind = |(name, with_seed, sql_type): (&'static str, &'static str, &str)| {
        [
            OverloadedFunction::immutable(name, vec![rows(&format!("({sql_type}) int4"), plain)]),
            OverloadedFunction::immutable(with_seed, vec![rows(&format!("({sql_type}, int8) int8"), extended)]),
        ]
    };
    KINDS.into_iter().flat_map(of_kind).collect()
}

/// What of a value is hashed.
enum Key {
    Word(u32),
    Bytes(Vec<u8>),
    /// A float that equals zero, of either sign.
    Zero,
}

fn key(value: &Datum, is_wide: bool) -> Option<Key> {
    Some(match value {
        Datum::Text(text) => Key::Bytes(text.clone().into_bytes()),
        Datum::Bytes(bytes) => Key::Bytes(bytes.to_vec()),
        Datum::Float(value) if *value == 0.0 => Key::Zero,
        Datum::Float(value) if value.is_nan() => Key::Bytes(f64::NAN.to_le_bytes().to_vec()),
        Datum::Float(value) => Key::Bytes(value.to_le_bytes().to_vec()),
        // Equal numbers of all integer types have equal hashes.
        value => {
            let value = value.as_int().or_else(|| value.as_oid().map(i64::from))?;
            let high = (value >> 32) as u32;
            let above = if value >= 0 { high } else { !high };
            Key::Word(value as u32 ^ if is_wide { above } else { 0 })
        }
    })
}

fn is_wide(args: &Arguments<'_>) -> bool {
    args.name.starts_with("hashint8")
}

fn hashed(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let hash = row
        .first()
        .and_then(|value| key(value, is_wide(args)))
        .map(|key| match key {
            Key::Word(word) => State::new(4, 0).word(word).low(),
            Key::Bytes(bytes) => State::new(bytes.len(), 0).bytes(&bytes).low(),
            Key::Zero => 0,
        });
    Ok(hash.map(|hash| i64::from(hash as i32)).into())
}

fn hashed_with_seed(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let [value, seed] = row else { return Ok(Datum::Null) };
    let Some(seed) = seed.as_int() else {
        return Ok(Datum::Null);
    };
    let hash = key(value, is_wide(args)).map(|key| match key {
        Key::Word(word) => State::new(4, seed as u64).word(word).both(),
        Key::Bytes(bytes) => State::new(bytes.len(), seed as u64).bytes(&bytes).both(),
        Key::Zero => seed as u64,
    });
    Ok(hash.map(|hash| hash as i64).into())
}

/// Bob Jenkins's lookup3, as PostgreSQL runs it on little-endian machines.
struct State {
    words: [u32; 3],
}

impl State {
    fn new(length: usize, seed: u64) -> State {
        let start = START.wrapping_add(length as u32);
        let mut state = State { words: [start; 3] };
        if seed != 0 {
            state.words[0] = start.wrapping_add((seed >> 32) as u32);
            state.words[1] = start.wrapping_add(seed as u32);
            state.mix();
        }
        state
    }

    fn word(mut self, word: u32) -> State {
        self.words[0] = self.words[0].wrapping_add(word);
        self.finish()
    }

    fn bytes(mut self, bytes: &[u8]) -> State {
        let blocks = bytes.chunks_exact(12);
        let rest = blocks.remainder();
        for block in blocks {
            self.add(block);
            self.mix();
        }
        // The lowest byte of the last word is the length's.
        let mut last = [0; 12];
        let (whole, behind) = rest.split_at(rest.len().min(8));
        last[..whole.len()].copy_from_slice(whole);
        last[9..9 + behind.len()].copy_from_slice(behind);
        self.add(&last);
        self.finish()
    }

    fn add(&mut self, block: &[u8]) {
        for (word, bytes) in self.words.iter_mut().zip(block.chunks_exact(4)) {
            let added = bytes.iter().rev().fold(0, |added, byte| added << 8 | u32::from(*byte));
            *word = word.wrapping_add(added);
        }
    }

    fn mix(&mut self) {
        const STEPS: [(usize, usize, usize, u32); 6] = [
            (0, 2, 1, 4),
            (1, 0, 2, 6),
            (2, 1, 0, 8),
            (0, 2, 1, 16),
            (1, 0, 2, 19),
            (2, 1, 0, 4),
        ];
        let words = &mut self.words;
        for (x, y, z, distance) in STEPS {
            words[x] = words[x].wrapping_sub(words[y]) ^ words[y].rotate_left(distance);
            words[y] = words[y].wrapping_add(words[z]);
        }
    }

    fn finish(mut self) -> State {
        const STEPS: [(usize, usize, u32); 7] = [
            (2, 1, 14),
            (0, 2, 11),
            (1, 0, 25),
            (2, 1, 16),
            (0, 2, 4),
            (1, 0, 14),
            (2, 1, 24),
        ];
        let words = &mut self.words;
        for (x, y, distance) in STEPS {
            words[x] = (words[x] ^ words[y]).wrapping_sub(words[y].rotate_left(distance));
        }
        self
    }

    fn low(&self) -> u32 {
        self.words[2]
    }

    fn both(&self) -> u64 {
        u64::from(self.words[1]) << 32 | u64::from(self.words[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of PostgreSQL 15.
    #[test]
    fn hashes_are_those_of_postgres() {
        let of_text = |text: &str| State::new(text.len(), 0).bytes(text.as_bytes()).low() as i32;
        assert_eq!(of_text("abc"), -785_388_649);
        assert_eq!(of_text(""), -1_477_818_771);
        assert_eq!(State::new(4, 0).word(1).low() as i32, -1_905_060_026);
        assert_eq!(State::new(3, 1).bytes(b"abc").both(), 2_125_675_926_272_891_485);
    }
}
