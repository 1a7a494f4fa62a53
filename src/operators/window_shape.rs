//! Which windows our own operator covers: aggregates and ranks over frames that begin with their partition and end with
//! the row, its peers or the partition, of one order for all windows of the operator.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, StandardWindowExpr, WindowExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, PhysicalExpr};

/// Sums of so many digits do not overflow 128 bits before there are 10^10 of them.
const MOST_SUMMED_DIGITS: u8 = 28;

/// Windows over an input that is sorted by their partitions, and within these by their order.
#[derive(Debug)]
pub struct WindowShape {
    pub partition_by: Vec<Arc<dyn PhysicalExpr>>,
    pub order_by: Vec<Arc<dyn PhysicalExpr>>,
    pub windows: Vec<Window>,
}

/// One column that the operator adds.
#[derive(Debug)]
pub struct Window {
    pub computed: Computed,
    pub frame: Frame,
}

#[derive(Debug)]
pub enum Computed {
    RowNumber,
    Rank,
    DenseRank,
    Count(Arc<dyn PhysicalExpr>),
    Sum(Arc<dyn PhysicalExpr>),
    Extreme { value: Arc<dyn PhysicalExpr>, is_max: bool },
}

/// What a frame ends with. It begins with the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Row,
    Peers,
    Partition,
}

impl WindowShape {
    /// Whether it matters which rows are peers.
    pub fn tells_peers(&self) -> bool {
        let mut windows = self.windows.iter();
        windows.any(|window| {
            window.frame == Frame::Peers || matches!(window.computed, Computed::Rank | Computed::DenseRank)
        })
    }
}

/// The shape of stock windows and their input; `None` where they are not covered.
pub fn shape_of(stock: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<(WindowShape, Arc<dyn ExecutionPlan>)>> {
    let (windows, input) = if let Some(bounded) = stock.downcast_ref::<BoundedWindowAggExec>() {
        if bounded.input_order_mode != InputOrderMode::Sorted {
            return Ok(None);
        }
        (bounded.window_expr(), bounded.input())
    } else if let Some(whole) = stock.downcast_ref::<WindowAggExec>() {
        (whole.window_expr(), whole.input())
    } else {
        return Ok(None);
    };
    let Some((first, others)) = windows.split_first() else {
        return Ok(None);
    };
    let is_alike = |other: &Arc<dyn WindowExpr>| {
        other.partition_by() == first.partition_by() && other.order_by() == first.order_by()
    };
    let schema = input.schema();
    let partition_by = first.partition_by().to_vec();
    let order_by: Vec<_> = first.order_by().iter().map(|key| Arc::clone(&key.expr)).collect();
    for key in partition_by.iter().chain(&order_by) {
        if !is_key(&key.data_type(&schema)?) || is_volatile(key) {
            return Ok(None);
        }
    }
    if !others.iter().all(is_alike) {
        return Ok(None);
    }
    let mut covered = Vec::with_capacity(windows.len());
    for window in windows {
        match window_of(window.as_ref(), &schema)? {
            Some(window) => covered.push(window),
            None => return Ok(None),
        }
    }
    let shape = WindowShape {
        partition_by,
        order_by,
        windows: covered,
    };
    Ok(Some((shape, Arc::clone(input))))
}

/// Types of which equal values have equal bytes.
fn is_key(data_type: &DataType) -> bool {
    is_number(data_type) || matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::Boolean)
}

/// Types whose values are computed as 128-bit integers.
fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, _)
            | DataType::Decimal128(..)
    )
}

fn window_of(window: &dyn WindowExpr, schema: &Schema) -> PlanResult<Option<Window>> {
    let result = window.field()?.data_type().clone();
    let is_counted = matches!(result, DataType::Int64 | DataType::UInt64);
    if let Some(standard) = window.as_any().downcast_ref::<StandardWindowExpr>() {
        let function = standard
            .get_standard_func_expr()
            .as_any()
            .downcast_ref::<WindowUDFExpr>();
        let computed = match function.map(|function| function.fun().name()) {
            Some("row_number") => Computed::RowNumber,
            Some("rank") => Computed::Rank,
            Some("dense_rank") => Computed::DenseRank,
            _ => return Ok(None),
        };
        let frame = Frame::Row;
        return Ok(is_counted.then_some(Window { computed, frame }));
    }
    let Some(plain) = window.as_any().downcast_ref::<PlainAggregateWindowExpr>() else {
        return Ok(None);
    };
    // Nothing else tells whether there is a FILTER.
    let has_no_filter = format!("{plain:?}").ends_with("filter: None }");
    let frame = frame_of(plain.get_window_frame(), plain.order_by().is_empty());
    let (Some(frame), true) = (frame, has_no_filter) else {
        return Ok(None);
    };
    let computed = computed_of(plain.get_aggregate_expr(), &result, schema)?;
    Ok(computed.map(|computed| Window { computed, frame }))
}

fn frame_of(frame: &WindowFrame, is_unordered: bool) -> Option<Frame> {
    let begins = matches!(&frame.start_bound, WindowFrameBound::Preceding(bound) if bound.is_null());
    let unbounded = matches!(&frame.end_bound, WindowFrameBound::Following(bound) if bound.is_null());
    match (&frame.end_bound, frame.units) {
        _ if !begins => None,
        _ if unbounded => Some(Frame::Partition),
        (WindowFrameBound::CurrentRow, WindowFrameUnits::Rows) => Some(Frame::Row),
        (WindowFrameBound::CurrentRow, _) if is_unordered => Some(Frame::Partition),
        (WindowFrameBound::CurrentRow, _) => Some(Frame::Peers),
        _ => None,
    }
}

fn computed_of(function: &AggregateFunctionExpr, result: &DataType, schema: &Schema) -> PlanResult<Option<Computed>> {
    let arguments = function.expressions();
    let [argument] = arguments.as_slice() else {
        return Ok(None);
    };
    if function.is_distinct() || function.ignore_nulls() || !function.order_bys().is_empty() || is_volatile(argument) {
        return Ok(None);
    }
    let (value, data_type) = (Arc::clone(argument), argument.data_type(schema)?);
    let is_summed = match (&data_type, result) {
        (DataType::Decimal128(digits, scale), DataType::Decimal128(_, of_sum)) => {
            *digits <= MOST_SUMMED_DIGITS && scale == of_sum
        }
        (DataType::Int16 | DataType::Int32, DataType::Int64) => true,
        _ => false,
    };
    Ok(match function.fun().name() {
        "count" if *result == DataType::Int64 => Some(Computed::Count(value)),
        "sum" if is_summed => Some(Computed::Sum(value)),
        "min" | "max" if is_number(&data_type) && data_type == *result => Some(Computed::Extreme {
            value,
            is_max: function.fun().name() == "max",
        }),
        _ => None,
    })
}
