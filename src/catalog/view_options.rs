//! What a view's definition says beside its query.

use serde::{Deserialize, Serialize};

/// WITH (…) of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_option: Option<CheckOption>,
    /// What the view reads is for the rights of who reads the view, not for its owner's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security_invoker: bool,
}

impl ViewOptions {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == ViewOptions::default()
    }

    /// pg_class.reloptions.
    pub fn spelled(&self) -> Vec<String> {
        let check_option = self
            .check_option
            .map(|option| format!("check_option={}", option.name()));
        let security_invoker = self.security_invoker.then(|| "security_invoker=true".to_string());
        security_invoker.into_iter().chain(check_option).collect()
    }
}

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
