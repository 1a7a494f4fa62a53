//! PostgreSQL's and Databricks' functions that DataFusion lacks, a file per family. They are the same for
//! all sessions; what a session adds comes through `FunctionEnvironment`, with each statement.

mod adjusted_aggregate;
mod advisory_locks;
mod agreeing;
mod array_functions;
mod array_order;
mod array_or_empty;
mod arrays;
mod assigned_parts;
pub mod bit_aggregates;
mod bit_strings;
pub mod builtin;
mod checked_arithmetic;
mod column_size;
mod comments;
mod dates;
mod datum;
mod definitions;
mod domain_value;
mod enumerations;
mod environment;
mod excluded_rows;
mod extremes;
mod float_frame;
mod float_moments;
mod float_sums;
mod gathered_arrays;
mod hashes;
mod identity;
mod index_definitions;
mod input_checks;
mod infinite_moments;
mod intervals;
mod joined_values;
mod json;
mod keys;
mod keywords;
mod laziness;
mod lookup;
mod marks;
mod mathematics;
mod missing;
mod moments;
mod money;
mod multiranges;
mod names;
mod network_addresses;
mod notifications;
mod numbering;
mod operator_names;
mod operators;
mod ordered_sets;
mod overload;
mod patterns;
mod percentiles;
mod postgres_cast;
mod privileges;
mod randomness;
mod range_aggregates;
mod ranges;
mod ranks;
mod records;
mod regular;
mod retyped;
mod row_counts;
mod routine_call;
mod row_function;
mod row_order;
mod row_paths;
mod sending;
mod sequences;
mod server;
mod settings;
mod signals;
mod shifted_rows;
mod shown_digits;
mod single_value;
mod sleep;
mod sizes;
mod sliding;
mod spelled_order;
mod strings;
mod sums;
mod table_indexes;
mod text;
mod trigonometry;
mod user_types;
mod variances;
mod zipped_records;

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::FieldRef;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::error::Result;

pub use arrays::exploded_access_item;
pub use assigned_parts::{ASSIGNED_PART, ASSIGNED_SLICE};
pub use checked_arithmetic::{checked_arithmetic, checked_operator, divides_numerics};
pub use column_size::column_size;
pub use comments::{
    CONSTRAINT_CLASS, DATABASE_CLASS, DEFAULT_CLASS, FUNCTION_CLASS, NAMESPACE_CLASS, RELATION_CLASS, REWRITE_CLASS,
    ROLE_CLASS, TYPE_CLASS,
};
pub use datum::{Datum, to_array};
pub use definitions::{function_source, view_definition};
pub use domain_value::{DOMAIN_VALUE, DomainRule, ValuePart, ValueTest, domain_value, first_failing, holds_domains};
pub use enumerations::{enum_label, enum_position};
pub use environment::{ColumnNumbers, FunctionEnvironment, environment, install_environment};
pub use excluded_rows::{Exclusion, excluding, looks_at_peers};
pub use gathered_arrays::GATHERED_ARRAYS;
pub use infinite_moments::{moment_of_date, shifted_moment};
pub use intervals::{interval_key, interval_nanos, interval_of_key};
pub use joined_values::joined_values;
pub use keys::{Key, column_names};
pub use keywords::{Keyword, keywords};
pub use laziness::{guarded, guarded_predicate, lazily, may_fail};
pub use lookup::{Lookup, Relation, builtin_schema, parse_name, quote_identifier};
pub use marks::{EXCLUDING_CURRENT_ROW, EXCLUDING_GROUP, EXCLUDING_TIES, MERGE_ACTION, WITH_PART};
pub use missing::missing_function;
pub use names::{quote_literal, registered_oid};
pub use operators::{
    agree, agree_compared, cast_unknown, compared_type, expression_planners, is_unknown_literal, passes_on,
    read_literal, type_quantified,
};
pub use overload::{chosen_function, given_types};
pub use postgres_cast::{assignment_cast, attempted_cast, is_total_text_cast, postgres_cast};
pub use privileges::{PREDEFINED_ROLES, TEMPLATE_DATABASES};
pub use records::{ASSIGNED_FIELD, ROW_FIELD, ROW_VALUE, as_composite, assigned_field_type, composite_of};
pub use retyped::{RETYPED, retyped};
pub use routine_call::{ROUTINE_CALL, layout_of, routine_call};
pub use row_counts::WITHIN_LIMIT;
pub use row_order::{row_is_not_null, row_is_null, row_key};
pub use row_paths::{ROW_ON_PATH, ROW_PATH};
pub use server::VERSION;
pub use shifted_rows::shifted;
pub use shown_digits::{shown_numeric, wide_numeric};
pub use single_value::single_value;
pub use spelled_order::{spelled_key, spelled_key_and_value, spelled_of_key};
pub use table_indexes::TableIndex;
pub use zipped_records::ZIPPED_RECORDS;

/// All scalar functions, shared by all sessions.
pub fn scalar_functions() -> &'static [Arc<ScalarUDF>] {
    static FUNCTIONS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
        let declared = row_functions().map(row_function::RowFunction::into_udf);
        declared
            .chain([
                array_or_empty::function(),
                gathered_arrays::function(),
                zipped_records::function(),
            ])
            .chain(waiting_functions())
            .chain(overloaded_functions())
            .chain(records::functions())
            .chain(row_paths::functions())
            .chain(enumerations::functions())
            .chain(agreeing::functions())
            .collect()
    });
    &FUNCTIONS
}

fn waiting_functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    std::iter::once(sleep::function()).chain(advisory_locks::waiting_functions())
}

/// Whether a function of this name gives up its thread while it waits, which only a running query can do.
pub fn waits(name: &str) -> bool {
    static NAMES: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| waiting_functions().collect());
    NAMES.iter().any(|function| function.name().eq_ignore_ascii_case(name))
}

/// The functions that are declared by their signatures, a family after the other.
fn overloaded_functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    let families = [
        array_functions::functions(),
        assigned_parts::functions(),
        bit_strings::functions(),
        hashes::functions(),
        json::functions(),
        marks::functions(),
        mathematics::functions(),
        moments::functions(),
        money::functions(),
        multiranges::functions(),
        network_addresses::functions(),
        ordered_sets::functions(),
        randomness::functions(),
        ranges::functions(),
        regular::functions(),
        row_counts::functions(),
        sending::functions(),
        shown_digits::functions(),
        strings::functions(),
        trigonometry::functions(),
    ];
    families.into_iter().flatten()
}

/// The function with what its arguments' types decide; `None` for one that they decide nothing of.
pub fn pinned(function: &ScalarUDF, fields: &[FieldRef]) -> Result<Option<Arc<ScalarUDF>>> {
    match overload::pinned(function, fields)? {
        Some(pinned) => Ok(Some(pinned)),
        None => enumerations::pinned(function, fields),
    }
}

/// Whether a function of this name can be called with values, outside a plan.
pub fn is_callable(name: &str) -> bool {
    row_function::is_row_function(name) || overload::is_overloaded(name)
}

/// Calls a function with values, outside a plan. `None` where there is none of this name.
pub fn call_function(name: &str, environment: &dyn FunctionEnvironment, arguments: &[Datum]) -> Option<Result<Datum>> {
    row_function::call_row_function(name, environment, arguments).or_else(|| overload::call_overloaded(name, arguments))
}

/// The functions that work a row at a time, a family after the other.
fn row_functions() -> impl Iterator<Item = row_function::RowFunction> {
    let families = [
        advisory_locks::functions(),
        arrays::functions(),
        comments::functions(),
        dates::functions(),
        definitions::functions(),
        numbering::functions(),
        identity::functions(),
        index_definitions::functions(),
        input_checks::functions(),
        intervals::functions(),
        names::functions(),
        operator_names::functions(),
        notifications::functions(),
        patterns::functions(),
        privileges::functions(),
        vec![randomness::seeding()],
        sequences::functions(),
        server::functions(),
        settings::functions(),
        signals::functions(),
        sizes::functions(),
        text::functions(),
    ];
    families.into_iter().flatten()
}

/// The window functions that mean something else in DataFusion.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    ranks::functions()
}

/// The aggregate functions that DataFusion lacks or that mean something else there.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut functions = vec![single_value(), sums::sum(), percentiles::percentile_cont()];
    functions.extend(extremes::functions());
    functions.extend(sliding::functions());
    functions.extend(variances::functions());
    functions
}
