//! PostgreSQL's and Databricks' functions that DataFusion lacks, a file per family. They are the same for
//! all sessions; what a session adds comes through `FunctionEnvironment`, with each statement.

mod advisory_locks;
mod array_or_empty;
mod arrays;
pub mod builtin;
mod checked_arithmetic;
mod comments;
mod dates;
mod datum;
mod definitions;
mod environment;
mod expression_planner;
mod identity;
mod index_definitions;
mod intervals;
mod json;
mod keys;
mod keywords;
mod lookup;
mod names;
mod notifications;
mod numbers;
mod patterns;
mod postgres_cast;
mod privileges;
mod row_function;
mod server;
mod settings;
mod signals;
mod single_value;
mod sleep;
mod sizes;
mod text;

use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub use arrays::exploded_access_item;
pub use checked_arithmetic::checked_arithmetic;
pub use comments::{DATABASE_CLASS, FUNCTION_CLASS, NAMESPACE_CLASS, RELATION_CLASS, REWRITE_CLASS, ROLE_CLASS};
pub use datum::{Datum, to_array};
pub use definitions::view_definition;
pub use environment::{FunctionEnvironment, environment, install_environment};
pub use expression_planner::expression_planners;
pub use keys::{Key, column_names};
pub use keywords::{Keyword, keywords};
pub use lookup::{Lookup, Relation, builtin_schema, parse_name, quote_identifier};
pub use names::{quote_literal, registered_oid};
pub use postgres_cast::{assignment_cast, postgres_cast};
pub use privileges::PREDEFINED_ROLES;
pub use row_function::{call_row_function, is_row_function};
pub use server::VERSION;
pub use single_value::single_value;

/// All scalar functions, shared by all sessions.
pub fn scalar_functions() -> &'static [Arc<ScalarUDF>] {
    static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
        let declared = row_functions().map(row_function::RowFunction::into_udf);
        declared
            .chain([array_or_empty::function(), sleep::function()])
            .chain(advisory_locks::waiting_functions())
            .collect()
    });
    &FUNCTIONS
}

/// The functions that work a row at a time, a family after the other.
fn row_functions() -> impl Iterator<Item = row_function::RowFunction> {
    let families = [
        advisory_locks::functions(),
        arrays::functions(),
        comments::functions(),
        dates::functions(),
        definitions::functions(),
        identity::functions(),
        index_definitions::functions(),
        intervals::functions(),
        json::functions(),
        names::functions(),
        notifications::functions(),
        numbers::functions(),
        patterns::functions(),
        privileges::functions(),
        server::functions(),
        settings::functions(),
        signals::functions(),
        sizes::functions(),
        text::functions(),
    ];
    families.into_iter().flatten()
}

/// All aggregate functions that DataFusion lacks.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    use datafusion::functions_aggregate::{bool_and_or::bool_and_udaf, variance::var_samp_udaf};
    let named = |function: Arc<AggregateUDF>, name| Arc::new(function.as_ref().clone().with_aliases([name]));
    vec![
        single_value(),
        named(bool_and_udaf(), "every"),
        named(var_samp_udaf(), "variance"),
    ]
}
