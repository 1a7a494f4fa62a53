//! Composite types, and the types that a statement names: names of users' types are looked up before it runs.

use super::{Alter, CreateFunction, CreateTable, GrantStatement, GrantTarget, ObjectName, RoutineName, Statement};
use crate::catalog::changes::AttributeChange;
use crate::types::SqlType;

/// CREATE TYPE … AS (…).
#[derive(Debug, Clone)]
pub struct CreateComposite {
    pub name: ObjectName,
    pub fields: Vec<(String, SqlType)>,
}

/// ALTER TYPE … ATTRIBUTE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterAttributes {
    pub name: ObjectName,
    pub changes: Vec<AttributeChange>,
}

impl Statement {
    /// Every type that the statement declares something as.
    pub fn declared_types(&mut self) -> Vec<&mut SqlType> {
        match self {
            Statement::CreateTable(CreateTable { columns, .. }) => {
                columns.iter_mut().map(|column| &mut column.sql_type).collect()
            }
            Statement::CreateFunction(CreateFunction {
                arguments,
                returns,
                query,
                ..
            }) => {
                let arguments = arguments.iter_mut().map(|(_, sql_type)| sql_type);
                let outputs = query.iter_mut().flat_map(|query| &mut query.outputs);
                let outputs = outputs.map(|output| &mut output.sql_type);
                arguments.chain([returns]).chain(outputs).collect()
            }
            Statement::DropRoutines(drop) => drop.names.iter_mut().flat_map(RoutineName::declared_types).collect(),
            Statement::ChangeRoutine { routine, .. } => routine.declared_types().collect(),
            Statement::Grant(GrantStatement {
                target: GrantTarget::Routines(routines),
                ..
            }) => routines.iter_mut().flat_map(RoutineName::declared_types).collect(),
            Statement::CreateDomain(create) => vec![&mut create.base],
            Statement::CreateComposite(create) => create.fields.iter_mut().map(|(_, sql_type)| sql_type).collect(),
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
            Alter::Attributes(alter) => {
                let types = alter.changes.iter_mut().map(|change| match change {
                    AttributeChange::Add { sql_type, .. } | AttributeChange::SetType { sql_type, .. } => Some(sql_type),
                    AttributeChange::Drop { .. } | AttributeChange::Rename { .. } => None,
                });
                types.flatten().collect()
            }
            _ => vec![],
        }
    }
}
