//! Operators of json, arrays and concatenation: which function each calls.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::super::datum::{Datum, to_array};
use super::operand::{Operand, cast_to, cast_unknown, compared_type, is_unknown_literal};
use super::{Operation, Planned, call};
use crate::error::Result;
use crate::types::SqlType;
use crate::types::coercion::{Category, category};

/// `x = ANY ($1)`: the parameter is an array of what it is compared with; `$1 = ANY (array)`: one of its elements.
pub fn type_quantified(call: &mut ScalarFunction, schema: &DFSchema) {
    let [_, value, array] = call.args.as_mut_slice() else {
        return;
    };
    if !matches!(call.func.name(), "array_any" | "array_all") {
        return;
    }
    let (Some(left), Some(right)) = (Operand::of(value, schema), Operand::of(array, schema)) else {
        return;
    };
    let is_open = |expression: &Expr| is_unknown_literal(expression) && matches!(expression, Expr::Placeholder(_));
    match (left.sql_type, right.sql_type) {
        (known, SqlType::Unknown) if known != SqlType::Unknown && is_open(array) => {
            *array = cast_unknown(array.clone(), &SqlType::Array(Box::new(compared_type(&known))));
        }
        (SqlType::Unknown, SqlType::Array(element)) if is_open(value) => {
            *value = cast_unknown(value.clone(), &compared_type(&element));
        }
        (SqlType::Unknown, SqlType::Unknown) if is_open(array) => {
            *array = cast_unknown(array.clone(), &SqlType::Array(Box::new(SqlType::Text)));
        }
        _ => {}
    }
}

impl Operation {
    pub(super) fn containment(mut self) -> Result<Planned> {
        use BinaryOperator as B;
        let left_type = self.left.1.sql_type.clone();
        let right_type = self.right.1.sql_type.clone();
        let texts = || SqlType::Array(Box::new(SqlType::Text));
        // A literal beside json is json, beside an array an array.
        if let (Category::Array, Category::Unknown) | (Category::Unknown, Category::Array) =
            (category(&left_type), category(&right_type))
            && matches!(self.op, B::PGOverlap | B::AtArrow | B::ArrowAt)
        {
            let known = if left_type == SqlType::Unknown {
                right_type
            } else {
                left_type
            };
            let (unknown, op) = match self.left.1.is_unknown() {
                true => (&mut self.left, self.op.clone()),
                false => (&mut self.right, self.op.clone()),
            };
            let literal = std::mem::replace(&mut unknown.0, Expr::Literal(ScalarValue::Null, None));
            unknown.0 = cast_unknown(literal, &known);
            unknown.1.sql_type = known;
            return self.array_operator(&op);
        }
        if let (Category::Array, Category::Array) = (category(&left_type), category(&right_type)) {
            let op = self.op.clone();
            return self.array_operator(&op);
        }
        let is_json = matches!(left_type, SqlType::Json | SqlType::Jsonb)
            || (self.left.1.is_unknown() && right_type == SqlType::Jsonb);
        // The elements of a set of json that a query unnested are known as text only.
        if left_type == SqlType::Text && matches!(self.op, B::Arrow | B::LongArrow | B::HashArrow | B::HashLongArrow) {
            self.left.0 = cast_to(self.left.0, &SqlType::Jsonb);
            self.left.1.sql_type = SqlType::Jsonb;
            return self.containment();
        }
        if !is_json {
            return Ok(self.unchanged());
        }
        let prefix = if left_type == SqlType::Json { "json" } else { "jsonb" };
        let path = |operation: Operation, name: &str| {
            let path = match operation.right.1.is_unknown() {
                true => cast_unknown(operation.right.0, &texts()),
                false => operation.right.0,
            };
            call(name, vec![operation.left.0, path]).map(Planned::Expression)
        };
        match self.op {
            B::Arrow => self.into_call(if prefix == "json" { "json_get" } else { "jsonb_get" }),
            B::LongArrow => self.into_call("json_get_text"),
            B::HashArrow => path(
                self,
                if prefix == "json" {
                    "json_get_path"
                } else {
                    "jsonb_get_path"
                },
            ),
            B::HashLongArrow => path(self, "json_get_path_text"),
            B::Question => self.into_call("jsonb_exists"),
            B::QuestionPipe => path(self, "jsonb_exists_any"),
            B::QuestionAnd => path(self, "jsonb_exists_all"),
            B::HashMinus => path(self, "jsonb_delete_path"),
            B::AtArrow => self.into_call("jsonb_contains"),
            B::ArrowAt => self.swapped_call("jsonb_contains"),
            B::AtQuestion => self.into_call("jsonb_path_exists_opr"),
            B::AtAt => self.into_call("jsonb_path_match_opr"),
            _ => Ok(self.unchanged()),
        }
    }

    fn array_operator(self, op: &BinaryOperator) -> Result<Planned> {
        match op {
            BinaryOperator::PGOverlap => self.into_call("arrayoverlap"),
            BinaryOperator::AtArrow => self.into_call("arraycontains"),
            BinaryOperator::ArrowAt => self.swapped_call("arraycontains"),
            _ => Ok(self.unchanged()),
        }
    }

    pub(super) fn concatenation(self) -> Result<Planned> {
        let (left, right) = (self.left.1.sql_type.clone(), self.right.1.sql_type.clone());
        if left == SqlType::Jsonb || right == SqlType::Jsonb {
            return self.into_call("jsonb_concat");
        }
        match (category(&left), category(&right)) {
            (Category::Array, Category::Array) => self.into_call("array_cat"),
            (Category::Array, Category::Unknown) => {
                let is_null = matches!(&self.right.0, Expr::Literal(value, _) if value.is_null());
                match is_null {
                    true => Ok(Planned::Expression(self.left.0)),
                    false => {
                        call("array_cat", vec![self.left.0, cast_unknown(self.right.0, &left)]).map(Planned::Expression)
                    }
                }
            }
            (Category::Unknown, Category::Array) => {
                let is_null = matches!(&self.left.0, Expr::Literal(value, _) if value.is_null());
                match is_null {
                    true => Ok(Planned::Expression(self.right.0)),
                    false => call("array_cat", vec![cast_unknown(self.left.0, &right), self.right.0])
                        .map(Planned::Expression),
                }
            }
            (Category::Array, _) => self.into_call("array_append"),
            (_, Category::Array) => self.into_call("array_prepend"),
            (Category::Text | Category::Unknown, _) | (_, Category::Text | Category::Unknown) => {
                self.concatenated_texts(&left, &right)
            }
            _ if left == SqlType::Bytea && right == SqlType::Bytea => self.into_call("byteacat"),
            (Category::Other, _) | (_, Category::Other) => Ok(self.unchanged()),
            _ => Err(self.undefined()),
        }
    }

    fn concatenated_texts(self, left: &SqlType, right: &SqlType) -> Result<Planned> {
        if *left == SqlType::Bytea || *right == SqlType::Bytea {
            return self.into_call("byteacat");
        }
        let is_text = |sql_type: &SqlType| matches!(category(sql_type), Category::Text | Category::Unknown);
        let text = |expression: Expr, sql_type: &SqlType| match is_text(sql_type) {
            true => expression,
            false => cast_to(expression, &SqlType::Text),
        };
        // NULL, and a parameter that nothing else tells the type of.
        let is_open = |expression: &Expr| match expression {
            Expr::Literal(value, _) => value.is_null(),
            Expr::Placeholder(parameter) => parameter.field.is_none(),
            _ => false,
        };
        let whole = |expression: Expr| match is_open(&expression) {
            true => cast_unknown(expression, &SqlType::Text),
            false => expression,
        };
        Ok(Planned::Operands(
            self.op,
            whole(text(self.left.0, left)),
            whole(text(self.right.0, right)),
        ))
    }
}

/// Reads `{1,2,NULL}` as an array of OIDs.
pub(super) fn array_literal(expression: &Expr, wanted: &DataType) -> Result<Option<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), None) = expression else {
        return Ok(None);
    };
    let items = crate::types::parse::parse_array(text)?;
    let mut elements = vec![];
    for item in items {
        match item {
            crate::types::parse::ArrayItem::Text(text) => {
                elements.push(Datum::Int(i64::from(crate::types::parse::parse_oid(&text)?)));
            }
            crate::types::parse::ArrayItem::Null => elements.push(Datum::Null),
            _ => return Ok(None),
        }
    }
    let array = to_array(wanted, &[Datum::List(elements)])?;
    Ok(Some(Expr::Literal(ScalarValue::try_from_array(&array, 0)?, None)))
}
