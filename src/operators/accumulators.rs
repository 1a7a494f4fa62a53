//! Sums, counts, minima and maxima of lanes by group. Sums are kept at 64 bits as long as the lanes' bounds show
//! that they fit, then at 128.

use std::ops::Range;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Int64Type, i256};

use super::lane::{Lane, from_integers, magnitude, whole};
use super::linear_sum::LinearSum;
use super::rows_by_group::RowsByGroup;

/// The groups of a batch's rows.
#[derive(Debug, Clone, Copy)]
pub enum Groups<'a> {
    /// All rows are of one group.
    One(usize),
    Each(&'a [u32]),
    /// A few groups, and the rows of each.
    Few(&'a [u32], &'a RowsByGroup),
}

impl Groups<'_> {
    fn rows(&self) -> usize {
        match self {
            Groups::One(rows) => *rows,
            Groups::Each(groups) | Groups::Few(groups, _) => groups.len(),
        }
    }

    /// Calls for each row, or each valid row, with its number and group.
    fn for_each(&self, nulls: Option<&NullBuffer>, mut call: impl FnMut(usize, usize)) {
        match (self, nulls) {
            (Groups::One(rows), None) => (0..*rows).for_each(|row| call(row, 0)),
            (Groups::One(_), Some(nulls)) => nulls.valid_indices().for_each(|row| call(row, 0)),
            (Groups::Each(groups) | Groups::Few(groups, _), None) => {
                for (row, group) in groups.iter().enumerate() {
                    call(row, *group as usize);
                }
            }
            (Groups::Each(groups) | Groups::Few(groups, _), Some(nulls)) => {
                nulls.valid_indices().for_each(|row| call(row, groups[row] as usize))
            }
        }
    }
}

/// Which groups had a value. As long as no null was seen, all groups had.
#[derive(Debug, Default)]
struct Seen {
    groups: Option<Vec<bool>>,
}

impl Seen {
    /// To be called before the values of a batch are added; `before` groups had rows already.
    fn note(&mut self, groups: Groups, nulls: Option<&NullBuffer>, before: usize, count: usize) {
        if nulls.is_none() && self.groups.is_none() && groups.rows() > 0 {
            return;
        }
        let seen = self.groups.get_or_insert_with(|| vec![true; before]);
        seen.resize(count, false);
        groups.for_each(nulls, |_, group| seen[group] = true);
    }

    fn nulls(&self, range: Range<usize>) -> Option<NullBuffer> {
        let seen = self.groups.as_ref()?;
        let valid = BooleanBuffer::from_iter(seen[range].iter().copied());
        Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
    }

    fn size(&self) -> usize {
        self.groups.as_ref().map_or(0, Vec::capacity)
    }
}

/// How many rows of each group have a value.
#[derive(Debug, Default)]
pub struct Count {
    counts: Vec<i64>,
}

impl Count {
    pub fn update(&mut self, groups: Groups, nulls: Option<&NullBuffer>, count: usize) {
        self.counts.resize(count, 0);
        match (groups, nulls) {
            (Groups::One(rows), None) => self.counts[0] += rows as i64,
            (Groups::One(rows), Some(nulls)) => self.counts[0] += (rows - nulls.null_count()) as i64,
            (Groups::Few(_, rows), None) => {
                let counts = self.counts.iter_mut().zip(rows.lists());
                counts.for_each(|(count, rows)| *count += rows.len() as i64);
            }
            _ => groups.for_each(nulls, |_, group| self.counts[group] += 1),
        }
    }

    /// Adds counts that were counted elsewhere.
    pub fn merge(&mut self, groups: Groups, counts: &Lane, count: usize) {
        self.counts.resize(count, 0);
        groups.for_each(counts.nulls.as_ref(), |row, group| {
            self.counts[group] = self.counts[group].wrapping_add(counts.values[row]);
        });
    }

    /// Adds the counts of a range of another's groups.
    pub fn merge_groups(&mut self, groups: Groups, other: &Count, range: Range<usize>, count: usize) {
        self.merge(groups, &Lane::new(other.counts[range].to_vec(), None, 0), count);
    }

    pub fn finish(&self, range: Range<usize>) -> ArrayRef {
        whole::<Int64Type>(&DataType::Int64, self.counts[range].to_vec(), None)
    }

    pub fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

/// The sum of integers or decimals of each group; null where no row had a value.
#[derive(Debug)]
pub struct Sum {
    totals: Totals,
    seen: Seen,
    groups: usize,
}

#[derive(Debug)]
enum Totals {
    /// With the largest magnitude that any of them may have.
    Narrow(Vec<i64>, u128),
    Wide(Vec<i128>),
}

impl Sum {
    pub fn new() -> Sum {
        Sum {
            totals: Totals::Narrow(Vec::new(), 0),
            seen: Seen::default(),
            groups: 0,
        }
    }

    pub fn update(&mut self, groups: Groups, lane: &Lane, count: usize) {
        let nulls = lane.nulls.as_ref();
        self.seen.note(groups, nulls, self.groups, count);
        self.groups = count;
        // What one batch can add to a group: at most 2^32 values of at most 2^62.
        let added = (groups.rows() as u128) << lane.bits;
        if let Totals::Narrow(totals, reached) = &mut self.totals {
            *reached += added;
            if *reached > i64::MAX as u128 {
                self.totals = Totals::Wide(totals.iter().map(|total| i128::from(*total)).collect());
            }
        }
        let fits = added <= i64::MAX as u128;
        let values = &lane.values;
        let sum_of = |rows: &[u32]| rows.iter().map(|row| values[*row as usize]).sum::<i64>();
        match &mut self.totals {
            Totals::Narrow(totals, _) => {
                totals.resize(count, 0);
                match (groups, nulls) {
                    (Groups::One(_), None) => totals[0] += values.iter().sum::<i64>(),
                    (Groups::Few(_, rows), None) => {
                        let totals = totals.iter_mut().zip(rows.lists());
                        totals.for_each(|(total, rows)| *total += sum_of(rows));
                    }
                    _ => groups.for_each(nulls, |row, group| totals[group] += values[row]),
                }
            }
            Totals::Wide(totals) => {
                totals.resize(count, 0);
                match (groups, nulls) {
                    (Groups::One(_), None) if fits => totals[0] += i128::from(values.iter().sum::<i64>()),
                    (Groups::Few(_, rows), None) if fits => {
                        let totals = totals.iter_mut().zip(rows.lists());
                        totals.for_each(|(total, rows)| *total += i128::from(sum_of(rows)));
                    }
                    _ => groups.for_each(nulls, |row, group| totals[group] += i128::from(values[row])),
                }
            }
        }
    }

    /// Adds the sums of a range of another's groups.
    pub fn merge_groups(&mut self, groups: Groups, other: &Sum, range: Range<usize>, count: usize) {
        let nulls = other.seen.nulls(range.clone());
        match &other.totals {
            Totals::Narrow(totals, _) => {
                let totals = totals[range].to_vec();
                let bits = magnitude(&totals);
                self.update(groups, &Lane::new(totals, nulls, bits), count);
            }
            Totals::Wide(others) => {
                self.seen.note(groups, nulls.as_ref(), self.groups, count);
                self.groups = count;
                let mut totals = match std::mem::replace(&mut self.totals, Totals::Wide(Vec::new())) {
                    Totals::Narrow(totals, _) => totals.into_iter().map(i128::from).collect(),
                    Totals::Wide(totals) => totals,
                };
                totals.resize(count, 0);
                let others = &others[range];
                groups.for_each(nulls.as_ref(), |row, group| totals[group] += others[row]);
                self.totals = Totals::Wide(totals);
            }
        }
    }

    /// As decimals, or as integers that must fit 64 bits; `None` where they do not.
    pub fn finish(&self, range: Range<usize>, data_type: &DataType) -> Option<ArrayRef> {
        let nulls = self.seen.nulls(range.clone());
        if !data_type.is_decimal() {
            let totals = match &self.totals {
                Totals::Narrow(totals, _) => totals[range].to_vec(),
                Totals::Wide(totals) => {
                    let narrow = totals[range].iter().map(|total| i64::try_from(*total));
                    narrow.collect::<Result<_, _>>().ok()?
                }
            };
            return from_integers(data_type, totals, nulls);
        }
        let totals = match &self.totals {
            Totals::Narrow(totals, _) => totals[range].iter().map(|total| i128::from(*total)).collect(),
            Totals::Wide(totals) => totals[range].to_vec(),
        };
        Some(whole::<Decimal128Type>(data_type, totals, nulls))
    }

    /// The sums of a linear function of the values, of which there are as many as are counted; `None` where one does
    /// not fit.
    pub fn finish_linear(
        &self,
        range: Range<usize>,
        counts: Option<&Count>,
        linear: &LinearSum,
        data_type: &DataType,
    ) -> Option<ArrayRef> {
        let nulls = self.seen.nulls(range.clone());
        let (factor, constant) = (i128::from(linear.factor), i128::from(linear.constant));
        let total = |group: usize| {
            let total = match &self.totals {
                Totals::Narrow(totals, _) => totals[group].into(),
                Totals::Wide(totals) => totals[group],
            };
            let count = counts.map_or(0, |counts| counts.counts[group].into());
            factor.checked_mul(total)?.checked_add(constant.checked_mul(count)?)
        };
        let totals = range.map(total);
        Some(match data_type {
            DataType::Decimal256(..) => {
                let power = i256::from_i128(10).checked_pow(linear.more_digits)?;
                let totals = totals.map(|total| i256::from_i128(total?).checked_mul(power));
                whole::<Decimal256Type>(data_type, totals.collect::<Option<_>>()?, nulls)
            }
            DataType::Decimal128(..) => whole::<Decimal128Type>(data_type, totals.collect::<Option<_>>()?, nulls),
            _ => {
                let totals = totals.map(|total| i64::try_from(total?).ok());
                return from_integers(data_type, totals.collect::<Option<_>>()?, nulls);
            }
        })
    }

    pub fn size(&self) -> usize {
        let totals = match &self.totals {
            Totals::Narrow(totals, _) => totals.capacity() * size_of::<i64>(),
            Totals::Wide(totals) => totals.capacity() * size_of::<i128>(),
        };
        totals + self.seen.size()
    }
}

/// The smallest or the largest value of each group; null where no row had one.
#[derive(Debug)]
pub struct Extreme {
    is_max: bool,
    values: Vec<i64>,
    seen: Seen,
}

impl Extreme {
    pub fn new(is_max: bool) -> Extreme {
        Extreme {
            is_max,
            values: Vec::new(),
            seen: Seen::default(),
        }
    }

    pub fn update(&mut self, groups: Groups, lane: &Lane, count: usize) {
        let nulls = lane.nulls.as_ref();
        self.seen.note(groups, nulls, self.values.len(), count);
        let (values, given) = (&mut self.values, &lane.values);
        if let (Groups::One(1..), None) = (groups, nulls) {
            let found = match self.is_max {
                true => in_strands(given, i64::MIN, i64::max),
                false => in_strands(given, i64::MAX, i64::min),
            };
            let known = values.first().copied().unwrap_or(found);
            *values = vec![if self.is_max {
                known.max(found)
            } else {
                known.min(found)
            }];
            return;
        }
        match self.is_max {
            true => {
                values.resize(count, i64::MIN);
                groups.for_each(nulls, |row, group| values[group] = values[group].max(given[row]));
            }
            false => {
                values.resize(count, i64::MAX);
                groups.for_each(nulls, |row, group| values[group] = values[group].min(given[row]));
            }
        }
    }

    /// Compares with the values of a range of another's groups.
    pub fn merge_groups(&mut self, groups: Groups, other: &Extreme, range: Range<usize>, count: usize) {
        let nulls = other.seen.nulls(range.clone());
        self.update(groups, &Lane::new(other.values[range].to_vec(), nulls, 0), count);
    }

    pub fn finish(&self, range: Range<usize>, data_type: &DataType) -> Option<ArrayRef> {
        let mut values = self.values[range.clone()].to_vec();
        let nulls = self.seen.nulls(range);
        if let Some(nulls) = &nulls {
            let unseen = values.iter_mut().zip(nulls.iter()).filter(|(_, seen)| !seen);
            unseen.for_each(|(value, _)| *value = 0);
        }
        from_integers(data_type, values, nulls)
    }

    pub fn size(&self) -> usize {
        self.values.capacity() * size_of::<i64>() + self.seen.size()
    }
}

/// The values folded, in four strands: each step waits for the one before it.
fn in_strands(values: &[i64], start: i64, fold: impl Fn(i64, i64) -> i64) -> i64 {
    let (chunks, rest) = values.as_chunks::<4>();
    let mut strands = [start; 4];
    for chunk in chunks {
        for (strand, value) in strands.iter_mut().zip(chunk) {
            *strand = fold(*strand, *value);
        }
    }
    strands.iter().chain(rest).copied().fold(start, fold)
}
