//! The allow-list: which predicates of a query may be evaluated below a policy barrier, on rows that the
//! asker must not see. Only those that cannot fail, log, cost visibly or depend on anything but an open
//! column and constants: comparison, IS [NOT] NULL, IN, BETWEEN of a plain unmasked column against
//! literals or parameters, and AND, OR, NOT of those. No casts, no functions, nothing without a column.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::Column;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr as PhysicalBinary, Column as PhysicalColumn, DynamicFilterPhysicalExpr, InListExpr, IsNotNullExpr,
    IsNullExpr, Literal, NotExpr,
};
use datafusion::physical_plan::PhysicalExpr;

/// The columns of a barrier's output, and which of them are open: unmasked, below policies that cannot fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenColumns<'a> {
    pub schema: &'a Schema,
    pub open: &'a [bool],
}

impl<'a> OpenColumns<'a> {
    /// The type of an open column; `None` for every other expression.
    fn type_of(&self, expr: &Expr) -> Option<&'a DataType> {
        let Expr::Column(Column { name, .. }) = expr else {
            return None;
        };
        let (index, field) = self.schema.column_with_name(name)?;
        self.open
            .get(index)
            .copied()
            .unwrap_or(false)
            .then(|| field.data_type())
    }
}

/// Whether this predicate of a query may go below the barrier.
pub(crate) fn filter_may_enter(predicate: &Expr, columns: OpenColumns<'_>) -> bool {
    let enters = |expr: &Expr| filter_may_enter(expr, columns);
    match predicate {
        // A constant conjunct that simplification leaves behind; it is true or false of every row alike.
        Expr::Literal(value, _) => matches!(value.data_type(), DataType::Boolean | DataType::Null),
        Expr::Column(_) => columns.type_of(predicate) == Some(&DataType::Boolean),
        Expr::Not(inner)
        | Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner) => enters(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => columns.type_of(inner).is_some(),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And | Operator::Or,
            right,
        }) => enters(left) && enters(right),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            compares(left, right, columns) || compares(right, left, columns)
        }
        Expr::InList(list) => list.list.iter().all(|value| compares(&list.expr, value, columns)),
        Expr::Between(between) => {
            compares(&between.expr, &between.low, columns) && compares(&between.expr, &between.high, columns)
        }
        _ => false,
    }
}

/// A plain open column against a constant of its own type, so that no conversion can fail.
fn compares(column: &Expr, constant: &Expr, columns: OpenColumns<'_>) -> bool {
    let Some(column_type) = columns.type_of(column) else {
        return false;
    };
    match constant {
        Expr::Literal(value, _) => comparable(column_type, &value.data_type()),
        Expr::Placeholder(parameter) => parameter
            .field
            .as_ref()
            .is_some_and(|field| comparable(column_type, field.data_type())),
        _ => false,
    }
}

fn comparable(column: &DataType, constant: &DataType) -> bool {
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_bytes = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        )
    };
    column == constant || (is_text(column) && is_text(constant)) || (is_bytes(column) && is_bytes(constant))
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The same question for a predicate that the physical optimizer wants to move, a join's or a top-k's
/// dynamic filter included: that one may enter only when all it looks at are plain open columns.
pub(crate) fn physical_filter_may_enter(predicate: &Arc<dyn PhysicalExpr>, open: &[bool]) -> bool {
    let enters = |expr: &Arc<dyn PhysicalExpr>| physical_filter_may_enter(expr, open);
    let any = predicate.as_ref();
    if let Some(dynamic) = any.downcast_ref::<DynamicFilterPhysicalExpr>() {
        let children = dynamic.children();
        return !children.is_empty() && children.into_iter().all(|child| is_open(child, open));
    }
    if let Some(binary) = any.downcast_ref::<PhysicalBinary>() {
        let (left, right) = (binary.left(), binary.right());
        return match binary.op() {
            Operator::And | Operator::Or => enters(left) && enters(right),
            op if is_comparison(*op) => {
                (is_open(left, open) && is_literal(right)) || (is_literal(left) && is_open(right, open))
            }
            _ => false,
        };
    }
    if let Some(not) = any.downcast_ref::<NotExpr>() {
        return enters(not.arg());
    }
    if let Some(is_null) = any.downcast_ref::<IsNullExpr>() {
        return is_open(is_null.arg(), open);
    }
    if let Some(is_not_null) = any.downcast_ref::<IsNotNullExpr>() {
        return is_open(is_not_null.arg(), open);
    }
    if let Some(in_list) = any.downcast_ref::<InListExpr>() {
        return is_open(in_list.expr(), open) && in_list.list().iter().all(is_literal);
    }
    false
}

fn is_open(expr: &Arc<dyn PhysicalExpr>, open: &[bool]) -> bool {
    expr.downcast_ref::<PhysicalColumn>()
        .is_some_and(|column| open.get(column.index()).copied().unwrap_or(false))
}

fn is_literal(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.is::<Literal>()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::ScalarValue;
    use datafusion::functions::expr_fn::{random, upper};
    use datafusion::logical_expr::expr::Placeholder;
    use datafusion::logical_expr::{cast, col, lit, placeholder};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("name", DataType::Utf8View, true),
            Field::new("ssn", DataType::Utf8View, true),
            Field::new("active", DataType::Boolean, true),
        ])
    }

    #[test]
    fn only_the_allow_list_enters() {
        let typed = |data_type| {
            let field = Arc::new(Field::new("$1", data_type, true));
            Expr::Placeholder(Placeholder::new_with_field("$1".into(), Some(field)))
        };
        let null_id = Expr::Literal(ScalarValue::Int32(None), None);
        let cases = [
            (col("id").eq(lit(5)), true),
            (lit(5).lt(col("id")), true),
            (col("id").eq(null_id), true),
            (col("id").is_null(), true),
            (col("id").in_list(vec![lit(1), lit(2)], true), true),
            (col("id").not_between(lit(1), lit(2)), true),
            (col("name").eq(lit("x")), true),
            (col("active"), true),
            (Expr::Not(Box::new(col("active"))), true),
            (col("id").eq(lit(5)).or(col("name").is_not_null()), true),
            (col("id").eq(typed(DataType::Int32)), true),
            (lit(true), true),
            // Masked.
            (col("ssn").eq(lit("x")), false),
            (col("id").eq(lit(5)).or(col("ssn").is_null()), false),
            // Not a column of this table.
            (col("elsewhere").eq(lit(1)), false),
            // Conversions may fail on hidden rows.
            (cast(col("name"), DataType::Int32).eq(lit(1)), false),
            (col("id").eq(cast(lit("abc"), DataType::Int32)), false),
            (col("id").eq(lit(5i64)), false),
            (col("id").eq(typed(DataType::Int64)), false),
            (col("id").eq(placeholder("$1")), false),
            // So may arithmetic and functions.
            ((col("id") / lit(0)).eq(lit(1)), false),
            (upper(col("name")).eq(lit("X")), false),
            (col("name").like(lit("x%")), false),
            // Nothing without a column: each evaluation is an event.
            (random().lt(lit(0.5)), false),
            (lit(1).eq(lit(1)), false),
            (typed(DataType::Int32).eq(lit(1)), false),
        ];
        let schema = schema();
        let columns = OpenColumns {
            schema: &schema,
            open: &[true, true, false, true],
        };
        for (predicate, expected) in cases {
            assert_eq!(filter_may_enter(&predicate, columns), expected, "{predicate}");
        }
    }

    #[test]
    fn dynamic_filters_enter_on_open_columns_only() {
        let column = |index| Arc::new(PhysicalColumn::new("c", index)) as Arc<dyn PhysicalExpr>;
        let truth = || datafusion::physical_expr::expressions::lit(true);
        let dynamic = |children| Arc::new(DynamicFilterPhysicalExpr::new(children, truth())) as Arc<dyn PhysicalExpr>;
        let schema = Schema::new(vec![Field::new("c", DataType::Utf8View, true); 2]);
        let conversion = datafusion::physical_expr::expressions::cast(column(0), &schema, DataType::Int32).unwrap();
        let open = [true, false];
        assert!(physical_filter_may_enter(&dynamic(vec![column(0)]), &open));
        assert!(!physical_filter_may_enter(&dynamic(vec![column(0), column(1)]), &open));
        assert!(!physical_filter_may_enter(&dynamic(vec![conversion]), &open));
        assert!(!physical_filter_may_enter(&dynamic(vec![]), &open));
        assert!(!physical_filter_may_enter(&column(0), &open));
    }
}
