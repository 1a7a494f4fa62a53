//! Guesses how many rows a logical plan yields and how many values its columns have. Orders and sides of joins
//! rest on it, never an answer.

mod selectivity;

use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DFSchema, JoinType, Statistics};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, FetchType, Join, LogicalPlan, SkipType, TableScan};

use crate::storage::{UNIQUE_PART, as_number};

pub(super) use selectivity::RESIDUAL;

/// Rows of a relation of which nothing is known.
const UNKNOWN_ROWS: f64 = 1000.0;
/// Distinct values of a column of which nothing is known, where there are so many rows.
const UNKNOWN_VALUES: f64 = 20.0;

/// What is believed of a plan's output.
#[derive(Debug, Clone)]
pub(super) struct Estimate {
    pub rows: f64,
    /// Rows before filters and joins: what the columns' values are counted in.
    pub base_rows: f64,
    /// One for each field of the plan's schema.
    pub columns: Vec<ColumnEstimate>,
}

/// What is believed of one column.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnEstimate {
    /// Distinct values before filters: the domain that keys come from.
    pub values: f64,
    /// Least and greatest value, where they are numbers.
    pub range: Option<(f64, f64)>,
    /// The part of the rows that is NULL.
    pub nulls: f64,
    /// What an aggregate computed: a condition on it picks out few groups.
    pub is_aggregate: bool,
}

impl ColumnEstimate {
    fn unknown(rows: f64) -> ColumnEstimate {
        ColumnEstimate {
            values: rows.clamp(1.0, UNKNOWN_VALUES),
            range: None,
            nulls: 0.0,
            is_aggregate: false,
        }
    }
}

impl Estimate {
    /// The column that `expression` names in `schema`.
    pub fn column(&self, schema: &DFSchema, expression: &Expr) -> Option<ColumnEstimate> {
        match expression {
            Expr::Column(column) => self.named(schema, column),
            Expr::Alias(alias) => self.column(schema, &alias.expr),
            Expr::Cast(cast) => self.column(schema, &cast.expr),
            _ => None,
        }
    }

    fn named(&self, schema: &DFSchema, column: &Column) -> Option<ColumnEstimate> {
        let position = schema.maybe_index_of_column(column)?;
        self.columns.get(position).copied()
    }

    /// Values that the key `expressions` can have before filters.
    pub fn domain(&self, schema: &DFSchema, expressions: &[&Expr]) -> f64 {
        let combined: f64 = expressions
            .iter()
            .map(|expression| {
                self.column(schema, expression)
                    .map_or(self.base_rows, |column| column.values)
            })
            .product();
        combined.min(self.base_rows).max(1.0)
    }

    /// The relation as one side of a join by a key of so many values.
    pub fn side(&self, domain: f64) -> Side {
        Side {
            rows: self.rows,
            base_rows: self.base_rows,
            domain,
        }
    }

    fn unknown(schema: &DFSchema, rows: f64) -> Estimate {
        Estimate {
            rows,
            base_rows: rows,
            columns: vec![ColumnEstimate::unknown(rows); schema.fields().len()],
        }
    }

    fn keeping(mut self, part: f64) -> Estimate {
        self.rows = (self.rows * part).max(1.0);
        self
    }
}

/// What is believed of `plan`.
pub(super) fn estimate(plan: &LogicalPlan) -> Estimate {
    match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan, &[]),
        LogicalPlan::Filter(filter) => {
            let conjuncts = split_conjunction(&filter.predicate);
            match filter.input.as_ref() {
                LogicalPlan::TableScan(scan) => of_scan(scan, &conjuncts),
                input => {
                    let input = estimate(input);
                    let kept = selectivity::kept_part(&conjuncts, &input, filter.input.schema());
                    input.keeping(kept)
                }
            }
        }
        LogicalPlan::Projection(projection) => {
            let input = estimate(&projection.input);
            let column = |expression: &Expr| {
                input
                    .column(projection.input.schema(), expression)
                    .unwrap_or(ColumnEstimate {
                        values: input.base_rows,
                        ..ColumnEstimate::unknown(input.base_rows)
                    })
            };
            let columns = projection.expr.iter().map(column).collect();
            Estimate { columns, ..input }
        }
        LogicalPlan::Join(join) => of_join(join),
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let input = estimate(input);
            let groups = groups(&input.columns, input.base_rows);
            Estimate {
                rows: values_among(input.rows, groups, input.base_rows),
                base_rows: groups,
                ..input
            }
        }
        LogicalPlan::Limit(limit) => {
            let mut input = estimate(&limit.input);
            if let (Ok(FetchType::Literal(Some(fetch))), Ok(SkipType::Literal(_))) =
                (limit.get_fetch_type(), limit.get_skip_type())
            {
                input.rows = input.rows.min(fetch as f64);
            }
            input
        }
        LogicalPlan::Union(union) => {
            let mut inputs = union.inputs.iter().map(|input| estimate(input));
            let Some(first) = inputs.next() else {
                return Estimate::unknown(plan.schema(), 1.0);
            };
            inputs.fold(first, |whole, part| Estimate {
                rows: whole.rows + part.rows,
                base_rows: whole.base_rows + part.base_rows,
                columns: whole.columns,
            })
        }
        LogicalPlan::Values(values) => Estimate::unknown(&values.schema, values.values.len() as f64),
        LogicalPlan::EmptyRelation(empty) => Estimate::unknown(&empty.schema, 1.0),
        LogicalPlan::SubqueryAlias(alias) => estimate(&alias.input),
        LogicalPlan::Sort(sort) => {
            let mut input = estimate(&sort.input);
            if let Some(fetch) = sort.fetch {
                input.rows = input.rows.min(fetch as f64);
            }
            input
        }
        LogicalPlan::Window(window) => {
            let mut input = estimate(&window.input);
            let added = window.schema.fields().len().saturating_sub(input.columns.len());
            let unknown = ColumnEstimate::unknown(input.base_rows);
            input.columns.extend(std::iter::repeat_n(unknown, added));
            input
        }
        other => match other.inputs().as_slice() {
            [input] => {
                let rows = estimate(input).rows;
                Estimate::unknown(other.schema(), rows)
            }
            _ => Estimate::unknown(other.schema(), UNKNOWN_ROWS),
        },
    }
}

/// What the scan's filters and the conditions `above` keep. They are counted together: a scan repeats those that it only
/// prunes files by, and may know more of them.
fn of_scan(scan: &TableScan, above: &[&Expr]) -> Estimate {
    let statistics = source_as_provider(&scan.source)
        .ok()
        .and_then(|provider| provider.statistics());
    let whole = match statistics {
        Some(statistics) => of_rows(scan, &statistics),
        None => Estimate::unknown(&scan.projected_schema, UNKNOWN_ROWS),
    };
    let repeated = scan.filters.iter().filter(|filter| !above.contains(filter));
    let filters: Vec<&Expr> = above.iter().copied().chain(repeated).collect();
    let kept = selectivity::kept_part(&filters, &whole, &scan.projected_schema);
    whole.keeping(kept)
}

/// What is believed of all rows of a scan's files.
fn of_rows(scan: &TableScan, statistics: &Statistics) -> Estimate {
    let rows = known_rows(statistics);
    let of_field = |field: usize| {
        let known = statistics.column_statistics.get(field);
        known.map_or(ColumnEstimate::unknown(rows), |known| of_column(known, rows))
    };
    let columns = match &scan.projection {
        Some(projection) => projection.iter().map(|field| of_field(*field)).collect(),
        None => (0..scan.projected_schema.fields().len()).map(of_field).collect(),
    };
    Estimate {
        rows,
        base_rows: rows,
        columns,
    }
}

fn known_rows(statistics: &Statistics) -> f64 {
    statistics
        .num_rows
        .get_value()
        .map_or(UNKNOWN_ROWS, |rows| (*rows as f64).max(1.0))
}

fn of_column(known: &ColumnStatistics, rows: f64) -> ColumnEstimate {
    let bound = |bound: &Precision<_>| bound.get_value().and_then(as_number);
    let range = bound(&known.min_value).zip(bound(&known.max_value));
    let values = known.distinct_count.get_value().map(|values| *values as f64);
    ColumnEstimate {
        values: values
            .map_or(rows.min(UNKNOWN_VALUES), |values| values.min(rows))
            .max(1.0),
        range,
        nulls: known
            .null_count
            .get_value()
            .map_or(0.0, |nulls| (*nulls as f64 / rows).min(1.0)),
        is_aggregate: false,
    }
}

/// Different combinations of the columns' values among so many rows.
fn groups(columns: &[ColumnEstimate], rows: f64) -> f64 {
    let combined: f64 = columns.iter().map(|column| column.values).product();
    combined.min(rows).max(1.0)
}

fn of_aggregate(aggregate: &Aggregate) -> Estimate {
    let input = estimate(&aggregate.input);
    let keys: Vec<ColumnEstimate> = aggregate
        .group_expr
        .iter()
        .map(|key| {
            input
                .column(aggregate.input.schema(), key)
                .unwrap_or(ColumnEstimate::unknown(input.base_rows))
        })
        .collect();
    let domain = groups(&keys, input.base_rows);
    let rows = values_among(input.rows, domain, input.base_rows);
    let mut columns = keys;
    columns.resize(
        aggregate.schema.fields().len(),
        ColumnEstimate {
            values: rows,
            range: None,
            nulls: 0.0,
            is_aggregate: true,
        },
    );
    Estimate {
        rows,
        base_rows: domain,
        columns,
    }
}

fn of_join(join: &Join) -> Estimate {
    let (left, right) = (estimate(&join.left), estimate(&join.right));
    let residual = if join.filter.is_some() { RESIDUAL } else { 1.0 };
    let (left_keys, right_keys): (Vec<&Expr>, Vec<&Expr>) = join.on.iter().map(|(left, right)| (left, right)).unzip();
    let left_domain = left.domain(join.left.schema(), &left_keys);
    let right_domain = right.domain(join.right.schema(), &right_keys);
    let matched = Key::new([left.side(left_domain), right.side(right_domain)], join.on.len());
    let inner = (left.rows * right.rows * matched.selectivity() * residual).max(1.0);
    let found = |other: &Estimate, values: f64| {
        let values = values_among(other.rows, values, other.base_rows);
        semi_part(values, matched.domain()) * residual
    };
    let kept = |side: &Estimate, other: &Estimate, values: f64| (side.rows * found(other, values)).max(1.0);
    let missing =
        |side: &Estimate, other: &Estimate, values: f64| (side.rows * anti_part(found(other, values))).max(1.0);
    let rows = match join.join_type {
        JoinType::Inner => inner,
        JoinType::Left => inner.max(left.rows),
        JoinType::Right => inner.max(right.rows),
        JoinType::Full => inner.max(left.rows).max(right.rows),
        JoinType::LeftSemi => kept(&left, &right, right_domain),
        JoinType::RightSemi => kept(&right, &left, left_domain),
        JoinType::LeftAnti => missing(&left, &right, right_domain),
        JoinType::RightAnti => missing(&right, &left, left_domain),
        JoinType::LeftMark => left.rows,
        JoinType::RightMark => right.rows,
    };
    let (base_rows, mut columns) = match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (left.base_rows, left.columns),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (right.base_rows, right.columns),
        _ => {
            let columns = left.columns.into_iter().chain(right.columns).collect();
            (left.base_rows.max(right.base_rows), columns)
        }
    };
    // The mark.
    columns.resize(join.schema.fields().len(), ColumnEstimate::unknown(base_rows));
    Estimate {
        rows,
        base_rows,
        columns,
    }
}

/// The equality of a key in two relations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    sides: [Side; 2],
    /// Columns of the key; 0 is a cross join.
    columns: usize,
}

/// What a key is in one relation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side {
    pub rows: f64,
    /// Rows before filters.
    pub base_rows: f64,
    /// Values the key can have, before filters.
    pub domain: f64,
}

impl Side {
    /// Whether each row has its own value.
    pub fn is_unique(&self) -> bool {
        self.domain >= UNIQUE_PART * self.base_rows
    }

    /// The same where so many of the rows are of account, whatever the filters keep.
    pub fn among(self, rows: f64) -> Side {
        match rows < self.base_rows {
            false => self,
            true => Side {
                rows: self.rows.min(rows),
                base_rows: rows,
                domain: values_among(rows, self.domain, self.base_rows),
            },
        }
    }

    /// Values of the key that filters leave.
    fn kept(&self) -> f64 {
        values_among(self.rows, self.domain, self.base_rows)
    }
}

impl Key {
    pub fn new(sides: [Side; 2], columns: usize) -> Key {
        Key { sides, columns }
    }

    /// The part of all pairs of rows that are equal.
    pub fn selectivity(&self) -> f64 {
        if self.columns == 0 { 1.0 } else { 1.0 / self.domain() }
    }

    /// Values that the two have between them. A side where each row has its own value is a primary key, and the other
    /// refers to it, perhaps to some only: then a filter is taken to ask for these, as one for a year does of a calendar
    /// of centuries. Several columns are seldom independent, so that the smaller guess is nearer.
    pub fn domain(&self) -> f64 {
        let [left, right] = self.sides.map(|side| side.domain);
        match (self.sides[0].is_unique(), self.sides[1].is_unique()) {
            _ if self.columns > 1 => left.min(right),
            (true, true) => left.min(right),
            (true, false) => left.min(right.max(self.sides[0].kept())),
            (false, true) => right.min(left.max(self.sides[1].kept())),
            (false, false) => left.max(right),
        }
    }
}

/// The part of the rows whose key, of `domain` values, is among so many of them.
pub(super) fn semi_part(values: f64, domain: f64) -> f64 {
    (values / domain.max(1.0)).min(1.0)
}

/// Different values among `rows`, taken by chance from `base_rows` with `values` different ones, each in as many rows.
pub(super) fn values_among(rows: f64, values: f64, base_rows: f64) -> f64 {
    let values = values.clamp(1.0, base_rows.max(1.0));
    let kept = (rows / base_rows.max(1.0)).min(1.0);
    // A value is lost where all of its rows are.
    let lost = (1.0 - kept).powf(base_rows / values);
    (values * (1.0 - lost)).clamp(1.0, rows.max(1.0))
}

/// The part that is left when `found` have a match. Something always is, for all that is known.
pub(super) fn anti_part(found: f64) -> f64 {
    (1.0 - found).max(0.1)
}
