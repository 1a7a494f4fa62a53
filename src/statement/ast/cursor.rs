//! DECLARE, FETCH and MOVE.

use datafusion::sql::sqlparser::ast as sql;

#[derive(Debug, Clone)]
pub struct DeclareCursor {
    pub name: String,
    pub binary: bool,
    /// `None` says neither SCROLL nor NO SCROLL.
    pub scroll: Option<bool>,
    pub hold: bool,
    pub query: Box<sql::Query>,
}

/// FETCH and MOVE.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub cursor: String,
    pub direction: FetchDirection,
    /// MOVE: rows are passed, not given.
    pub is_move: bool,
}

/// `None` is ALL; a negative count goes the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchDirection {
    Forward(Option<i64>),
    Backward(Option<i64>),
    Absolute(i64),
    Relative(i64),
}
