//! Numeric arguments of a kernel, whatever Arrow layout carries them, and numeric results.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, PrimitiveBuilder};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type};

use super::arguments::Arguments;
use crate::error::{Error, Result};
use crate::types::is_unconstrained;
use crate::types::numeric::{MAX_SCALE, Number, WideDigits, overflow};

enum Layout<'a> {
    Narrow(&'a Decimal128Array, i32, bool),
    Wide(&'a Decimal256Array, WideDigits),
}

/// A column or constant of numerics.
pub(crate) struct Decimals<'a> {
    layout: Layout<'a>,
    is_constant: bool,
}

impl Decimals<'_> {
    pub fn get(&self, row: usize) -> Option<Number> {
        let row = if self.is_constant { 0 } else { row };
        match &self.layout {
            Layout::Narrow(array, scale, open) => array.is_valid(row).then(|| {
                let number = Number::new(array.value(row), *scale);
                if *open { number.trimmed() } else { number }
            }),
            Layout::Wide(array, digits) => array.is_valid(row).then(|| digits.number(array.value(row))),
        }
    }
}

impl Arguments<'_> {
    pub fn decimals(&self, index: usize) -> Result<Decimals<'_>> {
        let array = self.array(index);
        let layout = match array.data_type() {
            DataType::Decimal128(precision, scale) => Layout::Narrow(
                array.as_primitive(),
                i32::from(*scale),
                is_unconstrained(*precision, *scale),
            ),
            DataType::Decimal256(precision, scale) => {
                Layout::Wide(array.as_primitive(), WideDigits::of(*precision, *scale))
            }
            other => return Err(Error::internal(format!("{}() got {other} for a numeric", self.name))),
        };
        Ok(Decimals {
            layout,
            is_constant: self.is_constant(index),
        })
    }

    /// A column of numerics, rounded to what the result's type holds.
    pub fn build_decimals(&self, mut value: impl FnMut(usize) -> Result<Option<Number>>) -> Result<ArrayRef> {
        match self.return_type() {
            DataType::Decimal128(_, scale) => {
                let mut builder = PrimitiveBuilder::<Decimal128Type>::with_capacity(self.rows())
                    .with_data_type(self.return_type().clone());
                for row in 0..self.rows() {
                    builder.append_option(match value(row)? {
                        Some(number) => Some(number.rounded(i32::from(*scale))?.to_i128().ok_or_else(overflow)?),
                        None => None,
                    });
                }
                Ok(Arc::new(builder.finish()))
            }
            wide => {
                let scale = match wide {
                    DataType::Decimal256(_, scale) => i32::from(*scale),
                    _ => MAX_SCALE,
                };
                let mut builder = PrimitiveBuilder::<Decimal256Type>::with_capacity(self.rows())
                    .with_data_type(self.return_type().clone());
                for row in 0..self.rows() {
                    builder.append_option(value(row)?.map(|number| number.carried_at(scale)).transpose()?);
                }
                Ok(Arc::new(builder.finish()))
            }
        }
    }
}
