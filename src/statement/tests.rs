//! Statements: text → the shape of `Statement`, or the error's SQLSTATE, message and position. Syntax errors
//! are those of PostgreSQL 15 for the same text.

use super::ast::Statement;
use super::parse;

fn outcome(text: &str) -> String {
    match parse(text) {
        Ok(statements) => {
            let shapes = statements.iter().map(|parsed| match &parsed.statement {
                Statement::Query(query) => format!("Query({query})"),
                Statement::Insert(insert) => format!(
                    "Insert({}, {:?}, {}, overwrite: {})",
                    insert.table,
                    insert.columns,
                    insert
                        .source
                        .as_ref()
                        .map_or("DEFAULT VALUES".to_string(), ToString::to_string),
                    insert.overwrite
                ),
                other => format!("{other:?}"),
            });
            shapes.collect::<Vec<_>>().join("; ")
        }
        Err(error) => {
            let position = error
                .position()
                .map_or(String::new(), |position| format!("@{position}"));
            format!("{} {}{position}", error.state().code(), error.message())
        }
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(text, expected)| {
            let actual = outcome(text);
            (actual != *expected).then(|| format!("{text}\n   expected {expected}\n   actual   {actual}"))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn empty_statements() {
    check(&[
        ("", "Empty"),
        (" ; ;-- x\n;", "Empty"),
        (";select 1;;", "Query(SELECT 1)"),
    ]);
}

#[rustfmt::skip]
#[test]
fn queries_and_inserts() {
    check(&[
        (r#"SELECT A, "B" FROM T VERSION AS OF 3"#,
            r#"Query(SELECT a, "B" FROM t VERSION AS OF 3)"#),
        ("select * from s.t@v7 x where a::int = any(array[1,2])",
            "Query(SELECT * FROM s.t x VERSION AS OF 7 WHERE a::INT = ANY(ARRAY[1, 2]))"),
        ("select * from t timestamp as of '2026-01-01' as x",
            "Query(SELECT * FROM t AS x TIMESTAMP AS OF '2026-01-01')"),
        ("values (1, 'a'), (2, null)",
            "Query(VALUES (1, 'a'), (2, NULL))"),
        ("table s.t",
            "Query(SELECT * FROM s.t)"),
        ("insert into table t (a, b) values (1, default)",
            r#"Insert(t, ["a", "b"], VALUES (1, NULL), overwrite: false)"#),
        ("insert overwrite t select * from u",
            "Insert(t, [], SELECT * FROM u, overwrite: true)"),
        ("insert into t default values",
            "Insert(t, [], DEFAULT VALUES, overwrite: false)"),
        ("insert into t (select 1)",
            "Insert(t, [], (SELECT 1), overwrite: false)"),
        ("select 1 where a operator(pg_catalog.~) 'x' collate pg_catalog.default",
            "Query(SELECT 1 WHERE a ~ 'x')"),
        ("select current_schema, current_role, user",
            "Query(SELECT current_schema(), current_role(), user)"),
        ("select 1; ; select 'a;b'; select $$;$$ /* ; */ -- ;",
            "Query(SELECT 1); Query(SELECT 'a;b'); Query(SELECT ';')"),
        (r#"select E'\q', 'a' || U&'\0041'"#,
            "Query(SELECT 'q', 'a' || 'A')"),
        ("select f(a => 1, b := 2), f(distinct a order by b) filter (where c), count(*)",
            "Query(SELECT f(a => 1, b := 2), f(DISTINCT a ORDER BY b) FILTER (WHERE c), count(*))"),
        ("select interval '1 day', interval '1' year, date '2020-01-01', timestamp with time zone '2020-01-01', extract(year from a), position('a' in b), substring(a from 1 for 2), trim(both 'x' from a), overlay(a placing b from 1), cast(a as numeric(5,2)), a at time zone 'UTC'",
            "Query(SELECT INTERVAL '1 day', INTERVAL '1' YEAR, DATE '2020-01-01', TIMESTAMP WITH TIME ZONE '2020-01-01', EXTRACT(YEAR FROM a), POSITION('a' IN b), SUBSTRING(a FROM 1 FOR 2), TRIM(BOTH 'x' FROM a), OVERLAY(a PLACING b FROM 1), CAST(a AS NUMERIC(5,2)), a AT TIME ZONE 'UTC')"),
        ("select distinct on (a) a, b from t group by grouping sets ((a), ()), cube (b), rollup (c) having true order by 1 desc nulls last limit 10 offset 5 rows",
            "Query(SELECT DISTINCT ON (a) a, b FROM t GROUP BY GROUPING SETS ((a), ()), CUBE (b), ROLLUP (c) HAVING true ORDER BY 1 DESC NULLS LAST LIMIT 10 OFFSET 5 ROWS)"),
        ("select * from a natural join b left join c using (x) cross join lateral (select 1) d, unnest(array[1]) with ordinality as u(v, n), generate_series(1, 2) g",
            "Query(SELECT * FROM a NATURAL JOIN b LEFT JOIN c USING(x) CROSS JOIN LATERAL (SELECT 1) d, UNNEST(ARRAY[1]) WITH ORDINALITY AS u (v, n), generate_series(1, 2) g)"),
        ("select * from t tablesample bernoulli (10) offset 1 fetch first 3 rows only",
            "Query(SELECT * FROM t TABLESAMPLE BERNOULLI (10) OFFSET 1 FETCH FIRST 3 ROWS ONLY)"),
        ("with recursive r(n) as not materialized (select 1 union all select n + 1 from r) select * from r",
            "Query(WITH RECURSIVE r (n) AS NOT MATERIALIZED (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r)"),
    ]);
}

#[rustfmt::skip]
#[test]
fn other_statements() {
    check(&[
        (r#"copy t (a, b) from stdin with (format csv, header true, delimiter ';', null 'x', quote '''', escape '\')"#,
            r#"Copy(Copy { target: Table { name: ObjectName(["t"]), columns: ["a", "b"] }, direction: FromStdin, options: CopyOptions { format: Csv, delimiter: 59, null: "x", header: Line, quote: 39, escape: 92, force_quote: None, force_not_null: None, force_null: None, encoding: None, skips_faults: false }, condition: None })"#),
        ("copy t to stdout csv header delimiter as '|' null as '' force quote *",
            r#"Copy(Copy { target: Table { name: ObjectName(["t"]), columns: [] }, direction: ToStdout, options: CopyOptions { format: Csv, delimiter: 124, null: "", header: Line, quote: 34, escape: 34, force_quote: All, force_not_null: None, force_null: None, encoding: None, skips_faults: false }, condition: None })"#),
        ("copy t from stdin binary",
            r#"Copy(Copy { target: Table { name: ObjectName(["t"]), columns: [] }, direction: FromStdin, options: CopyOptions { format: Binary, delimiter: 9, null: "\\N", header: None, quote: 34, escape: 34, force_quote: None, force_not_null: None, force_null: None, encoding: None, skips_faults: false }, condition: None })"#),
        ("truncate table a, s.b restart identity cascade",
            r#"Truncate { tables: [ObjectName(["a"]), ObjectName(["s", "b"])], restarts: true, cascade: true }"#),
        ("create database if not exists d with owner = bob encoding 'UTF8' lc_collate 'C'",
            r#"CreateDatabase { name: "d", if_not_exists: true, owner: Some("bob") }"#),
        ("create catalog d",
            r#"CreateDatabase { name: "d", if_not_exists: false, owner: None }"#),
        ("create schema if not exists db.s authorization current_user",
            r#"CreateSchema(CreateSchema { name: ObjectName(["db", "s"]), if_not_exists: true, owner: Some("current_user"), elements: [] })"#),
        ("create schema authorization bob",
            r#"CreateSchema(CreateSchema { name: ObjectName(["bob"]), if_not_exists: false, owner: Some("bob"), elements: [] })"#),
        ("create function f(a int, b text) returns bool return a = 1 and b = 'x'",
            r#"CreateFunction(CreateFunction { name: ObjectName(["f"]), or_replace: false, if_not_exists: false, arguments: [("a", Int4), ("b", Text)], defaults: [None, None], returns: Bool, body: "a = 1 and b = 'x'", query: None, script: None, settings: [], comment: None })"#),
        ("create or replace function s.f(int) returns text language sql immutable strict as $$ select $1 || 'x'; $$",
            r#"CreateFunction(CreateFunction { name: ObjectName(["s", "f"]), or_replace: true, if_not_exists: false, arguments: [("", Int4)], defaults: [None], returns: Text, body: "CASE WHEN $1 IS NULL THEN NULL ELSE $1 || 'x' END", query: None, script: None, settings: [], comment: None })"#),
        ("create role r with login password 'x' connection limit 5 valid until 'infinity' in role a, b admin c nosuperuser",
            r#"CreateRole { name: "r", if_not_exists: false, options: RoleOptions { login: Some(true), superuser: Some(false), create_database: None, create_role: None, inherit: None, password: Some(Some("x")), connection_limit: Some(5), valid_until: Some("infinity"), in_roles: ["a", "b"], members: [], admins: ["c"] } }"#),
        ("create user u password null",
            r#"CreateRole { name: "u", if_not_exists: false, options: RoleOptions { login: Some(true), superuser: None, create_database: None, create_role: None, inherit: None, password: Some(None), connection_limit: None, valid_until: None, in_roles: [], members: [], admins: [] } }"#),
        ("create user if not exists u",
            r#"CreateRole { name: "u", if_not_exists: true, options: RoleOptions { login: Some(true), superuser: None, create_database: None, create_role: None, inherit: None, password: None, connection_limit: None, valid_until: None, in_roles: [], members: [], admins: [] } }"#),
        ("create group g",
            r#"CreateRole { name: "g", if_not_exists: false, options: RoleOptions { login: None, superuser: None, create_database: None, create_role: None, inherit: None, password: None, connection_limit: None, valid_until: None, in_roles: [], members: [], admins: [] } }"#),
        ("create external location l url 's3://b/p' with (region = 'eu', 'endpoint' 'http://x')",
            r#"CreateExternalLocation { name: "l", if_not_exists: false, url: "s3://b/p", options: [("region", "eu"), ("endpoint", "http://x")] }"#),
        ("drop table if exists a, s.b cascade",
            r#"Drop { kind: Table, names: [ObjectName(["a"]), ObjectName(["s", "b"])], if_exists: true, cascade: true }"#),
        ("drop function f(int, text), g",
            r#"DropRoutines(DropRoutines { names: [RoutineName { kind: Function, name: ObjectName(["f"]), arguments: Some([(None, Int4), (None, Text)]) }, RoutineName { kind: Function, name: ObjectName(["g"]), arguments: None }], if_exists: false, cascade: false })"#),
        ("drop user a, b",
            r#"Drop { kind: Role, names: [ObjectName(["a"]), ObjectName(["b"])], if_exists: false, cascade: false }"#),
        ("drop external location l",
            r#"Drop { kind: ExternalLocation, names: [ObjectName(["l"])], if_exists: false, cascade: false }"#),
        ("drop catalog d restrict",
            r#"Drop { kind: Database, names: [ObjectName(["d"])], if_exists: false, cascade: false }"#),
        ("alter table if exists t rename to u",
            r#"Alter { alter: Rename { kind: Table, name: ObjectName(["t"]), to: "u" }, if_exists: true }"#),
        ("alter table t rename column a to b",
            r#"Alter { alter: RenameColumn { kind: Table, table: ObjectName(["t"]), column: "a", to: "b" }, if_exists: false }"#),
        ("alter table t rename a to b",
            r#"Alter { alter: RenameColumn { kind: Table, table: ObjectName(["t"]), column: "a", to: "b" }, if_exists: false }"#),
        ("alter table s.t owner to bob",
            r#"Alter { alter: Owner { kind: Table, name: ObjectName(["s", "t"]), to: "bob" }, if_exists: false }"#),
        ("alter table t set schema x",
            r#"Alter { alter: SetSchema { kind: Table, name: ObjectName(["t"]), to: ObjectName(["x"]) }, if_exists: false }"#),
        ("alter table t add column if not exists a int, add b text not null",
            r#"Alter { alter: AddColumns { table: ObjectName(["t"]), columns: [(ColumnDefinition { name: "a", sql_type: Int4, not_null: false, default: None, generated: None, numbering: None, constraints: [], comment: None, mask: None }, true), (ColumnDefinition { name: "b", sql_type: Text, not_null: true, default: None, generated: None, numbering: None, constraints: [], comment: None, mask: None }, false)] }, if_exists: false }"#),
        ("alter table t add columns (a int, b text comment 'x')",
            r#"Alter { alter: AddColumns { table: ObjectName(["t"]), columns: [(ColumnDefinition { name: "a", sql_type: Int4, not_null: false, default: None, generated: None, numbering: None, constraints: [], comment: None, mask: None }, false), (ColumnDefinition { name: "b", sql_type: Text, not_null: false, default: None, generated: None, numbering: None, constraints: [], comment: Some("x"), mask: None }, false)] }, if_exists: false }"#),
        ("alter table t drop column if exists a cascade",
            r#"Alter { alter: DropColumn { table: ObjectName(["t"]), column: "a", if_exists: true, cascade: true }, if_exists: false }"#),
        ("alter table t alter column a set not null",
            r#"Alter { alter: SetNotNull { table: ObjectName(["t"]), column: "a", not_null: true }, if_exists: false }"#),
        ("alter table t alter a drop not null",
            r#"Alter { alter: SetNotNull { table: ObjectName(["t"]), column: "a", not_null: false }, if_exists: false }"#),
        ("alter table t set row filter s.f on (a, b)",
            r#"Alter { alter: SetRowFilter { table: ObjectName(["t"]), function: ObjectName(["s", "f"]), columns: ["a", "b"] }, if_exists: false }"#),
        ("alter table t drop row filter",
            r#"Alter { alter: DropRowFilter { table: ObjectName(["t"]) }, if_exists: false }"#),
        ("alter table t alter column c set mask s.m using columns (d, e)",
            r#"Alter { alter: SetColumnMask { table: ObjectName(["t"]), column: "c", function: ObjectName(["s", "m"]), using_columns: ["d", "e"] }, if_exists: false }"#),
        ("alter table t alter column c drop mask",
            r#"Alter { alter: DropColumnMask { table: ObjectName(["t"]), column: "c" }, if_exists: false }"#),
        ("alter table t set tblproperties ('a' = 'b')",
            r#"Alter { alter: TableProperties { table: ObjectName(["t"]), properties: [("a", "b")] }, if_exists: false }"#),
        ("alter view if exists v rename to w",
            r#"Alter { alter: Rename { kind: View, name: ObjectName(["v"]), to: "w" }, if_exists: true }"#),
        ("alter schema s owner to current_user",
            r#"Alter { alter: Owner { kind: Schema, name: ObjectName(["s"]), to: "current_user" }, if_exists: false }"#),
        ("alter database d rename to e",
            r#"Alter { alter: Rename { kind: Database, name: ObjectName(["d"]), to: "e" }, if_exists: false }"#),
        ("alter function f(int) owner to bob",
            r#"ChangeRoutine { routine: RoutineName { kind: Function, name: ObjectName(["f"]), arguments: Some([(None, Int4)]) }, change: Owner("bob") }"#),
        ("alter role r nologin password 'x'",
            r#"Alter { alter: Role { name: "r", options: RoleOptions { login: Some(false), superuser: None, create_database: None, create_role: None, inherit: None, password: Some(Some("x")), connection_limit: None, valid_until: None, in_roles: [], members: [], admins: [] } }, if_exists: false }"#),
        ("alter user r rename to s",
            r#"Alter { alter: Rename { kind: Role, name: ObjectName(["r"]), to: "s" }, if_exists: false }"#),
        ("alter group g add user a, b",
            r#"GrantRole { roles: ["g"], members: ["a", "b"], admin: false, revoke: false }"#),
        ("grant select (a, b), insert on t, s.u to bob, public with grant option",
            r#"Grant(GrantStatement { revoke: false, privileges: [(Select, ["a", "b"]), (Insert, [])], target: Objects { kind: Table, names: [ObjectName(["t"]), ObjectName(["s", "u"])] }, grantees: ["bob", "public"], grant_option: true, cascade: false })"#),
        ("grant all privileges on all tables in schema a, b to group g",
            r#"Grant(GrantStatement { revoke: false, privileges: [], target: AllInSchemas { kind: Tables, schemas: [ObjectName(["a"]), ObjectName(["b"])] }, grantees: ["g"], grant_option: false, cascade: false })"#),
        ("grant usage, create on schema s to current_user",
            r#"Grant(GrantStatement { revoke: false, privileges: [(Usage, []), (Create, [])], target: Objects { kind: Schema, names: [ObjectName(["s"])] }, grantees: ["current_user"], grant_option: false, cascade: false })"#),
        ("grant execute on function f(int) to bob",
            r#"Grant(GrantStatement { revoke: false, privileges: [(Execute, [])], target: Routines([RoutineName { kind: Function, name: ObjectName(["f"]), arguments: Some([(None, Int4)]) }]), grantees: ["bob"], grant_option: false, cascade: false })"#),
        ("grant read files, write files on external location l to bob",
            r#"Grant(GrantStatement { revoke: false, privileges: [(ReadFiles, []), (WriteFiles, [])], target: Objects { kind: ExternalLocation, names: [ObjectName(["l"])] }, grantees: ["bob"], grant_option: false, cascade: false })"#),
        ("grant connect on database d to bob",
            r#"Grant(GrantStatement { revoke: false, privileges: [(Connect, [])], target: Objects { kind: Database, names: [ObjectName(["d"])] }, grantees: ["bob"], grant_option: false, cascade: false })"#),
        ("grant modify on table t to bob",
            r#"Grant(GrantStatement { revoke: false, privileges: [(Insert, []), (Update, []), (Delete, []), (Truncate, [])], target: Objects { kind: Table, names: [ObjectName(["t"])] }, grantees: ["bob"], grant_option: false, cascade: false })"#),
        ("grant a, b to c with admin option",
            r#"GrantRole { roles: ["a", "b"], members: ["c"], admin: true, revoke: false }"#),
        ("revoke grant option for select on t from bob cascade",
            r#"Grant(GrantStatement { revoke: true, privileges: [(Select, [])], target: Objects { kind: Table, names: [ObjectName(["t"])] }, grantees: ["bob"], grant_option: true, cascade: true })"#),
        ("revoke admin option for a from b",
            r#"GrantRole { roles: ["a"], members: ["b"], admin: true, revoke: true }"#),
        ("revoke a from b",
            r#"GrantRole { roles: ["a"], members: ["b"], admin: false, revoke: true }"#),
        ("comment on column s.t.c is 'x'",
            r#"Comment { kind: Column, name: ObjectName(["s", "t"]), part: Some(Column("c")), text: Some("x") }"#),
        ("comment on table t is null",
            r#"Comment { kind: Table, name: ObjectName(["t"]), part: None, text: None }"#),
        (r#"comment on function f(int) is E'a\nb'"#,
            r#"ChangeRoutine { routine: RoutineName { kind: Function, name: ObjectName(["f"]), arguments: Some([(None, Int4)]) }, change: Comment(Some("a\nb")) }"#),
        ("describe table s.t",
            r#"DescribeTable { name: ObjectName(["s", "t"]) }"#),
        ("desc t",
            r#"DescribeTable { name: ObjectName(["t"]) }"#),
        ("describe detail s.t",
            r#"DescribeDetail { name: ObjectName(["s", "t"]) }"#),
        ("desc detail",
            r#"DescribeTable { name: ObjectName(["detail"]) }"#),
        ("describe history s.t limit 3",
            r#"DescribeHistory { name: ObjectName(["s", "t"]), limit: Some(3) }"#),
        ("describe extended t",
            r#"DescribeTable { name: ObjectName(["t"]) }"#),
        (r#"set search_path to a, "B", 'c'"#,
            r#"Set { name: "search_path", value: Values(["a", "B", "c"]), local: false }"#),
        ("set local statement_timeout = '5s'",
            r#"Set { name: "statement_timeout", value: Values(["5s"]), local: true }"#),
        ("set session timezone to default",
            r#"Set { name: "timezone", value: Default, local: false }"#),
        ("set a.b = -1",
            r#"Set { name: "a.b", value: Values(["-1"]), local: false }"#),
        ("set time zone 'UTC'",
            r#"Set { name: "timezone", value: Values(["UTC"]), local: false }"#),
        ("set time zone local",
            r#"Set { name: "timezone", value: Default, local: false }"#),
        ("set time zone interval '+02:00' hour to minute",
            r#"Set { name: "timezone", value: Values(["2"]), local: false }"#),
        ("set names 'utf8'",
            r#"Set { name: "client_encoding", value: Values(["utf8"]), local: false }"#),
        ("set transaction isolation level repeatable read, read only",
            r#"SetTransaction { modes: TransactionModes { isolation: Some("repeatable read"), read_only: Some(true), deferrable: None }, session: false }"#),
        ("set session characteristics as transaction read write",
            "SetTransaction { modes: TransactionModes { isolation: None, read_only: Some(false), deferrable: None }, session: true }"),
        ("set role none",
            "SetRole { role: None, local: false }"),
        ("set local role bob",
            r#"SetRole { role: Some("bob"), local: true }"#),
        ("set session authorization default",
            "SetSessionAuthorization { role: None, local: false }"),
        ("set session authorization 'bob'",
            r#"SetSessionAuthorization { role: Some("bob"), local: false }"#),
        ("set schema 'x'",
            r#"Set { name: "search_path", value: Values(["x"]), local: false }"#),
        ("rollback work to savepoint x",
            r#"RollbackTo { name: "x" }"#),
        ("release x",
            r#"ReleaseSavepoint { name: "x" }"#),
        ("fetch backward all in c",
            r#"Fetch(Fetch { cursor: "c", direction: Backward(None), is_move: false })"#),
        ("move c",
            r#"Fetch(Fetch { cursor: "c", direction: Forward(Some(1)), is_move: true })"#),
        ("fetch -2 from c",
            r#"Fetch(Fetch { cursor: "c", direction: Forward(Some(-2)), is_move: false })"#),
        ("fetch next",
            r#"Fetch(Fetch { cursor: "next", direction: Forward(Some(1)), is_move: false })"#),
        ("unlisten *",
            "Unlisten { channel: None }"),
        ("notify c, 'x'",
            r#"Notify { channel: "c", payload: "x" }"#),
        ("lock only t, s.u in share row exclusive mode nowait",
            r#"LockTable(LockTable { tables: [ObjectName(["t"]), ObjectName(["s", "u"])], mode: ShareRowExclusive, nowait: true })"#),
        ("reset all",
            "Reset { name: None }"),
        ("reset search_path",
            r#"Reset { name: Some("search_path") }"#),
        ("reset role",
            r#"Reset { name: Some("role") }"#),
        ("show all",
            "Show { name: All }"),
        ("show search_path",
            r#"Show { name: Setting("search_path") }"#),
        ("show time zone",
            r#"Show { name: Setting("timezone") }"#),
        ("show transaction isolation level",
            r#"Show { name: Setting("transaction_isolation") }"#),
        ("show tables in s",
            r#"Show { name: Tables { schema: Some(ObjectName(["s"])) } }"#),
        ("show schemas",
            "Show { name: Schemas }"),
        ("show databases",
            "Show { name: Databases }"),
        ("discard all",
            "Discard(All)"),
        ("begin",
            "Begin(TransactionModes { isolation: None, read_only: None, deferrable: None })"),
        ("begin transaction isolation level serializable read only not deferrable",
            r#"Begin(TransactionModes { isolation: Some("serializable"), read_only: Some(true), deferrable: Some(false) })"#),
        ("start transaction",
            "Begin(TransactionModes { isolation: None, read_only: None, deferrable: None })"),
        ("commit work",
            "Commit { chain: false }"),
        ("end",
            "Commit { chain: false }"),
        ("rollback and chain",
            "Rollback { chain: true }"),
        ("abort",
            "Rollback { chain: false }"),
        ("execute p (1, 'a')",
            r#"Execute { name: "p", arguments: [Value(ValueWithSpan { value: Number("1", false), span: Span(Location(1,12)..Location(1,13)) }), Value(ValueWithSpan { value: SingleQuotedString("a"), span: Span(Location(1,15)..Location(1,18)) })] }"#),
        ("deallocate all",
            "Deallocate { name: None }"),
        ("deallocate prepare p",
            r#"Deallocate { name: Some("p") }"#),
    ]);
}

#[rustfmt::skip]
#[test]
fn what_is_not_there_yet_or_wrong() {
    check(&[
        ("copy t from '/etc/passwd'",
            "0A000 COPY from a file of the server is not supported yet"),
        ("copy t from stdin (delimiter 'ab')",
            "0A000 COPY delimiter must be a single one-byte character"),
        (r#"copy t from stdin (format csv, delimiter '"')"#,
            "22023 COPY delimiter and quote must be different"),
        ("copy t from stdin (format csv, format text)",
            "42601 conflicting or redundant options@32"),
        ("create table t (a int) on commit drop",
            "42P16 ON COMMIT can only be used on temporary tables"),
        ("create table t (a int) using parquet",
            "0A000 the table format parquet is not supported yet@24"),
        ("create role r bypassrls",
            "0A000 the role option BYPASSRLS is not supported yet@15"),
        ("alter table t enable row level security",
            "0A000 ALTER … ENABLE ROW is not supported yet@15"),
        ("alter role r in database d set search_path to x",
            "0A000 a role's setting in one database is not supported yet@14"),
        ("grant sellect on t to bob",
            r#"42601 unrecognized privilege type "sellect"@7"#),
        ("grant delete (a) on t to bob",
            "42601 column privileges are only valid for SELECT, INSERT, UPDATE and REFERENCES@14"),
        ("update t set a = 1, (b, a) = (2, 3)",
            "42601 multiple assignments to same column \"a\""),
        ("declare c scroll no scroll cursor for select 1",
            "42P11 cannot specify both SCROLL and NO SCROLL"),
        ("vacuum (sort)",
            r#"42601 unrecognized VACUUM option "sort""#),
        ("vacuum t retain 5",
            "42601 syntax error at end of input@18"),
        ("analyze t (a",
            "42601 syntax error at end of input@13"),
        ("lock table t in no mode",
            "42601 syntax error at or near \"no\"@17"),
        ("call p",
            "42601 syntax error at end of input@7"),
        ("select * from (select 1 into x) s",
            "42601 SELECT ... INTO is not allowed here"),
        ("insert into t select 1 on conflict do update set a = 1",
            "42601 ON CONFLICT DO UPDATE requires inference specification or constraint name"),
        ("create table t (a int references u on delete vanish)",
            "42601 syntax error at or near \"vanish\"@46"),
        ("create table t (a int unique not deferrable initially deferred)",
            "42601 constraint declared INITIALLY DEFERRED must be DEFERRABLE@30"),
        ("merge into t using u on true when not matched then delete",
            "42601 syntax error at or near \"delete\"@52"),
        ("merge into t using u join v on true on true when matched then delete",
            "0A000 a join as MERGE's source is not supported yet@20"),
        ("select $1, $2::int, $0",
            "42P02 there is no parameter $0@21"),
    ]);
}

#[test]
fn constructs_that_the_parser_lacks_are_named() {
    check(&[
        ("select (f(1)).*", "Query(SELECT (f(1)).\"\0*\")"),
        (
            "select trim(trailing from a)",
            "Query(SELECT TRIM(TRAILING ' ' FROM a))",
        ),
    ]);
}

#[test]
fn texts_and_parameters() {
    let parsed = parse("select 'ä' ; -- x\n  select $2 + $1 -- y").unwrap();
    let facts: Vec<_> = parsed
        .iter()
        .map(|one| (one.text.as_str(), one.parameter_count))
        .collect();
    assert_eq!(facts, [("select 'ä'", 0), ("select $2 + $1", 2)]);
    let Statement::Prepare { statement, .. } = &parse("prepare p as select $3").unwrap()[0].statement else {
        panic!()
    };
    assert_eq!((statement.text.as_str(), statement.parameter_count), ("select $3", 3));
    let Statement::CreateView { query_text, .. } = &parse("create view v as (select 1) ;").unwrap()[0].statement else {
        panic!()
    };
    assert_eq!(query_text, "(select 1)");
}

#[test]
fn create_table_keeps_every_clause() {
    let text = "create table if not exists s.t (a int not null, \"B\" varchar(3) comment 'x', c numeric(12,2) mask m using \
                columns (a), d timestamp(3) with time zone, e text[]) using delta location 's3://b/p' partitioned by (a) \
                tblproperties ('delta.x' = 'y', k = 1) comment 'c' with row filter s.f on (a, \"B\")";
    let Statement::CreateTable(table) = &parse(text).unwrap()[0].statement else {
        panic!()
    };
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|one| format!("{} {}", one.name, one.sql_type))
        .collect();
    assert_eq!(
        columns.join(", "),
        "a integer, B character varying(3), c numeric(12,2), d timestamp(3) with time zone, e text[]"
    );
    assert!(table.if_not_exists && table.columns[0].not_null && !table.columns[1].not_null);
    assert_eq!(table.columns[1].comment.as_deref(), Some("x"));
    assert_eq!(table.columns[2].mask.as_ref().unwrap().columns, ["a"]);
    assert_eq!(
        (table.location.as_deref(), table.comment.as_deref()),
        (Some("s3://b/p"), Some("c"))
    );
    assert_eq!(table.partition_by, ["a"]);
    assert_eq!(
        table.properties,
        [("delta.x".into(), "y".into()), ("k".into(), "1".into())]
    );
    assert_eq!(table.row_filter.as_ref().unwrap().columns, ["a", "B"]);
}

/// On a stack as small as a worker's: what nests too deep is refused, what is only long is not.
#[test]
fn depth_is_bounded_and_length_is_not() {
    let repeat = |before: &str, inside: &str, after: &str, times: usize| {
        format!("select {}{inside}{}", before.repeat(times), after.repeat(times))
    };
    let deep = [
        repeat("(", "1", ")", 5_000),
        repeat("f(", "1", ")", 5_000),
        repeat("not ", "true", "", 5_000),
        repeat("- ", "1", "", 5_000),
        repeat("1 + ", "1", "", 50_000),
        repeat("a = 1 or ", "true", "", 50_000),
        repeat("", "1", "::int", 50_000),
        format!("{}select 1", "select 1 union all ".repeat(50_000)),
        format!("select * from {}", "(".repeat(5_000)),
    ];
    let long = [
        repeat("f(", "1", ")", 60),
        repeat("(", "1", ")", 60),
        repeat("a = 1 or ", "true", "", 9_000),
        repeat("1 + ", "1", "", 1_000),
        repeat("1, ", "1", "", 50_000),
        format!("select * from {}a join b on true{}", "(".repeat(30), ")".repeat(30)),
    ];
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for text in deep {
            let shown = text.chars().take(20).collect::<String>();
            assert_eq!(parse(&text).unwrap_err().state().code(), "54001", "{shown}");
        }
        for text in long {
            parse(&text).unwrap();
        }
    });
    worker.unwrap().join().unwrap();
}

/// What psql 15 sends for \l \dn \dt \dv \d \du \df and \dp, recorded with `psql -E`.
#[test]
fn queries_of_psql_parse() {
    let queries = parse(include_str!("psql_queries.sql")).unwrap();
    assert!(queries.len() > 15);
    assert!(queries.iter().all(|one| matches!(one.statement, Statement::Query(_))));
}
