-- What `attacker` asks of both worlds (world.sql): a block `-- attack: name` each, sent statement by statement
-- on a connection of its own. All that comes back is compared byte for byte: descriptions, rows, tags, notices,
-- errors with all their fields. `-- channel:` says what the statements listen to, `-- mask: regex` names output
-- that varies from run to run (times), `-- warm: statement` is run as the superuser before, to fill caches.

-- attack: plain
-- channel: rows and masks themselves
SELECT * FROM staff ORDER BY id;

-- attack: count_star
-- channel: exact row counts of the table's statistics
SELECT count(*) FROM staff;

-- attack: min_max
-- channel: minima and maxima of the file index
SELECT min(id), max(id), min(name), max(name), min(region), max(region) FROM staff;

-- attack: min_max_masked
-- channel: statistics of masked columns
SELECT min(salary), max(salary), min(ssn), max(ssn), sum(salary), count(salary), count(ssn) FROM staff;

-- attack: is_null_on_masked_not_null
-- channel: constant folding by the table's NOT NULL below a mask that yields NULL
SELECT id, salary IS NULL FROM staff WHERE salary IS NULL ORDER BY id;

-- attack: cast_error_names_value
-- channel: the message of a conversion that fails on a hidden row
SELECT id FROM staff WHERE CAST(name AS int) = 42;

-- attack: cast_in_projection
-- channel: the message of a conversion in the select list
SELECT CAST(ssn AS int) FROM staff;

-- attack: cast_masked_number
-- channel: overflow of a hidden salary
SELECT CAST(salary AS smallint) FROM staff ORDER BY id;

-- attack: cast_region_to_date
-- channel: which value fails first
SELECT id FROM staff WHERE id > 3 AND CAST(region AS date) IS NOT NULL;

-- attack: division_by_hidden
-- channel: an error raised only where a hidden value is 300
SELECT id FROM staff WHERE 1 / (salary - 300) > -5;

-- attack: division_by_id
-- channel: an error raised only on a hidden row
SELECT id FROM staff WHERE 1 / (id - 4) > -100 ORDER BY id;

-- attack: modulo_by_hidden_row
-- channel: as before, in the select list
SELECT id % (id - 4) FROM staff ORDER BY id;

-- attack: overflow
-- channel: arithmetic overflow on hidden rows
SELECT id FROM staff WHERE id * 1000000000 > 0 ORDER BY id;

-- attack: sqrt_of_negative
-- channel: functions that fail on some values
SELECT id FROM staff WHERE sqrt(salary) > 0;

-- attack: case_order
-- channel: evaluation order within CASE
SELECT id FROM staff WHERE CASE WHEN region = 'north' THEN true ELSE 1 / 0 = 1 END ORDER BY id;

-- attack: case_on_mask
-- channel: a branch taken by the raw value
SELECT id, CASE WHEN salary = 300 THEN 1 / 0 ELSE 0 END FROM staff ORDER BY id;

-- attack: conjunct_order
-- channel: predicates reordered by cost
SELECT id FROM staff WHERE region <> 'north' AND CAST(name AS int) > 0;

-- attack: disjunction
-- channel: OR with a failing half
SELECT id FROM staff WHERE region = 'south' OR CAST(name AS int) = 42;

-- attack: column_free_predicate
-- channel: a predicate without columns, evaluated once a row
SELECT count(*) FROM staff WHERE random() >= 0;

-- attack: column_free_failure
-- channel: a constant that fails only if some row reaches it
SELECT id FROM staff WHERE region = 'south' AND 1 / (SELECT 0) = 1;

-- attack: constant_failure_without_rows
-- channel: evaluation on an empty visible set
SELECT id FROM staff WHERE id = 4 AND CAST('x' || id AS int) = 1;

-- attack: like
-- channel: pattern matching on hidden names
SELECT id FROM staff WHERE name LIKE 'a%' ORDER BY id;

-- attack: like_masked
-- channel: pattern matching below a mask
SELECT id FROM staff WHERE ssn LIKE '1%' ORDER BY id;

-- attack: regular_expression
-- channel: an expression taken from a hidden row
SELECT id FROM staff WHERE name ~ '^[0-9]+$' ORDER BY id;

-- attack: regular_expression_from_column
-- channel: a pattern that does not compile
SELECT id FROM staff WHERE 'x' ~ ('(' || ssn) ORDER BY id;

-- attack: equality_on_masked
-- channel: filters evaluated on the raw column
SELECT id FROM staff WHERE salary = 300 OR ssn = '111-22-3333';

-- attack: between_on_masked
-- channel: pruning by the raw column's minima and maxima
SELECT id FROM staff WHERE salary BETWEEN 200 AND 400;

-- attack: in_on_masked
-- channel: as before
SELECT id FROM staff WHERE ssn IN ('111-22-3333', '333-00-4444', '12');

-- attack: limit
-- channel: a limit counted below the row filter
SELECT id FROM staff LIMIT 3;

-- attack: limit_offset
-- channel: an offset counted below the row filter
SELECT id FROM staff ORDER BY id LIMIT 10 OFFSET 2;

-- attack: order_by_masked
-- channel: an order by raw values
SELECT id FROM staff ORDER BY salary, id;

-- attack: top_k
-- channel: the dynamic filter of a top-k
SELECT id, ssn FROM staff ORDER BY ssn DESC, id LIMIT 1;

-- attack: window
-- channel: ranks by raw values
SELECT id, rank() OVER (ORDER BY salary), count(*) OVER () FROM staff ORDER BY id;

-- attack: window_lag
-- channel: neighbours that are hidden
SELECT id, lag(id) OVER (ORDER BY id), lead(id) OVER (ORDER BY id) FROM staff ORDER BY id;

-- attack: group_by
-- channel: groups of hidden rows
SELECT region, count(*), sum(id) FROM staff GROUP BY region ORDER BY region;

-- attack: group_by_masked
-- channel: groups by raw values
SELECT salary, ssn, count(*) FROM staff GROUP BY salary, ssn;

-- attack: distinct
-- channel: distinct counts of the statistics
SELECT count(DISTINCT region), count(DISTINCT ssn), count(DISTINCT id) FROM staff;

-- attack: inner_join
-- channel: partners of hidden rows; the join's dynamic filter
SELECT n.id, n.note FROM notes n JOIN staff s ON s.id = n.id ORDER BY n.id;

-- attack: join_filter_bounds
-- channel: blocks that a join's dynamic filter skips by bounds that hidden rows move, told by an error of a visible row
SELECT q.part FROM notes n JOIN (SELECT id, 10 / divisor AS part FROM spread) q ON q.id = n.id;
SELECT n.id FROM notes n JOIN spread s ON s.id = n.id WHERE 10 / s.divisor > 0;
SELECT count(*) FROM spread s WHERE s.id IN (SELECT id FROM notes) AND 10 / s.divisor > 0;
SELECT q.part FROM notes n JOIN (SELECT id, 10 / divisor AS part FROM spread) q ON q.id = n.id;
SELECT q.part FROM notes n JOIN (SELECT id, 10 / divisor AS part FROM spread) q ON q.id = n.id;

-- attack: join_filter_metrics
-- channel: rows that leave a barrier below a join
-- mask: [0-9.]+ ?(ms|µs|ns|s)\b
EXPLAIN ANALYZE SELECT n.id FROM notes n JOIN spread s ON s.id = n.id;

-- attack: left_join
-- channel: absence of partners
SELECT n.id, s.name FROM notes n LEFT JOIN staff s ON s.id = n.id ORDER BY n.id;

-- attack: full_join
-- channel: both absences
SELECT n.id, s.id FROM notes n FULL JOIN staff s ON s.id = n.id ORDER BY n.id, s.id;

-- attack: semi_join
-- channel: existence of hidden rows
SELECT id FROM notes n WHERE EXISTS (SELECT 1 FROM staff s WHERE s.id = n.id) ORDER BY id;

-- attack: anti_join
-- channel: absence of hidden rows
SELECT id FROM notes n WHERE NOT EXISTS (SELECT 1 FROM staff s WHERE s.id = n.id) ORDER BY id;

-- attack: not_in_with_null
-- channel: one hidden NULL empties NOT IN
SELECT id FROM notes WHERE 'x' NOT IN (SELECT region FROM staff) ORDER BY id;

-- attack: join_on_masked
-- channel: join keys by raw value
SELECT n.id FROM notes n JOIN staff s ON s.salary = n.id * 75 ORDER BY n.id;

-- attack: join_on_cast
-- channel: a join key that fails on a hidden row
SELECT n.id FROM notes n JOIN staff s ON CAST(s.name AS int) = n.id;

-- attack: self_join
-- channel: one side filtered, the other not
SELECT a.id, b.id FROM staff a JOIN staff b ON a.ssn = b.ssn ORDER BY a.id, b.id;

-- attack: correlated_subquery
-- channel: a subquery per row
SELECT n.id, (SELECT s.name FROM staff s WHERE s.id = n.id) FROM notes n ORDER BY n.id;

-- attack: correlated_aggregate
-- channel: counts per row
SELECT n.id, (SELECT count(*) FROM staff s WHERE s.id >= n.id) FROM notes n ORDER BY n.id;

-- attack: scalar_subquery_of_many
-- channel: more than one row, only with hidden rows
SELECT (SELECT id FROM staff WHERE id > 2);

-- attack: exists_hidden
-- channel: plain existence
SELECT EXISTS (SELECT 1 FROM staff WHERE region <> 'north'), EXISTS (SELECT 1 FROM staff WHERE salary > 0);

-- attack: union
-- channel: unions rewritten to filters
SELECT id FROM staff WHERE region = 'north' UNION SELECT id FROM staff WHERE region = 'south' ORDER BY id;

-- attack: except
-- channel: set difference against what is visible
SELECT id FROM notes EXCEPT SELECT id FROM staff ORDER BY id;

-- attack: recursive
-- channel: recursion that reads the table each round
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT r.n + 1 FROM r JOIN staff s ON s.id = r.n WHERE r.n < 50)
SELECT count(*), max(n) FROM r;

-- attack: set_returning
-- channel: a series as long as a hidden value
SELECT s.id, g.n FROM staff s, generate_series(1, 3) AS g(n) ORDER BY 1, 2;

-- attack: lateral
-- channel: lateral references
SELECT s.id, l.total FROM staff s, LATERAL (SELECT sum(t.id) AS total FROM staff t WHERE t.id <= s.id) l ORDER BY s.id;

-- attack: view
-- channel: a view of the owner's, who sees everything
SELECT * FROM staff_view ORDER BY id;

-- attack: view_cast
-- channel: an error below a view
SELECT id FROM staff_view WHERE CAST(name AS int) > 0;

-- attack: own_view
-- channel: a view that the attacker makes
CREATE VIEW my_staff AS SELECT id, name, salary FROM staff;
SELECT * FROM my_staff ORDER BY id;
SELECT id FROM my_staff WHERE CAST(name AS int) > 0;
DROP VIEW my_staff;

-- attack: mapping_table
-- channel: a policy that looks into another table
SELECT * FROM mapped ORDER BY id;

-- attack: mapping_table_count
-- channel: the join inside a policy, seen through counts
SELECT count(*), min(id), max(id) FROM mapped;

-- attack: mapping_table_directly
-- channel: the mapping table itself
SELECT * FROM region_access;

-- attack: policy_function_directly
-- channel: a policy's function as a probe into its mapping table
SELECT mapped_rows('south'), mapped_rows('west'), mapped_rows('east');

-- attack: policy_function_on_table
-- channel: the mask's function over raw columns
SELECT ssn_mask(ssn), salary_mask(salary) FROM staff ORDER BY id;

-- attack: explain
-- channel: the plan's text and its estimates
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN SELECT id FROM staff WHERE salary > 100;

-- attack: explain_verbose
-- channel: all stages of planning
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN VERBOSE SELECT s.id FROM staff s JOIN notes n ON n.id = s.id WHERE s.name LIKE 'a%';

-- attack: explain_analyze
-- channel: row counts, bytes, pruned files
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN ANALYZE SELECT id FROM staff WHERE id > 0;

-- attack: explain_analyze_join
-- channel: build sides and dynamic filters
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN ANALYZE SELECT n.id FROM notes n JOIN staff s ON s.id = n.id;

-- attack: explain_join_order
-- channel: the order of joins follows the tables' sizes
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN SELECT s.id FROM notes n, crowded c, staff s WHERE n.id = c.id AND c.id = s.id ORDER BY s.id;
SELECT s.id FROM notes n, crowded c, staff s WHERE n.id = c.id AND c.id = s.id ORDER BY s.id;
SELECT count(*), min(c.id) FROM crowded c LEFT JOIN mapped m ON m.id = c.id;

-- attack: explain_mapping
-- channel: what a policy reads
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN VERBOSE SELECT * FROM mapped;

-- attack: time_travel
-- channel: versions from before the policy and before rows
SELECT * FROM staff VERSION AS OF 1 ORDER BY id;

-- attack: time_travel_first
-- channel: the empty version
SELECT count(*) FROM staff VERSION AS OF 0;

-- attack: time_travel_count
-- channel: statistics of a past version
SELECT count(*), min(id), max(salary) FROM staff VERSION AS OF 2;

-- attack: time_travel_difference
-- channel: two versions against each other
SELECT id FROM staff VERSION AS OF 2 EXCEPT SELECT id FROM staff VERSION AS OF 1 ORDER BY id;

-- attack: describe_history
-- channel: commit information: rows and bytes written, file names
DESCRIBE HISTORY staff;

-- attack: describe_table
-- channel: the table's description
DESCRIBE TABLE staff;

-- attack: pg_class
-- channel: row and page counts of the system tables
SELECT relname, reltuples, relpages FROM pg_catalog.pg_class WHERE relname IN ('staff', 'mapped', 'region_access') ORDER BY relname;

-- attack: pg_stats
-- channel: column statistics of the system tables
SELECT * FROM pg_catalog.pg_stats WHERE tablename IN ('staff', 'mapped');

-- attack: table_size
-- channel: sizes in bytes
SELECT pg_relation_size('staff'), pg_total_relation_size('staff');

-- attack: system_queries
-- channel: other principals' statements
SELECT query FROM system.queries WHERE query LIKE '%hidden_rows%';

-- attack: pg_stat_activity
-- channel: what others run
SELECT usename, query FROM pg_catalog.pg_stat_activity WHERE query LIKE '%INSERT INTO staff%';

-- attack: pg_proc_source
-- channel: the policy's text is no secret, its data is
SELECT proname FROM pg_catalog.pg_proc WHERE proname LIKE '%_rows' ORDER BY proname;

-- attack: copy_to_stdout
-- channel: COPY of the table
COPY staff TO STDOUT;

-- attack: copy_columns_csv
-- channel: COPY of masked columns
COPY staff (salary, ssn) TO STDOUT WITH (FORMAT csv, HEADER);

-- attack: copy_query
-- channel: COPY of a failing query
COPY (SELECT CAST(name AS int) FROM staff WHERE region = 'north' AND id = 3) TO STDOUT;

-- attack: create_table_as
-- channel: a copy of the table
CREATE TABLE stolen AS SELECT * FROM staff;
SELECT * FROM stolen ORDER BY id;
SELECT count(*), max(salary) FROM stolen;
DROP TABLE stolen;

-- attack: insert_select
-- channel: rows carried over by INSERT
CREATE TABLE loot (id int, salary numeric(12,2), ssn text);
INSERT INTO loot SELECT id, salary, ssn FROM staff;
INSERT INTO loot SELECT id, 1 / (salary - 300), ssn FROM staff;
SELECT * FROM loot ORDER BY id, salary;
DROP TABLE loot;

-- attack: truncate
-- channel: damage without the privilege
TRUNCATE staff;

-- attack: insert_into_governed
-- channel: damage without the privilege
INSERT INTO staff VALUES (7, 'eve', 'north', 1, '7');

-- attack: drop_policy
-- channel: definitions without ownership
ALTER TABLE staff DROP ROW FILTER;

-- attack: drop_mask
-- channel: definitions without ownership
ALTER TABLE staff ALTER COLUMN ssn DROP MASK;

-- attack: replace_policy_function
-- channel: a policy's function without ownership
CREATE OR REPLACE FUNCTION staff_rows(region text) RETURNS boolean RETURN true;

-- attack: prepared_across_roles
-- channel: a plan made for one role, run for another
PREPARE p AS SELECT * FROM staff ORDER BY id;
EXECUTE p;
SET ROLE analysts;
EXECUTE p;
RESET ROLE;
EXECUTE p;

-- attack: set_role_to_admins
-- channel: a role that the attacker is not a member of
SET ROLE admins;
SELECT * FROM staff ORDER BY id;

-- attack: session_authorization
-- channel: another login
SET SESSION AUTHORIZATION admin;
SELECT * FROM staff ORDER BY id;

-- attack: cache_after_admin
-- channel: answers and plans cached for others
-- warm: SELECT * FROM staff ORDER BY id
-- warm: SELECT count(*), max(salary) FROM staff
SELECT * FROM staff ORDER BY id;
SELECT count(*), max(salary) FROM staff;

-- attack: cache_repeated
-- channel: a second run, from the cache
SELECT id, name, salary FROM staff ORDER BY id;
SELECT id, name, salary FROM staff ORDER BY id;

-- attack: cache_statistics
-- channel: whether an answer was cached for others
SELECT name FROM system.caches ORDER BY name;

-- attack: parameter
-- channel: parameters that reach the scan
PREPARE q (int) AS SELECT id FROM staff WHERE id = $1;
EXECUTE q(4);
EXECUTE q(3);

-- attack: parameter_of_text
-- channel: a parameter's conversion below the barrier
PREPARE q (text) AS SELECT id FROM staff WHERE name = $1 AND CAST($1 AS int) > 0;
EXECUTE q('abc');
EXECUTE q('42');

-- attack: cursor_limits
-- channel: engine options that move predicates
SET datafusion.execution.parquet.pushdown_filters = true;
SELECT id FROM staff WHERE CAST(name AS int) = 42;

-- attack: transaction
-- channel: errors inside a block
BEGIN;
SELECT id FROM staff WHERE CAST(name AS int) = 42;
SELECT 1;
ROLLBACK;

-- attack: whole_row
-- channel: the row as a value
SELECT staff FROM staff ORDER BY 1;

-- attack: system_columns
-- channel: where a row lies
SELECT ctid, tableoid FROM staff;

-- attack: row_functions
-- channel: aggregates that show values
SELECT string_agg(name, ',' ORDER BY id), array_agg(ssn ORDER BY id) FROM staff;

-- attack: nested_functions
-- channel: functions over masked columns
SELECT id, length(ssn), md5(ssn), upper(ssn), coalesce(salary, -1) FROM staff ORDER BY id;

-- attack: having
-- channel: a failing HAVING
SELECT region FROM staff GROUP BY region HAVING 1 / (count(*) - 4) > -2;

-- attack: filter_clause
-- channel: aggregates with a filter that fails on hidden rows
SELECT count(*) FILTER (WHERE 1 / (id - 4) < 100) FROM staff;

-- attack: values_join
-- channel: a guessed value as join key
SELECT v.guess FROM (VALUES (300), (150), (7000000)) AS v(guess) JOIN staff s ON s.salary = v.guess;

-- attack: guess_by_name
-- channel: a guessed hidden value
SELECT v.guess FROM (VALUES ('abc'), ('17'), ('0'), ('ann')) AS v(guess) LEFT JOIN staff s ON s.name = v.guess WHERE s.id IS NOT NULL ORDER BY 1;

-- attack: not_granted_table
-- channel: a table without any privilege
SELECT * FROM region_access WHERE CAST(region AS int) = 1;

-- attack: failing_policy
-- channel: the message of a policy that fails on a hidden row
SELECT * FROM fragile;

-- attack: failing_policy_evaded
-- channel: a predicate that keeps the failing row from the policy
SELECT count(*) FROM fragile WHERE divisor <> 0;

-- attack: failing_policy_probed
-- channel: as before, by guessed values
SELECT id FROM fragile WHERE divisor = 5;
SELECT id FROM fragile WHERE divisor = 7;
SELECT id FROM fragile WHERE id = 3;

-- attack: update_counts
-- channel: how many rows a change met
BEGIN;
UPDATE payroll SET name = 'changed';
UPDATE payroll SET name = 'again' WHERE salary = 300;
DELETE FROM payroll WHERE region <> 'north';
DELETE FROM payroll;
SELECT count(*) FROM payroll;
ROLLBACK;

-- attack: update_fails_on_hidden_row
-- channel: errors of conditions and values that only hidden rows raise
BEGIN;
UPDATE payroll SET name = 'x' WHERE 1 / (id - 4) > -100;
UPDATE payroll SET id = id * 100000000 WHERE id < 4;
DELETE FROM payroll WHERE CAST(name AS int) = 42;
ROLLBACK;

-- attack: returning
-- channel: RETURNING of masked columns, as they were and as they become
BEGIN;
UPDATE payroll SET name = upper(name) WHERE id = 1 RETURNING *;
DELETE FROM payroll WHERE id = 1 RETURNING salary, ssn, id;
ROLLBACK;
UPDATE payroll SET salary = 1 RETURNING salary;
BEGIN;
INSERT INTO payroll VALUES (100, 'new', 'north', 1, 'x') RETURNING ssn;
ROLLBACK;

-- attack: values_from_masks
-- channel: a mask stored over what it hides, or a hidden value carried to an open column
UPDATE payroll SET salary = salary + 1;
UPDATE payroll SET name = ssn;
UPDATE payroll SET name = CASE WHEN salary > 200 THEN 'rich' ELSE 'poor' END;
UPDATE payroll SET ssn = other.ssn FROM payroll other WHERE other.id = payroll.id;
UPDATE payroll SET name = (SELECT max(s.ssn) FROM payroll s);
MERGE INTO payroll t USING notes n ON n.id = t.id WHEN MATCHED THEN UPDATE SET name = t.ssn;
INSERT INTO payroll VALUES (1, 'x', 'north', 1, 'x') ON CONFLICT (id) DO UPDATE SET name = payroll.ssn;

-- attack: merge
-- channel: which keys hidden rows have
BEGIN;
MERGE INTO payroll t USING notes n ON n.id = t.id WHEN MATCHED THEN UPDATE SET name = n.note WHEN NOT MATCHED THEN INSERT VALUES (n.id, n.note, 'north', 1, NULL);
SELECT count(*), min(id), max(id) FROM payroll;
ROLLBACK;

-- attack: on_conflict
-- channel: whether a hidden row has a key
BEGIN;
INSERT INTO payroll VALUES (4, 'guess', 'north', 1, NULL), (5, 'guess', 'north', 1, NULL) ON CONFLICT (id) DO NOTHING;
INSERT INTO payroll VALUES (1, 'guess', 'north', 1, NULL), (6, 'guess', 'north', 1, NULL) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name;
SELECT id, name FROM payroll ORDER BY id;
ROLLBACK;

-- attack: constraint_messages
-- channel: a failing row in a message
UPDATE payroll SET salary = NULL WHERE id = 1;
UPDATE payroll SET id = NULL;

-- attack: cursor_over_masked
-- channel: rows and positions of a scrollable cursor
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, name, salary, ssn FROM staff ORDER BY salary, id;
FETCH LAST FROM c;
FETCH ABSOLUTE 2 FROM c;
MOVE BACKWARD ALL IN c;
FETCH ALL FROM c;
ROLLBACK;

-- attack: held_cursor_across_roles
-- channel: a cursor that outlives its transaction and a change of role
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id, salary FROM staff;
COMMIT;
SET ROLE analysts;
FETCH ALL FROM held;
RESET ROLE;
CLOSE held;

-- attack: temporary_copy
-- channel: what a temporary table keeps of a governed one
CREATE TEMP TABLE stolen AS SELECT * FROM staff;
SELECT * FROM stolen ORDER BY id;
SELECT count(*), min(salary), max(ssn) FROM stolen;

-- attack: savepoint_after_failure
-- channel: errors on hidden rows inside a savepoint
BEGIN;
SAVEPOINT s;
SELECT id FROM staff WHERE 1 / (id - 4) > -100 ORDER BY id;
ROLLBACK TO s;
SELECT count(*) FROM staff;
COMMIT;

-- attack: prepared_and_explained
-- channel: the plan of a prepared statement
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
PREPARE p (numeric) AS SELECT id FROM staff WHERE salary > $1 ORDER BY id;
EXECUTE p (200);
EXPLAIN EXECUTE p (200);
DEALLOCATE p;

-- attack: advisory_lock_by_value
-- channel: locks taken for hidden rows
SELECT id, pg_try_advisory_lock(id) FROM staff WHERE salary > 100 ORDER BY id;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

-- attack: notify_with_value
-- channel: payloads made of masked values
LISTEN leak;
SELECT pg_notify('leak', coalesce(ssn, '')) FROM staff ORDER BY id;
SELECT 1;

-- attack: series_by_value
-- channel: the number of rows made from masked values
SELECT count(*) FROM staff, generate_series(1, coalesce(salary, 0)::int);

-- attack: catalog_beside_governed
-- channel: catalog queries that touch a governed table in a subquery
SELECT relname, (SELECT count(*) FROM staff WHERE salary > 200) FROM pg_class WHERE relname = 'staff';
SELECT reltuples, relpages FROM pg_class WHERE relname IN ('staff', 'ledger') ORDER BY relname;

-- attack: update_by_masked_predicate
-- channel: which rows a predicate on a masked column finds
BEGIN;
UPDATE ledger SET note = 'seen' WHERE amount > 200;
SELECT id, note FROM ledger ORDER BY id;
ROLLBACK;

-- attack: update_from_masked_value
-- channel: a masked value written where it can be read
BEGIN;
UPDATE ledger SET note = amount::text;
SELECT id, note FROM ledger ORDER BY id;
ROLLBACK;

-- attack: update_hidden_rows
-- channel: the count of changed rows
BEGIN;
UPDATE ledger SET note = 'x';
UPDATE ledger SET note = 'x' WHERE id > 3;
ROLLBACK;

-- attack: update_returning
-- channel: RETURNING of masked columns, old and new
BEGIN;
UPDATE ledger SET note = 'y' WHERE id = 1 RETURNING *;
UPDATE ledger SET amount = amount + 1 WHERE id = 1 RETURNING id, amount;
ROLLBACK;

-- attack: update_from_join
-- channel: rows found through a join on a masked column
BEGIN;
UPDATE notes SET note = 'matched' FROM ledger WHERE ledger.id = notes.id AND ledger.amount > 200;
UPDATE ledger SET note = n.note FROM notes n WHERE n.id = ledger.amount;
ROLLBACK;

-- attack: update_moves_row_out_of_sight
-- channel: a row filter on the new row
BEGIN;
UPDATE ledger SET region = 'south' WHERE id = 1;
SELECT count(*) FROM ledger;
ROLLBACK;

-- attack: update_failing_on_hidden
-- channel: an error raised only where a hidden row is touched
UPDATE ledger SET note = (1 / (id - 4))::text WHERE id = id;

-- attack: delete_by_masked_predicate
-- channel: which rows a predicate on a masked column removes
BEGIN;
DELETE FROM ledger WHERE amount > 200;
SELECT id FROM ledger ORDER BY id;
ROLLBACK;

-- attack: delete_hidden_rows
-- channel: the count of removed rows, hidden ones untouched
BEGIN;
DELETE FROM ledger RETURNING id, amount;
SELECT count(*) FROM ledger;
ROLLBACK;

-- attack: delete_using
-- channel: rows removed through a join on masked values
BEGIN;
DELETE FROM ledger USING notes WHERE notes.id = ledger.amount::int RETURNING ledger.id;
ROLLBACK;

-- attack: merge_probe
-- channel: matched or not matched of hidden rows
BEGIN;
MERGE INTO ledger l USING notes n ON l.id = n.id WHEN MATCHED THEN UPDATE SET note = n.note;
MERGE INTO ledger l USING notes n ON l.amount = n.id WHEN MATCHED THEN DELETE;
MERGE INTO ledger l USING notes n ON l.id = n.id WHEN NOT MATCHED THEN INSERT (id, note, region) VALUES (n.id, n.note, 'north');
SELECT id, note FROM ledger ORDER BY id, note;
ROLLBACK;

-- attack: insert_returning
-- channel: masked columns of the row just written
BEGIN;
INSERT INTO ledger (id, region, amount, note) VALUES (70, 'north', 5, 'mine') RETURNING *;
INSERT INTO ledger (id, region, amount, note) VALUES (71, 'south', 5, 'not mine') RETURNING *;
SELECT count(*) FROM ledger;
ROLLBACK;

-- attack: on_conflict_probe
-- channel: conflicts with hidden rows
BEGIN;
INSERT INTO ledger (id, region, note) VALUES (4, 'north', 'guess') ON CONFLICT (id) DO NOTHING;
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'guess') ON CONFLICT (id) DO UPDATE SET note = ledger.amount::text;
SELECT id, note FROM ledger ORDER BY id, note;
ROLLBACK;

-- attack: write_plans
-- channel: EXPLAIN of writes
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN UPDATE ledger SET note = 'x' WHERE amount > 200;
EXPLAIN DELETE FROM ledger WHERE amount > 200;

-- attack: own_materialized_view
-- channel: rows kept for their reader
CREATE MATERIALIZED VIEW mine AS SELECT id, name, region, salary, ssn FROM staff;
SELECT * FROM mine ORDER BY id;
REFRESH MATERIALIZED VIEW mine;
SELECT count(*), max(salary), min(ssn) FROM mine;
SELECT id FROM mine WHERE CAST(name AS int) = 42;
DROP MATERIALIZED VIEW mine;

-- attack: refreshed_by_a_superuser
-- channel: rows that whoever refreshes sees, and the owner does not
-- warm: REFRESH MATERIALIZED VIEW attackers_own
SELECT * FROM attackers_own ORDER BY id;
SELECT count(*) FROM attackers_own;

-- attack: kept_behind_policies
-- channel: rows of a materialized view with policies of its own
-- warm: REFRESH MATERIALIZED VIEW staff_kept
SELECT * FROM staff_kept ORDER BY id;
SELECT count(*), max(salary) FROM staff_kept;
CREATE MATERIALIZED VIEW copy_of_kept AS SELECT * FROM staff_kept;
SELECT * FROM copy_of_kept ORDER BY id;
DROP MATERIALIZED VIEW copy_of_kept;
REFRESH MATERIALIZED VIEW staff_kept;

-- attack: kept_and_shut
-- channel: a materialized view without a grant
SELECT * FROM staff_kept_shut;
REFRESH MATERIALIZED VIEW staff_kept_shut;
CREATE VIEW through_shut AS SELECT * FROM staff_kept_shut;

-- attack: rows_as_values
-- channel: a row that is read as one value
SELECT row_to_json(s) FROM staff s ORDER BY (s).id;
SELECT s FROM staff s ORDER BY s;
SELECT to_jsonb(s) ->> 'salary', (s).ssn FROM staff s ORDER BY 1, 2;
SELECT count(s), count(s.*), count(DISTINCT s) FROM staff s;
SELECT s.id FROM staff s WHERE s::text LIKE '%300%';
SELECT json_agg(s ORDER BY s.id) FROM staff s;
SELECT l.id, s IS NULL FROM ledger l LEFT JOIN staff s ON s.salary > 200 AND s.id = l.id ORDER BY 1;

-- attack: writes_inside_with
-- channel: rows that a part of WITH returns
BEGIN;
WITH changed AS (UPDATE ledger SET note = 'x' RETURNING *) SELECT count(*), max(amount) FROM changed;
WITH gone AS (DELETE FROM ledger WHERE amount > 200 RETURNING *) SELECT * FROM gone ORDER BY id;
ROLLBACK;

-- attack: locked_rows
-- channel: FOR UPDATE of rows behind a filter
BEGIN;
SELECT id, note FROM ledger WHERE amount > 200 ORDER BY id FOR UPDATE;
SELECT id FROM staff ORDER BY id FOR SHARE NOWAIT;
ROLLBACK;

-- attack: masked_rows
-- channel: fields, tests for NULL, order, casts and json of a masked column of rows
-- mask: Planning Time: [0-9.]+ ms
SELECT id, pay, (pay).amount, (pay).*, pay::text, pay IS NULL, pay IS NOT NULL FROM paid ORDER BY pay, id;
SELECT id FROM paid WHERE (pay).amount > 100 ORDER BY id;
SELECT id FROM paid WHERE pay = ROW('north', 4711)::pay OR pay IN ('(north,4711)') OR pay > '(north,12)' ORDER BY id;
SELECT count(pay), count(DISTINCT pay), max((pay).amount), array_agg(pay ORDER BY pay) FROM paid;
SELECT pay, count(*) FROM paid GROUP BY pay ORDER BY pay;
SELECT row_to_json(pay), to_jsonb(p), json_agg(pay) FROM paid p GROUP BY pay, p.id, p.region ORDER BY 1;
SELECT (pay).region::int FROM paid;
SELECT 1 / ((pay).amount - 4711) FROM paid WHERE id = 1;
SELECT (json_populate_record(pay, '{}')).* FROM paid ORDER BY 1, 2;
SELECT a.id, b.id FROM paid a JOIN paid b ON a.pay = b.pay ORDER BY 1, 2;
EXPLAIN SELECT id FROM paid WHERE (pay).amount > 100;
SELECT null::staff_kept, row_to_json(null::paid), pg_typeof(pay) FROM paid;

-- attack: changed_fields
-- channel: a field of a masked column that is computed from the others of its row
BEGIN;
UPDATE paid SET pay.region = 'mine';
ROLLBACK;
BEGIN;
UPDATE paid SET pay.amount = (pay).amount + 1 RETURNING pay;
ROLLBACK;
BEGIN;
INSERT INTO paid (id, region, pay.amount) VALUES (9, 'north', 3) RETURNING id;
ROLLBACK;

-- attack: masked_labels
-- channel: order, casts and extremes of a masked enumeration
SELECT id, grade, grade::text, grade > 'low' FROM graded ORDER BY grade DESC, id;
SELECT min(grade), max(grade), count(DISTINCT grade), array_agg(grade ORDER BY grade) FROM graded;
SELECT id FROM graded WHERE grade = 'high' OR grade BETWEEN 'middle' AND 'high' ORDER BY id;
SELECT id, max(grade) OVER (ORDER BY grade DESC), greatest(grade, 'middle') FROM graded ORDER BY id;
SELECT a.id, b.id FROM graded a JOIN graded b ON a.grade < b.grade ORDER BY 1, 2;
SELECT grade::int FROM graded;

-- attack: label_errors
-- channel: the message of a text that is no label, on hidden rows and values
SELECT id FROM staff WHERE region::text::grade IS NOT NULL;
SELECT ssn::grade FROM staff ORDER BY id;
SELECT name::grade FROM staff WHERE id > 3;
CREATE TYPE place AS ENUM ('north');
SELECT id, region::place FROM staff ORDER BY id;
SELECT id, region::place FROM graded ORDER BY id;
ALTER TYPE grade RENAME VALUE 'high' TO 'highest';
ALTER TYPE grade ADD VALUE 'x';
DROP TYPE grade CASCADE;
DROP TYPE place;

-- attack: upkeep
-- channel: what VACUUM and DESCRIBE DETAIL say of a table's size
VACUUM staff;
VACUUM ledger RETAIN 0 HOURS;
DESCRIBE DETAIL staff;
DESCRIBE DETAIL ledger;

-- attack: states_kept_of_files
-- channel: what another role's aggregation kept of the same files, and what of it an append leaves to be read
-- warm: SELECT region, count(*), sum(id), min(id), max(id), avg(id) FROM crowded GROUP BY region ORDER BY region
-- warm: INSERT INTO crowded VALUES (41, 'north')
-- warm: SELECT region, count(*), sum(id), min(id), max(id), avg(id) FROM crowded GROUP BY region ORDER BY region
-- warm: DELETE FROM crowded WHERE id = 41 AND region = 'north'
-- warm: SELECT count(*), max(salary), min(ssn) FROM staff
-- warm: INSERT INTO staff SELECT 3, '42', 'north', 10, NULL
-- warm: DELETE FROM staff WHERE id = 3
-- warm: INSERT INTO staff SELECT 3, '42', 'north', 10, NULL
-- warm: SELECT count(*), max(salary), min(ssn) FROM staff
SELECT region, count(*), sum(id), min(id), max(id), avg(id) FROM crowded GROUP BY region ORDER BY region;
SELECT count(*), max(salary), min(ssn) FROM staff;
SET boathouse.partial_aggregates = off;
SELECT region, count(*), sum(id), min(id), max(id), avg(id) FROM crowded GROUP BY region ORDER BY region;
SELECT count(*), max(salary), min(ssn) FROM staff;
RESET boathouse.partial_aggregates;

-- attack: files_written_anew
-- channel: what OPTIMIZE and RESTORE say of files that hold hidden rows
OPTIMIZE staff;
OPTIMIZE TABLE crowded ZORDER BY (id);
OPTIMIZE ledger WHERE id = 1;
RESTORE TABLE staff TO VERSION AS OF 1;
RESTORE crowded TO VERSION AS OF 99999;

-- attack: blocks_of_statements
-- channel: PL/pgSQL: records, counts, dynamic statements, notices, and what handlers learn of errors on hidden rows
DO $$ DECLARE r record; n int; BEGIN FOR r IN SELECT * FROM staff ORDER BY id LOOP RAISE NOTICE '%', r; END LOOP; SELECT count(*) INTO n FROM staff; RAISE NOTICE '% %', n, FOUND; END $$;
DO $$ DECLARE s staff%ROWTYPE; x staff.salary%TYPE; BEGIN SELECT * INTO s FROM staff WHERE region <> 'north'; RAISE NOTICE '% %', s, FOUND; EXECUTE 'SELECT max(salary) FROM staff WHERE id > $1' INTO x USING 0; RAISE NOTICE '%', x; END $$;
DO $$ DECLARE m text; d text; c text; BEGIN PERFORM name::int FROM staff; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, c = PG_EXCEPTION_CONTEXT; RAISE NOTICE '% % % %', SQLSTATE, m, d, c; END $$;
DO $$ BEGIN PERFORM 100 / divisor FROM fragile; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ DECLARE n int; BEGIN UPDATE staff SET name = name WHERE id >= 3; GET DIAGNOSTICS n = ROW_COUNT; RAISE NOTICE '%', n; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ BEGIN SET LOCAL ROLE admins; PERFORM * FROM staff; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ BEGIN EXECUTE 'ALTER TABLE staff DROP ROW FILTER'; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ BEGIN EXECUTE $i$ DO 'BEGIN PERFORM 1 / (id - 4) FROM staff; END' $i$; END $$;

-- attack: routines
-- channel: functions and procedures of the attacker's own over governed tables: rows, errors, plans
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
CREATE FUNCTION spy(x int) RETURNS TABLE (id int, salary numeric) LANGUAGE sql AS $$ SELECT id, salary FROM staff WHERE 1 / (id - x) > -100 $$;
SELECT * FROM spy(4) ORDER BY id;
SELECT s.id, t.* FROM staff s, spy(s.id) t ORDER BY 1, 2;
SELECT id, (SELECT count(*) FROM spy(staff.id)) FROM staff ORDER BY id;
SELECT * FROM spy(0) WHERE 1 / (id - 4) > -100 ORDER BY id;
EXPLAIN SELECT * FROM spy(4);
CREATE FUNCTION spy_rows() RETURNS SETOF staff LANGUAGE sql AS 'SELECT * FROM staff ORDER BY id';
SELECT * FROM spy_rows();
CREATE FUNCTION spy_record() RETURNS SETOF record LANGUAGE sql AS 'SELECT id, ssn::int FROM staff ORDER BY id';
SELECT * FROM spy_record() AS t(a int, b int);
CREATE FUNCTION spy_script(x int) RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN SELECT *, 1 / (id - x) FROM staff ORDER BY id LOOP RETURN NEXT r::text; END LOOP; RETURN QUERY EXECUTE 'SELECT count(*)::text FROM staff'; EXCEPTION WHEN OTHERS THEN RETURN NEXT SQLERRM; END $$;
SELECT * FROM spy_script(4);
SELECT spy_script(0);
CREATE FUNCTION spy_row(s staff) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE NOTICE '%', s; RETURN s.ssn; END $$;
SELECT spy_row(staff) FROM staff;
SELECT id FROM staff WHERE spy_row(staff) IS NOT NULL;
CREATE FUNCTION spy_several() RETURNS bigint LANGUAGE sql AS $$ CREATE TEMP TABLE spied AS SELECT * FROM staff; SELECT count(*) FROM staff WHERE 1 / (id - 4) > -100 $$;
SELECT spy_several();
SELECT * FROM spied ORDER BY id;
CREATE PROCEDURE spy_procedure(INOUT n bigint) LANGUAGE plpgsql AS $$ BEGIN SELECT sum(salary) INTO n FROM staff; SET LOCAL ROLE admins; SELECT sum(salary) INTO n FROM staff; END $$;
CALL spy_procedure(0);
CREATE PROCEDURE spy_definer() LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$;
CREATE FUNCTION spy_each(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / (x - 4); END $$;
SELECT id FROM staff WHERE spy_each(id) IS NOT NULL ORDER BY id;
SELECT sum(spy_each(id)) FROM staff;
SELECT s.id FROM staff s JOIN generate_series(1, 9) n ON spy_each(s.id) > -100 AND n = s.id ORDER BY 1;
CREATE FUNCTION spy_table(x int) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT sum(salary) FROM staff WHERE id = x AND 1 / (id - 4) > -100); END $$;
SELECT n, spy_table(n) FROM generate_series(1, 9) n ORDER BY n;
EXPLAIN SELECT spy_table(id) FROM staff WHERE spy_each(id) > 0;
CREATE FUNCTION spy_owner() RETURNS numeric LANGUAGE sql SECURITY DEFINER AS $$ SELECT sum(salary) FROM staff $$;
SELECT spy_owner(), n FROM generate_series(1, 2) n;
CREATE FUNCTION spy_role() RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN SET LOCAL ROLE admins; RETURN (SELECT sum(salary) FROM staff); END $$;
SELECT spy_role();
ALTER FUNCTION spy_owner() OWNER TO admins;
SELECT spy_owner();
CREATE FUNCTION staff_rows(row_region varchar) RETURNS boolean RETURN true;
SELECT count(*) FROM staff;
DROP FUNCTION staff_rows(varchar);

-- attack: writes_through_views
-- channel: rows that a view's owner sees and the attacker does not, found, counted, changed and returned through the view
BEGIN;
SELECT * FROM ledger_named ORDER BY key;
UPDATE ledger_named SET remark = 'x' RETURNING *;
UPDATE ledger_named SET remark = 'x' WHERE sum > 200 OR twice > 400 RETURNING key;
UPDATE ledger_named SET remark = 'y' WHERE part > -100 RETURNING key, part;
UPDATE ledger_north SET note = 'z' WHERE id >= 3 RETURNING *;
UPDATE ledger_above SET note = 'z' WHERE region IS NOT NULL;
ROLLBACK;
BEGIN;
DELETE FROM ledger_named WHERE place <> 'north';
DELETE FROM ledger_named WHERE sum > 200 RETURNING *;
DELETE FROM ledger_known WHERE id > 1 RETURNING *;
DELETE FROM ledger_invoked RETURNING *;
DELETE FROM ledger_above RETURNING *;
SELECT count(*) FROM ledger;
ROLLBACK;
BEGIN;
INSERT INTO ledger_named (key, remark, sum, place) VALUES (50, 'mine', 5, 'north') RETURNING key, remark, place, part;
INSERT INTO ledger_named (key, remark, sum, place) VALUES (51, 'not mine', 5, 'south') RETURNING key, remark;
INSERT INTO ledger_named (key, sum, place) VALUES (52, 5, 'north') RETURNING sum;
ROLLBACK;
BEGIN;
INSERT INTO ledger_named (key, sum, place) VALUES (52, 5, 'north') RETURNING twice;
ROLLBACK;
BEGIN;
INSERT INTO ledger_named (key, sum, place) SELECT id + 60, salary, region FROM staff;
SELECT key, remark FROM ledger_named ORDER BY key;
INSERT INTO ledger_known (id, note) VALUES (80, 'unseen'), (81, NULL) RETURNING *;
SELECT * FROM ledger_known ORDER BY id;
ROLLBACK;
BEGIN;
UPDATE ledger_counted SET note = 'x' WHERE others > 3 RETURNING id;
DELETE FROM ledger_counted WHERE others = 3 RETURNING *;
ROLLBACK;

-- attack: masks_through_views
-- channel: a masked value stored where it can be read, by all ways that lead through a view's column
UPDATE ledger_named SET remark = sum::text;
UPDATE ledger_named SET remark = twice::text;
UPDATE ledger_named SET remark = ledger_named::text;
UPDATE ledger_named SET remark = (SELECT ledger_named.twice::text);
UPDATE ledger_named SET remark = (SELECT (SELECT ledger_named.sum::text));
UPDATE ledger_named SET remark = (SELECT (SELECT (SELECT ledger_named.twice::text FROM notes LIMIT 1)));
UPDATE ledger_named v SET remark = (SELECT x.s FROM (SELECT v.sum::text AS s) x);
UPDATE ledger_named v SET remark = CASE WHEN EXISTS (SELECT 1 FROM notes WHERE notes.id < v.sum) THEN 'rich' END;
UPDATE ledger_named v SET remark = CASE WHEN 300 = ANY (SELECT v.sum) THEN 'rich' END;
UPDATE ledger_named v SET (remark, place) = (SELECT v.sum::text, 'north');
UPDATE ledger_named v SET sum = sum + 1;
UPDATE ledger_named v SET sum = 1 RETURNING key, sum;
UPDATE ledger_named v SET sum = 1 RETURNING key, twice;
UPDATE ledger_named v SET remark = o.sum::text FROM ledger_named o WHERE o.key = v.key;
UPDATE ledger_named v SET remark = o.amount::text FROM ledger o WHERE o.id = v.key;
UPDATE ledger_invoked SET note = amount::text;
UPDATE ledger SET note = (SELECT (SELECT ledger.amount::text));
UPDATE payroll SET name = (SELECT (SELECT max(n.note) FROM notes n WHERE n.id < payroll.salary));
MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN MATCHED THEN UPDATE SET remark = v.sum::text;
MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN MATCHED THEN UPDATE SET remark = (SELECT (SELECT v.twice::text));
MERGE INTO ledger_named v USING (SELECT key, sum FROM ledger_named) o ON o.key = v.key WHEN MATCHED THEN UPDATE SET remark = o.sum::text;
SELECT id, note FROM ledger ORDER BY id;

-- attack: check_option
-- channel: a view's condition that is tested on rows as they are stored
BEGIN;
UPDATE ledger_north SET region = 'south' WHERE id = 1;
ROLLBACK;
UPDATE ledger_north SET region = 'south' WHERE id > 3;
UPDATE ledger_north SET note = 'kept' WHERE id = 1 RETURNING *;
UPDATE ledger_above SET note = 'guess';
UPDATE ledger_above SET amount = 100;
MERGE INTO ledger_above v USING notes n ON n.id = v.id WHEN MATCHED THEN UPDATE SET note = 'guess';
MERGE INTO ledger_above v USING notes n ON n.id = v.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, region, amount) VALUES (n.id + 50, 'north', 201) RETURNING v.id, region;
BEGIN;
INSERT INTO ledger_above VALUES (60, 'north', 'poor', 100);
ROLLBACK;
BEGIN;
INSERT INTO ledger_above VALUES (60, 'north', 'rich', 300);
INSERT INTO ledger_above SELECT id + 60, region, name, salary FROM staff;
ROLLBACK;
DELETE FROM ledger WHERE id >= 50;
UPDATE ledger SET note = CASE id WHEN 1 THEN 'ann' WHEN 2 THEN 'bob' ELSE '42' END;

-- attack: merge_through_views
-- channel: matched or not of hidden rows, and which clause a masked value chooses
BEGIN;
MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN MATCHED THEN UPDATE SET remark = n.note RETURNING v.key, v.remark, v.twice, n.note;
MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN MATCHED AND v.sum > 200 THEN DELETE WHEN MATCHED AND v.twice > 200 THEN UPDATE SET remark = 'rich' WHEN MATCHED THEN UPDATE SET remark = 'poor' RETURNING v.key, v.remark;
MERGE INTO ledger_named v USING notes n ON n.id = v.sum WHEN MATCHED THEN DELETE;
MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN NOT MATCHED THEN INSERT (key, remark, place) VALUES (n.id + 50, n.note, 'north') RETURNING v.key;
MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN NOT MATCHED THEN INSERT (key, remark, place) VALUES (n.id + 70, v.sum::text, 'north');
ROLLBACK;
BEGIN;
MERGE INTO ledger_north v USING notes n ON n.id = v.id WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING *;
MERGE INTO ledger_north v USING notes n ON n.id = v.id WHEN NOT MATCHED BY SOURCE AND 1 / (v.id - 4) > -9 THEN UPDATE SET note = 'alone' WHEN MATCHED THEN DELETE RETURNING v.id;
MERGE INTO ledger_north v USING notes n ON n.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (n.id + 50, 'west', n.note, 3);
ROLLBACK;
BEGIN;
MERGE INTO ledger_known v USING payroll p ON p.id = v.id AND p.salary > 0 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (p.id + 50, 'north', p.ssn) RETURNING v.id, v.note;
SELECT id, note FROM ledger ORDER BY id;
ROLLBACK;
BEGIN;
MERGE INTO ledger t USING staff s ON s.id = t.id WHEN MATCHED AND 1 / (s.id - 4) > -9 THEN UPDATE SET note = s.ssn WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING t.id, t.note, s.salary;
ROLLBACK;

-- attack: plans_of_changed_views
-- channel: EXPLAIN of writes through views
-- mask: [0-9.]+ ?(ns|µs|us|ms|s)\b
EXPLAIN UPDATE ledger_named SET remark = 'x' WHERE sum > 200;
EXPLAIN DELETE FROM ledger_known;
EXPLAIN MERGE INTO ledger_above v USING notes n ON n.id = v.id WHEN MATCHED THEN DELETE;
BEGIN;
EXPLAIN ANALYZE UPDATE ledger_north SET note = 'x' WHERE id > 2;
EXPLAIN ANALYZE DELETE FROM ledger_known;
ROLLBACK;
EXPLAIN INSERT INTO ledger_named (key, place) SELECT id + 50, region FROM staff;

-- attack: copies_of_views
-- channel: COPY of and into views and tables that the attacker may write
-- mask: Planning Time: [0-9.]+ ms
COPY ledger_named TO STDOUT;
COPY (SELECT * FROM ledger_above ORDER BY id) TO STDOUT;
COPY (UPDATE ledger_named SET remark = remark RETURNING *) TO STDOUT;
COPY ledger_named FROM STDIN;
COPY ledger (id, region) FROM STDIN WHERE id = (SELECT max(salary) FROM staff);
SELECT id, note FROM ledger ORDER BY id;

-- attack: overwritten_rows
-- channel: what a statement replaces that it does not see
INSERT OVERWRITE ledger SELECT * FROM ledger;
INSERT OVERWRITE payroll SELECT * FROM payroll WHERE false;
INSERT OVERWRITE ledger_named (key) VALUES (1);
TRUNCATE ledger, payroll;
TRUNCATE ledger_named;
CREATE OR REPLACE TABLE ledger (id int);
ALTER TABLE ledger ADD COLUMN x int;
RESTORE TABLE ledger TO VERSION AS OF 1;
SELECT count(*) FROM ledger;

-- attack: conflicts_of_visible_rows
-- channel: ON CONFLICT: what DO UPDATE reads of the row that is there, and whether WHERE takes it
BEGIN;
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'new') ON CONFLICT (id) DO UPDATE SET note = excluded.note WHERE ledger.amount > 200 RETURNING id, note;
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'new') ON CONFLICT (id) DO UPDATE SET note = excluded.note WHERE 1 / (ledger.id - 4) > -9 RETURNING id, note;
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'new'), (2, 'north', 'new') ON CONFLICT (id) DO NOTHING RETURNING id;
ROLLBACK;
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'new') ON CONFLICT (id) DO UPDATE SET note = (SELECT (SELECT ledger.amount::text));
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'new') ON CONFLICT (id) DO UPDATE SET note = ledger::text;
INSERT INTO ledger (id, region, note) VALUES (1, 'north', 'new') ON CONFLICT (id) DO UPDATE SET amount = ledger.amount + excluded.id;
INSERT INTO ledger (id, region, note) SELECT 1, 'north', s.salary::text FROM staff s WHERE s.id = 1 ON CONFLICT (id) DO UPDATE SET note = 'masked: ' || excluded.note RETURNING amount;
INSERT INTO ledger_named (key, place) VALUES (1, 'north') ON CONFLICT (key) DO UPDATE SET remark = ledger_named.sum::text;
SELECT id, note FROM ledger ORDER BY id;

-- attack: blocks_that_write
-- channel: PL/pgSQL: what RETURNING, counts and handlers tell of writes through views
DO $$ DECLARE r record; n int; BEGIN FOR r IN UPDATE ledger_named SET remark = 'b' WHERE twice IS NULL RETURNING * LOOP RAISE NOTICE '%', r; END LOOP; GET DIAGNOSTICS n = ROW_COUNT; RAISE NOTICE '%', n; RAISE EXCEPTION 'undo'; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ DECLARE k int; s numeric; n int; BEGIN UPDATE ledger_named SET remark = 'b' WHERE key = 1 RETURNING key, sum INTO STRICT k, s; GET DIAGNOSTICS n = ROW_COUNT; RAISE NOTICE '% % %', k, s, n; RAISE EXCEPTION 'undo'; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ DECLARE k int; BEGIN DELETE FROM ledger_named WHERE key > 3 RETURNING key INTO STRICT k; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
DO $$ DECLARE m text; d text; BEGIN UPDATE ledger_above SET note = 'b'; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL; RAISE NOTICE '% % %', SQLSTATE, m, d; END $$;
DO $$ DECLARE n int; BEGIN MERGE INTO ledger_north v USING notes x ON x.id = v.id WHEN MATCHED AND v.amount > 200 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'b'; GET DIAGNOSTICS n = ROW_COUNT; RAISE NOTICE '% %', n, FOUND; RAISE EXCEPTION 'undo'; EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', SQLSTATE, SQLERRM; END $$;
CREATE PROCEDURE spend(k int, INOUT s numeric) LANGUAGE plpgsql AS $$ BEGIN UPDATE ledger_named SET remark = remark WHERE key = k RETURNING sum INTO s; INSERT INTO ledger_named (key, sum, place) VALUES (k + 90, s, 'north'); UPDATE ledger SET note = (SELECT sum(salary)::text FROM staff) WHERE id = k + 90 RETURNING amount INTO s; ROLLBACK; END $$;
CALL spend(1, 0);
CALL spend(4, 0);
CREATE FUNCTION several(k int) RETURNS TABLE (id int, amount numeric) LANGUAGE sql AS $$ UPDATE ledger_named SET remark = 'f' WHERE key = k; DELETE FROM ledger_named WHERE key = k + 1; SELECT ledger.id, ledger.amount FROM ledger ORDER BY 1 $$;
BEGIN;
SELECT * FROM several(1);
SELECT * FROM several(4);
ROLLBACK;
CREATE FUNCTION removed(k int) RETURNS SETOF ledger LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY DELETE FROM ledger WHERE 1 / (id - k) > -9 RETURNING *; END $$;
BEGIN;
SELECT * FROM removed(4);
ROLLBACK;
DROP PROCEDURE spend;
DROP FUNCTION several;
DROP FUNCTION removed;

-- attack: cursors_over_views
-- channel: rows of cursors that stay open while their rows are changed through a view, under another role
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT * FROM ledger_named ORDER BY sum, key;
FETCH 1 FROM c;
UPDATE ledger_named SET remark = 'changed' WHERE key = 2;
DELETE FROM ledger_north WHERE id = 3;
FETCH ALL FROM c;
FETCH ABSOLUTE -1 FROM c;
SET LOCAL ROLE analysts;
FETCH FIRST FROM c;
SELECT * FROM ledger_named;
ROLLBACK;
BEGIN;
DECLARE held SCROLL CURSOR WITH HOLD FOR SELECT * FROM ledger_named WHERE part > -9 ORDER BY key;
UPDATE ledger_named SET remark = 'held';
COMMIT;
FETCH ALL FROM held;
CLOSE held;
UPDATE ledger SET note = CASE id WHEN 1 THEN 'ann' WHEN 2 THEN 'bob' ELSE '42' END;

-- attack: current_rows
-- channel: WHERE CURRENT OF over rows whose hidden part differs
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM ledger;
FETCH 1 FROM c;
UPDATE ledger SET note = 'current' WHERE CURRENT OF c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM ledger_north;
FETCH 2 FROM c;
DELETE FROM ledger_north WHERE CURRENT OF c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM ledger_north;
FETCH ALL FROM c;
DELETE FROM ledger WHERE CURRENT OF c;
ROLLBACK;

-- attack: prepared_writes
-- channel: plans of writes that were made for another role or before other definitions
PREPARE change (int) AS UPDATE ledger_named SET remark = 'p' WHERE key >= $1 RETURNING *;
PREPARE removal (numeric) AS DELETE FROM ledger_north WHERE amount > $1 RETURNING id, amount;
PREPARE merging (numeric) AS MERGE INTO ledger_named v USING notes n ON n.id = v.key WHEN MATCHED AND v.sum > $1 THEN DELETE WHEN MATCHED THEN UPDATE SET remark = n.note;
BEGIN;
EXECUTE change (1);
EXECUTE change (4);
EXECUTE removal (200);
EXECUTE merging (200);
SET LOCAL ROLE analysts;
EXECUTE change (1);
ROLLBACK;
BEGIN;
CREATE TEMP TABLE ledger (id int, region text, amount numeric(12,2), note text);
INSERT INTO ledger SELECT * FROM public.ledger;
EXECUTE change (1);
SELECT count(*) FROM ledger;
EXECUTE merging (200);
SELECT * FROM ledger ORDER BY id;
ROLLBACK;
DEALLOCATE ALL;

-- attack: shadowing_names
-- channel: the attacker's own tables and functions under the names that views and policies use
CREATE TEMP TABLE region_access AS SELECT 'south' AS region, 'attacker' AS role_name;
INSERT INTO region_access VALUES ('west', 'attacker'), ('east', 'attacker');
CREATE TEMP TABLE staff (id int, name text, region text, salary numeric(12,2), ssn text);
CREATE TEMP TABLE payroll AS SELECT 4 AS id, 1.0 AS salary;
INSERT INTO staff VALUES (1, 'mine', 'south', 1, 'x');
CREATE FUNCTION public.is_member(text) RETURNS boolean RETURN true;
CREATE FUNCTION public.upper(text) RETURNS text RETURN 'north';
CREATE FUNCTION pg_temp.is_member(text) RETURNS boolean RETURN true;
CREATE FUNCTION pg_temp.staff_rows(row_region text) RETURNS boolean RETURN true;
CREATE FUNCTION pg_temp.ssn_mask(ssn text) RETURNS text RETURN ssn;
CREATE DOMAIN pg_temp.numeric AS text;
CREATE TYPE pg_temp.grade AS ENUM ('low', 'high');
SET search_path = pg_temp, public, pg_catalog;
SELECT is_member('admins'), pg_temp.is_member('admins'), pg_temp.ssn_mask('x');
SELECT id, pg_temp.ssn_mask(ssn) FROM public.staff ORDER BY id;
SELECT id, grade FROM public.graded ORDER BY id;
SELECT id, grade::text::pg_temp.grade FROM public.graded ORDER BY id;
SELECT * FROM mapped ORDER BY id;
SELECT * FROM staff_view ORDER BY id;
SELECT * FROM staff_of('south');
SELECT * FROM public.staff ORDER BY id;
SELECT id, others FROM ledger_counted ORDER BY id;
SELECT * FROM ledger_known ORDER BY id;
BEGIN;
UPDATE ledger_named SET remark = 's' RETURNING *;
DELETE FROM ledger_known RETURNING *;
ROLLBACK;
UPDATE public.payroll SET salary = salary RETURNING *;
CREATE TEMP VIEW shadow AS SELECT * FROM public.ledger WHERE public.is_member(region);
BEGIN;
DELETE FROM shadow RETURNING *;
ROLLBACK;
SET search_path = public, pg_catalog, pg_temp;
SELECT * FROM staff ORDER BY id;
SELECT * FROM mapped ORDER BY id;
DROP VIEW shadow;
DROP FUNCTION public.is_member(text);
DROP FUNCTION public.upper(text);

-- attack: stored_role_setting
-- channel: settings that the attacker's sessions start with
ALTER ROLE attacker SET role = admins;
ALTER ROLE attacker SET search_path = pg_temp, public, pg_catalog;
ALTER ROLE attacker SET session_authorization = admin;
ALTER ROLE admin SET role = attacker;
ALTER ROLE attacker SUPERUSER;
GRANT admins TO attacker;

-- attack: session_of_a_stored_role
-- channel: a session that a stored setting would start as another role
SELECT current_user, session_user, current_setting('search_path');
SELECT * FROM staff ORDER BY id;
SELECT * FROM ledger_named ORDER BY key;
ALTER ROLE attacker RESET ALL;

-- attack: session_of_a_role_that_was_set
-- channel: the policies of a session that starts as another role
-- warm: ALTER ROLE attacker SET role = analysts
SELECT current_user, session_user;
SELECT * FROM staff ORDER BY id;
SELECT * FROM ledger_named ORDER BY key;
UPDATE ledger_named SET remark = 'x';
RESET ROLE;
SELECT current_user;
SET ROLE NONE;
SELECT current_user;
ALTER ROLE attacker RESET ALL;

-- attack: counters_of_the_server
-- channel: bytes and hits of caches, sizes in monitoring relations, records of one's own statements
SELECT * FROM system.caches ORDER BY name;
SELECT statement, rows, bytes, plan_cache, result_cache, sqlstate FROM system.queries WHERE statement LIKE 'SELECT max(s.salary) AS own_%';
SELECT max(s.salary) AS own_statement FROM staff s;
SELECT statement, rows, bytes, sqlstate FROM system.queries WHERE statement LIKE 'SELECT max(s.salary) AS own_statement%' ORDER BY started DESC LIMIT 1;
SELECT relname, n_live_tup, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname IN ('staff', 'ledger', 'payroll') ORDER BY relname;
SELECT pg_relation_size('ledger'), pg_total_relation_size('payroll'), pg_database_size('boathouse');
SELECT pg_column_size(salary), pg_column_size(ssn) FROM staff ORDER BY id;

-- attack: writes_in_blocks
-- channel: savepoints, isolation levels and definitions of one's own around writes
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM ledger_named;
UPDATE ledger_named SET remark = 'r' RETURNING key;
SAVEPOINT a;
DELETE FROM ledger_named RETURNING key, sum;
ROLLBACK TO a;
CREATE VIEW ledger_own AS SELECT id, note, amount FROM ledger WHERE amount IS NULL OR 1 / (id - 4) > -9 WITH CHECK OPTION;
UPDATE ledger_own SET note = 'own' RETURNING *;
ROLLBACK TO a;
CREATE VIEW ledger_own AS SELECT id, note, amount FROM ledger WHERE id < 4 WITH CHECK OPTION;
UPDATE ledger_own SET note = 'own' RETURNING *;
WITH gone AS (DELETE FROM ledger_own RETURNING *), kept AS (INSERT INTO notes SELECT id, note FROM gone RETURNING *) SELECT * FROM gone ORDER BY id;
SELECT count(*) FROM ledger;
ALTER VIEW ledger_own OWNER TO admins;
ROLLBACK;
BEGIN;
CREATE TABLE kept AS SELECT * FROM ledger;
CREATE UNIQUE INDEX ON kept (amount);
ALTER TABLE kept ADD CHECK (amount IS NULL);
SELECT * FROM kept ORDER BY id;
ALTER TABLE kept ADD COLUMN twice numeric DEFAULT 1 / (SELECT count(*) - 3 FROM ledger);
ROLLBACK;

-- attack: foreign_key_of_hidden_rows
-- channel: errors of keys that refer to hidden rows, and to none
INSERT INTO posts VALUES (50, 3, 's3', 'north', 1);
INSERT INTO posts VALUES (51, 77, 's3', 'north', 1);
INSERT INTO posts VALUES (52, 1, 'none', 'north', 1);
UPDATE posts SET branch = 78 WHERE id = 1;
SELECT id, branch, code, region FROM posts ORDER BY id;

-- attack: foreign_key_referred_by_hidden_rows
-- channel: how many hidden rows refer to a row that goes, and what they hold
DELETE FROM branches WHERE id = 2;
UPDATE branches SET id = 22 WHERE id = 2;
DELETE FROM branches WHERE id IN (1, 2, 5) RETURNING id;
MERGE INTO branches USING (VALUES (2)) AS v(id) ON branches.id = v.id WHEN MATCHED THEN DELETE;
SELECT id, code FROM branches ORDER BY id;

-- attack: foreign_key_actions_on_hidden_rows
-- channel: counts and errors of rows that actions change
UPDATE branches SET code = 'changed' WHERE id = 4 RETURNING id, code, budget;
DELETE FROM branches WHERE id = 4 RETURNING id, code, budget;
SELECT count(*), count(code) FROM posts;

-- attack: foreign_key_truncate
-- channel: what TRUNCATE and DROP say of tables that refer
TRUNCATE branches;
DROP TABLE branches;
DELETE FROM branches;

-- attack: foreign_key_of_attacker
-- channel: a key of the attacker's own over hidden rows
CREATE TABLE probes (id int REFERENCES branches, code text REFERENCES branches (code));
INSERT INTO probes SELECT g, NULL FROM generate_series(1, 3) AS g;
INSERT INTO probes VALUES (NULL, 's3');
INSERT INTO probes SELECT g, NULL FROM generate_series(1, 100) AS g ORDER BY g;
ALTER TABLE probes ADD FOREIGN KEY (id) REFERENCES posts (id);
SELECT count(*) FROM probes;
DROP TABLE probes;

-- attack: places_of_rows
-- channel: ctid and xmin: how many hidden rows are before a visible one, and when they were written
SELECT id, ctid FROM staff ORDER BY id;
SELECT id, xmin FROM staff ORDER BY id;
SELECT id FROM staff WHERE ctid = '(0,1)';
SELECT id FROM staff WHERE ctid > '(0,3)' ORDER BY id;
SELECT max(ctid), count(DISTINCT ctid), count(DISTINCT xmin) FROM staff;
SELECT a.id FROM staff a JOIN staff b ON a.ctid < b.ctid ORDER BY a.id;
SELECT id FROM staff ORDER BY ctid LIMIT 1;
SELECT tableoid::regclass, cmin, cmax, xmax, id FROM staff ORDER BY id;
EXPLAIN SELECT id FROM staff WHERE ctid IS NOT NULL;
DELETE FROM staff WHERE ctid = '(0,9)';
UPDATE staff SET name = name WHERE xmin = 5 RETURNING ctid;
