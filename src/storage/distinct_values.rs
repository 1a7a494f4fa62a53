//! A sketch of how many different values a column has: HyperLogLog with 256 registers. Sketches of parts merge to that
//! of the whole; a guess is off by a fifteenth. Equal values count once whatever type holds them, so that a column may
//! widen. The hash is part of what is stored: it is the same on every machine and in every version.

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType,
};

/// The first so many bits of a value's hash choose its register.
const INDEX_BITS: u32 = 8;
const REGISTERS: usize = 1 << INDEX_BITS;
/// The greatest value of a register.
const LAST_RANK: usize = (u64::BITS - INDEX_BITS + 1) as usize;
/// Numbers below 64 as characters that JSON leaves as they are.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of a register that is written with its number; all of them are written where that is shorter.
const NUMBERED: usize = 3;

/// The different values seen.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DistinctValues([u8; REGISTERS]);

impl Default for DistinctValues {
    fn default() -> DistinctValues {
        DistinctValues([0; REGISTERS])
    }
}

impl DistinctValues {
    /// Whether values of the type are counted.
    pub(super) fn covers(data_type: &DataType) -> bool {
        matches!(
            data_type,
            DataType::Boolean
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Float32
                | DataType::Float64
                | DataType::Decimal128(..)
                | DataType::Date32
                | DataType::Timestamp(TimeUnit::Microsecond, _)
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
        )
    }

    /// Counts the values of a type that is covered; NULL is none.
    pub(super) fn update(&mut self, values: &ArrayRef) {
        match values.data_type() {
            DataType::Boolean => {
                let values = values.as_boolean();
                let has = |value: bool| values.iter().any(|found| found == Some(value));
                [false, true]
                    .into_iter()
                    .filter(|value| has(*value))
                    .for_each(|value| self.add(whole(i64::from(value))));
            }
            DataType::Int8 => self.add_each::<Int8Type>(values, |value| whole(i64::from(value))),
            DataType::Int16 => self.add_each::<Int16Type>(values, |value| whole(i64::from(value))),
            DataType::Int32 => self.add_each::<Int32Type>(values, |value| whole(i64::from(value))),
            DataType::Int64 => self.add_each::<Int64Type>(values, whole),
            DataType::Date32 => self.add_each::<Date32Type>(values, |value| whole(i64::from(value))),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.add_each::<TimestampMicrosecondType>(values, whole),
            DataType::Float32 => self.add_each::<Float32Type>(values, |value| fractional(f64::from(value))),
            DataType::Float64 => self.add_each::<Float64Type>(values, fractional),
            DataType::Decimal128(..) => self.add_each::<Decimal128Type>(values, |value| match i64::try_from(value) {
                Ok(value) => whole(value),
                Err(_) => mixed(mixed(value as u64) ^ (value >> 64) as u64),
            }),
            DataType::Utf8 => self.add_texts(values.as_string::<i32>().iter()),
            DataType::LargeUtf8 => self.add_texts(values.as_string::<i64>().iter()),
            DataType::Utf8View => self.add_texts(values.as_string_view().iter()),
            DataType::Binary => self.add_texts(values.as_binary::<i32>().iter()),
            DataType::LargeBinary => self.add_texts(values.as_binary::<i64>().iter()),
            DataType::BinaryView => self.add_texts(values.as_binary_view().iter()),
            _ => {}
        }
    }

    fn add_each<T: ArrowPrimitiveType>(&mut self, values: &ArrayRef, hash: impl Fn(T::Native) -> u64) {
        let values = values.as_primitive::<T>();
        match values.null_count() {
            0 => values.values().iter().for_each(|value| self.add(hash(*value))),
            _ => values.iter().flatten().for_each(|value| self.add(hash(value))),
        }
    }

    fn add_texts<T: AsRef<[u8]>>(&mut self, values: impl Iterator<Item = Option<T>>) {
        values.flatten().for_each(|value| self.add(bytes(value.as_ref())));
    }

    fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> (u64::BITS - INDEX_BITS)) as usize];
        let rank = (hash << INDEX_BITS).leading_zeros().min(u64::BITS - INDEX_BITS) as u8 + 1;
        *register = rank.max(*register);
    }

    /// Counts what the other one has seen too.
    pub(super) fn merge(&mut self, other: &DistinctValues) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*theirs).max(*mine);
        }
    }

    /// How many there are, about (O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017,
    /// algorithm 6: without bias from one to all values).
    pub(super) fn count(&self) -> f64 {
        let mut with_rank = [0_u32; LAST_RANK + 1];
        self.0
            .iter()
            .for_each(|rank| with_rank[usize::from(*rank).min(LAST_RANK)] += 1);
        let registers = REGISTERS as f64;
        let part = |rank: usize| f64::from(with_rank[rank]) / registers;
        let mut harmonic = registers * full_part(1.0 - part(LAST_RANK));
        for rank in (1..LAST_RANK).rev() {
            harmonic = 0.5 * (harmonic + f64::from(with_rank[rank]));
        }
        harmonic += registers * empty_part(part(0));
        registers * registers / (2.0 * std::f64::consts::LN_2 * harmonic)
    }

    /// As text: each register one character, or where few are set, those with their numbers.
    pub(super) fn to_text(&self) -> String {
        let digit = |number: usize| char::from(DIGITS[number & 63]);
        if self.0.iter().filter(|rank| **rank > 0).count() * NUMBERED >= REGISTERS {
            return self.0.iter().map(|rank| digit(usize::from(*rank))).collect();
        }
        let set = self.0.iter().enumerate().filter(|(_, rank)| **rank > 0);
        set.flat_map(|(register, rank)| [digit(register >> 6), digit(register), digit(usize::from(*rank))])
            .collect()
    }

    /// What `to_text` made; `None` for anything else.
    pub(super) fn of_text(text: &str) -> Option<DistinctValues> {
        let numbers: Vec<u8> = text.bytes().map(number).collect::<Option<_>>()?;
        if let Ok(registers) = numbers.as_slice().try_into() {
            return Some(DistinctValues(registers));
        }
        let (entries, rest) = numbers.as_chunks::<NUMBERED>();
        let mut found = DistinctValues::default();
        for [high, low, rank] in entries {
            *found.0.get_mut(usize::from(*high) << 6 | usize::from(*low))? = *rank;
        }
        rest.is_empty().then_some(found)
    }
}

impl std::fmt::Debug for DistinctValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DistinctValues(about {:.0})", self.count())
    }
}

fn number(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    })
}

/// Ertl's σ: what registers that no value has reached add.
fn empty_part(mut part: f64) -> f64 {
    if part == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, part);
    loop {
        part *= part;
        let before = sum;
        sum += part * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// Ertl's τ: what registers add that can hold no more.
fn full_part(mut part: f64) -> f64 {
    if part == 0.0 || part == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - part);
    loop {
        part = part.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - part).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

fn whole(value: i64) -> u64 {
    mixed(value as u64)
}

/// Both zeros are one value, and so are all that are not a number.
fn fractional(value: f64) -> u64 {
    let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
    mixed(value.to_bits())
}

fn bytes(value: &[u8]) -> u64 {
    let mut state = mixed(value.len() as u64);
    let (parts, rest) = value.as_chunks::<8>();
    for part in parts {
        state = mixed(state ^ u64::from_le_bytes(*part));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mixed(state ^ u64::from_le_bytes(last))
}

/// The finalizer of SplitMix64.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::*;
    use datafusion::arrow::compute::cast;

    use super::*;

    fn sketch(values: &ArrayRef) -> DistinctValues {
        let mut sketch = DistinctValues::default();
        sketch.update(values);
        sketch
    }

    #[test]
    fn guesses_are_near_and_parts_merge_to_the_whole() {
        for count in [0_i64, 1, 2, 5, 30, 200, 700, 5_000, 300_000] {
            let numbers = Int64Array::from_iter((0..count * 2).map(|n| Some(n % count)));
            let decimals = Decimal128Array::from_iter((0..count).map(|n| Some(i128::from(n) << 40)));
            let texts = StringViewArray::from_iter((0..count).map(|n| Some(format!("Supplier#{n:09}"))));
            let fractions = Float64Array::from_iter((0..count).map(|n| Some(n as f64 / 8.0)));
            for values in [
                Arc::new(numbers) as ArrayRef,
                Arc::new(decimals),
                Arc::new(texts),
                Arc::new(fractions),
            ] {
                let whole = sketch(&values);
                let half = values.len() / 3;
                let mut parts = sketch(&values.slice(0, half));
                parts.merge(&sketch(&values.slice(half, values.len() - half)));
                assert_eq!(parts, whole);
                let off = (whole.count() - count as f64).abs();
                assert!(
                    off <= (count as f64 * 0.2).max(0.1),
                    "{whole:?} of {count} {}",
                    values.data_type()
                );
            }
        }
    }

    #[test]
    fn the_error_is_a_fifteenth() {
        let runs = 200_i64;
        let squares: f64 = (0..runs)
            .map(|run| {
                let values = Int64Array::from_iter((0..20_000).map(|n| run << 32 | n));
                (sketch(&(Arc::new(values) as ArrayRef)).count() / 20_000.0 - 1.0).powi(2)
            })
            .sum();
        let error = (squares / runs as f64).sqrt();
        assert!((0.05..0.08).contains(&error), "{error}");
    }

    #[test]
    fn equal_values_are_one_in_all_types() {
        let numbers: ArrayRef = Arc::new(Int16Array::from(vec![Some(-3), None, Some(0), Some(7), Some(7)]));
        for wider in [DataType::Int32, DataType::Int64] {
            assert_eq!(sketch(&cast(&numbers, &wider).unwrap()), sketch(&numbers));
        }
        let texts: ArrayRef = Arc::new(StringArray::from(vec![
            Some("a"),
            None,
            Some(""),
            Some("longer than a view"),
        ]));
        for other in [
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Binary,
            DataType::BinaryView,
        ] {
            assert_eq!(sketch(&cast(&texts, &other).unwrap()), sketch(&texts));
        }
        let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
        assert_eq!(sketch(&zeros).count().round(), 2.0);
        let singles: ArrayRef = Arc::new(Float32Array::from(vec![0.5, 1.5]));
        assert_eq!(sketch(&cast(&singles, &DataType::Float64).unwrap()), sketch(&singles));
    }

    #[test]
    fn each_covered_type_is_counted_and_null_is_no_value() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(0), Some(1)]));
        for data_type in [
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(12, 2),
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
        ] {
            assert!(DistinctValues::covers(&data_type));
            let wide = cast(&numbers, &DataType::Int64).unwrap();
            let values = cast(&numbers, &data_type).or_else(|_| cast(&wide, &data_type)).unwrap();
            assert_eq!(sketch(&values).count().round(), 2.0, "{data_type}");
            let nulls = new_null_array(&data_type, 5);
            assert_eq!(sketch(&nulls).count(), 0.0, "{data_type}");
        }
        assert!(!DistinctValues::covers(&DataType::new_list(DataType::Int64, true)));
    }

    #[test]
    fn texts_keep_what_is_counted_and_are_short() {
        for (count, longest) in [(0, 0), (1, 3), (20, 60), (100_000, 256)] {
            let whole = sketch(&(Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef));
            let text = whole.to_text();
            assert!(text.len() <= longest, "{count}: {text}");
            assert_eq!(DistinctValues::of_text(&text), Some(whole));
        }
        for wrong in ["AA", "____", "A A", "___", "ü__"] {
            assert_eq!(DistinctValues::of_text(wrong), None, "{wrong}");
        }
    }
}
