//! Runs an analyzed query, a row at a time, over rows that `introspection` made for the statement's principal. Nothing
//! outlives the statement.

mod aggregate;
mod compare;
mod conversion;
mod expression;
mod group;
mod join;
mod json;
mod query;
mod relation;
mod select;
mod window;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::node::{Callable, Query};
use crate::error::Result;
use crate::functions::{Datum, FunctionEnvironment};
use crate::introspection::Monitoring;
use crate::types::FormatSettings;

pub(super) use compare::{KnownValues, compare, key};
pub(super) use json::{json_of, json_text};

/// A row of an item; shared by all that it is joined with.
pub(super) type Row = Arc<[Datum]>;
/// One row of each item of FROM, then aggregates, window functions and sets; `None` where an outer join has none.
pub(super) type Tuple = Vec<Option<Row>>;

/// Row numbers by the values of some columns.
type Index = HashMap<compare::Key, Vec<usize>>;

/// The tuples that an expression reads: its own query's and those of the queries around it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    pub tuple: &'f [Option<Row>],
    pub parent: Option<&'f Frame<'f>>,
}

/// Rows that one statement may make before the other path, which streams, takes over.
const MAX_ROWS: usize = 4_000_000;

/// Built for a join: by its place in the plan and the columns that it compares.
type Indexes = HashMap<(usize, Vec<usize>), Arc<Index>>;

/// One statement's evaluation.
pub(super) struct Executor<'a> {
    pub environment: &'a dyn FunctionEnvironment,
    pub monitoring: &'a dyn Monitoring,
    pub settings: &'a FormatSettings,
    pub parameters: Vec<Datum>,
    relations: RefCell<HashMap<u32, Arc<Vec<Row>>>>,
    results: RefCell<HashMap<usize, Arc<Vec<Row>>>>,
    indexes: RefCell<Indexes>,
    working: RefCell<HashMap<usize, Arc<Vec<Row>>>>,
    patterns: RefCell<HashMap<(String, bool), Arc<regex::Regex>>>,
    rows: Cell<usize>,
}

impl<'a> Executor<'a> {
    pub fn new(
        environment: &'a dyn FunctionEnvironment,
        monitoring: &'a dyn Monitoring,
        settings: &'a FormatSettings,
    ) -> Executor<'a> {
        Executor {
            environment,
            monitoring,
            settings,
            parameters: vec![],
            relations: RefCell::default(),
            results: RefCell::default(),
            indexes: RefCell::default(),
            working: RefCell::default(),
            patterns: RefCell::default(),
            rows: Cell::new(0),
        }
    }

    /// The rows of a whole statement.
    pub fn run(&self, query: &Query) -> Result<Arc<Vec<Row>>> {
        self.query(query, None)
    }

    /// Counts work done: a cancel request is heard, and what grows out of bounds is left to the other path.
    pub fn count_row(&self, _so_far: usize) -> Result<()> {
        const LISTEN_EVERY: usize = 4096;
        let rows = self.rows.get() + 1;
        self.rows.set(rows);
        if rows.is_multiple_of(LISTEN_EVERY) {
            self.environment.context().check_cancelled()?;
            if rows > MAX_ROWS {
                return Err(super::analyzer::not_covered("so many rows"));
            }
        }
        Ok(())
    }

    /// A function or operator applied to values.
    pub fn call(&self, callable: &Callable, values: &[Datum]) -> Result<Datum> {
        if callable.is_strict && values.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        (callable.body)(self, callable, values)
    }
}

impl Executor<'_> {
    /// A regular expression, compiled once a statement.
    pub fn pattern(&self, text: &str, ignores_case: bool) -> Result<Arc<regex::Regex>> {
        let name = (text.to_string(), ignores_case);
        if let Some(pattern) = self.patterns.borrow().get(&name) {
            return Ok(Arc::clone(pattern));
        }
        let compiled = regex::RegexBuilder::new(text)
            .case_insensitive(ignores_case)
            .dot_matches_new_line(true)
            .build()
            .map_err(|_| {
                let message = format!("invalid regular expression: \"{text}\"");
                crate::error::Error::new(crate::error::SqlState::InvalidParameterValue, message)
            })?;
        let pattern = Arc::new(compiled);
        self.patterns.borrow_mut().insert(name, Arc::clone(&pattern));
        Ok(pattern)
    }
}
