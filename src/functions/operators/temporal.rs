//! Dates, times and intervals with `+ - * /`: what PostgreSQL's operators of these types answer.

use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::operand::cast_to;
use super::{Operation, Planned, call};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::coercion::{Category, category};

impl Operation {
    pub(super) fn temporal(self) -> Result<Planned> {
        use BinaryOperator::{Divide, Minus, Multiply, Plus};
        use SqlType::{Date, Int2, Int4, Interval, Time, Timestamp, Timestamptz};
        let (left, right) = (self.left.1.sql_type.clone(), self.right.1.sql_type.clone());
        let planned = |function: &str, arguments: Vec<Expr>| call(function, arguments).map(Planned::Expression);
        let is_number = |sql_type: &SqlType| category(sql_type) == Category::Number;
        match (&left, &self.op, &right) {
            (Interval, Multiply, number) if is_number(number) => self.into_call("interval_mul"),
            (number, Multiply, Interval) if is_number(number) => self.swapped_call("interval_mul"),
            (Interval, Divide, number) if is_number(number) => self.into_call("interval_div"),
            (Interval, Plus | Minus, Interval) => Ok(self.unchanged()),
            (Date, Minus, Date) => self.into_call("date_mi"),
            (Date, Plus, Int2 | Int4) => self.into_call("date_pli"),
            (Int2 | Int4, Plus, Date) => self.swapped_call("date_pli"),
            (Date, Minus, Int2 | Int4) => self.into_call("date_mii"),
            (Date, Plus, Time) => {
                let date = cast_to(self.left.0, &Timestamp);
                let time = cast_to(self.right.0, &Interval);
                Ok(Planned::Operands(self.op, date, time))
            }
            (Time, Plus, Date) => {
                let date = cast_to(self.right.0, &Timestamp);
                let time = cast_to(self.left.0, &Interval);
                Ok(Planned::Operands(self.op, date, time))
            }
            (Date, Plus | Minus, Interval) => {
                let date = cast_to(self.left.0, &Timestamp);
                Ok(Planned::Operands(self.op, date, self.right.0))
            }
            (Interval, Plus, Date) => {
                let date = cast_to(self.right.0, &Timestamp);
                Ok(Planned::Operands(self.op, date, self.left.0))
            }
            (Timestamp, Plus | Minus, Interval) => Ok(self.unchanged()),
            (Interval, Plus, Timestamp) => Ok(Planned::Operands(self.op, self.right.0, self.left.0)),
            (Timestamptz, Plus, Interval) => self.into_call("timestamptz_pl_interval"),
            (Interval, Plus, Timestamptz) => self.swapped_call("timestamptz_pl_interval"),
            (Timestamptz, Minus, Interval) => self.into_call("timestamptz_mi_interval"),
            (Timestamptz, Minus, Timestamp | Date) | (Timestamp | Date, Minus, Timestamptz) => {
                let instant = |expression: Expr, sql_type: &SqlType| match sql_type {
                    Timestamptz => expression,
                    _ => cast_to(expression, &Timestamptz),
                };
                planned(
                    "timestamp_mi",
                    vec![instant(self.left.0, &left), instant(self.right.0, &right)],
                )
            }
            (Timestamp | Timestamptz | Date, Minus, Timestamp | Timestamptz | Date) => {
                let moment = |expression: Expr, sql_type: &SqlType| match sql_type {
                    Date => cast_to(expression, &Timestamp),
                    _ => expression,
                };
                planned(
                    "timestamp_mi",
                    vec![moment(self.left.0, &left), moment(self.right.0, &right)],
                )
            }
            (Time, Plus, Interval) => self.into_call("time_pl_interval"),
            (Interval, Plus, Time) => self.swapped_call("time_pl_interval"),
            (Time, Minus, Interval) => self.into_call("time_mi_interval"),
            (Time, Minus, Time) => self.into_call("time_mi_time"),
            (SqlType::Spelled(_), Plus, Interval) => self.into_call("timetz_pl_interval"),
            (Interval, Plus, SqlType::Spelled(_)) => self.swapped_call("timetz_pl_interval"),
            (SqlType::Spelled(_), Minus, Interval) => self.into_call("timetz_mi_interval"),
            (Date, Plus, SqlType::Spelled(_)) => self.into_call("datetimetz_pl"),
            (SqlType::Spelled(_), Plus, Date) => self.swapped_call("datetimetz_pl"),
            (SqlType::Unknown, _, _) | (_, _, SqlType::Unknown) => Ok(self.unchanged()),
            _ => Err(self.undefined()),
        }
    }
}
