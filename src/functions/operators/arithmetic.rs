//! `+ - * / % ^` and shifts. Numbers of two kinds meet as PostgreSQL's operators have them; numerics are divided,
//! and multiplied where the digits would not fit, by functions of our own.

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::operand::{cast_to, cast_unknown};
use super::{Operation, Planned, call};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::coercion::{Category, category};
use crate::types::numeric::WideDigits;

/// Digits behind the point up to which the engine multiplies by itself, though it may have too few for those before it.
const NATIVE_SCALE: i8 = 16;

impl Operation {
    pub(super) fn arithmetic(mut self) -> Result<Planned> {
        if self.left.1.is_unknown() && self.right.1.is_unknown() {
            // A parameter's type comes later.
            let is_open = |expression: &Expr| matches!(expression, Expr::Placeholder(_));
            return match is_open(&self.left.0) || is_open(&self.right.0) {
                true => Ok(self.unchanged()),
                false => Err(self.ambiguous()),
            };
        }
        self.type_unknown()?;
        let (left, right) = (self.left.1.sql_type.clone(), self.right.1.sql_type.clone());
        match (category(&left), category(&right)) {
            (Category::Number, Category::Number) => self.numbers(&left, &right),
            (Category::Moment | Category::Span, _) | (_, Category::Moment | Category::Span) => self.temporal(),
            _ if left == SqlType::Jsonb && self.op == BinaryOperator::Minus => self.into_call("jsonb_delete"),
            (Category::Unknown, _) | (_, Category::Unknown) => Ok(self.unchanged()),
            _ => Err(self.undefined()),
        }
    }

    /// The type that the other side gives to an unknown literal.
    fn type_unknown(&mut self) -> Result<()> {
        let (unknown, known, is_left) = match (self.left.1.is_unknown(), self.right.1.is_unknown()) {
            (true, false) => (&self.left.0, self.right.1.sql_type.clone(), true),
            (false, true) => (&self.right.0, self.left.1.sql_type.clone(), false),
            _ => return Ok(()),
        };
        let is_null = matches!(unknown, Expr::Literal(value, _) if value.is_null());
        let target = match (category(&known), &self.op, &known) {
            (Category::Number, _, SqlType::Numeric(_)) => SqlType::Numeric(None),
            (Category::Number, BinaryOperator::PGExp, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) => SqlType::Float8,
            (Category::Number, _, _) => known,
            (Category::Moment, BinaryOperator::Minus, _) => known.without_modifier(),
            (Category::Moment, BinaryOperator::Plus, SqlType::Date) if !is_null => return Err(self.ambiguous()),
            (Category::Moment, BinaryOperator::Plus, _) => SqlType::Interval(None),
            (Category::Span, BinaryOperator::Plus | BinaryOperator::Minus, _) => SqlType::Interval(None),
            (Category::Span, BinaryOperator::Multiply | BinaryOperator::Divide, _) => SqlType::Float8,
            (_, BinaryOperator::Minus, SqlType::Jsonb) => SqlType::Text,
            _ => return Err(self.undefined()),
        };
        let side = if is_left { &mut self.left } else { &mut self.right };
        let literal = std::mem::replace(&mut side.0, Expr::Literal(datafusion::common::ScalarValue::Null, None));
        side.0 = cast_unknown(literal, &target);
        side.1.layout = target.to_arrow();
        side.1.sql_type = target;
        Ok(())
    }

    fn numbers(self, left: &SqlType, right: &SqlType) -> Result<Planned> {
        use BinaryOperator as B;
        let is_float = |sql_type: &SqlType| matches!(sql_type, SqlType::Float4 | SqlType::Float8);
        let is_numeric = |sql_type: &SqlType| matches!(sql_type, SqlType::Numeric(_));
        let has_float = is_float(left) || is_float(right);
        let has_numeric = is_numeric(left) || is_numeric(right);
        if self.op == B::PGExp {
            let (left, right) = match has_numeric && !has_float {
                true => (self.left.0, self.right.0),
                false => (
                    cast_to(self.left.0, &SqlType::Float8),
                    cast_to(self.right.0, &SqlType::Float8),
                ),
            };
            return call("power", vec![left, right]).map(Planned::Expression);
        }
        if has_float && self.op == B::Modulo {
            return Err(self.undefined());
        }
        if has_float && std::mem::discriminant(left) != std::mem::discriminant(right) {
            let lifted = |(expression, operand): (Expr, super::Operand)| match operand.sql_type {
                SqlType::Float8 => expression,
                _ => cast_to(expression, &SqlType::Float8),
            };
            return Ok(Planned::Operands(self.op, lifted(self.left), lifted(self.right)));
        }
        if !has_numeric || has_float {
            return Ok(self.unchanged());
        }
        let is_computed = |layout: &DataType| {
            matches!(layout, DataType::Decimal256(precision, scale)
                if !matches!(WideDigits::of(*precision, *scale), WideDigits::Fixed(_)))
        };
        let has_computed = is_computed(&self.left.1.layout) || is_computed(&self.right.1.layout);
        // Of an integer, as many as it has.
        let digits = |layout: &DataType| match layout {
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => (*precision, *scale),
            _ => (20, 0),
        };
        let (left, right) = (digits(&self.left.1.layout), digits(&self.right.1.layout));
        let is_native = left.0 + right.0 < DECIMAL128_MAX_PRECISION || left.1 + right.1 <= NATIVE_SCALE;
        match self.op {
            B::Divide => self.into_call("numeric_div"),
            B::Multiply if has_computed || !is_native => self.into_call("numeric_mul"),
            B::Modulo if has_computed => self.into_call("numeric_mod"),
            _ => Ok(self.unchanged()),
        }
    }

    /// The distance of a shift is an integer; the engine wants both sides alike.
    pub(super) fn shift(mut self) -> Result<Planned> {
        let wanted = self.left.1.sql_type.clone();
        if self.right.1.is_unknown() && category(&wanted) == Category::Number {
            self.right.0 = cast_unknown(self.right.0, &SqlType::Int4);
            self.right.1.sql_type = SqlType::Int4;
        }
        match (category(&wanted), category(&self.right.1.sql_type)) {
            (Category::Number, Category::Number) => {
                Ok(Planned::Operands(self.op, self.left.0, cast_to(self.right.0, &wanted)))
            }
            _ => Ok(self.unchanged()),
        }
    }
}
