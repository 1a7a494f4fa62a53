//! WITH CHECK OPTION of views.

use serde::{Deserialize, Serialize};

/// WITH CHECK OPTION: whose conditions rows are held to that are written through a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOption {
    /// The view's own, and those of views below it that say so too.
    Local,
    /// The view's own and those of all views below it.
    Cascaded,
}

impl CheckOption {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            CheckOption::Local => "local",
            CheckOption::Cascaded => "cascaded",
        }
    }
}
