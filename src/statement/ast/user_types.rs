//! The types that a statement names: names of users' types are looked up before it runs.

use super::{Alter, CreateFunction, CreateTable, Statement};
use crate::types::SqlType;

impl Statement {
    /// Every type that the statement declares something as.
    pub fn declared_types(&mut self) -> Vec<&mut SqlType> {
        match self {
            Statement::CreateTable(CreateTable { columns, .. }) => {
                columns.iter_mut().map(|column| &mut column.sql_type).collect()
            }
            Statement::CreateFunction(CreateFunction { arguments, returns, .. }) => {
                let arguments = arguments.iter_mut().map(|(_, sql_type)| sql_type);
                arguments.chain([returns]).collect()
            }
            Statement::CreateDomain(create) => vec![&mut create.base],
            Statement::Alter { alter, .. } => alter.declared_types(),
            _ => vec![],
        }
    }
}

impl Alter {
    fn declared_types(&mut self) -> Vec<&mut SqlType> {
        match self {
            Alter::Several(actions) => actions.iter_mut().flat_map(Alter::declared_types).collect(),
            Alter::AddColumns { columns, .. } => columns.iter_mut().map(|(column, _)| &mut column.sql_type).collect(),
            Alter::SetType { sql_type, .. } => vec![sql_type],
            _ => vec![],
        }
    }
}
