//! Dates, times and intervals with `+ - * /`: what PostgreSQL's operators of these types answer.

use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::operand::cast_to;
use super::{Operation, Planned, call};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::coercion::{Category, category};

impl Operation {
    pub(super) fn temporal(mut self) -> Result<Planned> {
        use BinaryOperator::{Divide, Minus, Multiply, Plus};
        use SqlType::{Date, Int2, Int4, Interval, Time, Timestamp, Timestamptz};
        self.read_times_as_spans();
        let (left, right) = (self.left.1.sql_type.clone(), self.right.1.sql_type.clone());
        let planned = |function: &str, arguments: Vec<Expr>| call(function, arguments).map(Planned::Expression);
        let is_number = |sql_type: &SqlType| category(sql_type) == Category::Number;
        match (&left, &self.op, &right) {
            (Interval(_), Multiply, number) if is_number(number) => self.into_call("interval_mul"),
            (number, Multiply, Interval(_)) if is_number(number) => self.swapped_call("interval_mul"),
            (Interval(_), Divide, number) if is_number(number) => self.into_call("interval_div"),
            (Interval(_), Plus, Interval(_)) => self.into_call("interval_pl"),
            (Interval(_), Minus, Interval(_)) => self.into_call("interval_mi"),
            (Date, Minus, Date) => self.into_call("date_mi"),
            (Date, Plus, Int2 | Int4) => self.into_call("date_pli"),
            (Int2 | Int4, Plus, Date) => self.swapped_call("date_pli"),
            (Date, Minus, Int2 | Int4) => self.into_call("date_mii"),
            (Date, Plus, Time(_)) => {
                let date = cast_to(self.left.0, &Timestamp(None));
                let time = cast_to(self.right.0, &Interval(None));
                Ok(Planned::Operands(self.op, date, time))
            }
            (Time(_), Plus, Date) => {
                let date = cast_to(self.right.0, &Timestamp(None));
                let time = cast_to(self.left.0, &Interval(None));
                Ok(Planned::Operands(self.op, date, time))
            }
            (Date, Plus | Minus, Interval(_)) => {
                let date = cast_to(self.left.0, &Timestamp(None));
                Ok(Planned::Operands(self.op, date, self.right.0))
            }
            (Interval(_), Plus, Date) => {
                let date = cast_to(self.right.0, &Timestamp(None));
                Ok(Planned::Operands(self.op, date, self.left.0))
            }
            (Timestamp(_), Plus | Minus, Interval(_)) => Ok(self.unchanged()),
            (Interval(_), Plus, Timestamp(_)) => Ok(Planned::Operands(self.op, self.right.0, self.left.0)),
            (Timestamptz(_), Plus, Interval(_)) => self.into_call("timestamptz_pl_interval"),
            (Interval(_), Plus, Timestamptz(_)) => self.swapped_call("timestamptz_pl_interval"),
            (Timestamptz(_), Minus, Interval(_)) => self.into_call("timestamptz_mi_interval"),
            (Timestamptz(_), Minus, Timestamp(_) | Date) | (Timestamp(_) | Date, Minus, Timestamptz(_)) => {
                let instant = |expression: Expr, sql_type: &SqlType| match sql_type {
                    Timestamptz(_) => expression,
                    _ => cast_to(expression, &Timestamptz(None)),
                };
                planned(
                    "timestamp_mi",
                    vec![instant(self.left.0, &left), instant(self.right.0, &right)],
                )
            }
            (Timestamp(_) | Timestamptz(_) | Date, Minus, Timestamp(_) | Timestamptz(_) | Date) => {
                let moment = |expression: Expr, sql_type: &SqlType| match sql_type {
                    Date => cast_to(expression, &Timestamp(None)),
                    _ => expression,
                };
                planned(
                    "timestamp_mi",
                    vec![moment(self.left.0, &left), moment(self.right.0, &right)],
                )
            }
            (Time(_), Plus, Interval(_)) => self.into_call("time_pl_interval"),
            (Interval(_), Plus, Time(_)) => self.swapped_call("time_pl_interval"),
            (Time(_), Minus, Interval(_)) => self.into_call("time_mi_interval"),
            (Time(_), Minus, Time(_)) => self.into_call("time_mi_time"),
            // Either could be a span.
            (Time(_), Plus, Time(_)) => Err(self.ambiguous()),
            (SqlType::Spelled(_), Plus, Interval(_)) => self.into_call("timetz_pl_interval"),
            (Interval(_), Plus, SqlType::Spelled(_)) => self.swapped_call("timetz_pl_interval"),
            (SqlType::Spelled(_), Minus, Interval(_)) => self.into_call("timetz_mi_interval"),
            (Date, Plus, SqlType::Spelled(_)) => self.into_call("datetimetz_pl"),
            (SqlType::Spelled(_), Plus, Date) => self.swapped_call("datetimetz_pl"),
            (SqlType::Unknown, _, _) | (_, _, SqlType::Unknown) => Ok(self.unchanged()),
            _ => Err(self.undefined()),
        }
    }

    /// A time of day is the span since midnight where the other side goes with spans only.
    fn read_times_as_spans(&mut self) {
        use BinaryOperator::{Divide, Minus, Multiply, Plus};
        use SqlType::{Date, Interval, Time, Timestamp, Timestamptz};
        let is_number = |sql_type: &SqlType| category(sql_type) == Category::Number;
        let side = match (&self.left.1.sql_type, &self.op, &self.right.1.sql_type) {
            (Time(_), Plus, Timestamp(_) | Timestamptz(_)) => &mut self.left,
            (Time(_), Multiply | Divide, number) if is_number(number) => &mut self.left,
            (number, Multiply, Time(_)) if is_number(number) => &mut self.right,
            (Timestamp(_) | Timestamptz(_), Plus | Minus, Time(_)) | (Date | Interval(_), Minus, Time(_)) => {
                &mut self.right
            }
            _ => return,
        };
        side.0 = cast_to(side.0.clone(), &Interval(None));
        side.1.layout = Interval(None).to_arrow();
        side.1.sql_type = Interval(None);
    }
}
