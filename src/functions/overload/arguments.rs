//! What a kernel sees: columns and constants of the types that its signature names, and builders of the
//! result. A constant is read at every row without being repeated.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, BooleanBuilder, PrimitiveArray, PrimitiveBuilder,
    StringViewArray, StringViewBuilder,
};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use tokio_util::sync::CancellationToken;

use super::super::environment::FunctionEnvironment;
use crate::context::random::RandomNumbers;
use crate::error::{Error, Result};
use crate::types::{FormatSettings, SqlType, TimeZone};

/// One argument: a column, or one value for all rows.
pub(crate) struct Value {
    pub array: ArrayRef,
    pub is_constant: bool,
}

/// Memory that a function takes of that of all queries.
pub(crate) struct Room {
    held: Option<MemoryReservation>,
    cancel: Option<CancellationToken>,
    bytes: usize,
}

impl Room {
    /// How much is asked for at once.
    const STEP: usize = 1 << 22;

    /// Makes sure that there is room for so many bytes; 53200 without, 57014 for a statement that is to stop.
    pub fn fit(&mut self, bytes: usize) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        if self.cancel.as_ref().is_some_and(CancellationToken::is_cancelled) {
            return Err(crate::context::canceled());
        }
        let wanted = bytes.saturating_add(Self::STEP);
        if let Some(held) = &self.held {
            held.try_grow(wanted - self.bytes)?;
        }
        self.bytes = wanted;
        Ok(())
    }
}

/// The arguments of one call over one batch.
pub(crate) struct Arguments<'a> {
    pub name: &'static str,
    pub(super) values: Vec<Value>,
    /// The types as the signature wants them.
    pub(super) types: Vec<SqlType>,
    pub(super) rows: usize,
    pub(super) return_field: &'a FieldRef,
    pub(super) environment: Option<&'a dyn FunctionEnvironment>,
}

/// A column or constant of one primitive type.
pub(crate) struct Numbers<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    is_constant: bool,
}

impl<T: ArrowPrimitiveType> Numbers<'_, T> {
    pub fn get(&self, row: usize) -> Option<T::Native> {
        let row = if self.is_constant { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// A column or constant of text.
pub(crate) struct Texts<'a> {
    array: &'a StringViewArray,
    is_constant: bool,
}

impl Texts<'_> {
    pub fn get(&self, row: usize) -> Option<&str> {
        let row = if self.is_constant { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl Arguments<'_> {
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn sql_type(&self, index: usize) -> &SqlType {
        &self.types[index]
    }

    pub fn return_type(&self) -> &DataType {
        self.return_field.data_type()
    }

    /// The argument's array, and the row of it that answers for a row of the batch.
    pub fn array(&self, index: usize) -> &ArrayRef {
        &self.values[index].array
    }

    pub fn row_of(&self, index: usize, row: usize) -> usize {
        if self.values[index].is_constant { 0 } else { row }
    }

    pub fn is_constant(&self, index: usize) -> bool {
        self.values[index].is_constant
    }

    pub fn texts(&self, index: usize) -> Result<Texts<'_>> {
        let value = &self.values[index];
        let array = value.array.as_string_view_opt();
        Ok(Texts {
            array: array.ok_or_else(|| self.mismatch(index))?,
            is_constant: value.is_constant,
        })
    }

    pub fn numbers<T: ArrowPrimitiveType>(&self, index: usize) -> Result<Numbers<'_, T>> {
        let value = &self.values[index];
        let array = value.array.as_primitive_opt::<T>();
        Ok(Numbers {
            array: array.ok_or_else(|| self.mismatch(index))?,
            is_constant: value.is_constant,
        })
    }

    pub fn int4(&self, index: usize) -> Result<Numbers<'_, Int32Type>> {
        self.numbers(index)
    }

    pub fn int8(&self, index: usize) -> Result<Numbers<'_, Int64Type>> {
        self.numbers(index)
    }

    pub fn float8(&self, index: usize) -> Result<Numbers<'_, Float64Type>> {
        self.numbers(index)
    }

    pub fn intervals(&self, index: usize) -> Result<Numbers<'_, IntervalMonthDayNanoType>> {
        self.numbers(index)
    }

    /// The session's settings for reading and writing values; the defaults outside a session.
    pub fn settings(&self) -> FormatSettings {
        let Some(environment) = self.environment else {
            return FormatSettings::default();
        };
        FormatSettings {
            time_zone: self.zone(),
            date_style: environment
                .setting("datestyle")
                .and_then(|text| crate::types::format::DateStyle::parse(&text, Default::default()))
                .unwrap_or_default(),
            ..FormatSettings::default()
        }
    }

    /// The session's TimeZone; UTC outside a session.
    pub fn zone(&self) -> TimeZone {
        let setting = self.environment.and_then(|environment| environment.setting("timezone"));
        setting.and_then(|name| TimeZone::parse(&name)).unwrap_or(TimeZone::UTC)
    }

    /// The session's random numbers, or others outside a session.
    pub fn random<T>(&self, draw: impl FnOnce(&mut RandomNumbers) -> T) -> T {
        match self.environment {
            Some(environment) => draw(&mut environment.context().session.random.lock()),
            None => draw(&mut RandomNumbers::default()),
        }
    }

    /// Room for a value much larger than what it is computed from. It is free again with what is returned here.
    pub fn room(&self) -> Room {
        let pool = self.environment.and_then(|environment| environment.memory());
        Room {
            held: pool.map(|pool| MemoryConsumer::new(self.name).register(&pool)),
            cancel: self.environment.map(|environment| environment.context().cancel.clone()),
            bytes: 0,
        }
    }

    /// A column of text: `write` appends a row's text and answers whether it is not NULL.
    pub fn build_text(&self, mut write: impl FnMut(usize, &mut String) -> Result<bool>) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        let mut scratch = String::new();
        for row in 0..self.rows {
            scratch.clear();
            match write(row, &mut scratch)? {
                true => builder.append_value(&scratch),
                false => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A column of numbers, dates or times.
    pub fn build<T: ArrowPrimitiveType>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows).with_data_type(self.return_type().clone());
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }

    pub fn build_bool(&self, mut value: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        let mut builder = BooleanBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        let array: BooleanArray = builder.finish();
        Ok(Arc::new(array))
    }

    fn mismatch(&self, index: usize) -> Error {
        let found = self.values[index].array.data_type();
        Error::internal(format!("{}() got {found} as its argument {}", self.name, index + 1))
    }
}
