//! LOOP, WHILE, FOR and FOREACH.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::ScalarValue;

use super::values::{Kind, Typed, Value};
use super::{Flow, Interpreter};
use crate::error::{Error, Result, SqlState};
use crate::statement::plpgsql::{Action, Rows, Sql, Step, Target};
use crate::types::SqlType;

/// What a loop does after one turn.
enum Turn {
    Again,
    Done(Flow),
}

/// What the end of a turn means for the loop of this label.
fn turn(flow: Flow, label: &Option<String>) -> Turn {
    match flow {
        Flow::Next => Turn::Again,
        Flow::Leave { continues, label: to } if to.is_none() || to == *label => match continues {
            true => Turn::Again,
            false => Turn::Done(Flow::Next),
        },
        flow => Turn::Done(flow),
    }
}

impl Interpreter<'_> {
    /// LOOP and WHILE.
    pub(super) async fn endless(
        &mut self,
        label: &Option<String>,
        condition: &Option<Sql>,
        steps: &[Step],
    ) -> Result<Flow> {
        let place = self.place;
        loop {
            self.breathe().await?;
            self.place = place;
            if let Some(condition) = condition
                && !self.is_true(condition).await?
            {
                return Ok(Flow::Next);
            }
            if let Turn::Done(flow) = turn(self.steps(steps).await?, label) {
                return Ok(flow);
            }
        }
    }

    pub(super) async fn for_numbers(&mut self, action: &Action) -> Result<Flow> {
        let Action::ForNumbers {
            label,
            variable,
            reverse,
            from,
            to,
            by,
            steps,
        } = action
        else {
            return Ok(Flow::Next);
        };
        let mut number = self.bound(from, "lower bound").await?;
        let last = self.bound(to, "upper bound").await?;
        let step = match by {
            Some(by) => self.bound(by, "BY value").await?,
            None => 1,
        };
        if step <= 0 {
            let message = "BY value of FOR loop must be greater than zero";
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        let mut found = false;
        let mut flow = Flow::Next;
        while if *reverse { number >= last } else { number <= last } {
            found = true;
            self.breathe().await?;
            self.set_kind(*variable, Kind::Scalar(SqlType::Int4));
            self.set_value(*variable, Value::Scalar(ScalarValue::Int32(Some(number))));
            if let Turn::Done(done) = turn(self.steps(steps).await?, label) {
                flow = done;
                break;
            }
            let next = if *reverse {
                number.checked_sub(step)
            } else {
                number.checked_add(step)
            };
            match next {
                Some(next) => number = next,
                None => break,
            }
        }
        self.set_found(found)?;
        Ok(flow)
    }

    async fn bound(&mut self, sql: &Sql, what: &str) -> Result<i32> {
        let value = self.evaluate(sql).await?;
        match self.cast(value, &SqlType::Int4)? {
            ScalarValue::Int32(Some(number)) => Ok(number),
            _ => {
                let message = format!("{what} of FOR loop cannot be null");
                Err(Error::new(SqlState::NullValueNotAllowed, message))
            }
        }
    }

    pub(super) async fn for_rows(
        &mut self,
        label: &Option<String>,
        targets: &[Target],
        rows: &Rows,
        steps: &[Step],
    ) -> Result<Flow> {
        let mut rows = self.rows(rows).await?;
        let mut found = false;
        let mut flow = Flow::Next;
        while let Some(row) = rows.next().await? {
            found = true;
            self.breathe().await?;
            self.assign_row(targets, Some((&rows.columns, row)))?;
            if let Turn::Done(done) = turn(self.steps(steps).await?, label) {
                flow = done;
                break;
            }
        }
        if !found {
            self.assign_row(targets, None)?;
        }
        self.finish(rows).await?;
        self.set_found(found)?;
        Ok(flow)
    }

    pub(super) async fn for_elements(
        &mut self,
        label: &Option<String>,
        target: &Target,
        array: &Sql,
        steps: &[Step],
    ) -> Result<Flow> {
        let value = self.evaluate(array).await?;
        if value.value.is_null() {
            return Err(Error::new(
                SqlState::NullValueNotAllowed,
                "FOREACH expression must not be null",
            ));
        }
        let SqlType::Array(mut element) = value.sql_type else {
            let message = format!("FOREACH expression must yield an array, not type {}", value.sql_type);
            return Err(Error::new(SqlState::DatatypeMismatch, message));
        };
        while let SqlType::Array(inner) = *element {
            element = inner;
        }
        let elements = elements(&value.value.to_array()?);
        let mut found = false;
        for elements in elements {
            for index in 0..elements.len() {
                found = true;
                self.breathe().await?;
                let value = Typed {
                    sql_type: element.as_ref().clone(),
                    value: ScalarValue::try_from_array(&elements, index)?,
                };
                self.assign(target, value)?;
                if let Turn::Done(done) = turn(self.steps(steps).await?, label) {
                    self.set_found(found)?;
                    return Ok(done);
                }
            }
        }
        self.set_found(found)?;
        Ok(Flow::Next)
    }
}

/// The elements of an array of arrays of any depth.
fn elements(array: &ArrayRef) -> Vec<ArrayRef> {
    match array.as_list_opt::<i32>() {
        Some(list) => list.iter().flatten().flat_map(|inner| elements(&inner)).collect(),
        None => vec![std::sync::Arc::clone(array)],
    }
}
