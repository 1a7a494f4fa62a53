//! The analyzed query: names have become places, every expression has its type, every operator and function is chosen.
//! Made by the analyzer, run by the executor; holds nobody's identity.

use std::sync::Arc;

use super::evaluate::{Executor, KnownValues};
use super::value_type::{BPCHAR, Field, Type};
use crate::error::Result;
use crate::functions::Datum;
use crate::functions::builtin::BuiltinRelation;

/// An expression with its type.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub ty: Type,
    pub kind: Kind,
}

/// What a function or operator does with the values of its arguments.
pub(super) type Body = fn(&Executor<'_>, &Callable, &[Datum]) -> Result<Datum>;

/// A chosen function or operator.
#[derive(Debug, Clone)]
pub(super) struct Callable {
    pub name: String,
    pub arguments: Vec<Type>,
    pub result: Type,
    /// NULL in, NULL out.
    pub is_strict: bool,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Constant(Datum),
    Parameter(usize),
    /// A column of an item of FROM, `depth` queries up.
    Column {
        depth: usize,
        item: usize,
        column: usize,
    },
    /// All columns of an item as one record.
    WholeRow {
        depth: usize,
        item: usize,
        width: usize,
    },
    Call(Arc<Callable>, Vec<Node>),
    /// From the argument's type to the node's.
    Cast {
        argument: Box<Node>,
        explicit: bool,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    IsNull {
        argument: Box<Node>,
        negated: bool,
    },
    /// IS TRUE, IS FALSE, IS UNKNOWN.
    IsTruth {
        argument: Box<Node>,
        wanted: Option<bool>,
        negated: bool,
    },
    IsDistinct {
        equal: Arc<Callable>,
        left: Box<Node>,
        right: Box<Node>,
        negated: bool,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Coalesce(Vec<Node>),
    Extreme {
        arguments: Vec<Node>,
        greatest: bool,
    },
    NullIf {
        equal: Arc<Callable>,
        left: Box<Node>,
        right: Box<Node>,
    },
    Array(Vec<Node>),
    Row(Vec<Node>),
    FieldOf {
        record: Box<Node>,
        index: usize,
    },
    Element {
        array: Box<Node>,
        indexes: Vec<Node>,
    },
    Slice {
        array: Box<Node>,
        lower: Option<Box<Node>>,
        upper: Option<Box<Node>>,
    },
    /// `left op ANY (array)` or ALL.
    Quantified {
        operator: Arc<Callable>,
        left: Box<Node>,
        array: Box<Node>,
        /// The array's values, where they decide alone.
        known: Option<Arc<KnownValues>>,
        all: bool,
    },
    Subquery {
        query: Arc<Query>,
        how: SubqueryUse,
    },
}

#[derive(Debug, Clone)]
pub(super) enum SubqueryUse {
    Scalar,
    Exists,
    Array,
    /// `(left …) op ANY (SELECT …)` or ALL: one operator a column.
    Quantified {
        left: Vec<Node>,
        operators: Vec<Arc<Callable>>,
        all: bool,
    },
}

/// A query with its WITH, ORDER BY and LIMIT.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// Tells queries of one statement apart, for results that are computed once.
    pub id: usize,
    pub body: QueryBody,
    /// The visible columns; rows may be wider while they are sorted.
    pub columns: Vec<Field>,
    pub order: Vec<SortKey>,
    pub limit: Option<Node>,
    pub offset: Option<Node>,
    /// Whether it reads columns of a query around it.
    pub is_correlated: bool,
}

#[derive(Debug, Clone)]
pub(super) struct SortKey {
    /// Position in the row.
    pub column: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// What makes the rows of a query.
#[derive(Debug, Clone)]
pub(super) enum QueryBody {
    Select(Box<Select>),
    Set {
        operator: SetOperator,
        all: bool,
        left: Box<Query>,
        right: Box<Query>,
    },
    Values(Vec<Vec<Node>>),
    /// WITH RECURSIVE: `term` reads the rows that the last step added.
    Recursive {
        table: usize,
        base: Box<Query>,
        term: Box<Query>,
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Select {
    pub items: Vec<Item>,
    pub source: Option<Source>,
    pub filter: Vec<Conjunct>,
    pub group: Option<Group>,
    pub windows: Vec<WindowCall>,
    pub sets: Vec<SetCall>,
    pub targets: Vec<Node>,
    pub distinct: Distinct,
}

#[derive(Debug, Clone, Default)]
pub(super) enum Distinct {
    #[default]
    No,
    All,
    /// DISTINCT ON: positions in the row.
    On(Vec<usize>),
}

/// A part of a condition that AND combines, with the items of FROM that it reads.
#[derive(Debug, Clone)]
pub(super) struct Conjunct {
    pub node: Node,
    pub reads: u128,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub kind: ItemKind,
    pub id: usize,
    /// The items of the same FROM that it reads.
    pub reads: u128,
    /// Whether it reads anything but itself.
    pub is_dependent: bool,
}

#[derive(Debug, Clone)]
pub(super) enum ItemKind {
    Relation(&'static BuiltinRelation),
    Query(Arc<Query>),
    /// A WITH query, by its id.
    Shared(Arc<Query>),
    /// The working table of a recursive query.
    Working(usize),
    /// ROWS FROM: functions side by side.
    Functions {
        calls: Vec<SetCall>,
        ordinality: bool,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    Item(usize),
    Join {
        left: Box<Source>,
        right: Box<Source>,
        kind: JoinKind,
        on: Vec<Conjunct>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub keys: Vec<Node>,
    pub aggregates: Vec<AggregateCall>,
    pub having: Option<Node>,
}

#[derive(Debug, Clone)]
pub(super) struct AggregateCall {
    pub function: AggregateFunction,
    pub arguments: Vec<Node>,
    pub distinct: bool,
    /// Each with descending and nulls first.
    pub order: Vec<(Node, bool, bool)>,
    pub filter: Option<Node>,
    pub result: Type,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateFunction {
    Count,
    Min,
    Max,
    Sum,
    StringAgg,
    ArrayAgg,
    BoolAnd,
    BoolOr,
    JsonAgg,
    JsonObjectAgg,
}

/// A window function over all rows of a partition up to the current one's peers.
#[derive(Debug, Clone)]
pub(super) struct WindowCall {
    pub function: WindowFunction,
    pub partition: Vec<Node>,
    pub order: Vec<(Node, bool, bool)>,
}

#[derive(Debug, Clone)]
pub(super) enum WindowFunction {
    RowNumber,
    Rank,
    DenseRank,
    Aggregate(AggregateCall),
}

/// What a set-returning function gives: its rows.
pub(super) type SetBody = fn(&Executor<'_>, &SetCall, &[Datum]) -> Result<Vec<Datum>>;

/// A call of a set-returning function. Each result is one value; a record for several columns.
#[derive(Debug, Clone)]
pub(super) struct SetCall {
    pub arguments: Vec<Node>,
    /// Of one row.
    pub result: Type,
    pub body: SetBody,
    /// A function that gives one value is one row in FROM.
    pub scalar: Option<Box<Node>>,
}

impl Callable {
    /// Whether an equality or inequality of these types is one of the values' keys.
    pub fn compares_keys(&self) -> bool {
        !self.arguments.iter().any(|ty| ty.is(BPCHAR) || ty.category() == 'D')
    }
}

impl Node {
    pub fn new(ty: impl Into<Type>, kind: Kind) -> Node {
        Node { ty: ty.into(), kind }
    }

    pub fn constant(ty: impl Into<Type>, value: impl Into<Datum>) -> Node {
        Node::new(ty, Kind::Constant(value.into()))
    }
}
