//! A grouping key that is computed of one string column: computed once for each distinct string rather than for each
//! row, as long as strings repeat.

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::{Result as PlanResult, internal_datafusion_err};

use super::lane_program::StockExpression;
use super::strings::{StringNumbers, holds_strings};

/// Rows after which strings should have repeated.
const TRIAL: usize = 1 << 16;

/// The numbers of an expression's results by the number of the string that it is computed of.
#[derive(Debug)]
pub struct ComputedStrings {
    column: usize,
    inputs: StringNumbers,
    results: Vec<i64>,
    rows: usize,
}

impl ComputedStrings {
    /// For an expression that is not a column itself, and reads one.
    pub fn of(expression: &StockExpression) -> Option<ComputedStrings> {
        let columns: Vec<usize> = expression.columns().collect();
        match (expression.column(), columns.as_slice()) {
            (None, [column]) => Some(ComputedStrings {
                column: *column,
                inputs: StringNumbers::new(),
                results: Vec::new(),
                rows: 0,
            }),
            _ => None,
        }
    }

    /// Bytes that the strings hold.
    pub fn size(&self) -> usize {
        self.inputs.size() + self.results.capacity() * size_of::<i64>()
    }

    fn is_worth_it(&self) -> bool {
        self.rows < TRIAL || 2 * self.inputs.count() < self.rows
    }

    /// The numbers among `strings` of the expression's results for the selected rows; false where it does not pay, or the
    /// column holds no strings.
    pub fn number(
        &mut self,
        expression: &StockExpression,
        batch: &RecordBatch,
        selection: Option<&[u32]>,
        strings: &mut StringNumbers,
        numbers: &mut Vec<i64>,
    ) -> PlanResult<bool> {
        let column = batch.column(self.column);
        if !self.is_worth_it() || !holds_strings(column.data_type()) {
            return Ok(false);
        }
        self.inputs.number(column, selection, numbers)?;
        self.rows += numbers.len();
        let known = self.results.len();
        if known < self.inputs.count() {
            let new = known as i64..self.inputs.count() as i64;
            let results = expression.evaluate_on(batch, self.values(new, column)?)?;
            let mut of_new = Vec::new();
            strings.number(&results, None, &mut of_new)?;
            self.results.extend(of_new);
        }
        for number in numbers {
            *number = self.results[*number as usize];
        }
        Ok(true)
    }

    fn values(&self, numbers: std::ops::Range<i64>, like: &ArrayRef) -> PlanResult<ArrayRef> {
        let values = self.inputs.to_array(numbers, like.data_type());
        values.ok_or_else(|| internal_datafusion_err!("numbered strings have a type of their own"))
    }
}
