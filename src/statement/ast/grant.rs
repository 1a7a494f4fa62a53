//! GRANT and REVOKE of privileges.

use super::{ObjectKind, ObjectName, RoutineName};
use crate::catalog::model::Privilege;

#[derive(Debug, Clone)]
pub struct GrantStatement {
    pub revoke: bool,
    /// Empty: ALL PRIVILEGES. Columns belong to SELECT, INSERT, UPDATE and REFERENCES.
    pub privileges: Vec<(Privilege, Vec<String>)>,
    pub target: GrantTarget,
    /// `public` is everybody.
    pub grantees: Vec<String>,
    /// WITH GRANT OPTION; for REVOKE: GRANT OPTION FOR.
    pub grant_option: bool,
    pub cascade: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllOf {
    /// Views too.
    Tables,
    Sequences,
    Functions,
    Procedures,
    /// Functions and procedures.
    Routines,
}

#[derive(Debug, Clone)]
pub enum GrantTarget {
    Objects {
        kind: ObjectKind,
        names: Vec<ObjectName>,
    },
    /// Functions and procedures.
    Routines(Vec<RoutineName>),
    /// Of `Function` procedures too, of routines' kind those alone.
    AllInSchemas {
        kind: AllOf,
        schemas: Vec<ObjectName>,
    },
}
