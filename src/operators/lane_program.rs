//! Expressions over lanes, each evaluated once for a batch however often it is asked for. Additions, subtractions
//! and multiplications of integers and decimals are computed here; any other expression is evaluated by DataFusion
//! and its result loaded. Where a bound does not exclude an overflow the batch is declined.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::lane::{Lane, MOST_BITS, fits_a_lane, load, magnitude};
use crate::functions::checked_operator;

/// An expression that DataFusion evaluates, over the columns that it reads only.
#[derive(Debug, Clone)]
pub struct StockExpression {
    columns: Vec<usize>,
    expression: Arc<dyn PhysicalExpr>,
}

impl PartialEq for StockExpression {
    fn eq(&self, other: &StockExpression) -> bool {
        self.columns == other.columns && *self.expression == *other.expression
    }
}

impl StockExpression {
    pub fn new(expression: Arc<dyn PhysicalExpr>) -> PlanResult<StockExpression> {
        let mut columns: Vec<usize> = collect_columns(&expression).iter().map(Column::index).collect();
        columns.sort_unstable();
        // By number: after a join two columns may have one name.
        let renumbered = expression.transform_up(|node| {
            let Some(column) = node.downcast_ref::<Column>() else {
                return Ok(Transformed::no(node));
            };
            let number = columns.binary_search(&column.index()).unwrap_or_default();
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), number)) as _))
        })?;
        Ok(StockExpression {
            expression: renumbered.data,
            columns,
        })
    }

    /// The columns that the expression reads.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().copied()
    }

    /// The number of the column that the expression is.
    pub fn column(&self) -> Option<usize> {
        self.expression.is::<Column>().then(|| self.columns[0])
    }

    /// The values for the selected rows, or for all.
    pub fn evaluate(&self, batch: &RecordBatch, selection: Option<&[u32]>) -> PlanResult<ArrayRef> {
        let mut narrowed = batch.project(&self.columns)?;
        let mut rows = batch.num_rows();
        if let Some(selected) = selection {
            rows = selected.len();
            let indices = UInt32Array::from(selected.to_vec());
            let columns = narrowed.columns().iter().map(|column| take(column, &indices, None));
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            narrowed =
                RecordBatch::try_new_with_options(narrowed.schema(), columns.collect::<Result<_, _>>()?, &options)?;
        }
        self.expression.evaluate(&narrowed)?.into_array(rows)
    }

    /// The values for other values of the one column that the expression reads.
    pub fn evaluate_on(&self, batch: &RecordBatch, values: ArrayRef) -> PlanResult<ArrayRef> {
        let rows = values.len();
        let schema = Arc::new(batch.schema().project(&self.columns)?);
        let narrowed = RecordBatch::try_new(schema, vec![values])?;
        self.expression.evaluate(&narrowed)?.into_array(rows)
    }
}

#[derive(Debug, Clone)]
enum Node {
    Column(usize),
    Stock(StockExpression),
    Literal(i64),
    Arithmetic {
        operator: Operator,
        left: Operand,
        right: Operand,
        most_bits: u32,
    },
    /// Has no values: only the bound of another node's is looked at.
    Bound {
        node: usize,
        most_bits: u32,
    },
}

/// A node's result times a power of ten.
#[derive(Debug, Clone, Copy)]
struct Operand {
    node: usize,
    factor: i64,
}

/// Expressions in the order of their evaluation.
#[derive(Debug, Clone, Default)]
pub struct LaneProgram {
    nodes: Vec<Node>,
    /// Whose values are asked for; of the others the bounds may do.
    wanted: Vec<bool>,
    known: HashMap<Arc<dyn PhysicalExpr>, usize>,
}

/// An expression's values are those of a node times a factor plus a constant.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    pub node: usize,
    pub factor: i64,
    pub constant: i64,
}

/// The lanes of a batch, by their node.
pub type Lanes = Vec<Lane>;

impl LaneProgram {
    /// The number of the node that computes `expression`; `None` where its type is no lane's.
    pub fn add(&mut self, expression: &Arc<dyn PhysicalExpr>, schema: &Schema) -> PlanResult<Option<usize>> {
        let node = self.add_node(expression, schema)?;
        node.into_iter().for_each(|node| self.want(node));
        Ok(node)
    }

    /// A node of which `expression`, a lane, is a linear function. Its own values are computed only if it is that node.
    pub fn add_linear(&mut self, expression: &Arc<dyn PhysicalExpr>, schema: &Schema) -> PlanResult<Option<Linear>> {
        let linear = self.add_node(expression, schema)?.map(|node| self.linear(node));
        linear.iter().for_each(|linear| self.want(linear.node));
        Ok(linear)
    }

    /// The node of an expression that has been added.
    pub fn node_of(&self, expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
        self.known.get(expression).copied()
    }

    /// A batch in which a value of the node is beyond ±2^`most_bits` is declined.
    pub fn add_bound(&mut self, node: usize, most_bits: u32) {
        self.push(Node::Bound { node, most_bits });
    }

    fn linear(&self, node: usize) -> Linear {
        let itself = Linear {
            node,
            factor: 1,
            constant: 0,
        };
        self.linear_of_operand(node).unwrap_or(itself)
    }

    fn linear_of_operand(&self, node: usize) -> Option<Linear> {
        let Node::Arithmetic {
            operator, left, right, ..
        } = &self.nodes[node]
        else {
            return None;
        };
        let literal = |operand: &Operand| match self.nodes[operand.node] {
            Node::Literal(value) => value.checked_mul(operand.factor),
            _ => None,
        };
        let (operand, value, is_left) = match (literal(left), literal(right)) {
            (None, Some(value)) => (left, value, true),
            (Some(value), None) => (right, value, false),
            _ => return None,
        };
        let inner = self.linear(operand.node);
        let (factor, constant) = (
            inner.factor.checked_mul(operand.factor)?,
            inner.constant.checked_mul(operand.factor)?,
        );
        let (factor, constant) = match (operator, is_left) {
            (Operator::Plus, _) => (factor, constant.checked_add(value)?),
            (Operator::Minus, true) => (factor, constant.checked_sub(value)?),
            (Operator::Minus, false) => (factor.checked_neg()?, value.checked_sub(constant)?),
            _ => (factor.checked_mul(value)?, constant.checked_mul(value)?),
        };
        Some(Linear {
            node: inner.node,
            factor,
            constant,
        })
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.wanted.push(false);
        self.nodes.len() - 1
    }

    fn want(&mut self, node: usize) {
        if std::mem::replace(&mut self.wanted[node], true) {
            return;
        }
        if let Node::Arithmetic { left, right, .. } = &self.nodes[node] {
            // A literal meets its partner as one value.
            let operands = [left.node, right.node].into_iter();
            let valued: Vec<usize> = operands.filter(|operand| !self.is_literal(*operand)).collect();
            valued.into_iter().for_each(|operand| self.want(operand));
        }
    }

    fn is_literal(&self, node: usize) -> bool {
        matches!(self.nodes[node], Node::Literal(_))
    }

    fn add_node(&mut self, expression: &Arc<dyn PhysicalExpr>, schema: &Schema) -> PlanResult<Option<usize>> {
        if let Some(node) = self.known.get(expression) {
            return Ok(Some(*node));
        }
        if !fits_a_lane(&expression.data_type(schema)?) {
            return Ok(None);
        }
        if let Some(cast) = expression.downcast_ref::<CastExpr>()
            && widens(&cast.expr().data_type(schema)?, cast.cast_type())
        {
            let node = self.add_node(cast.expr(), schema)?;
            if let Some(node) = node {
                self.known.insert(Arc::clone(expression), node);
            }
            return Ok(node);
        }
        let node = if let Some(column) = expression.downcast_ref::<Column>() {
            Node::Column(column.index())
        } else if let Some(value) = expression
            .downcast_ref::<Literal>()
            .and_then(|literal| integer(literal.value()))
        {
            Node::Literal(value)
        } else if let Some(node) = self.arithmetic(expression, schema)? {
            node
        } else {
            Node::Stock(StockExpression::new(Arc::clone(expression))?)
        };
        let number = self.push(node);
        self.known.insert(Arc::clone(expression), number);
        Ok(Some(number))
    }

    fn arithmetic(&mut self, expression: &Arc<dyn PhysicalExpr>, schema: &Schema) -> PlanResult<Option<Node>> {
        let Some((operator, [left, right])) = operands(expression) else {
            return Ok(None);
        };
        let result = expression.data_type(schema)?;
        let types = (left.data_type(schema)?, right.data_type(schema)?);
        let Some((factors, most_bits)) = scaling(operator, &types.0, &types.1, &result) else {
            return Ok(None);
        };
        let (Some(left), Some(right)) = (self.add_node(left, schema)?, self.add_node(right, schema)?) else {
            return Ok(None);
        };
        Ok(Some(Node::Arithmetic {
            operator,
            left: Operand {
                node: left,
                factor: factors.0,
            },
            right: Operand {
                node: right,
                factor: factors.1,
            },
            most_bits,
        }))
    }

    /// How many lanes a batch gets.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub fn columns_of_stock_expressions(&self) -> impl Iterator<Item = usize> {
        let expressions = self.nodes.iter().filter_map(|node| match node {
            Node::Stock(expression) => Some(expression),
            _ => None,
        });
        expressions.flat_map(StockExpression::columns)
    }

    /// The lanes of the selected rows; `None` where a value does not fit one.
    pub fn evaluate(&self, batch: &RecordBatch, selection: Option<&[u32]>) -> PlanResult<Option<Lanes>> {
        let rows = selection.map_or(batch.num_rows(), <[u32]>::len);
        let mut lanes: Lanes = Vec::with_capacity(self.nodes.len());
        for (number, node) in self.nodes.iter().enumerate() {
            let lane = match node {
                Node::Column(column) => load(batch.column(*column), selection),
                Node::Stock(expression) => load(&expression.evaluate(batch, selection)?, None),
                Node::Literal(value) => Some(Lane::new(vec![*value], None, magnitude(&[*value]))),
                Node::Arithmetic {
                    operator,
                    left,
                    right,
                    most_bits,
                } => {
                    let side = |operand: &Operand| Side {
                        lane: &lanes[operand.node],
                        factor: operand.factor,
                        constant: self.is_literal(operand.node),
                    };
                    let (left, right) = (side(left), side(right));
                    let bits = bits_of(*operator, &left, &right).filter(|bits| bits <= most_bits);
                    bits.map(|bits| match self.wanted[number] {
                        true => combine(*operator, left, right, rows, bits),
                        false => Lane::new(Vec::new(), None, bits),
                    })
                }
                Node::Bound { node, most_bits } => {
                    let bits = lanes[*node].bits;
                    (bits <= *most_bits).then(|| Lane::new(Vec::new(), None, bits))
                }
            };
            let Some(lane) = lane else {
                return Ok(None);
            };
            lanes.push(lane);
        }
        for ((lane, node), wanted) in lanes.iter_mut().zip(&self.nodes).zip(&self.wanted) {
            if let (Node::Literal(value), true) = (node, wanted) {
                lane.values = vec![*value; rows].into();
            }
        }
        Ok(Some(lanes))
    }
}

/// Whether a cast leaves every value the integer that it is.
fn widens(from: &DataType, to: &DataType) -> bool {
    let width = |data_type: &DataType| {
        data_type
            .is_signed_integer()
            .then(|| data_type.primitive_width())
            .flatten()
    };
    matches!((width(from), width(to)), (Some(from), Some(to)) if from <= to)
}

type Operands<'a> = [&'a Arc<dyn PhysicalExpr>; 2];

/// The operands of a sum, difference or product.
fn operands(expression: &Arc<dyn PhysicalExpr>) -> Option<(Operator, Operands<'_>)> {
    let (operator, operands) = if let Some(binary) = expression.downcast_ref::<BinaryExpr>() {
        (*binary.op(), [binary.left(), binary.right()])
    } else {
        let call = expression.downcast_ref::<ScalarFunctionExpr>()?;
        let [left, right] = call.args() else {
            return None;
        };
        (checked_operator(call.fun())?, [left, right])
    };
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply).then_some((operator, operands))
}

/// The powers of ten that bring both operands to the result's scale, and how many bits the result may have.
fn scaling(operator: Operator, left: &DataType, right: &DataType, result: &DataType) -> Option<((i64, i64), u32)> {
    if let (DataType::Decimal128(_, left), DataType::Decimal128(_, right), DataType::Decimal128(_, result)) =
        (left, right, result)
    {
        let power = |scale: i8| 10_i64.checked_pow(u32::try_from(result.checked_sub(scale)?).ok()?);
        return match operator {
            Operator::Multiply => (left.checked_add(*right)? == *result).then_some(((1, 1), MOST_BITS)),
            _ => Some(((power(*left)?, power(*right)?), MOST_BITS)),
        };
    }
    if left != right || left != result {
        return None;
    }
    let most_bits = match result {
        DataType::Int16 => 14,
        DataType::Int32 => 30,
        DataType::Int64 => MOST_BITS,
        _ => return None,
    };
    Some(((1, 1), most_bits))
}

/// The value of a literal as a lane has it.
pub fn integer(value: &ScalarValue) -> Option<i64> {
    let array = value.to_array().ok()?;
    let lane = load(&array, None)?;
    lane.nulls.is_none().then(|| lane.values[0])
}

struct Side<'a> {
    lane: &'a Lane,
    factor: i64,
    /// Its lane has one value, which stands for all rows'.
    constant: bool,
}

impl Side<'_> {
    fn bits(&self) -> u32 {
        // Rounded up: a factor of one adds none.
        self.lane.bits + (u64::BITS - (self.factor as u64 - 1).leading_zeros())
    }
}

/// Bits of the result; `None` where an operand is too large.
fn bits_of(operator: Operator, left: &Side, right: &Side) -> Option<u32> {
    let bits = match operator {
        Operator::Multiply => left.bits() + right.bits(),
        _ => left.bits().max(right.bits()) + 1,
    };
    (left.bits() <= MOST_BITS && right.bits() <= MOST_BITS).then_some(bits)
}

fn combine(operator: Operator, left: Side, right: Side, rows: usize, bits: u32) -> Lane {
    let values = match operator {
        Operator::Plus => zip(left, right, rows, |left, right| left + right),
        Operator::Minus => zip(left, right, rows, |left, right| left - right),
        _ => zip(left, right, rows, |left, right| left * right),
    };
    Lane::new(values.0, values.1, bits)
}

fn zip(left: Side, right: Side, rows: usize, combined: impl Fn(i64, i64) -> i64) -> (Vec<i64>, Option<NullBuffer>) {
    let nulls = NullBuffer::union(left.lane.nulls.as_ref(), right.lane.nulls.as_ref());
    let scaled = |side: &Side, value: i64| value * side.factor;
    let (lefts, rights) = (&left.lane.values, &right.lane.values);
    let values = match (left.constant, right.constant) {
        (true, true) => vec![combined(scaled(&left, lefts[0]), scaled(&right, rights[0])); rows],
        (true, false) => {
            let constant = scaled(&left, lefts[0]);
            rights
                .iter()
                .map(|value| combined(constant, scaled(&right, *value)))
                .collect()
        }
        (false, true) => {
            let constant = scaled(&right, rights[0]);
            lefts
                .iter()
                .map(|value| combined(scaled(&left, *value), constant))
                .collect()
        }
        (false, false) => {
            let pairs = lefts.iter().zip(rights.iter());
            pairs
                .map(|(one, other)| combined(scaled(&left, *one), scaled(&right, *other)))
                .collect()
        }
    };
    (values, nulls)
}
