//! Amounts of money: what operators on them call, words, and the larger or smaller of two.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{Accumulator, ScalarUDF};

use super::datum::Datum;
use super::overload::{OverloadedFunction, RowBody, rows};
use crate::error::{Error, Result, SqlState};
use crate::types::spelled::money::{self, out_of_range};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let of_two: [(&'static str, &'static str, RowBody); 9] = [
        ("cash_pl", "(money, money) money", |_, row| {
            of_amounts(row, |left, right| left.checked_add(right).ok_or_else(out_of_range))
        }),
        ("cash_mi", "(money, money) money", |_, row| {
            of_amounts(row, |left, right| left.checked_sub(right).ok_or_else(out_of_range))
        }),
        ("cashlarger", "(money, money) money", |_, row| {
            of_amounts(row, |left, right| Ok(left.max(right)))
        }),
        ("cashsmaller", "(money, money) money", |_, row| {
            of_amounts(row, |left, right| Ok(left.min(right)))
        }),
        ("cash_div_cash", "(money, money) float8", |_, row| {
            let (left, right) = (amount(row, 0)?, amount(row, 1)?);
            match right {
                0 => Err(division_by_zero()),
                right => Ok(Datum::Float(left as f64 / right as f64)),
            }
        }),
        ("cash_mul_int8", "(money, int8) money", |_, row| {
            by_integer(row, |amount, factor| {
                amount.checked_mul(factor).ok_or_else(out_of_range)
            })
        }),
        ("cash_div_int8", "(money, int8) money", |_, row| {
            by_integer(row, |amount, divisor| match divisor {
                0 => Err(division_by_zero()),
                divisor => amount.checked_div(divisor).ok_or_else(out_of_range),
            })
        }),
        ("cash_mul_flt8", "(money, float8) money", |_, row| {
            by_float(row, |amount, factor| Ok(amount * factor))
        }),
        ("cash_div_flt8", "(money, float8) money", |_, row| {
            by_float(row, |amount, divisor| match divisor == 0.0 {
                true => Err(division_by_zero()),
                false => Ok(amount / divisor),
            })
        }),
    ];
    let in_words: RowBody = |_, row| Ok(money::in_words(amount(row, 0)?).into());
    of_two
        .into_iter()
        .chain([("cash_words", "(money) text", in_words)])
        .map(|(name, signature, body)| OverloadedFunction::immutable(name, vec![rows(signature, body)]))
        .collect()
}

fn division_by_zero() -> Error {
    Error::new(SqlState::DivisionByZero, "division by zero")
}

fn amount(row: &[Datum], index: usize) -> Result<i64> {
    money::read(row.get(index).and_then(Datum::as_text).unwrap_or_default())
}

fn of_amounts(row: &[Datum], combine: impl Fn(i64, i64) -> Result<i64>) -> Result<Datum> {
    Ok(money::spelling(combine(amount(row, 0)?, amount(row, 1)?)?).into())
}

fn by_integer(row: &[Datum], combine: impl Fn(i64, i64) -> Result<i64>) -> Result<Datum> {
    let by = row.get(1).and_then(Datum::as_int).unwrap_or_default();
    Ok(money::spelling(combine(amount(row, 0)?, by)?).into())
}

fn by_float(row: &[Datum], combine: impl Fn(f64, f64) -> Result<f64>) -> Result<Datum> {
    let Some(Datum::Float(by)) = row.get(1) else {
        return Ok(Datum::Null);
    };
    let exact = combine(amount(row, 0)? as f64, *by)?.round_ties_even();
    // The largest bigint is no double: what is below its successor fits.
    match (i64::MIN as f64..-(i64::MIN as f64)).contains(&exact) {
        true => Ok(money::spelling(exact as i64).into()),
        false => Err(out_of_range()),
    }
}

/// sum() of amounts.
#[derive(Debug, Default)]
pub(super) struct MoneySum {
    sum: i64,
    /// How many it is of: that of none is NULL.
    count: i64,
}

impl MoneySum {
    fn add(&mut self, amounts: &ArrayRef, combine: fn(i64, i64) -> Option<i64>, counted: i64) -> Result<()> {
        for spelling in amounts.as_string_view().iter().flatten() {
            self.sum = combine(self.sum, money::read(spelling)?).ok_or_else(out_of_range)?;
            self.count += counted;
        }
        Ok(())
    }
}

impl Accumulator for MoneySum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&values[0], i64::checked_add, 1)?)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        Ok(self.add(&values[0], i64::checked_sub, -1)?)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let sum = (self.count != 0).then(|| money::spelling(self.sum));
        Ok(ScalarValue::Utf8View(sum))
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        std::mem::size_of_val(self)
    }
}
