//! What a PL/pgSQL body says, with its variables numbered and its SQL as text.

use super::names::{Names, Place};
use crate::statement::ast::ObjectName;
use crate::types::SqlType;

/// What the declaration of a routine says, as far as its body has to know.
#[derive(Debug, Clone)]
pub struct Signature {
    /// A label of the body.
    pub name: String,
    /// Names and types of all that is taken and given, in order; `$1` is the first.
    pub parameters: Vec<(String, SqlType)>,
    pub returns: Returns,
}

impl Signature {
    /// Of DO.
    pub fn of_block() -> Signature {
        Signature {
            name: "inline_code_block".to_string(),
            parameters: vec![],
            returns: Returns::Void,
        }
    }
}

/// What RETURN gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    Void,
    Procedure,
    Value,
    /// The values of the output arguments.
    Outputs,
    /// Any number of rows, each of the values of output arguments or of one that RETURN NEXT is given.
    Set {
        has_outputs: bool,
    },
}

impl Returns {
    pub fn of(is_procedure: bool, is_set: bool, has_outputs: bool, returns: &SqlType) -> Returns {
        match (is_set, has_outputs, is_procedure) {
            (true, _, _) => Returns::Set { has_outputs },
            (false, true, _) => Returns::Outputs,
            (false, false, true) => Returns::Procedure,
            (false, false, false) if *returns == SqlType::Void => Returns::Void,
            (false, false, false) => Returns::Value,
        }
    }
}

/// A body that was read.
#[derive(Debug)]
pub struct Routine {
    /// The variables that its parameters are.
    pub parameters: Vec<usize>,
    pub returns: Returns,
    /// By number.
    pub variables: Vec<Variable>,
    pub names: Names,
    pub body: Block,
    /// The variable FOUND.
    pub found: usize,
    /// How many texts of SQL it has; they are numbered.
    pub texts: usize,
}

#[derive(Debug)]
pub struct Variable {
    pub name: String,
    pub declared: DeclaredType,
    pub constant: bool,
    pub not_null: bool,
    pub default: Option<Sql>,
    pub line: usize,
}

/// A variable's type as it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum DeclaredType {
    Type(SqlType),
    /// `table.column%TYPE`.
    OfColumn(ObjectName),
    /// `variable%TYPE`.
    OfVariable(usize),
    /// `table%ROWTYPE`.
    RowOf(ObjectName),
    Record,
    /// That of the value which it gets.
    OfValue,
}

/// SQL inside of a body.
#[derive(Debug)]
pub struct Sql {
    pub number: usize,
    /// The statement; an expression is what stands behind SELECT.
    pub text: String,
    /// What is written.
    pub shown: String,
    /// The names that it may use.
    pub place: Place,
}

/// BEGIN … END.
#[derive(Debug)]
pub struct Block {
    pub label: Option<String>,
    pub line: usize,
    /// In the order of their declaration.
    pub declared: Vec<usize>,
    pub steps: Vec<Step>,
    pub handlers: Option<Handlers>,
}

/// EXCEPTION.
#[derive(Debug)]
pub struct Handlers {
    pub sqlstate: usize,
    pub sqlerrm: usize,
    pub handlers: Vec<Handler>,
}

/// WHEN conditions THEN steps.
#[derive(Debug)]
pub struct Handler {
    pub conditions: Vec<Condition>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    State(String),
    Others,
}

/// One statement of the body.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub action: Action,
}

#[derive(Debug)]
pub enum Action {
    Null,
    Block(Block),
    Assign {
        target: Target,
        value: Sql,
    },
    If {
        branches: Vec<(Sql, Vec<Step>)>,
        otherwise: Vec<Step>,
    },
    Case {
        /// The variable that keeps the value which the branches compare.
        subject: Option<(usize, Sql)>,
        branches: Vec<(Sql, Vec<Step>)>,
        otherwise: Option<Vec<Step>>,
    },
    /// LOOP, and WHILE with a condition.
    Loop {
        label: Option<String>,
        condition: Option<Sql>,
        steps: Vec<Step>,
    },
    ForNumbers {
        label: Option<String>,
        variable: usize,
        reverse: bool,
        from: Sql,
        to: Sql,
        by: Option<Sql>,
        steps: Vec<Step>,
    },
    ForRows {
        label: Option<String>,
        targets: Vec<Target>,
        rows: Rows,
        steps: Vec<Step>,
    },
    ForElements {
        label: Option<String>,
        target: Target,
        array: Sql,
        steps: Vec<Step>,
    },
    /// EXIT and CONTINUE.
    Leave {
        continues: bool,
        label: Option<String>,
        condition: Option<Sql>,
    },
    Return(Option<Sql>),
    ReturnNext(Option<Sql>),
    ReturnQuery(Rows),
    /// One of a body in SQL; the rows of its last one may be the function's.
    Statement {
        sql: Sql,
        is_result: bool,
    },
    Perform(Sql),
    Command {
        sql: Sql,
        into: Option<Into>,
    },
    Execute {
        dynamic: Dynamic,
        into: Option<Into>,
    },
    Diagnostics {
        stacked: bool,
        items: Vec<(Target, Item)>,
    },
    Raise(Raise),
    Assert {
        condition: Sql,
        message: Option<Sql>,
    },
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
}

impl Action {
    /// What CONTEXT calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Null => "NULL",
            Action::Block(_) => "statement block",
            Action::Assign { .. } => "assignment",
            Action::If { .. } => "IF",
            Action::Case { .. } => "CASE",
            Action::Loop { condition: None, .. } => "LOOP",
            Action::Loop { .. } => "WHILE",
            Action::ForNumbers { .. } => "FOR with integer loop variable",
            Action::ForRows {
                rows: Rows::Query(_), ..
            } => "FOR over SELECT rows",
            Action::ForRows { .. } => "FOR over EXECUTE statement",
            Action::ForElements { .. } => "FOREACH over array",
            Action::Leave { continues: false, .. } => "EXIT",
            Action::Leave { .. } => "CONTINUE",
            Action::Return(_) => "RETURN",
            Action::ReturnNext(_) => "RETURN NEXT",
            Action::ReturnQuery(_) => "RETURN QUERY",
            Action::Statement { .. } => "statement",
            Action::Perform(_) => "PERFORM",
            Action::Command { sql, .. } => match sql.text.get(..3) {
                Some(word) if word.eq_ignore_ascii_case("do ") => "DO",
                Some(word) if word.eq_ignore_ascii_case("cal") => "CALL",
                _ => "SQL statement",
            },
            Action::Execute { .. } => "EXECUTE",
            Action::Diagnostics { stacked: true, .. } => "GET STACKED DIAGNOSTICS",
            Action::Diagnostics { .. } => "GET DIAGNOSTICS",
            Action::Raise(_) => "RAISE",
            Action::Assert { .. } => "ASSERT",
            Action::Commit { .. } => "COMMIT",
            Action::Rollback { .. } => "ROLLBACK",
        }
    }
}

/// What a value goes to.
#[derive(Debug)]
pub struct Target {
    pub variable: usize,
    /// Of a record.
    pub field: Option<String>,
}

/// INTO.
#[derive(Debug)]
pub struct Into {
    pub strict: bool,
    pub targets: Vec<Target>,
}

/// Where a loop's rows come from.
#[derive(Debug)]
pub enum Rows {
    Query(Sql),
    Execute(Dynamic),
}

/// EXECUTE text USING values.
#[derive(Debug)]
pub struct Dynamic {
    pub text: Sql,
    pub using: Vec<Sql>,
}

/// What GET DIAGNOSTICS asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    RowCount,
    Context,
    State,
    Message,
    Detail,
    Hint,
    ExceptionContext,
    Column,
    Constraint,
    DataType,
    Table,
    Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Debug,
    Log,
    Info,
    Notice,
    Warning,
    Exception,
}

#[derive(Debug)]
pub struct Raise {
    pub level: Level,
    /// RAISE alone.
    pub again: bool,
    /// The name of the condition, or its SQLSTATE, and the latter.
    pub condition: Option<(String, String)>,
    pub format: Option<String>,
    pub values: Vec<Sql>,
    pub options: Vec<(RaiseOption, Sql)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaiseOption {
    State,
    Message,
    Detail,
    Hint,
    Column,
    Constraint,
    DataType,
    Table,
    Schema,
}

impl RaiseOption {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            RaiseOption::State => "ERRCODE",
            RaiseOption::Message => "MESSAGE",
            RaiseOption::Detail => "DETAIL",
            RaiseOption::Hint => "HINT",
            RaiseOption::Column => "COLUMN",
            RaiseOption::Constraint => "CONSTRAINT",
            RaiseOption::DataType => "DATATYPE",
            RaiseOption::Table => "TABLE",
            RaiseOption::Schema => "SCHEMA",
        }
    }
}
