//! EXPLAIN. Who is subject to a policy of the query sees the logical plan only: operators, their metrics and
//! row counts would count hidden rows.

mod structured;

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use futures::StreamExt;

use super::outcome::{OutputColumn, RowSet};
use crate::binding::without_marks;
use crate::error::Result;
use crate::governance::GovernedPlan;
use crate::statement::ast::ExplainFormat;
use crate::telemetry::QueryRecord;
use crate::types::SqlType;

const TITLE: &str = "QUERY PLAN";

/// EXPLAIN's options in parentheses.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub analyze: bool,
    pub verbose: bool,
    pub format: ExplainFormat,
}

/// What there is to tell.
pub struct Report<'a> {
    /// What a statement that changes rows does, and to which table.
    pub heading: Option<String>,
    pub plan: &'a GovernedPlan,
    /// `None` hides the operators.
    pub physical: Option<Arc<dyn ExecutionPlan>>,
    pub planning: Duration,
    /// Rows and time of a run; `None` without ANALYZE.
    pub run: Option<(u64, Duration)>,
}

pub fn columns(format: ExplainFormat) -> Vec<OutputColumn> {
    /// pg_type.oid of xml.
    const XML: u32 = 142;
    let sql_type = match format {
        ExplainFormat::Text | ExplainFormat::Yaml => SqlType::Text,
        ExplainFormat::Json => SqlType::Json,
        ExplainFormat::Xml => SqlType::System(XML),
    };
    vec![OutputColumn::new(TITLE, sql_type)]
}

/// Runs a query for its metrics; answers the number of rows.
pub async fn drain(mut stream: SendableRecordBatchStream) -> Result<u64> {
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch?.num_rows() as u64;
    }
    Ok(rows)
}

/// The report as rows of text.
pub fn render(report: &Report<'_>, options: &Options, record: &QueryRecord) -> Result<RowSet> {
    let lines = match options.format {
        ExplainFormat::Text => text(report, options, record),
        format => vec![structured::render(report, format, record)],
    };
    let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(lines));
    let schema = Schema::new(vec![Field::new(TITLE, DataType::Utf8View, false)]);
    Ok(RowSet {
        columns: columns(options.format).into(),
        ..RowSet::of_batch(RecordBatch::try_new(Arc::new(schema), vec![column])?, "EXPLAIN")
    })
}

fn text(report: &Report<'_>, options: &Options, record: &QueryRecord) -> Vec<String> {
    let mut lines: Vec<String> = report.heading.iter().cloned().collect();
    lines.push("Logical Plan".to_string());
    lines.extend(logical(report).lines().map(|line| format!("  {line}")));
    if let Some(physical) = operators(report, options) {
        lines.push("Physical Plan".to_string());
        lines.extend(physical.lines().map(|line| format!("  {line}")));
    } else if report.plan.has_barriers() {
        lines.push("Operators are hidden: a row filter or column mask applies to this query.".to_string());
    }
    lines.push(format!("Planning Time: {}", milliseconds(report.planning)));
    if let Some((rows, time)) = report.run {
        lines.push(format!("Execution Time: {}", milliseconds(time)));
        lines.push(format!("Rows: {rows}"));
        lines.push(format!("Plan Cache: {}", record.plan_cache_outcome().name()));
        lines.push("Result Cache: bypassed by EXPLAIN".to_string());
    }
    lines
}

fn logical(report: &Report<'_>) -> String {
    // Names that no client can write begin with a byte that no text may have.
    without_marks(&report.plan.plan().display_indent().to_string().replace('\0', ""))
}

/// The operators, for whoever may see them.
fn visible_operators<'a>(report: &'a Report<'_>) -> Option<&'a Arc<dyn ExecutionPlan>> {
    report.physical.as_ref().filter(|_| !report.plan.has_barriers())
}

fn operators(report: &Report<'_>, options: &Options) -> Option<String> {
    let physical = visible_operators(report)?;
    let display = match options.analyze {
        true => DisplayableExecutionPlan::with_metrics(physical.as_ref()),
        false => DisplayableExecutionPlan::new(physical.as_ref()),
    };
    Some(display.indent(options.verbose).to_string().replace('\0', ""))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}
