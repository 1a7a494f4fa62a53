//! Rewrites of a query's syntax tree that give DataFusion's planner what PostgreSQL's grammar means.
//! Each is a pure function over the tree, one a file, applied in the order below. None looks up a name.

mod aggregates;
mod array_literals;
mod array_subquery;
mod collation;
mod empty_frames;
mod join_using;
mod function_in_from;
mod function_in_select;
mod functions_in_outer_joins;
mod gathered_arrays;
mod grouping_positions;
mod having_alone;
mod hypothetical_ranks;
mod interval_literals;
mod json_aggregates;
mod json_cases;
mod json_table;
mod lateral_items;
mod misplaced;
mod named_arguments;
mod number_literals;
mod output_names;
mod qualified_functions;
mod qualified_wildcards;
mod quantified;
mod records_in_from;
mod record_comparisons;
mod recursion;
mod registered_names;
mod row_subqueries;
mod row_values;
mod rows_from;
mod search_cycle;
mod set_returning;
mod sets_beside_names;
mod sort_lists;
mod special_syntax;
mod syntax;
mod table_oid;
mod table_sample;
mod truth_literals;
mod type_functions;
mod value_lists;
mod windows;

use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut};

use crate::error::Result;

pub(super) use aggregates::is_aggregate;
pub(crate) use function_in_from::{ROWS, one_row};
pub(crate) use interval_literals::literal_type;
pub(super) use join_using::{constraint_of, is_waiting, merge_columns};
pub(super) use number_literals::negative_offset;
pub use output_names::{numbered_name, output_column_name, output_name};
pub(super) use record_comparisons::always_there;
pub(super) use row_subqueries::COMPARED_ROWS;
pub(super) use set_returning::refuse as refuse_sets;
pub(crate) use syntax::{call, folded};
pub(super) use syntax::{plain_arguments, replace_expressions, system_name};

/// Rewrites a whole query, subqueries included.
pub fn rewrite(query: &mut Query) -> Result<()> {
    rewrite_tree(query)
}

/// Spells out by their columns the rows that a query compares.
pub fn spread_rows(tree: &mut impl VisitMut) -> Result<()> {
    row_values::rewrite(tree)
}

/// Rewrites an expression outside a query: a policy's or a function's body.
pub fn rewrite_expression(expression: &mut Expr) -> Result<()> {
    rewrite_tree(expression)
}

fn rewrite_tree(tree: &mut impl VisitMut) -> Result<()> {
    recursion::check(tree)?;
    search_cycle::rewrite(tree)?;
    json_table::rewrite(tree)?;
    misplaced::check(tree)?;
    set_returning::rewrite(tree)?;
    grouping_positions::rewrite(tree)?;
    join_using::write_columns(tree)?;
    // Early, because names come from the text as it was written.
    output_names::rewrite(tree);
    gathered_arrays::rewrite(tree)?;
    table_sample::rewrite(tree)?;
    truth_literals::rewrite(tree);
    having_alone::rewrite(tree)?;
    rows_from::rewrite(tree)?;
    records_in_from::rewrite(tree)?;
    value_lists::rewrite(tree);
    table_oid::rewrite(tree);
    // So that the others meet plain functions only.
    qualified_functions::rewrite(tree)?;
    type_functions::rewrite(tree)?;
    row_values::rewrite(tree)?;
    windows::rewrite(tree)?;
    // After the windows that have names were put in.
    sort_lists::rewrite(tree);
    special_syntax::rewrite(tree)?;
    json_aggregates::rewrite(tree)?;
    json_cases::rewrite(tree)?;
    collation::rewrite(tree)?;
    // Casts before functions: a cast may be the argument of a function in FROM.
    registered_names::rewrite(tree)?;
    function_in_from::rewrite(tree)?;
    functions_in_outer_joins::rewrite(tree)?;
    lateral_items::rewrite(tree);
    function_in_select::rewrite(tree)?;
    // After the sets have become one function.
    sets_beside_names::rewrite(tree);
    join_using::rewrite(tree)?;
    // After the wildcards that joins were given.
    qualified_wildcards::rewrite(tree);
    interval_literals::rewrite(tree)?;
    // After windows have their clauses and intervals their type.
    empty_frames::rewrite(tree)?;
    quantified::rewrite(tree)?;
    // After all that look for numbers.
    number_literals::rewrite(tree)?;
    // After casts were given to literals.
    aggregates::rewrite(tree)?;
    array_literals::rewrite(tree);
    recursion::mark(tree)?;
    // Last: it wraps whole subqueries that the others have finished.
    array_subquery::rewrite(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::ast::Statement;

    fn parse(text: &str) -> Query {
        match crate::statement::parse(text).unwrap().remove(0).statement {
            Statement::Query(query) => *query,
            other => panic!("{other:?} is no query"),
        }
    }

    #[test]
    fn rewrites_read_as_the_table_says() {
        let cases = [
            (
                "SELECT ARRAY(SELECT a FROM t)",
                "SELECT (SELECT array_or_empty(gathered_arrays(array_agg(c))) FROM (SELECT a FROM t) AS array_rows (c)) AS \"array\"",
            ),
            (
                "SELECT ARRAY(SELECT a FROM t ORDER BY 1 DESC)",
                "SELECT (SELECT array_or_empty(gathered_arrays(array_agg(c ORDER BY c DESC))) FROM (SELECT a FROM t) AS array_rows (c)) AS \"array\"",
            ),
            (
                "SELECT ARRAY(SELECT a FROM t ORDER BY b)",
                "SELECT (SELECT array_or_empty(gathered_arrays(array_agg(c ORDER BY o1))) FROM (SELECT a, b AS \"\u{1}o1\" FROM t) AS array_rows (c, o1)) AS \"array\"",
            ),
            (
                "SELECT pg_catalog.upper(a) COLLATE pg_catalog.\"default\" FROM t",
                "SELECT upper(a) AS \"upper\" FROM t",
            ),
            (
                "SELECT c.tableoid FROM pg_class c WHERE tableoid = 1",
                "SELECT CAST(1259 AS INT) AS tableoid FROM pg_class c WHERE CAST(1259 AS INT) = CAST(1 AS INT)",
            ),
            (
                "SELECT substring(a FROM '[0-9]+') FROM t",
                "SELECT substring(a, '[0-9]+') AS \"substring\" FROM t",
            ),
            ("SELECT 't'::regclass", "SELECT regclass('t') AS \"regclass\""),
            (
                "SELECT oid::pg_catalog.regclass::pg_catalog.text FROM t",
                "SELECT regclassout(regclass(oid))::TEXT AS \"oid\" FROM t",
            ),
            (
                "SELECT * FROM generate_series(1, 3) g",
                "SELECT * FROM UNNEST(generate_series(CAST(1 AS INT), CAST(3 AS INT))) g (g)",
            ),
            (
                "SELECT * FROM pg_catalog.unnest(a) WITH ORDINALITY AS u(x, n)",
                "SELECT * FROM UNNEST(array_flattened(a), array_ordinals(array_flattened(a))) AS u (x, n)",
            ),
            (
                "SELECT - 2 ^ 2 AS a, INTERVAL '3' DAY AS b, 3000000000 AS c FROM t GROUP BY 1 ORDER BY 2 LIMIT 3",
                "SELECT CAST(-2 AS INT) ^ CAST(2 AS INT) AS \"a\", CAST('3' AS INTERVAL DAY) AS \"b\", 3000000000 AS \"c\" FROM t GROUP BY 1 ORDER BY 2 LIMIT 3",
            ),
            (
                "SELECT *, id AS n FROM l FULL JOIN r USING (id)",
                "SELECT coalesce(l.id, r.id) AS id, l.* EXCEPT (id), r.* EXCEPT (id), coalesce(l.id, r.id) AS \"n\" FROM l FULL JOIN r USING(id)",
            ),
            (
                "SELECT a = ANY (SELECT b FROM t) AS x, a <> ALL (SELECT b FROM t) AS y",
                "SELECT a IN (SELECT b FROM t) AS \"x\", a NOT IN (SELECT b FROM t) AS \"y\"",
            ),
            (
                "SELECT generate_series(1, 3)",
                "SELECT unnest(generate_series(CAST(1 AS INT), CAST(3 AS INT))) AS \"generate_series\"",
            ),
        ];
        for (text, expected) in cases {
            let mut query = parse(text);
            rewrite(&mut query).unwrap();
            assert_eq!(query.to_string(), expected, "{text}");
        }
    }
}
