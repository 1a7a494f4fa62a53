//! Multiranges: ranges of one type that neither overlap nor touch, in order; their text and binary forms.

use std::borrow::Cow;
use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};

use super::RangeType;
use super::range::{Bound, Endpoint, Range};
use crate::error::{Error, Result, SqlState};
use crate::types::binary::Reader;
use crate::types::format::FormatSettings;

/// Ranges in canonical form, none of them empty, with something between each two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Multirange(Vec<Range>);

impl Multirange {
    /// What all these ranges hold together.
    pub fn of(ranges: impl IntoIterator<Item = Range>) -> Multirange {
        let mut ranges: Vec<Range> = ranges.into_iter().filter(|range| *range != Range::Empty).collect();
        ranges.sort_by(|left, right| left.edges().partial_cmp(&right.edges()).unwrap_or(Ordering::Equal));
        let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged
                .last_mut()
                .filter(|last| last.overlaps(&range) || last.is_adjacent(&range))
            {
                Some(last) => *last = last.merge(&range),
                None => merged.push(range),
            }
        }
        Multirange(merged)
    }

    pub fn ranges(&self) -> &[Range] {
        &self.0
    }

    pub fn contains_value(&self, value: Endpoint) -> bool {
        self.0.iter().any(|range| range.contains_value(value))
    }

    pub fn contains(&self, other: &Multirange) -> bool {
        let held = |range: &Range| self.0.iter().any(|own| own.contains(range));
        other.0.iter().all(held)
    }

    pub fn overlaps(&self, other: &Multirange) -> bool {
        self.0.iter().any(|own| other.0.iter().any(|range| own.overlaps(range)))
    }

    /// Strictly left of the other.
    pub fn is_before(&self, other: &Multirange) -> bool {
        self.relate(other, |own, other| own.1.is_before(other.0))
    }

    /// Does not extend to the right of the other.
    pub fn is_over_left(&self, other: &Multirange) -> bool {
        self.relate(other, |own, other| own.1.is_over_left(other.1))
    }

    /// Does not extend to the left of the other.
    pub fn is_over_right(&self, other: &Multirange) -> bool {
        self.relate(other, |own, other| own.0.is_over_right(other.0))
    }

    /// Whether one ends where the other begins.
    pub fn is_adjacent(&self, other: &Multirange) -> bool {
        self.relate(other, |own, other| {
            own.1.is_followed_by(other.0) || other.1.is_followed_by(own.0)
        })
    }

    /// Whether both hold something and their first and last ranges are like this.
    fn relate(&self, other: &Multirange, holds: impl Fn((&Range, &Range), (&Range, &Range)) -> bool) -> bool {
        match (self.0.first(), self.0.last(), other.0.first(), other.0.last()) {
            (Some(first), Some(last), Some(other_first), Some(other_last)) => {
                holds((first, last), (other_first, other_last))
            }
            _ => false,
        }
    }

    /// The least range that holds all.
    pub fn span(&self) -> Range {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => first.merge(last),
            _ => Range::Empty,
        }
    }

    pub fn union(&self, other: &Multirange) -> Multirange {
        Multirange::of(self.0.iter().chain(&other.0).copied())
    }

    pub fn intersection(&self, other: &Multirange) -> Multirange {
        let pairs = self
            .0
            .iter()
            .flat_map(|own| other.0.iter().map(move |range| own.intersection(range)));
        Multirange::of(pairs)
    }

    pub fn difference(&self, other: &Multirange) -> Multirange {
        let mut left = self.0.clone();
        for range in &other.0 {
            left = left.iter().flat_map(|own| own.without(range)).collect();
        }
        Multirange::of(left)
    }

    pub fn lower(&self) -> Option<Bound> {
        self.0.first().and_then(Range::lower)
    }

    pub fn upper(&self) -> Option<Bound> {
        self.0.last().and_then(Range::upper)
    }
}

/// The type of multiranges over each type of range.
impl RangeType {
    pub fn multirange_name(self) -> &'static str {
        match self {
            RangeType::Int4 => "int4multirange",
            RangeType::Int8 => "int8multirange",
            RangeType::Num => "nummultirange",
            RangeType::Ts => "tsmultirange",
            RangeType::Tstz => "tstzmultirange",
            RangeType::Date => "datemultirange",
        }
    }

    pub fn multirange_oid(self) -> u32 {
        match self {
            RangeType::Int4 => 4451,
            RangeType::Num => 4532,
            RangeType::Ts => 4533,
            RangeType::Tstz => 4534,
            RangeType::Date => 4535,
            RangeType::Int8 => 4536,
        }
    }

    pub fn multirange_array_oid(self) -> u32 {
        match self {
            RangeType::Int4 => 6150,
            RangeType::Num => 6151,
            RangeType::Ts => 6152,
            RangeType::Tstz => 6153,
            RangeType::Date => 6155,
            RangeType::Int8 => 6157,
        }
    }

    /// Reads a client's literal: `{[1,3), [5,7)}`.
    pub fn read_multirange(self, text: &str, settings: &FormatSettings) -> Result<Multirange> {
        let ranges = split(text)?.into_iter();
        let ranges: Vec<Range> = ranges.map(|range| self.read(range, settings)).collect::<Result<_>>()?;
        Ok(Multirange::of(ranges))
    }

    /// Reads the spelling that values are carried in.
    pub fn parse_multirange(self, spelling: &str) -> Result<Multirange> {
        self.read_multirange(spelling, &FormatSettings::default())
    }

    /// Reads the spelling of a multirange or of the one range that it is.
    pub fn parse_set(self, spelling: &str) -> Result<Multirange> {
        match spelling.starts_with('{') {
            true => self.parse_multirange(spelling),
            false => Ok(Multirange::of([self.parse(spelling)?])),
        }
    }

    /// The spelling that values are carried in.
    pub fn multirange_spelling(self, multirange: &Multirange) -> String {
        braced(multirange.0.iter().map(|range| self.spelling(range).into()))
    }

    /// What a session is shown for a spelling.
    pub fn shown_multirange<'a>(self, spelling: &'a str, settings: &FormatSettings) -> Cow<'a, str> {
        match split(spelling) {
            Ok(ranges) => braced(ranges.into_iter().map(|range| self.shown(range, settings))).into(),
            Err(_) => spelling.into(),
        }
    }

    /// Reads the binary format: a count, then ranges with their lengths.
    pub fn receive_multirange(self, bytes: &[u8]) -> Result<Multirange> {
        let mut reader = Reader::new(bytes);
        let count = u32::from_be_bytes(reader.take()?);
        let mut ranges = vec![];
        for _ in 0..count {
            let length = usize::try_from(i32::from_be_bytes(reader.take()?)).unwrap_or(usize::MAX);
            ranges.push(self.receive(reader.slice(length)?)?);
        }
        reader.end()?;
        Ok(Multirange::of(ranges))
    }

    /// Appends the binary format.
    pub fn send_multirange(self, multirange: &Multirange, out: &mut BytesMut) -> Result<()> {
        out.put_u32(multirange.0.len() as u32);
        for range in &multirange.0 {
            let mut sent = BytesMut::new();
            self.send(range, &mut sent)?;
            out.put_u32(sent.len() as u32);
            out.extend_from_slice(&sent);
        }
        Ok(())
    }

    /// Appends bytes that sort as multiranges do: range by range, and what ends first before what goes on.
    pub fn multirange_order_key(self, multirange: &Multirange, out: &mut Vec<u8>) {
        for range in &multirange.0 {
            self.order_key(range, out);
        }
        out.push(0);
    }
}

fn braced<'a>(ranges: impl Iterator<Item = Cow<'a, str>>) -> String {
    let ranges: Vec<Cow<'_, str>> = ranges.collect();
    format!("{{{}}}", ranges.join(","))
}

/// The texts of the ranges between a literal's braces.
fn split(text: &str) -> Result<Vec<&str>> {
    let malformed = |detail: &str| {
        let message = format!("malformed multirange literal: \"{text}\"");
        Error::new(SqlState::InvalidTextRepresentation, message).with_detail(detail)
    };
    let is_space = |character: char| matches!(character, ' ' | '\t'..='\r');
    let Some(mut rest) = text.trim_start_matches(is_space).strip_prefix('{') else {
        return Err(malformed("Missing left brace."));
    };
    let mut ranges = vec![];
    loop {
        rest = rest.trim_start_matches(is_space);
        let length = match rest.chars().next() {
            Some('}') if ranges.is_empty() => 0,
            Some('[' | '(') => range_length(rest).ok_or_else(|| malformed("Unexpected end of input."))?,
            Some(_) if rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("empty")) => 5,
            Some(_) => return Err(malformed("Expected range start.")),
            None => return Err(malformed("Unexpected end of input.")),
        };
        if length > 0 {
            ranges.push(&rest[..length]);
        }
        rest = rest[length..].trim_start_matches(is_space);
        match rest.chars().next() {
            Some(',') if length > 0 => rest = &rest[1..],
            Some('}') => break,
            Some(_) => return Err(malformed("Expected comma or end of multirange.")),
            None => return Err(malformed("Unexpected end of input.")),
        }
    }
    match rest[1..].trim_start_matches(is_space).is_empty() {
        true => Ok(ranges),
        false => Err(malformed("Junk after closing right brace.")),
    }
}

/// How long the range is that the text begins with.
fn range_length(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '"' => is_quoted = !is_quoted,
            ')' | ']' if !is_quoted => return Some(place + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(range: RangeType, text: &str) -> String {
        range.multirange_spelling(&range.parse_multirange(text).unwrap())
    }

    #[test]
    fn literals_take_their_canonical_form() {
        for (range, text, expected) in [
            (RangeType::Int4, "{}", "{}"),
            (RangeType::Int4, " { [1,3] , [3,5), empty } ", "{[1,5)}"),
            (RangeType::Int4, "{[7,9),[1,3),[3,4)}", "{[1,4),[7,9)}"),
            (RangeType::Num, "{(1,2),(2,3)}", "{(1,2),(2,3)}"),
            (RangeType::Num, "{(1,2],(2,3),(,0)}", "{(,0),(1,3)}"),
            (
                RangeType::Ts,
                "{[\"2024-01-01 10:00\",2024-01-02]}",
                "{[\"2024-01-01 10:00:00\",\"2024-01-02 00:00:00\"]}",
            ),
        ] {
            assert_eq!(spelled(range, text), expected, "{text}");
        }
        for (text, detail) in [
            ("[1,2)", "Missing left brace."),
            ("{1,2}", "Expected range start."),
            ("{[1,2) [3,4)}", "Expected comma or end of multirange."),
            ("{[1,2),", "Unexpected end of input."),
            ("{[1,2)", "Unexpected end of input."),
            ("{[1,2)} x", "Junk after closing right brace."),
        ] {
            let error = RangeType::Int4.parse_multirange(text).unwrap_err();
            assert_eq!(error.detail(), Some(detail), "{text}");
        }
    }

    #[test]
    fn sets_are_computed() {
        let of = |text: &str| RangeType::Int4.parse_multirange(text).unwrap();
        let (left, right) = (of("{[1,5),[10,20)}"), of("{[3,12),[15,16)}"));
        assert_eq!(left.union(&right), of("{[1,20)}"));
        assert_eq!(left.intersection(&right), of("{[3,5),[10,12),[15,16)}"));
        assert_eq!(left.difference(&right), of("{[1,3),[12,15),[16,20)}"));
        assert!(left.contains(&of("{[2,3),[11,12)}")) && !left.contains(&of("{[2,11)}")));
        assert!(left.is_adjacent(&of("{[20,30)}")) && of("{[0,1)}").is_adjacent(&left));
        assert!(!of("{}").is_before(&left) && left.contains(&of("{}")));
    }

    #[test]
    fn the_binary_form_comes_back_and_keys_sort() {
        for text in ["{}", "{[1,3)}", "{(,1),[5,)}"] {
            let value = RangeType::Int4.parse_multirange(text).unwrap();
            let mut sent = BytesMut::new();
            RangeType::Int4.send_multirange(&value, &mut sent).unwrap();
            assert_eq!(RangeType::Int4.receive_multirange(&sent).unwrap(), value, "{text}");
        }
        let key = |text: &str| {
            let mut key = vec![];
            RangeType::Int4.multirange_order_key(&RangeType::Int4.parse_multirange(text).unwrap(), &mut key);
            key
        };
        let keys = ["{}", "{(,1)}", "{[1,2)}", "{[1,2),[4,5)}", "{[1,3)}"].map(key);
        assert!(keys.is_sorted_by(|left, right| left < right), "{keys:?}");
    }
}
