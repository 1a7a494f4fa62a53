//! EXPLAIN's report for programs, in PostgreSQL's layout of JSON, XML and YAML: one plan, a tree of nodes with a type
//! each, and what was measured.

use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;

use super::{Report, visible_operators};
use crate::statement::ast::ExplainFormat;
use crate::telemetry::QueryRecord;

/// A part of the report.
enum Part {
    Text(String),
    /// Written as it is.
    Number(String),
    Group(Vec<(&'static str, Part)>),
    /// Each under this name in XML.
    List(&'static str, Vec<Part>),
}

pub(super) fn render(report: &Report<'_>, format: ExplainFormat, record: &QueryRecord) -> String {
    let plan = match visible_operators(report) {
        Some(operators) => operator(operators.as_ref(), report.run.is_some()),
        None => node(report.plan.plan()),
    };
    let milliseconds = |time: std::time::Duration| Part::Number(format!("{:.3}", time.as_secs_f64() * 1000.0));
    let operation = report
        .heading
        .iter()
        .map(|heading| ("Operation", Part::Text(heading.clone())));
    let mut parts: Vec<_> = operation.collect();
    parts.extend([("Plan", plan), ("Planning Time", milliseconds(report.planning))]);
    if let Some((rows, time)) = report.run {
        parts.push(("Execution Time", milliseconds(time)));
        parts.push(("Rows", Part::Number(rows.to_string())));
        parts.push(("Plan Cache", Part::Text(record.plan_cache_outcome().name().to_string())));
    }
    let mut out = String::new();
    match format {
        ExplainFormat::Xml => {
            out.push_str("<explain xmlns=\"http://www.postgresql.org/2009/explain\">");
            xml("Query", &Part::Group(parts), 1, &mut out);
            out.push_str("\n</explain>");
        }
        ExplainFormat::Yaml => yaml(&Part::List("Query", vec![Part::Group(parts)]), 0, &mut out),
        ExplainFormat::Json | ExplainFormat::Text => {
            json(&Part::List("Query", vec![Part::Group(parts)]), 0, &mut out);
        }
    }
    out.trim_start_matches('\n').to_string()
}

/// An operator with those that it reads.
fn operator(plan: &dyn ExecutionPlan, with_metrics: bool) -> Part {
    let display = match with_metrics {
        true => DisplayableExecutionPlan::with_metrics(plan),
        false => DisplayableExecutionPlan::new(plan),
    };
    let details = display.one_line().to_string().trim_end().to_string();
    let inputs = plan
        .children()
        .into_iter()
        .map(|input| operator(input.as_ref(), with_metrics));
    described(plan.name().to_string(), details, inputs.collect())
}

/// A node of the logical plan, for whoever may not see operators.
fn node(plan: &LogicalPlan) -> Part {
    // Names that no client can write begin with a byte that no text may have.
    let details = plan.display().to_string().replace('\0', "");
    let name = details.split([':', ' ']).next().unwrap_or_default().to_string();
    described(name, details, plan.inputs().into_iter().map(node).collect())
}

fn described(name: String, details: String, inputs: Vec<Part>) -> Part {
    let mut parts = vec![("Node Type", Part::Text(name)), ("Details", Part::Text(details))];
    if !inputs.is_empty() {
        parts.push(("Plans", Part::List("Plan", inputs)));
    }
    Part::Group(parts)
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

/// Text in double quotes, as JSON and YAML both take it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json(part: &Part, depth: usize, out: &mut String) {
    let mut first = true;
    let mut begin = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        line(depth + 1, out);
    };
    match part {
        Part::Text(text) => out.push_str(&quoted(text)),
        Part::Number(number) => out.push_str(number),
        Part::Group(parts) => {
            out.push('{');
            for (name, part) in parts {
                begin(out);
                out.push_str(&format!("\"{name}\": "));
                json(part, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Part::List(_, parts) => {
            out.push('[');
            for part in parts {
                begin(out);
                json(part, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
    }
}

fn xml(name: &str, part: &Part, depth: usize, out: &mut String) {
    let tag = name.replace(' ', "-");
    line(depth, out);
    out.push_str(&format!("<{tag}>"));
    match part {
        Part::Text(text) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            out.push_str(&text);
        }
        Part::Number(number) => out.push_str(number),
        Part::Group(parts) => {
            for (name, part) in parts {
                xml(name, part, depth + 1, out);
            }
            line(depth, out);
        }
        Part::List(item, parts) => {
            for part in parts {
                xml(item, part, depth + 1, out);
            }
            line(depth, out);
        }
    }
    out.push_str(&format!("</{tag}>"));
}

fn yaml(part: &Part, depth: usize, out: &mut String) {
    match part {
        Part::Text(text) => out.push_str(&quoted(text)),
        Part::Number(number) => out.push_str(number),
        Part::Group(parts) => {
            for (index, (name, part)) in parts.iter().enumerate() {
                // The first one stands behind the dash of its list.
                if index > 0 || !out.ends_with("- ") {
                    line(depth, out);
                }
                out.push_str(&format!("{name}: "));
                let deeper = match part {
                    Part::List(..) => depth + 1,
                    _ => depth + 2,
                };
                yaml(part, deeper, out);
            }
        }
        Part::List(_, parts) => {
            for part in parts {
                line(depth, out);
                out.push_str("- ");
                yaml(part, depth + 1, out);
            }
        }
    }
}
