//! Frames of windows that end before they begin, as `ROWS BETWEEN 2 FOLLOWING AND 1 FOLLOWING` does, hold no rows. The
//! planner refuses them, so their bounds change places and nothing in between counts. What PostgreSQL refuses is refused.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, Value, VisitMut, WindowFrame, WindowFrameBound, WindowType,
};

use super::number_literals::frame_interval;
use super::syntax::{replace_expressions, system_name, take};
use crate::error::{Error, Result, SqlState};

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    replace_expressions(tree, |expression| {
        let Expr::Function(function) = &mut *expression else {
            return Ok(());
        };
        let Some(WindowType::WindowSpec(window)) = &mut function.over else {
            return Ok(());
        };
        let Some(frame) = &mut window.window_frame else {
            return Ok(());
        };
        check(frame)?;
        if !is_empty(frame) {
            return Ok(());
        }
        if let Some(end) = &mut frame.end_bound {
            std::mem::swap(&mut frame.start_bound, end);
        }
        match system_name(&function.name).as_deref() {
            // They look at the partition.
            Some("row_number" | "rank" | "dense_rank" | "percent_rank" | "cume_dist" | "ntile" | "lag" | "lead") => {}
            Some("first_value" | "last_value" | "nth_value") => *expression = never(take(expression)),
            _ => count_nothing(function),
        }
        Ok(())
    })
}

/// Bounds that no frame has.
fn check(frame: &WindowFrame) -> Result<()> {
    use WindowFrameBound::{CurrentRow, Following, Preceding};
    let message = match (&frame.start_bound, &frame.end_bound) {
        (Following(None), _) => "frame start cannot be UNBOUNDED FOLLOWING",
        (_, Some(Preceding(None))) => "frame end cannot be UNBOUNDED PRECEDING",
        (Following(Some(_)), None) => "frame starting from following row cannot end with current row",
        (CurrentRow, Some(Preceding(_))) => "frame starting from current row cannot have preceding rows",
        (Following(_), Some(Preceding(_) | CurrentRow)) => {
            "frame starting from following row cannot have preceding rows"
        }
        _ => return Ok(()),
    };
    Err(Error::new(SqlState::WindowingError, message))
}

fn is_empty(frame: &WindowFrame) -> bool {
    use WindowFrameBound::{Following, Preceding};
    match (&frame.start_bound, &frame.end_bound) {
        (Following(Some(start)), Some(Following(Some(end)))) => is_farther(start, end),
        (Preceding(Some(start)), Some(Preceding(Some(end)))) => is_farther(end, start),
        _ => false,
    }
}

/// Whether an offset that is written out is larger than another one, whatever it is added to.
fn is_farther(offset: &Expr, other: &Expr) -> bool {
    if let (Some(offset), Some(other)) = (number(offset), number(other)) {
        return offset > other;
    }
    let (Some(offset), Some(other)) = (frame_interval(offset), frame_interval(other)) else {
        return false;
    };
    let parts = |interval: IntervalMonthDayNano| {
        [
            i64::from(interval.months),
            i64::from(interval.days),
            interval.nanoseconds,
        ]
    };
    // A month is now longer than thirty days and now shorter.
    let mut pairs = parts(offset).into_iter().zip(parts(other));
    offset != other && pairs.all(|(part, other)| part >= other)
}

fn number(offset: &Expr) -> Option<f64> {
    match offset {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => number(inner),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// NULL of the expression's type.
fn never(expression: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: Expr::value(Value::Boolean(false)),
            result: expression,
        }],
        else_result: None,
    }
}

fn count_nothing(function: &mut Function) {
    let nothing = Expr::value(Value::Boolean(false));
    let filter = match function.filter.take() {
        Some(filter) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(filter)),
            op: BinaryOperator::And,
            right: Box::new(nothing),
        },
        None => nothing,
    };
    function.filter = Some(Box::new(filter));
}
