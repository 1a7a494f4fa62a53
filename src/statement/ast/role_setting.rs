//! What ALTER ROLE … SET and RESET change: the settings that a role's sessions start with.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleSetting {
    Set { name: String, values: Vec<String> },
    SetFromCurrent(String),
    Reset(String),
    ResetAll,
}
