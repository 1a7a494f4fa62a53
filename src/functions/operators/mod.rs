//! Operators as PostgreSQL means them, decided by the operands' types while an expression is planned: which
//! type a quoted literal takes, which function answers, or 42883 for an operator that does not exist.

mod arithmetic;
mod comparison;
mod containers;
mod operand;
mod spelled;
mod temporal;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef};
use datafusion::common::{Column, DFSchema, Result as PlanResult, ScalarValue, TableReference};
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use parking_lot::Mutex;

use self::operand::Operand;
use super::retyped::retyped;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::coercion::{is_same, shown};

pub use containers::type_quantified;
pub use operand::{agree, agree_compared, cast_unknown, compared_type, is_unknown_literal, passes_on, read_literal};

/// The planners to ask before DataFusion's own: one, which is for one text alone where its parameters have no types yet.
pub fn expression_planners() -> Vec<Arc<dyn ExprPlanner>> {
    vec![Arc::new(Operators::default())]
}

#[derive(Debug, Default)]
struct Operators {
    /// What the first use of a parameter said of it, by its name.
    parameters: Mutex<HashMap<String, FieldRef>>,
}

impl Operators {
    /// A parameter that was met before is of the type that it got there.
    fn typed(&self, operand: Expr) -> Expr {
        match operand {
            Expr::Placeholder(Placeholder { id, field: None }) => {
                let field = self.parameters.lock().get(&id).cloned();
                Expr::Placeholder(Placeholder::new_with_field(id, field))
            }
            other => other,
        }
    }

    /// Remembers the types that the operands' parameters got.
    fn remember(&self, planned: &Expr) {
        if let Expr::Placeholder(Placeholder { id, field: Some(field) }) = planned {
            let mut parameters = self.parameters.lock();
            parameters.entry(id.clone()).or_insert_with(|| Arc::clone(field));
        }
    }
}

impl ExprPlanner for Operators {
    /// `a.b` is a column of a relation. The field of a column is `(a).b`: the planner then finds no relation.
    fn plan_compound_identifier(
        &self,
        field: &Field,
        _: Option<&TableReference>,
        nested: &[String],
    ) -> PlanResult<PlannerResult<Vec<Expr>>> {
        let (name, qualifiers) = match nested {
            [] => return Ok(PlannerResult::Original(vec![])),
            [qualifiers @ .., name] => (name, qualifiers),
        };
        let relation = qualifiers.last().unwrap_or(field.name());
        let column = Column::new(Some(TableReference::bare(relation.as_str())), name);
        Ok(PlannerResult::Planned(Expr::Column(column)))
    }

    fn plan_binary_op(&self, expression: RawBinaryExpr, schema: &DFSchema) -> PlanResult<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expression;
        let (left, right) = (self.typed(left), self.typed(right));
        // The planner tells better than a type could where an unknown column stands.
        let (Some(first), Some(second)) = (Operand::of(&left, schema), Operand::of(&right, schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        let operation = Operation {
            op,
            left: (first.described(left), first),
            right: (second.described(right), second),
        };
        Ok(match operation.plan()? {
            Planned::Expression(expression) => PlannerResult::Planned(expression),
            Planned::Operands(op, left, right) => {
                self.remember(&left);
                self.remember(&right);
                PlannerResult::Original(RawBinaryExpr { op, left, right })
            }
        })
    }

    /// Literals of unknown type among rows are read as such rows: the engine looks for a type of all before anything else. What
    /// the elements are, the array's layout does not tell.
    fn plan_array_literal(&self, elements: Vec<Expr>, schema: &DFSchema) -> PlanResult<PlannerResult<Vec<Expr>>> {
        let operands = elements.iter().filter_map(|element| Operand::of(element, schema));
        let operands: Vec<Operand> = operands.collect();
        let mut types = operands.iter().map(|operand| operand.sql_type.clone());
        let is_row = |sql_type: &SqlType| matches!(sql_type.innermost(), SqlType::Composite(_) | SqlType::Record);
        let Some(element) = types.find(is_row).or_else(|| untold(&operands)) else {
            let is_literal = |element: &Expr| matches!(element, Expr::Literal(ScalarValue::Utf8(Some(_)), None));
            let is_read = |operand: &Operand| !operand.is_unknown() && !operand.layout.is_string();
            return Ok(PlannerResult::Original(
                match elements.iter().any(is_literal) && operands.iter().any(is_read) {
                    true => agree(elements, schema, "ARRAY")?,
                    false => elements,
                },
            ));
        };
        let array = make_array(agree(elements, schema, "ARRAY")?);
        Ok(PlannerResult::Planned(retyped(
            array,
            SqlType::Array(Box::new(element)),
        )))
    }
}

/// The type of all elements, where it is one that a text's layout does not tell.
fn untold(elements: &[Operand]) -> Option<SqlType> {
    let mut known = elements.iter().filter(|element| !element.is_unknown());
    let first = &known.next()?.sql_type;
    let is_untold = matches!(
        first.innermost(),
        SqlType::Uuid | SqlType::Json | SqlType::Jsonb | SqlType::Enum(_) | SqlType::Spelled(_)
    );
    (is_untold && known.all(|other| is_same(&other.sql_type, first))).then(|| first.clone())
}

/// What became of an operation.
enum Planned {
    Expression(Expr),
    /// The engine's operator is right for these operands.
    Operands(BinaryOperator, Expr, Expr),
}

/// An operator between two operands whose types are known.
struct Operation {
    op: BinaryOperator,
    left: (Expr, Operand),
    right: (Expr, Operand),
}

impl Operation {
    fn plan(self) -> Result<Planned> {
        use BinaryOperator as B;
        let spelled = self.spelled_type();
        match self.op {
            B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq | B::Spaceship => self.comparison(),
            B::And | B::Or => self.logic(),
            _ if let Some(spelled) = spelled => self.of_spelled(spelled),
            B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo | B::PGExp => self.arithmetic(),
            B::StringConcat => self.concatenation(),
            B::PGStartsWith => self.into_call("starts_with"),
            B::PGRegexMatch => self.matching("regexp_matches_pattern", false),
            B::PGRegexIMatch => self.matching("regexp_imatches_pattern", false),
            B::PGRegexNotMatch => self.matching("regexp_matches_pattern", true),
            B::PGRegexNotIMatch => self.matching("regexp_imatches_pattern", true),
            B::PGBitwiseShiftLeft | B::PGBitwiseShiftRight => self.shift(),
            B::Custom(_) if !self.left.1.is_unknown() && !self.right.1.is_unknown() => Err(self.undefined()),
            _ => self.containment(),
        }
    }

    /// As it stands.
    fn unchanged(self) -> Planned {
        Planned::Operands(self.op, self.left.0, self.right.0)
    }

    /// A call of one of our own functions over the operands.
    fn into_call(self, function: &str) -> Result<Planned> {
        call(function, vec![self.left.0, self.right.0]).map(Planned::Expression)
    }

    fn swapped_call(self, function: &str) -> Result<Planned> {
        call(function, vec![self.right.0, self.left.0]).map(Planned::Expression)
    }

    fn matching(self, function: &str, negated: bool) -> Result<Planned> {
        let matched = call(function, vec![self.left.0, self.right.0])?;
        Ok(Planned::Expression(if negated {
            Expr::Not(Box::new(matched))
        } else {
            matched
        }))
    }

    /// 42883 with the types.
    fn undefined(&self) -> Error {
        let message = format!(
            "operator does not exist: {} {} {}",
            shown(&self.left.1.sql_type),
            self.op,
            shown(&self.right.1.sql_type)
        );
        Error::new(SqlState::UndefinedFunction, message).with_hint(
            "No operator matches the given name and argument types. You might need to add explicit type casts.",
        )
    }

    /// 42725: literals alone do not tell which operator is meant.
    fn ambiguous(&self) -> Error {
        let message = format!(
            "operator is not unique: {} {} {}",
            shown(&self.left.1.sql_type),
            self.op,
            shown(&self.right.1.sql_type)
        );
        Error::new(SqlState::AmbiguousFunction, message)
            .with_hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
    }
}

/// A call of one of our own functions.
fn call(name: &str, arguments: Vec<Expr>) -> Result<Expr> {
    let function = super::scalar_functions()
        .iter()
        .find(|function| function.name() == name);
    match function {
        Some(function) => Ok(function.call(arguments)),
        None => Err(Error::internal(format!("{name}() is missing"))),
    }
}
