//! PostgreSQL's semantics, as PostgreSQL 15 answers the same queries.

use super::fixture::{lines, run};

#[tokio::test]
async fn queries_answer_as_postgres_does() {
    for (query, expected) in [
        // Correlated subqueries, in the select list and in conditions.
        (
            "SELECT nspname, (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND relname = 'pg_class') FROM pg_namespace n WHERE nspname IN ('pg_catalog', 'public') ORDER BY 1",
            "pg_catalog|1\npublic|0",
        ),
        (
            "SELECT relname FROM pg_class c WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'region') AND relkind = 'r'",
            "orders",
        ),
        ("SELECT 'pg_class'::regclass::oid, 1259::regclass", "1259|pg_class"),
        (
            "SELECT 'int4'::regtype, 23::regtype::text, 'sales.orders'::regclass::text",
            "integer|integer|sales.orders",
        ),
        (
            "SELECT ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = 'sales.orders'::regclass AND attnum BETWEEN 1 AND 2 ORDER BY attnum)",
            "{id,region}",
        ),
        (
            "SELECT attname FROM pg_attribute WHERE attrelid = 'sales.orders'::regclass AND attnum = ANY ('{1,3}') ORDER BY attnum",
            "id\namount",
        ),
        (
            "SELECT x, n FROM unnest(ARRAY['a','b']) WITH ORDINALITY AS u(x, n) WHERE current_schema() IS NOT NULL",
            "a|1\nb|2",
        ),
        (
            "SELECT (i.keys).n, (i.keys).x FROM (SELECT information_schema._pg_expandarray(ARRAY[7,8]) AS keys) i",
            "1|7\n2|8",
        ),
        (
            "SELECT s.r, (current_schemas(true))[s.r] FROM generate_series(1, array_upper(current_schemas(true), 1)) s(r)",
            "1|pg_catalog\n2|public",
        ),
        (
            "SELECT generate_subscripts('1 2 3'::oidvector, 1), pg_typeof('1 2'::oidvector)::text",
            "0|oidvector\n1|oidvector\n2|oidvector",
        ),
        (
            "SELECT ('1 2 3'::int2vector)[0], (ARRAY[1,2,3])[2:], pg_typeof(1)::text",
            "1|{2,3}|integer",
        ),
        (
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n, pg_typeof(n)::text FROM t",
            "1|integer\n2|integer\n3|integer",
        ),
        (
            "SELECT c.relname, l.attname FROM pg_class c CROSS JOIN LATERAL (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid ORDER BY attnum LIMIT 1) l WHERE c.oid = 1259",
            "pg_class|oid",
        ),
        (
            "SELECT tableoid::regclass, nspname FROM pg_namespace WHERE oid = 11",
            "pg_namespace|pg_catalog",
        ),
        (
            "SELECT relname ~ '^pg_', relname !~~ 'x%', relname OPERATOR(pg_catalog.~) '^(pg_class)$' COLLATE pg_catalog.default FROM pg_class WHERE oid = 1259",
            "t|t|t",
        ),
        (
            "SELECT string_agg(nspname, ',' ORDER BY nspname), count(*) FILTER (WHERE nspname ~ '^pg') FROM pg_namespace WHERE oid IN (11, 2200)",
            "pg_catalog,public|1",
        ),
        (
            "SELECT relkind, count(*) FROM pg_class WHERE relname IN ('orders', 'v_orders') GROUP BY relkind HAVING count(*) > 0 ORDER BY 1",
            "r|1\nv|1",
        ),
        (
            "SELECT row_number() OVER (PARTITION BY attrelid ORDER BY attnum DESC), attname FROM pg_attribute WHERE attrelid = 'sales.orders'::regclass AND attnum BETWEEN 1 AND 2 ORDER BY 1",
            "1|region\n2|id",
        ),
        ("SELECT n.oid, n.oid FROM pg_namespace n WHERE oid = 11", "11|11"),
        (
            "SELECT CASE typtype WHEN 'b' THEN 'base' ELSE NULL END, NULLIF(typname, 'x'), format_type(oid, NULL) FROM pg_type WHERE oid = 23",
            "base|int4|integer",
        ),
        (
            "SELECT has_table_privilege('sales.orders', 'select') IS NOT DISTINCT FROM true, 1 IN (1, 2), (1, 2) = (1, 2), pg_typeof(null)::text",
            "t|t|t|unknown",
        ),
        (
            "SELECT a.oid FROM pg_namespace a FULL JOIN pg_namespace b USING (oid) WHERE a.oid = 11 UNION SELECT 11::oid",
            "11",
        ),
        (
            "SELECT json_build_object('a', 1, 'b', array_agg(oid)) FROM pg_namespace WHERE oid = 11",
            "{\"a\" : 1, \"b\" : [\"11\"]}",
        ),
    ] {
        let rows = match run("admin", query).await {
            Ok(Some((_, batches))) => lines(&batches).join("\n"),
            Ok(None) => "not covered".to_string(),
            Err(error) => format!("{} {error}", error.state().code()),
        };
        assert_eq!(rows, expected, "{query}");
    }
}

#[tokio::test]
async fn columns_have_postgres_names_and_types() {
    let query = "SELECT oid, nspname, nspacl, oid::regclass, NULL, 'a', 1, relacl, c.* FROM pg_namespace, LATERAL (SELECT relacl, indkey FROM pg_class, pg_index LIMIT 0) c";
    let (columns, _) = run("admin", query).await.unwrap().unwrap();
    let shown: Vec<String> = columns
        .iter()
        .map(|column| format!("{}:{}", column.name, column.sql_type.oid()))
        .collect();
    assert_eq!(
        shown.join(" "),
        "oid:26 nspname:19 nspacl:1034 oid:2205 ?column?:25 ?column?:25 ?column?:23 relacl:1034 relacl:1034 indkey:22"
    );
}

#[tokio::test]
async fn errors_are_postgres_errors() {
    for (query, state, message) in [
        ("SELECT nope FROM pg_class", "42703", "column \"nope\" does not exist"),
        ("SELECT c.nope FROM pg_class c", "42703", "column c.nope does not exist"),
        (
            "SELECT x.oid FROM pg_class c",
            "42P01",
            "missing FROM-clause entry for table \"x\"",
        ),
        (
            "SELECT oid FROM pg_class a, pg_class b",
            "42702",
            "column reference \"oid\" is ambiguous",
        ),
        (
            "SELECT 'nope'::regclass FROM pg_class",
            "42P01",
            "relation \"nope\" does not exist",
        ),
        (
            "SELECT relname FROM pg_class GROUP BY 3",
            "42P10",
            "GROUP BY position 3 is not in select list",
        ),
        (
            "SELECT relkind, relname FROM pg_class GROUP BY relkind",
            "42803",
            "column \"relname\" must appear in the GROUP BY clause or be used in an aggregate function",
        ),
        (
            "SELECT (SELECT oid FROM pg_class) FROM pg_namespace",
            "21000",
            "more than one row returned by a subquery used as an expression",
        ),
        (
            "SELECT relname + 1 FROM pg_class",
            "42883",
            "operator does not exist: name + integer",
        ),
    ] {
        let error = run("admin", query).await.unwrap_err();
        assert_eq!((error.state().code(), error.message()), (state, message), "{query}");
    }
}
