//! Ranges in canonical form, and what one range is to another.

use std::cmp::Ordering;

use crate::error::{Error, Result, SqlState};
use crate::types::numeric::Number;

/// A value at the end of a range: days, microseconds and integers are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Whole(i64),
    Number(Number),
}

/// One end of a range; without a value it goes on for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub value: Option<Endpoint>,
    pub is_inclusive: bool,
}

/// A range in canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    Empty,
    Between(Bound, Bound),
}

/// Where an end of a range lies among all ends of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Beginning,
    /// A value, and just before or behind it.
    At(Endpoint, i8),
    End,
}

impl Endpoint {
    pub fn compare(self, other: Endpoint) -> Ordering {
        match (self, other) {
            (Endpoint::Whole(left), Endpoint::Whole(right)) => left.cmp(&right),
            (Endpoint::Number(left), Endpoint::Number(right)) => left.compare(right),
            (Endpoint::Whole(_), Endpoint::Number(_)) => Ordering::Less,
            (Endpoint::Number(_), Endpoint::Whole(_)) => Ordering::Greater,
        }
    }

    fn order_key(self, out: &mut Vec<u8>) {
        match self {
            Endpoint::Whole(value) => out.extend((value as u64 ^ 1 << 63).to_be_bytes()),
            Endpoint::Number(number) => {
                // No numeric has more digits before or behind its point than this scale leaves room for.
                let carried = number.to_carried().unwrap_or(number.value);
                let mut bytes = carried.to_be_bytes();
                bytes[0] ^= 0x80;
                out.extend(bytes);
            }
        }
    }
}

impl Bound {
    pub fn new(value: Option<Endpoint>, is_inclusive: bool) -> Bound {
        Bound {
            value,
            is_inclusive: is_inclusive && value.is_some(),
        }
    }

    fn lower_edge(self) -> Edge {
        match self.value {
            Some(value) => Edge::At(value, i8::from(!self.is_inclusive)),
            None => Edge::Beginning,
        }
    }

    fn upper_edge(self) -> Edge {
        match self.value {
            Some(value) => Edge::At(value, -i8::from(!self.is_inclusive)),
            None => Edge::End,
        }
    }

    /// The end of what comes before or behind this one.
    fn opposite(self) -> Bound {
        Bound::new(self.value, !self.is_inclusive)
    }
}

impl PartialOrd for Edge {
    fn partial_cmp(&self, other: &Edge) -> Option<Ordering> {
        Some(match (self, other) {
            (Edge::Beginning, Edge::Beginning) | (Edge::End, Edge::End) => Ordering::Equal,
            (Edge::Beginning, _) | (_, Edge::End) => Ordering::Less,
            (Edge::End, _) | (_, Edge::Beginning) => Ordering::Greater,
            (Edge::At(left, left_side), Edge::At(right, right_side)) => {
                left.compare(*right).then(left_side.cmp(right_side))
            }
        })
    }
}

impl Edge {
    pub fn order_key(self, out: &mut Vec<u8>) {
        match self {
            Edge::Beginning => out.push(0),
            Edge::At(value, side) => {
                out.push(1);
                value.order_key(out);
                out.push((side + 1) as u8);
            }
            Edge::End => out.push(2),
        }
    }
}

impl Range {
    pub(super) fn edges(&self) -> Option<(Edge, Edge)> {
        match self {
            Range::Empty => None,
            Range::Between(lower, upper) => Some((lower.lower_edge(), upper.upper_edge())),
        }
    }

    /// Whether both have values and their edges are like this.
    fn relate(&self, other: &Range, holds: impl Fn((Edge, Edge), (Edge, Edge)) -> bool) -> bool {
        match (self.edges(), other.edges()) {
            (Some(own), Some(others)) => holds(own, others),
            _ => false,
        }
    }

    pub fn contains(&self, other: &Range) -> bool {
        *other == Range::Empty || self.relate(other, |own, other| own.0 <= other.0 && own.1 >= other.1)
    }

    pub fn contains_value(&self, value: Endpoint) -> bool {
        let place = Edge::At(value, 0);
        self.edges()
            .is_some_and(|(lower, upper)| lower <= place && place <= upper)
    }

    pub fn overlaps(&self, other: &Range) -> bool {
        self.relate(other, |own, other| own.0 <= other.1 && other.0 <= own.1)
    }

    /// Strictly left of the other.
    pub fn is_before(&self, other: &Range) -> bool {
        self.relate(other, |own, other| own.1 < other.0)
    }

    /// Does not extend to the right of the other.
    pub fn is_over_left(&self, other: &Range) -> bool {
        self.relate(other, |own, other| own.1 <= other.1)
    }

    /// Does not extend to the left of the other.
    pub fn is_over_right(&self, other: &Range) -> bool {
        self.relate(other, |own, other| own.0 >= other.0)
    }

    /// Whether nothing lies between the two, and they share nothing.
    pub fn is_adjacent(&self, other: &Range) -> bool {
        self.is_followed_by(other) || other.is_followed_by(self)
    }

    /// Whether the other begins where this one ends.
    pub fn is_followed_by(&self, other: &Range) -> bool {
        match (self.upper(), other.lower()) {
            (Some(upper), Some(lower)) => match (upper.value, lower.value) {
                (Some(end), Some(start)) => end.compare(start).is_eq() && upper.is_inclusive != lower.is_inclusive,
                _ => false,
            },
            _ => false,
        }
    }

    pub fn lower(&self) -> Option<Bound> {
        match self {
            Range::Empty => None,
            Range::Between(lower, _) => Some(*lower),
        }
    }

    pub fn upper(&self) -> Option<Bound> {
        match self {
            Range::Empty => None,
            Range::Between(_, upper) => Some(*upper),
        }
    }

    /// The least range that holds both.
    pub fn merge(&self, other: &Range) -> Range {
        match (self, other) {
            (Range::Empty, range) | (range, Range::Empty) => *range,
            (Range::Between(lower, upper), Range::Between(other_lower, other_upper)) => {
                let starts_first = lower.lower_edge() <= other_lower.lower_edge();
                let ends_last = upper.upper_edge() >= other_upper.upper_edge();
                Range::Between(
                    *if starts_first { lower } else { other_lower },
                    *if ends_last { upper } else { other_upper },
                )
            }
        }
    }

    /// The merged range; 22000 where it would hold what neither does.
    pub fn union(&self, other: &Range) -> Result<Range> {
        let has_empty = *self == Range::Empty || *other == Range::Empty;
        match has_empty || self.overlaps(other) || self.is_adjacent(other) {
            true => Ok(self.merge(other)),
            false => Err(data_exception("result of range union would not be contiguous")),
        }
    }

    pub fn intersection(&self, other: &Range) -> Range {
        match (self, other) {
            (Range::Between(lower, upper), Range::Between(other_lower, other_upper)) if self.overlaps(other) => {
                let starts_last = lower.lower_edge() >= other_lower.lower_edge();
                let ends_first = upper.upper_edge() <= other_upper.upper_edge();
                Range::Between(
                    *if starts_last { lower } else { other_lower },
                    *if ends_first { upper } else { other_upper },
                )
            }
            _ => Range::Empty,
        }
    }

    /// What this range has and the other has not; 22000 where that would be two ranges.
    pub fn difference(&self, other: &Range) -> Result<Range> {
        match self.without(other)[..] {
            [] => Ok(Range::Empty),
            [range] => Ok(range),
            _ => Err(data_exception("result of range difference would not be contiguous")),
        }
    }

    /// The parts of this range that the other does not have.
    pub(super) fn without(&self, other: &Range) -> Vec<Range> {
        let (Range::Between(lower, upper), Range::Between(other_lower, other_upper)) = (self, other) else {
            return vec![*self];
        };
        if !self.overlaps(other) {
            return vec![*self];
        }
        let mut parts = vec![];
        if lower.lower_edge() < other_lower.lower_edge() {
            parts.push(Range::Between(*lower, other_lower.opposite()));
        }
        if upper.upper_edge() > other_upper.upper_edge() {
            parts.push(Range::Between(other_upper.opposite(), *upper));
        }
        parts
    }
}

pub(super) fn data_exception(message: &str) -> Error {
    Error::new(SqlState::DataException, message)
}
