//! ALTER DEFAULT PRIVILEGES.

use super::ObjectName;
use crate::catalog::DefaultsOf;
use crate::catalog::model::Privilege;

#[derive(Debug, Clone)]
pub struct DefaultPrivilegesStatement {
    /// None: the current role.
    pub roles: Vec<String>,
    /// None: everywhere in the database.
    pub schemas: Vec<ObjectName>,
    pub of: DefaultsOf,
    pub revoke: bool,
    /// None are all of them.
    pub privileges: Vec<Privilege>,
    /// `public` is everybody.
    pub grantees: Vec<String>,
    /// WITH GRANT OPTION; for REVOKE: GRANT OPTION FOR.
    pub option: bool,
}
