//! Functions and procedures: how they are made, named by their argument types, changed and called.

use datafusion::sql::sqlparser::ast as sql;

use super::{ObjectName, RoleSetting};
use crate::catalog::model::{OutputMode, QueryResult, RoutineKind, Script};
use crate::types::SqlType;

#[derive(Debug, Clone)]
pub struct CreateFunction {
    pub name: ObjectName,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub arguments: Vec<(String, SqlType)>,
    /// Of each argument.
    pub defaults: Vec<Option<String>>,
    pub returns: SqlType,
    /// One expression, RETURN expr or AS 'SELECT expr' LANGUAGE sql, or a query where `query` tells what it gives; with
    /// `script` all its statements.
    pub body: String,
    pub query: Option<QueryResult>,
    pub script: Option<Script>,
    /// Settings that hold while it runs.
    pub settings: Vec<RoleSetting>,
    pub comment: Option<String>,
}

/// DO in PL/pgSQL.
#[derive(Debug, Clone)]
pub struct Inline {
    pub body: String,
    /// Characters of the statement before the body, where the body stands there as it is.
    pub offset: Option<usize>,
}

/// CALL.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: ObjectName,
    pub arguments: Vec<sql::FunctionArg>,
}

/// A routine that a statement names.
#[derive(Debug, Clone)]
pub struct RoutineName {
    pub kind: RoutineKind,
    pub name: ObjectName,
    /// With the modes that are written; `None` where there is no list.
    pub arguments: Option<Vec<(Option<OutputMode>, SqlType)>>,
}

/// ALTER and COMMENT ON.
#[derive(Debug, Clone)]
pub enum RoutineChange {
    Rename(String),
    Owner(String),
    SetSchema(ObjectName),
    /// Whose rights it has, and what is set while it runs, in their order.
    Surroundings {
        security_definer: Option<bool>,
        settings: Vec<RoleSetting>,
    },
    Comment(Option<String>),
}

/// DROP.
#[derive(Debug, Clone)]
pub struct DropRoutines {
    pub names: Vec<RoutineName>,
    pub if_exists: bool,
    pub cascade: bool,
}

impl RoutineName {
    pub fn declared_types(&mut self) -> impl Iterator<Item = &mut SqlType> {
        self.arguments.iter_mut().flatten().map(|(_, sql_type)| sql_type)
    }
}

impl CreateFunction {
    pub fn is_procedure(&self) -> bool {
        self.script.as_ref().is_some_and(|script| script.is_procedure)
    }
}

impl DropRoutines {
    /// The kind that the statement names.
    pub fn kind(&self) -> RoutineKind {
        self.names.first().map_or(RoutineKind::Function, |name| name.kind)
    }
}
