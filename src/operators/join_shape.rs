//! Which hash joins our own covers, and where their columns come from: equality of columns that are whole numbers, one
//! table of the built side for all partitions of the probing side.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result as PlanResult};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use super::key_codes::is_key_type;

/// A join over the columns of its two sides; the left one is built, the right one probes.
#[derive(Debug, Clone)]
pub struct JoinShape {
    pub join_type: JoinType,
    pub built_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub probing_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub filter: Option<JoinFilter>,
    /// Where the columns of the output come from.
    pub output: Vec<ColumnIndex>,
    /// The columns of the output whose strings are emitted as codes: the numbers of built rows.
    pub coded: Vec<usize>,
    pub schema: SchemaRef,
    /// The built side's columns that the output or the filter reads.
    pub kept: Vec<usize>,
    pub built_schema: SchemaRef,
    pub probing_schema: SchemaRef,
}

impl JoinShape {
    /// Whether built rows are emitted, or left out, by whether they were met.
    pub fn marks_built_rows(&self) -> bool {
        matches!(
            self.join_type,
            JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti
        )
    }

    /// Whether the probing side cannot add rows where nothing is built.
    pub fn needs_built_rows(&self) -> bool {
        !matches!(self.join_type, JoinType::Right | JoinType::Full | JoinType::RightAnti)
    }

    /// The same with the strings of these columns of the output, which are the built side's, as codes.
    pub fn with_coded(mut self, coded: Vec<usize>) -> JoinShape {
        self.schema = with_codes(&self.schema, &coded);
        self.coded = coded;
        self
    }

    /// The columns among `wanted` that can be codes: those of the output, and those of the probing side.
    pub fn codable(&self, wanted: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let wanted = wanted.iter().copied().filter(|position| *position < self.output.len());
        let (built, probing): (Vec<usize>, Vec<usize>) =
            wanted.partition(|position| self.output[*position].side == JoinSide::Left);
        let is_string = |position: &usize| *self.schema.field(*position).data_type() == DataType::Utf8View;
        let filter = self.filter.as_ref();
        let is_filtered = |column: usize| {
            let mut read = filter.into_iter().flat_map(|filter| filter.column_indices());
            read.any(|read| read.side == JoinSide::Right && read.index == column)
        };
        let probing = probing.into_iter().map(|position| self.output[position].index);
        (
            built.into_iter().filter(is_string).collect(),
            probing.filter(|column| !is_filtered(*column)).collect(),
        )
    }
}

/// The type of strings as codes.
pub fn coded_strings() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8View))
}

/// The schema with codes in the place of these columns' strings.
pub fn with_codes(schema: &SchemaRef, coded: &[usize]) -> SchemaRef {
    let field = |(position, field): (usize, &FieldRef)| match coded.contains(&position) {
        true => Arc::new(field.as_ref().clone().with_data_type(coded_strings())),
        false => Arc::clone(field),
    };
    let fields: Fields = schema.fields().iter().enumerate().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The shape of a stock join; `None` where it is not covered.
pub fn shape_of(stock: &HashJoinExec) -> PlanResult<Option<JoinShape>> {
    let join_type = *stock.join_type();
    let is_covered = matches!(
        join_type,
        JoinType::Inner
            | JoinType::Left
            | JoinType::Right
            | JoinType::Full
            | JoinType::LeftSemi
            | JoinType::RightSemi
            | JoinType::LeftAnti
            | JoinType::RightAnti
    );
    if !is_covered
        || *stock.partition_mode() != PartitionMode::CollectLeft
        || stock.null_equality() != NullEquality::NullEqualsNothing
        || stock.null_aware
        || stock.fetch().is_some()
        || stock.on().is_empty()
    {
        return Ok(None);
    }
    let (built_schema, probing_schema) = (stock.left().schema(), stock.right().schema());
    for (built, probing) in stock.on() {
        let data_type = built.data_type(&built_schema)?;
        if data_type != probing.data_type(&probing_schema)?
            || !is_key_type(&data_type)
            || is_volatile(built)
            || is_volatile(probing)
        {
            return Ok(None);
        }
    }
    let filter = stock.filter().cloned();
    if filter.as_ref().is_some_and(|filter| is_volatile(filter.expression())) {
        return Ok(None);
    }
    let (_, columns) = build_join_schema(&built_schema, &probing_schema, &join_type);
    let output: Vec<ColumnIndex> = match &stock.projection {
        Some(projection) => projection.iter().map(|column| columns[*column].clone()).collect(),
        None => columns,
    };
    let of_filter = filter.iter().flat_map(|filter| filter.column_indices());
    let mut kept: Vec<usize> = output
        .iter()
        .chain(of_filter)
        .filter(|column| column.side == JoinSide::Left)
        .map(|column| column.index)
        .collect();
    kept.sort_unstable();
    kept.dedup();
    Ok(Some(JoinShape {
        join_type,
        built_keys: stock.on().iter().map(|(built, _)| Arc::clone(built)).collect(),
        probing_keys: stock.on().iter().map(|(_, probing)| Arc::clone(probing)).collect(),
        filter,
        output,
        coded: Vec::new(),
        schema: stock.schema(),
        kept,
        built_schema,
        probing_schema,
    }))
}
