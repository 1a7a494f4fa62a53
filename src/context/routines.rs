//! Who runs the routines that a statement calls for its rows: the session, which lies above the functions that ask.

use std::fmt;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use futures::future::BoxFuture;

use super::QueryContext;
use super::settings::Settings;
use crate::catalog::model::Function;
use crate::error::Result;

/// Runs functions whose bodies are statements, for rows of a statement that runs already.
pub trait Routines: Send + Sync + fmt::Debug {
    /// What the function gives for each of these rows of arguments, in their order; each argument is of its declared type.
    fn call<'a>(
        &'a self,
        statement: &'a Arc<QueryContext>,
        settings: &'a Arc<Settings>,
        function: &'a Function,
        rows: Vec<Vec<ScalarValue>>,
    ) -> BoxFuture<'a, Result<Vec<ScalarValue>>>;
}
