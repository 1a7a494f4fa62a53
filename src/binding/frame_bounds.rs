//! Parameters as bounds of window frames. The planner reads a bound as a literal and not as an expression, so a query that
//! has parameters there is planned for each of their values; described it has zeros in their place.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, NamedWindowExpr, Query, SetExpr, Value, VisitMut, VisitorMut, WindowFrame,
    WindowFrameBound, WindowSpec, WindowType,
};

use super::parameters::{declare, number_of};
use super::rewrite::negative_offset;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

/// A query whose frames hold values instead of parameters.
#[derive(Debug)]
pub struct FramedQuery {
    pub query: Query,
    /// What the client declared, and what the frames' places say of the other parameters in them.
    pub declared: Vec<Option<SqlType>>,
    /// The bounds that were put in; a plan of the query is a plan for these.
    pub bounds: String,
}

/// The query with the parameters' values in the places of its frames' bounds, or with zeros where they are not known;
/// `None` where no frame has a parameter.
pub fn with_frame_bounds(
    query: &Query,
    declared: &[Option<SqlType>],
    values: Option<&[ScalarValue]>,
) -> Result<Option<FramedQuery>> {
    let mut query = query.clone();
    let mut bounds = Bounds {
        declared: declared.to_vec(),
        values,
        shown: String::new(),
    };
    if let ControlFlow::Break(error) = VisitMut::visit(&mut query, &mut bounds) {
        return Err(error);
    }
    Ok((!bounds.shown.is_empty()).then_some(FramedQuery {
        query,
        declared: bounds.declared,
        bounds: bounds.shown,
    }))
}

struct Bounds<'a> {
    declared: Vec<Option<SqlType>>,
    values: Option<&'a [ScalarValue]>,
    shown: String,
}

impl VisitorMut for Bounds<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        match expression {
            Expr::Function(function) => match &mut function.over {
                Some(WindowType::WindowSpec(window)) => self.window(window),
                _ => ControlFlow::Continue(()),
            },
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.named_windows(&mut query.body)
    }
}

impl Bounds<'_> {
    fn named_windows(&mut self, body: &mut SetExpr) -> ControlFlow<Error> {
        match body {
            SetExpr::Select(select) => {
                for definition in &mut select.named_window {
                    if let NamedWindowExpr::WindowSpec(window) = &mut definition.1 {
                        self.window(window)?;
                    }
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.named_windows(left)?;
                self.named_windows(right)?;
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn window(&mut self, window: &mut WindowSpec) -> ControlFlow<Error> {
        match window.window_frame.as_mut().map_or(Ok(()), |frame| self.frame(frame)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn frame(&mut self, frame: &mut WindowFrame) -> Result<()> {
        for (bound, side) in [
            (Some(&mut frame.start_bound), "starting"),
            (frame.end_bound.as_mut(), "ending"),
        ] {
            if let Some(WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) = bound
                && let Some((number, sql_type)) = parameter(offset)
            {
                declare(&mut self.declared, number, &sql_type);
                **offset = self.offset(number, side)?;
                self.shown += &format!(" {offset}");
            }
        }
        Ok(())
    }

    /// What stands for `$number`.
    fn offset(&self, number: usize, side: &str) -> Result<Expr> {
        let is_interval = matches!(self.declared.get(number - 1), Some(Some(SqlType::Interval(_))));
        let text = match self.values {
            None => "0".to_string(),
            Some(values) => match values.get(number - 1) {
                Some(ScalarValue::IntervalMonthDayNano(Some(interval))) => format!(
                    "{} months {} days {} microseconds",
                    interval.months,
                    interval.days,
                    interval.nanoseconds / 1000
                ),
                Some(value) if !value.is_null() => match value.cast_to(&ArrowType::Utf8)? {
                    ScalarValue::Utf8(Some(digits)) => digits,
                    _ => return Err(Error::unsupported("a window frame's bound of this type")),
                },
                _ => {
                    let message = format!("frame {side} offset must not be null");
                    return Err(Error::new(SqlState::NullValueNotAllowed, message));
                }
            },
        };
        if !is_interval && text.starts_with('-') {
            return Err(negative_offset(side));
        }
        Ok(match is_interval {
            false => Expr::value(Value::Number(text, false)),
            true => Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(Expr::value(Value::SingleQuotedString(text))),
                data_type: DataType::Interval {
                    fields: None,
                    precision: None,
                },
                array: false,
                format: None,
            },
        })
    }
}

/// The parameter that is a bound, and its type where the client declares none: the cast's, or a count of rows.
fn parameter(offset: &Expr) -> Option<(usize, SqlType)> {
    match offset {
        Expr::Nested(inner) => parameter(inner),
        Expr::Cast { expr, data_type, .. } => {
            let (number, counted) = parameter(expr)?;
            let sql_type = match data_type {
                DataType::Interval { .. } => SqlType::Interval(None),
                DataType::SmallInt(_) | DataType::Int2(_) => SqlType::Int2,
                DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => SqlType::Int4,
                DataType::Numeric(_) | DataType::Decimal(_) => SqlType::Numeric(None),
                DataType::DoublePrecision | DataType::Float8 => SqlType::Float8,
                _ => counted,
            };
            Some((number, sql_type))
        }
        value => Some((number_of(value)?, SqlType::Int8)),
    }
}
