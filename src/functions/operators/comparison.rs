//! Comparisons, AND and OR: a literal takes the other side's type, and types that have no common one are refused.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::operand::{Operand, cast_to, cast_unknown, compared_type};
use super::{Operation, Planned, call};
use crate::error::{Error, Result, SqlState};
use crate::functions::enumerations::enum_position;
use crate::functions::row_order::row_key;
use crate::functions::spelled_order::spelled_key;
use crate::types::coercion::{Category, category, is_implicit, is_same, shown};
use crate::types::{Spelled, SqlType, row_fields};

impl Operation {
    pub(super) fn comparison(self) -> Result<Planned> {
        let Operation { op, left, right } = self;
        let (left, right) = (typed_by(left, &right.1), right);
        let right = typed_by(right, &left.1);
        let operation = Operation { op, left, right };
        operation.check_comparable()?;
        operation.compare()
    }

    fn check_comparable(&self) -> Result<()> {
        let (left, right) = (&self.left.1.sql_type, &self.right.1.sql_type);
        if *left == SqlType::Json && *right == SqlType::Json {
            return Err(self.undefined());
        }
        let is_plain = |sql_type: &SqlType| {
            !matches!(
                sql_type,
                SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc | SqlType::Name | SqlType::Char
            ) && !matches!(category(sql_type), Category::Unknown | Category::Other)
        };
        if let (SqlType::Enum(first), SqlType::Enum(second)) = (left, right)
            && first.oid != second.oid
        {
            return Err(self.undefined());
        }
        let is_equality = matches!(self.op, BinaryOperator::Eq | BinaryOperator::NotEq);
        let fits = match (left, right) {
            // Numbers of transactions and commands have no order.
            (SqlType::Spelled(Spelled::Xid | Spelled::Cid), _) | (_, SqlType::Spelled(Spelled::Xid | Spelled::Cid))
                if !is_equality =>
            {
                false
            }
            (SqlType::Spelled(Spelled::Xid), SqlType::Int2 | SqlType::Int4) => true,
            (SqlType::Spelled(first), SqlType::Spelled(second)) => first.compares_with(*second),
            (SqlType::Spelled(spelled), other) | (other, SqlType::Spelled(spelled)) => {
                matches!(spelled, Spelled::Timetz(_)) || *other == SqlType::Unknown
            }
            _ => true,
        };
        if !fits {
            return Err(self.undefined());
        }
        let (first, second) = (category(left), category(right));
        let is_clock = |sql_type: &SqlType| matches!(sql_type, SqlType::Time(_) | SqlType::Spelled(Spelled::Timetz(_)));
        let apart = first != second || (first == Category::Moment && is_clock(left) != is_clock(right));
        match is_plain(left) && is_plain(right) && apart {
            true => Err(self.undefined()),
            false => Ok(()),
        }
    }

    fn compare(self) -> Result<Planned> {
        let (left, right) = (self.left.1.sql_type.clone(), self.right.1.sql_type.clone());
        let is_made =
            |from: &SqlType, to: &SqlType| !is_same(from, to) && !is_implicit(to, from) && is_implicit(from, to);
        let is_equality = matches!(self.op, BinaryOperator::Eq | BinaryOperator::NotEq);
        match (&left, &right) {
            (SqlType::Interval(_), SqlType::Interval(_)) => Ok(Planned::Operands(
                self.op,
                call("interval_length", vec![self.left.0])?,
                call("interval_length", vec![self.right.0])?,
            )),
            (SqlType::Enum(definition), SqlType::Enum(_)) if !is_equality => Ok(Planned::Operands(
                self.op,
                enum_position(self.left.0, definition),
                enum_position(self.right.0, definition),
            )),
            (SqlType::Spelled(Spelled::Xid), SqlType::Int2 | SqlType::Int4) => {
                let text = cast_to(self.right.0, &SqlType::Text);
                let right = (cast_to(text, &left), self.left.1.clone());
                Operation { right, ..self }.compare()
            }
            // A network as an address, a time as one of the session's zone.
            (SqlType::Spelled(_), other) if is_made(other, &left) => {
                let right = (cast_to(self.right.0, &left.without_modifier()), self.left.1.clone());
                Operation { right, ..self }.compare()
            }
            (other, SqlType::Spelled(_)) if is_made(other, &right) => {
                let left = (cast_to(self.left.0, &right.without_modifier()), self.right.1.clone());
                Operation { left, ..self }.compare()
            }
            (SqlType::Spelled(first), SqlType::Spelled(second)) if !first.compares_by_spelling(is_equality) => {
                Ok(Planned::Operands(
                    self.op,
                    spelled_key(self.left.0, *first),
                    spelled_key(self.right.0, *second),
                ))
            }
            (SqlType::Array(first), SqlType::Array(second))
                if let (SqlType::Spelled(first), SqlType::Spelled(second)) = (first.as_ref(), second.as_ref())
                    && !first.compares_by_spelling(is_equality) =>
            {
                let (left, right) = (spelled_key(self.left.0, *first), spelled_key(self.right.0, *second));
                let order = call("btarraycmp", vec![left, right])?;
                Ok(Planned::Operands(self.op, order, lit(0_i32)))
            }
            // Elements that do not compare by their layout.
            (SqlType::Array(_), SqlType::Array(_)) if is_keyed(left.innermost()) && is_keyed(right.innermost()) => Ok(
                Planned::Operands(self.op, row_key(self.left.0, left), row_key(self.right.0, right)),
            ),
            (SqlType::Composite(_) | SqlType::Record, SqlType::Composite(_) | SqlType::Record) => {
                check_rows(&self.left.1, &self.right.1)?;
                Ok(Planned::Operands(
                    self.op,
                    row_key(self.left.0, left),
                    row_key(self.right.0, right),
                ))
            }
            (SqlType::Jsonb, SqlType::Jsonb) => Ok(Planned::Operands(
                self.op,
                call("jsonb_order_key", vec![self.left.0])?,
                call("jsonb_order_key", vec![self.right.0])?,
            )),
            (SqlType::Array(_), SqlType::Array(_)) if !is_equality => {
                let order = call("btarraycmp", vec![self.left.0, self.right.0])?;
                Ok(Planned::Operands(self.op, order, lit(0_i32)))
            }
            // The clock of the session decides which instant a date or timestamp is.
            (SqlType::Timestamptz(_), SqlType::Date | SqlType::Timestamp(_)) => Ok(Planned::Operands(
                self.op,
                self.left.0,
                cast_to(self.right.0, &SqlType::Timestamptz(None)),
            )),
            (SqlType::Date | SqlType::Timestamp(_), SqlType::Timestamptz(_)) => Ok(Planned::Operands(
                self.op,
                cast_to(self.left.0, &SqlType::Timestamptz(None)),
                self.right.0,
            )),
            _ => Ok(self.unchanged()),
        }
    }

    pub(super) fn logic(self) -> Result<Planned> {
        let name = if self.op == BinaryOperator::And { "AND" } else { "OR" };
        let side = |(expression, operand): (Expr, Operand)| match operand.sql_type {
            SqlType::Bool => Ok(expression),
            SqlType::Unknown => Ok(cast_unknown(expression, &SqlType::Bool)),
            other => Err(Error::new(
                SqlState::DatatypeMismatch,
                format!("argument of {name} must be type boolean, not type {}", shown(&other)),
            )),
        };
        Ok(Planned::Operands(self.op, side(self.left)?, side(self.right)?))
    }
}

/// Whether values compare by what `row_key` makes of them.
fn is_keyed(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Interval(_) | SqlType::Jsonb | SqlType::Enum(_))
}

/// 42804 for rows whose fields cannot be compared.
fn check_rows(left: &Operand, right: &Operand) -> Result<()> {
    let mismatch = |message: String| Err(Error::new(SqlState::DatatypeMismatch, message));
    let fields = (
        row_fields(&left.sql_type, &left.layout),
        row_fields(&right.sql_type, &right.layout),
    );
    let (Some(left), Some(right)) = fields else {
        return Err(Error::internal("rows without fields are compared"));
    };
    for (place, (left, right)) in (1..).zip(left.iter().zip(&right)) {
        if !is_same(&left.sql_type, &right.sql_type) {
            let (left, right) = (shown(&left.sql_type), shown(&right.sql_type));
            return mismatch(format!(
                "cannot compare dissimilar column types {left} and {right} at record column {place}"
            ));
        }
    }
    match left.len() == right.len() {
        true => Ok(()),
        false => mismatch("cannot compare record types with different numbers of columns".to_string()),
    }
}

/// An unknown literal beside a value takes the value's type.
fn typed_by((expression, operand): (Expr, Operand), other: &Operand) -> (Expr, Operand) {
    if !operand.is_unknown() || other.is_unknown() {
        return (expression, operand);
    }
    // NULL is of every type, and texts of any length compare as they are.
    let is_null = matches!(&expression, Expr::Literal(value, _) if value.is_null());
    let is_text = category(&other.sql_type) == Category::Text || other.sql_type == SqlType::Char;
    if is_null || (is_text && !matches!(expression, Expr::Placeholder(_))) {
        return (expression, operand);
    }
    if is_text {
        let target = match other.sql_type {
            SqlType::Bpchar(_) => SqlType::Bpchar(None),
            _ => SqlType::Text,
        };
        return (cast_unknown(expression, &target), operand);
    }
    let expression = match &other.layout {
        // OIDs and arrays of them are read by the engine.
        DataType::UInt32 if !matches!(expression, Expr::Placeholder(_)) => {
            datafusion::logical_expr::cast(expression, DataType::UInt32)
        }
        DataType::List(item) if item.data_type() == &DataType::UInt32 => {
            match super::containers::array_literal(&expression, &other.layout) {
                Ok(Some(array)) => array,
                _ => expression,
            }
        }
        _ => cast_unknown(expression, &compared_type(&other.sql_type)),
    };
    (expression, other.clone())
}
