//! Expressions of the syntax tree → typed nodes.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self as sql, Expr};

use super::analyzer::{Analyzer, not_covered};
use super::coercion::Place;
use super::data_type::type_of;
use super::node::{Callable, Kind, Node, SubqueryUse};
use super::value_type::{BOOL, CHAR, Field, INT4, INT8, NAME, NUMERIC, TEXT, Type, UNKNOWN};
use crate::binding::folded;
use crate::error::{Error, Result, SqlState};
use crate::functions::Datum;

impl Analyzer<'_> {
    pub fn expression(&mut self, expression: &Expr) -> Result<Node> {
        match expression {
            Expr::Identifier(identifier) => self.resolve_name(identifier),
            Expr::CompoundIdentifier(parts) => self.resolve_qualified(parts),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Expr::Nested(inner) => self.expression(inner),
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(typed) => {
                let text = value_text(&typed.value.value)?;
                let target = type_of(&typed.data_type)?;
                self.coerce(unknown(text), &target, Place::Explicit)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Cast {
                kind: sql::CastKind::Cast | sql::CastKind::DoubleColon,
                expr,
                data_type,
                array: false,
                format: None,
            } => {
                let target = type_of(data_type)?;
                self.cast(expr, target)
            }
            Expr::BinaryOp { left, op, right } => self.operation(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(op, expr),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.any_or_all(left, compare_op, right, false),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.any_or_all(left, compare_op, right, true),
            Expr::InList { expr, list, negated } => {
                let found = self.in_list(expr, list)?;
                Ok(negate_if(*negated, found))
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let found = self.quantified_subquery(expr, "=", subquery, false)?;
                Ok(negate_if(*negated, found))
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let (value, low, high) = (self.expression(expr)?, self.expression(low)?, self.expression(high)?);
                let above = self.binary(">=", value.clone(), low)?;
                let below = self.binary("<=", value, high)?;
                Ok(negate_if(*negated, Node::new(BOOL, Kind::And(vec![above, below]))))
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like("~~", *negated, expr, pattern, escape_char.as_ref()),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like("~~*", *negated, expr, pattern, escape_char.as_ref()),
            Expr::IsNull(inner) => self.null_test(inner, false),
            Expr::IsNotNull(inner) => self.null_test(inner, true),
            Expr::IsTrue(inner) => self.truth_test(inner, Some(true), false),
            Expr::IsNotTrue(inner) => self.truth_test(inner, Some(true), true),
            Expr::IsFalse(inner) => self.truth_test(inner, Some(false), false),
            Expr::IsNotFalse(inner) => self.truth_test(inner, Some(false), true),
            Expr::IsUnknown(inner) => self.truth_test(inner, None, false),
            Expr::IsNotUnknown(inner) => self.truth_test(inner, None, true),
            Expr::IsDistinctFrom(left, right) => self.distinct_test(left, right, false),
            Expr::IsNotDistinctFrom(left, right) => self.distinct_test(left, right, true),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Exists { subquery, negated } => {
                let query = self.subquery(subquery)?;
                let how = SubqueryUse::Exists;
                Ok(negate_if(*negated, Node::new(BOOL, Kind::Subquery { query, how })))
            }
            Expr::Subquery(subquery) => {
                let query = self.subquery(subquery)?;
                let [column] = query.columns.as_slice() else {
                    return Err(Error::syntax("subquery must return only one column"));
                };
                let ty = column.ty.clone();
                let how = SubqueryUse::Scalar;
                Ok(Node::new(ty, Kind::Subquery { query, how }))
            }
            Expr::Array(array) => {
                let elements = array
                    .elem
                    .iter()
                    .map(|element| self.expression(element))
                    .collect::<Result<Vec<_>>>()?;
                self.array(elements)
            }
            Expr::Tuple(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| self.expression(part).and_then(|node| self.settled(node)))
                    .collect::<Result<Vec<_>>>()?;
                Ok(row_node(parts))
            }
            Expr::Function(function) => self.function(function),
            Expr::Collate { expr, .. } => self.expression(expr),
            other => self.special_call(other),
        }
    }

    pub fn literal(&mut self, value: &sql::Value) -> Result<Node> {
        Ok(match value {
            sql::Value::Number(digits, _) => self.number(digits)?,
            sql::Value::Boolean(value) => Node::constant(BOOL, *value),
            sql::Value::Null => Node::constant(UNKNOWN, Datum::Null),
            sql::Value::Placeholder(name) => {
                let index = name[1..].parse::<usize>().unwrap_or(0).saturating_sub(1);
                let known = self.parameters.get(index).cloned().flatten();
                Node::new(known.unwrap_or(Type::of(UNKNOWN)), Kind::Parameter(index))
            }
            other => unknown(value_text(other)?),
        })
    }

    fn number(&self, digits: &str) -> Result<Node> {
        if let Ok(value) = digits.parse::<i32>() {
            return Ok(Node::constant(INT4, value));
        }
        if let Ok(value) = digits.parse::<i64>() {
            return Ok(Node::constant(INT8, value));
        }
        Ok(Node::constant(
            NUMERIC,
            self.executor.input(digits, &Type::of(NUMERIC))?,
        ))
    }

    fn cast(&mut self, expression: &Expr, target: Type) -> Result<Node> {
        // ARRAY[…]::type[] reads its elements as the type.
        let plain = match expression {
            Expr::Nested(inner) => inner,
            other => other,
        };
        if let (Expr::Array(array), Some(element)) = (plain, target.element())
            && array.elem.iter().all(|inner| !matches!(inner, Expr::Array(_)))
        {
            let mut elements = vec![];
            for inner in &array.elem {
                let node = self.expression(inner)?;
                elements.push(self.coerce(node, &element, Place::Explicit)?);
            }
            return Ok(Node::new(target, Kind::Array(elements)));
        }
        let node = self.expression(expression)?;
        self.coerce(node, &target, Place::Explicit)
    }

    fn array(&mut self, elements: Vec<Node>) -> Result<Node> {
        if elements.is_empty() {
            let message = "cannot determine type of empty array";
            return Err(Error::new(SqlState::IndeterminateDatatype, message)
                .with_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        let (elements, element) = self.unify(elements, "ARRAY")?;
        if element.element().is_some() {
            return Err(not_covered("an array of several dimensions"));
        }
        let array = element
            .array()
            .ok_or_else(|| not_covered(format!("an array of {}", element.name())))?;
        Ok(Node::new(array, Kind::Array(elements)))
    }

    fn operation(&mut self, left: &Expr, op: &sql::BinaryOperator, right: &Expr) -> Result<Node> {
        match op {
            sql::BinaryOperator::And => {
                let mut parts = vec![];
                self.connected(left, op, &mut parts)?;
                self.connected(right, op, &mut parts)?;
                return Ok(Node::new(BOOL, Kind::And(parts)));
            }
            sql::BinaryOperator::Or => {
                let mut parts = vec![];
                self.connected(left, op, &mut parts)?;
                self.connected(right, op, &mut parts)?;
                return Ok(Node::new(BOOL, Kind::Or(parts)));
            }
            _ => {}
        }
        let name = operator_name(op)?;
        if let Expr::Subquery(_) = right
            && let Expr::Tuple(_) = left
        {
            return Err(not_covered("a row compared with a subquery"));
        }
        let left = self.expression(left)?;
        let right = self.expression(right)?;
        if let (Kind::Row(lefts), Kind::Row(rights), "=") = (&left.kind, &right.kind, name.as_str())
            && lefts.len() == rights.len()
        {
            let mut parts = vec![];
            for (left, right) in lefts.clone().into_iter().zip(rights.clone()) {
                parts.push(self.binary("=", left, right)?);
            }
            return Ok(Node::new(BOOL, Kind::And(parts)));
        }
        self.binary(&name, left, right)
    }

    fn connected(&mut self, expression: &Expr, op: &sql::BinaryOperator, parts: &mut Vec<Node>) -> Result<()> {
        match expression {
            Expr::BinaryOp { left, op: inner, right } if inner == op => {
                self.connected(left, op, parts)?;
                self.connected(right, op, parts)
            }
            Expr::Nested(inner) if matches!(inner.as_ref(), Expr::BinaryOp { op: inner, .. } if inner == op) => {
                self.connected(inner, op, parts)
            }
            other => {
                let place = if *op == sql::BinaryOperator::And { "AND" } else { "OR" };
                let node = self.expression(other)?;
                parts.push(self.boolean(node, place)?);
                Ok(())
            }
        }
    }

    fn unary(&mut self, op: &sql::UnaryOperator, operand: &Expr) -> Result<Node> {
        let node = self.expression(operand)?;
        match op {
            sql::UnaryOperator::Not => {
                let node = self.boolean(node, "NOT")?;
                Ok(Node::new(BOOL, Kind::Not(Box::new(node))))
            }
            sql::UnaryOperator::Plus if !node.ty.is_unknown() => Ok(node),
            other => self.prefix(&other.to_string(), node),
        }
    }

    fn in_list(&mut self, value: &Expr, list: &[Expr]) -> Result<Node> {
        let value = self.expression(value)?;
        let nodes = list
            .iter()
            .map(|item| self.expression(item))
            .collect::<Result<Vec<_>>>()?;
        if let Kind::Row(_) = &value.kind {
            let mut parts = vec![];
            for node in nodes {
                parts.push(self.rows_equal(value.clone(), node)?);
            }
            return Ok(Node::new(BOOL, Kind::Or(parts)));
        }
        let mut types = vec![value.ty.clone()];
        types.extend(nodes.iter().map(|node| node.ty.clone()));
        // Constants of one type are compared as one array.
        if nodes.iter().all(|node| matches!(node.kind, Kind::Constant(_)))
            && let Ok(common) = super::coercion::common_type(&types, "IN")
            && let Some(array) = common.array()
        {
            let nodes = nodes
                .into_iter()
                .map(|node| self.coerce(node, &common, Place::Implicit))
                .collect::<Result<Vec<_>>>()?;
            return self.quantified("=", value, Node::new(array, Kind::Array(nodes)), false);
        }
        let mut parts = vec![];
        for node in nodes {
            parts.push(self.binary("=", value.clone(), node)?);
        }
        Ok(Node::new(BOOL, Kind::Or(parts)))
    }

    fn rows_equal(&mut self, left: Node, right: Node) -> Result<Node> {
        let (Kind::Row(lefts), Kind::Row(rights)) = (left.kind, right.kind) else {
            return Err(not_covered("a row compared with a value"));
        };
        if lefts.len() != rights.len() {
            return Err(Error::syntax("unequal number of entries in row expressions"));
        }
        let mut parts = vec![];
        for (left, right) in lefts.into_iter().zip(rights) {
            parts.push(self.binary("=", left, right)?);
        }
        Ok(Node::new(BOOL, Kind::And(parts)))
    }

    fn any_or_all(&mut self, left: &Expr, op: &sql::BinaryOperator, right: &Expr, all: bool) -> Result<Node> {
        let name = operator_name(op)?;
        let plain = match right {
            Expr::Nested(inner) => inner,
            other => other,
        };
        if let Expr::Subquery(query) = plain {
            return self.quantified_subquery(left, &name, query, all);
        }
        let left = self.expression(left)?;
        let array = self.expression(right)?;
        self.quantified(&name, left, array, all)
    }

    fn quantified_subquery(&mut self, left: &Expr, name: &str, query: &sql::Query, all: bool) -> Result<Node> {
        let left = self.expression(left)?;
        let query = self.query(query)?;
        let lefts = match left.kind {
            Kind::Row(parts) => parts,
            _ => vec![left],
        };
        if lefts.len() != query.columns.len() {
            return Err(Error::syntax(match lefts.len() < query.columns.len() {
                true => "subquery has too many columns",
                false => "subquery has too few columns",
            }));
        }
        let mut operators: Vec<Arc<Callable>> = vec![];
        let mut coerced = vec![];
        let mut types = vec![];
        for (node, column) in lefts.into_iter().zip(&query.columns) {
            let (callable, left_type, right_type) = self.binary_callable(name, &node.ty, &column.ty)?;
            coerced.push(self.coerce(node, &left_type, Place::Implicit)?);
            operators.push(Arc::new(callable));
            types.push(right_type);
        }
        let query = Arc::new(self.coerced_query(query, &types)?);
        let how = SubqueryUse::Quantified {
            left: coerced,
            operators,
            all,
        };
        Ok(Node::new(BOOL, Kind::Subquery { query, how }))
    }

    fn null_test(&mut self, inner: &Expr, negated: bool) -> Result<Node> {
        let argument = self.expression(inner)?;
        let argument = Box::new(self.settled(argument)?);
        Ok(Node::new(BOOL, Kind::IsNull { argument, negated }))
    }

    fn truth_test(&mut self, inner: &Expr, wanted: Option<bool>, negated: bool) -> Result<Node> {
        let argument = self.expression(inner)?;
        let argument = Box::new(self.boolean(argument, "IS TRUE")?);
        Ok(Node::new(
            BOOL,
            Kind::IsTruth {
                argument,
                wanted,
                negated,
            },
        ))
    }

    fn distinct_test(&mut self, left: &Expr, right: &Expr, negated: bool) -> Result<Node> {
        let left = self.expression(left)?;
        let right = self.expression(right)?;
        let (equal, left, right) = self.equality(left, right)?;
        Ok(Node::new(
            BOOL,
            Kind::IsDistinct {
                equal,
                left: Box::new(left),
                right: Box::new(right),
                negated,
            },
        ))
    }

    fn case(&mut self, operand: Option<&Expr>, conditions: &[sql::CaseWhen], otherwise: Option<&Expr>) -> Result<Node> {
        let operand = operand.map(|operand| self.expression(operand)).transpose()?;
        let operand = operand.map(|node| self.settled(node)).transpose()?;
        let mut tests = vec![];
        let mut results = vec![];
        for branch in conditions {
            let condition = self.expression(&branch.condition)?;
            tests.push(match &operand {
                Some(operand) => self.binary("=", operand.clone(), condition)?,
                None => self.boolean(condition, "CASE/WHEN")?,
            });
            results.push(self.expression(&branch.result)?);
        }
        // As in PostgreSQL, ELSE comes first when the type is chosen.
        let otherwise = match otherwise {
            Some(otherwise) => self.expression(otherwise)?,
            None => Node::constant(UNKNOWN, Datum::Null),
        };
        let mut all = vec![otherwise];
        all.extend(results);
        let (mut all, ty) = self.unify(all, "CASE")?;
        let results = all.split_off(1);
        Ok(Node::new(
            ty,
            Kind::Case {
                branches: tests.into_iter().zip(results).collect(),
                otherwise: all.pop().map(Box::new),
            },
        ))
    }

    fn access(&mut self, root: &Expr, chain: &[sql::AccessExpr]) -> Result<Node> {
        let (mut node, rest) = self.access_root(root, chain)?;
        let mut indexes = vec![];
        for access in rest {
            match access {
                sql::AccessExpr::Dot(Expr::Identifier(field)) => {
                    node = element_of(node, std::mem::take(&mut indexes))?;
                    node = field_of(node, &folded(field))?;
                }
                sql::AccessExpr::Subscript(sql::Subscript::Index { index }) => {
                    let index = self.expression(index)?;
                    indexes.push(self.coerce(index, &Type::of(INT4), Place::Implicit)?);
                }
                sql::AccessExpr::Subscript(sql::Subscript::Slice {
                    lower_bound,
                    upper_bound,
                    stride: None,
                }) if indexes.is_empty() => {
                    let bound = |analyzer: &mut Self, bound: &Option<Expr>| -> Result<Option<Box<Node>>> {
                        let Some(bound) = bound else { return Ok(None) };
                        let node = analyzer.expression(bound)?;
                        Ok(Some(Box::new(analyzer.coerce(
                            node,
                            &Type::of(INT4),
                            Place::Implicit,
                        )?)))
                    };
                    let (lower, upper) = (bound(self, lower_bound)?, bound(self, upper_bound)?);
                    let ty = match node.ty.element().and_then(|element| element.array()) {
                        Some(array) => array,
                        None => return Err(not_an_array(&node.ty)),
                    };
                    let array = Box::new(node);
                    node = Node::new(ty, Kind::Slice { array, lower, upper });
                }
                _ => return Err(not_covered("this access to a value's parts")),
            }
        }
        element_of(node, indexes)
    }

    /// Leading names before a subscript are one qualified name.
    fn access_root<'c>(&mut self, root: &Expr, chain: &'c [sql::AccessExpr]) -> Result<(Node, &'c [sql::AccessExpr])> {
        let Expr::Identifier(first) = root else {
            return Ok((self.expression(root)?, chain));
        };
        let mut parts = vec![first.clone()];
        let names = chain
            .iter()
            .take_while(|access| matches!(access, sql::AccessExpr::Dot(Expr::Identifier(_))))
            .count();
        for access in &chain[..names] {
            if let sql::AccessExpr::Dot(Expr::Identifier(name)) = access {
                parts.push(name.clone());
            }
        }
        let node = match parts.as_slice() {
            [only] => self.resolve_name(only)?,
            _ => self.resolve_qualified(&parts)?,
        };
        Ok((node, &chain[names..]))
    }
}

fn element_of(node: Node, indexes: Vec<Node>) -> Result<Node> {
    if indexes.is_empty() {
        return Ok(node);
    }
    let ty = match node.ty.element() {
        Some(element) => element,
        // A name is an array of characters, from zero.
        None if node.ty.is(NAME) => Type::of(CHAR),
        None => return Err(not_an_array(&node.ty)),
    };
    let array = Box::new(node);
    Ok(Node::new(ty, Kind::Element { array, indexes }))
}

fn not_an_array(ty: &Type) -> Error {
    let message = format!(
        "cannot subscript type {} because it does not support subscripting",
        ty.name()
    );
    Error::new(SqlState::DatatypeMismatch, message)
}

/// `(record).field`.
pub(super) fn field_of(node: Node, name: &str) -> Result<Node> {
    let Some(fields) = node.ty.fields.clone() else {
        let message = format!(
            "column notation .{name} applied to type {}, which is not a composite type",
            node.ty.name()
        );
        return Err(Error::new(SqlState::WrongObjectType, message));
    };
    let Some(index) = fields.iter().position(|field| field.name == name) else {
        let message = format!("column \"{name}\" not found in data type record");
        return Err(Error::new(SqlState::UndefinedColumn, message));
    };
    let ty = fields[index].ty.clone();
    let record = Box::new(node);
    Ok(Node::new(ty, Kind::FieldOf { record, index }))
}

/// ROW(…): its fields are f1, f2 …
pub(super) fn row_node(parts: Vec<Node>) -> Node {
    let fields = parts
        .iter()
        .zip(1..)
        .map(|(part, number)| Field::new(format!("f{number}"), part.ty.clone()))
        .collect();
    Node::new(Type::record(fields), Kind::Row(parts))
}

fn negate_if(negated: bool, node: Node) -> Node {
    match negated {
        true => Node::new(BOOL, Kind::Not(Box::new(node))),
        false => node,
    }
}

pub(super) fn unknown(text: String) -> Node {
    Node::constant(UNKNOWN, Datum::Text(text))
}

/// The text of a string literal of any spelling.
pub(super) fn value_text(value: &sql::Value) -> Result<String> {
    match value {
        sql::Value::SingleQuotedString(text)
        | sql::Value::EscapedStringLiteral(text)
        | sql::Value::UnicodeStringLiteral(text) => Ok(text.clone()),
        sql::Value::DollarQuotedString(text) => Ok(text.value.clone()),
        other => Err(not_covered(format!("the literal {other}"))),
    }
}

/// The operator's symbol; one that names its schema loses it.
fn operator_name(op: &sql::BinaryOperator) -> Result<String> {
    match op {
        sql::BinaryOperator::PGCustomBinaryOperator(parts) => parts
            .last()
            .cloned()
            .ok_or_else(|| not_covered("an operator without a name")),
        other => Ok(other.to_string()),
    }
}

/// Text, where a special form wants it.
pub(super) fn text_type() -> Type {
    Type::of(TEXT)
}
