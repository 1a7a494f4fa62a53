//! The running sums of floats' moments, updated and merged in PostgreSQL's order of operations, and what is computed of
//! them in the end.

use crate::error::{Error, Result, SqlState};

/// What is told of the values of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spread {
    pub sample: bool,
    pub root: bool,
}

/// What is told of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PairMeasure {
    Count,
    AverageX,
    AverageY,
    SquaresX,
    SquaresY,
    Products,
    CovariancePopulation,
    CovarianceSample,
    Correlation,
    Slope,
    Intercept,
    Determination,
}

/// The running sums of one group.
pub(super) trait Sums: std::fmt::Debug + Default + Clone + Copy + Send + Sync + 'static {
    /// What is computed of them in the end.
    type Measure: std::fmt::Debug + Clone + Copy + Send + Sync;
    const FIELDS: &'static [&'static str];

    /// A row's values: y and x of a pair, in the order of the arguments.
    fn add(&mut self, first: f64, second: f64) -> Result<()>;

    fn merge(&mut self, other: &Self) -> Result<()>;

    fn measured(&self, measure: Self::Measure) -> Option<f64>;

    fn parts(&self) -> Vec<f64>;

    fn of_parts(parts: impl Iterator<Item = f64>) -> Self;
}

fn overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

/// Count, sum, and sum of the squares of the distances from the mean.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Single {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Sums for Single {
    type Measure = Spread;
    const FIELDS: &'static [&'static str] = &["count", "sum", "squares"];

    fn add(&mut self, value: f64, _: f64) -> Result<()> {
        let before = *self;
        self.count += 1.0;
        self.sum += value;
        if before.count > 0.0 {
            let distance = value * self.count - self.sum;
            self.squares += distance * distance / (self.count * before.count);
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if !before.sum.is_infinite() && !value.is_infinite() {
                    return Err(overflow());
                }
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }

    fn merge(&mut self, other: &Single) -> Result<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = *other;
            return Ok(());
        }
        let count = self.count + other.count;
        let distance = self.sum / self.count - other.sum / other.count;
        let sum = finite_of(self.sum + other.sum, &[self.sum, other.sum])?;
        let squares = self.squares + other.squares + self.count * other.count * distance * distance / count;
        let squares = finite_of(squares, &[self.squares, other.squares])?;
        *self = Single { count, sum, squares };
        Ok(())
    }

    fn measured(&self, measure: Spread) -> Option<f64> {
        let below = self.count - if measure.sample { 1.0 } else { 0.0 };
        let variance = (below > 0.0).then(|| self.squares / below)?;
        Some(if measure.root { variance.sqrt() } else { variance })
    }

    fn parts(&self) -> Vec<f64> {
        vec![self.count, self.sum, self.squares]
    }

    fn of_parts(mut parts: impl Iterator<Item = f64>) -> Single {
        let mut next = || parts.next().unwrap_or_default();
        Single {
            count: next(),
            sum: next(),
            squares: next(),
        }
    }
}

/// 22003 for an infinity that comes of finite numbers.
fn finite_of(value: f64, of: &[f64]) -> Result<f64> {
    match value.is_infinite() && of.iter().all(|part| !part.is_infinite()) {
        true => Err(overflow()),
        false => Ok(value),
    }
}

/// The same of two columns, and the sum of the products of their distances.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pairs {
    count: f64,
    sum_x: f64,
    squares_x: f64,
    sum_y: f64,
    squares_y: f64,
    products: f64,
}

impl Sums for Pairs {
    type Measure = PairMeasure;
    const FIELDS: &'static [&'static str] = &["count", "sum_x", "squares_x", "sum_y", "squares_y", "products"];

    fn add(&mut self, y: f64, x: f64) -> Result<()> {
        let before = *self;
        self.count += 1.0;
        self.sum_x += x;
        self.sum_y += y;
        if before.count > 0.0 {
            let (distance_x, distance_y) = (x * self.count - self.sum_x, y * self.count - self.sum_y);
            let scale = 1.0 / (self.count * before.count);
            self.squares_x += distance_x * distance_x * scale;
            self.squares_y += distance_y * distance_y * scale;
            self.products += distance_x * distance_y * scale;
            let given_x = before.sum_x.is_infinite() || x.is_infinite();
            let given_y = before.sum_y.is_infinite() || y.is_infinite();
            let reached_x = self.sum_x.is_infinite() || self.squares_x.is_infinite();
            let reached_y = self.sum_y.is_infinite() || self.squares_y.is_infinite();
            if (reached_x && !given_x)
                || (reached_y && !given_y)
                || (self.products.is_infinite() && !given_x && !given_y)
            {
                return Err(overflow());
            }
            for part in [&mut self.squares_x, &mut self.squares_y, &mut self.products] {
                if part.is_infinite() {
                    *part = f64::NAN;
                }
            }
        } else {
            if !x.is_finite() {
                (self.squares_x, self.products) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.squares_y, self.products) = (f64::NAN, f64::NAN);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &Pairs) -> Result<()> {
        if other.count == 0.0 {
            return Ok(());
        }
        if self.count == 0.0 {
            *self = *other;
            return Ok(());
        }
        let count = self.count + other.count;
        let distance_x = self.sum_x / self.count - other.sum_x / other.count;
        let distance_y = self.sum_y / self.count - other.sum_y / other.count;
        let added = |left: f64, right: f64, product: f64| {
            let sum = left + right + self.count * other.count * product / count;
            finite_of(sum, &[left, right])
        };
        *self = Pairs {
            count,
            sum_x: finite_of(self.sum_x + other.sum_x, &[self.sum_x, other.sum_x])?,
            squares_x: added(self.squares_x, other.squares_x, distance_x * distance_x)?,
            sum_y: finite_of(self.sum_y + other.sum_y, &[self.sum_y, other.sum_y])?,
            squares_y: added(self.squares_y, other.squares_y, distance_y * distance_y)?,
            products: added(self.products, other.products, distance_x * distance_y)?,
        };
        Ok(())
    }

    fn measured(&self, measure: PairMeasure) -> Option<f64> {
        let sloped = |value: f64| (self.squares_x != 0.0).then_some(value);
        if measure == PairMeasure::Count {
            return Some(self.count);
        }
        if self.count < 1.0 {
            return None;
        }
        match measure {
            PairMeasure::Count => Some(self.count),
            PairMeasure::AverageX => Some(self.sum_x / self.count),
            PairMeasure::AverageY => Some(self.sum_y / self.count),
            PairMeasure::SquaresX => Some(self.squares_x),
            PairMeasure::SquaresY => Some(self.squares_y),
            PairMeasure::Products => Some(self.products),
            PairMeasure::CovariancePopulation => Some(self.products / self.count),
            PairMeasure::CovarianceSample => (self.count > 1.0).then(|| self.products / (self.count - 1.0)),
            PairMeasure::Correlation => {
                let root = (self.squares_x * self.squares_y).sqrt();
                sloped(self.products / root).filter(|_| self.squares_y != 0.0)
            }
            PairMeasure::Slope => sloped(self.products / self.squares_x),
            PairMeasure::Intercept => sloped((self.sum_y - self.sum_x * self.products / self.squares_x) / self.count),
            // A horizontal line fits exactly.
            PairMeasure::Determination if self.squares_y == 0.0 => sloped(1.0),
            PairMeasure::Determination => sloped((self.products * self.products) / (self.squares_x * self.squares_y)),
        }
    }

    fn parts(&self) -> Vec<f64> {
        vec![
            self.count,
            self.sum_x,
            self.squares_x,
            self.sum_y,
            self.squares_y,
            self.products,
        ]
    }

    fn of_parts(mut parts: impl Iterator<Item = f64>) -> Pairs {
        let mut next = || parts.next().unwrap_or_default();
        Pairs {
            count: next(),
            sum_x: next(),
            squares_x: next(),
            sum_y: next(),
            squares_y: next(),
            products: next(),
        }
    }
}
