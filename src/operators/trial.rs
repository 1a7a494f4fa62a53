//! Whether a partial aggregation is worth its work: where the keys of the first rows hardly repeat, as with count distinct,
//! rows are passed on as groups of their own, and grouped once, where the partitions meet.

use super::aggregate_shape::{AggregateShape, Key};

/// Rows of the first trial.
const FIRST: usize = if cfg!(test) { 48 } else { 1 << 14 };
/// How much longer than a trial the next one is.
const LONGER: usize = 4;
/// Keys hardly repeat where fewer than one of so many rows has the key of another.
const TOO_FEW_REPEATED: usize = 20;
/// Groups at which it is asked once more.
const MANY_GROUPS: usize = 1 << 17;

/// Grouping is tried for some rows, and left out for as many as the trial suggests.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// How many rows the trial takes that runs, or comes next.
    rows: usize,
    /// For how many more rows grouping does not pay.
    passing: usize,
    may_pass: bool,
}

impl Trial {
    pub fn of(shape: &AggregateShape) -> Trial {
        let has_strings = shape.keys.iter().any(|key| matches!(key, Key::Strings(_)));
        Trial {
            // The coarser of grouping sets may have few groups, whatever the finest has.
            rows: if shape.sets.is_empty() { FIRST } else { usize::MAX },
            // Strings that are passed on have no numbers to make grouping sets of.
            may_pass: !shape.keys.is_empty() && (shape.sets.is_empty() || !has_strings),
            passing: 0,
        }
    }

    /// Whether each row is a group, and each batch is emitted.
    pub fn is_passing(&self) -> bool {
        self.passing > 0
    }

    /// Whether the groups of these rows are to be emitted: more rows would only make them more.
    pub fn is_over(&self, rows: usize, groups: usize) -> bool {
        self.is_passing() || (groups >= MANY_GROUPS && rows < 2 * groups) || self.has_failed(rows, groups)
    }

    fn has_failed(&self, rows: usize, groups: usize) -> bool {
        self.may_pass && rows >= self.rows && TOO_FEW_REPEATED * rows.saturating_sub(groups) < rows
    }

    /// After so many rows and groups have been emitted.
    pub fn next(self, rows: usize, groups: usize) -> Trial {
        if self.is_passing() {
            let passing = self.passing.saturating_sub(rows);
            return Trial { passing, ..self };
        }
        if self.may_pass && groups >= MANY_GROUPS && rows < groups + groups / 2 {
            return Trial {
                passing: usize::MAX,
                ..self
            };
        }
        if !self.has_failed(rows, groups) {
            return self;
        }
        // Of keys that are equally frequent there are about so many. Where there are many more rows than keys, a longer
        // trial finds that they do repeat, and little is lost before.
        let repeated = rows.saturating_sub(groups).max(1);
        Trial {
            rows: self.rows.saturating_mul(LONGER),
            passing: rows.saturating_mul(rows) / (2 * repeated),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `total` rows are passed on, of keys of which a trial finds so many among its rows.
    fn passed(total: usize, keys: impl Fn(usize) -> usize) -> usize {
        let trial = Trial {
            rows: FIRST,
            passing: 0,
            may_pass: true,
        };
        let (mut trial, mut left, mut passed) = (trial, total, 0);
        while left > 0 {
            let mut rows = 0;
            while left > 0 && !trial.is_over(rows, keys(rows)) {
                (rows, left) = (rows + 1, left - 1);
            }
            if trial.is_passing() {
                (rows, left, passed) = (1, left - 1, passed + 1);
            }
            trial = trial.next(rows, keys(rows));
        }
        passed
    }

    #[test]
    fn what_does_not_repeat_is_passed_on() {
        // All keys, half of them, and random ones.
        assert_eq!(passed(10_000, |rows| rows), 10_000 - FIRST - LONGER * FIRST);
        assert_eq!(passed(10_000, |rows| rows.div_ceil(2)), 0);
        let random = |keys: f64| move |rows: usize| (keys * (1.0 - (-(rows as f64) / keys).exp())).ceil() as usize;
        let of_many = passed(10_000, random(2_000.0));
        assert!((500..4_000).contains(&of_many), "{of_many}");
        assert_eq!(passed(10_000, random(100.0)), 0);
    }
}
