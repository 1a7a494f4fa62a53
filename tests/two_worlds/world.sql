-- The fixture of the two-world tests, loaded by a superuser into two empty warehouses with {{world}} = 1 and 2.
-- The worlds differ in nothing but what `attacker` may not see: the rows of every region but north, salaries
-- and ssns, and a mapping table that only a policy reads. Whatever attacker asks (attacks.sql), both must
-- answer with the same bytes. The hidden rows differ in number and size, and lie in a file of their own.
-- Only crowded differs in the order of magnitude, by which joins are ordered (docs/governance.md).

CREATE ROLE admins;
CREATE ROLE analysts;
CREATE ROLE attacker LOGIN PASSWORD 'attacker';
GRANT admins TO admin;
GRANT analysts TO attacker;

CREATE TABLE staff (id int NOT NULL, name text, region text, salary numeric(12,2) NOT NULL, ssn text);
CREATE TABLE region_access (region text, role_name text);
CREATE TABLE mapped (id int, region text);
CREATE TABLE fragile (id int, divisor int);
CREATE TABLE notes (id int, note text);

CREATE FUNCTION staff_rows(row_region text) RETURNS boolean
  RETURN is_member('admins') OR row_region = 'north';
CREATE FUNCTION salary_mask(salary numeric) RETURNS numeric
  RETURN CASE WHEN is_member('admins') THEN salary ELSE NULL END;
CREATE FUNCTION ssn_mask(ssn text) RETURNS text
  RETURN CASE WHEN is_member('admins') THEN ssn ELSE '***-**-****' END;
CREATE FUNCTION mapped_rows(row_region text) RETURNS boolean
  RETURN EXISTS (SELECT 1 FROM region_access a WHERE a.region = row_region AND a.role_name = current_user);
CREATE FUNCTION fragile_rows(divisor int) RETURNS boolean
  RETURN is_member('admins') OR 100 / divisor > 0;

INSERT INTO staff VALUES
  (1, 'ann', 'north', CASE WHEN {{world}} = 1 THEN 300 ELSE 99999.99 END,
   CASE WHEN {{world}} = 1 THEN '111-22-3333' ELSE '12' END),
  (2, 'bob', 'north', CASE WHEN {{world}} = 1 THEN 150 ELSE 300 END,
   CASE WHEN {{world}} = 1 THEN '222-33-4444' ELSE 'not a number' END),
  (3, '42', 'north', 10, NULL);
INSERT INTO staff
  SELECT v.id, v.name, v.region, v.salary, v.ssn
  FROM (VALUES
    (1, 4, 'abc', 'south', 300.00, '333-00-4444'),
    (1, 7, 'x', 'east', 5.00, '0'),
    (2, 4, '17', 'west', 7000000.00, '9'),
    (2, 5, '0', 'south', -1.00, NULL),
    (2, 6, NULL, NULL, 0.00, '111-11-1111')
  ) AS v(world, id, name, region, salary, ssn)
  WHERE v.world = {{world}};
CREATE TABLE payroll (id int NOT NULL UNIQUE, name text, region text, salary numeric(12,2) NOT NULL, ssn text);
INSERT INTO payroll SELECT * FROM staff;
INSERT INTO region_access VALUES ('north', 'attacker');
INSERT INTO region_access
  SELECT v.region, v.role_name
  FROM (VALUES (1, 'south', 'nobody'), (2, 'west', 'somebody'), (2, 'east', 'else')) AS v(world, region, role_name)
  WHERE v.world = {{world}};
INSERT INTO mapped SELECT id, region FROM staff;
INSERT INTO fragile
  SELECT v.id, v.divisor
  FROM (VALUES (1, 1, 0), (1, 2, 5), (2, 1, 0), (2, 2, 7), (2, 3, 0)) AS v(world, id, divisor)
  WHERE v.world = {{world}};
-- So many hidden rows in one world that joins go another way there.
CREATE TABLE crowded (id int, region text);
INSERT INTO crowded SELECT id, 'north' FROM generate_series(1, 40) AS g(id);
INSERT INTO crowded SELECT id, 'south' FROM generate_series(1, CASE WHEN {{world}} = 1 THEN 2 ELSE 20000 END) AS g(id);
-- One file, whose least and greatest ids are a hidden row's in one world only; a condition on a visible row fails.
CREATE TABLE spread (id int, divisor int, region text);
INSERT INTO spread VALUES
  (1000, 0, 'north'), (1001, 5, 'north'), (CASE WHEN {{world}} = 1 THEN 4 ELSE 1002 END, 1, 'south');
INSERT INTO notes VALUES (1, 'first'), (2, 'second'), (4, 'fourth'), (5, 'fifth'), (9, 'ninth');

CREATE VIEW staff_view AS SELECT id, name, region, salary, ssn FROM staff;

ALTER TABLE staff SET ROW FILTER staff_rows ON (region);
ALTER TABLE staff ALTER COLUMN salary SET MASK salary_mask;
ALTER TABLE staff ALTER COLUMN ssn SET MASK ssn_mask;
ALTER TABLE payroll SET ROW FILTER staff_rows ON (region);
ALTER TABLE payroll ALTER COLUMN salary SET MASK salary_mask;
ALTER TABLE payroll ALTER COLUMN ssn SET MASK ssn_mask;
ALTER TABLE mapped SET ROW FILTER mapped_rows ON (region);
ALTER TABLE crowded SET ROW FILTER staff_rows ON (region);
ALTER TABLE spread SET ROW FILTER staff_rows ON (region);
ALTER TABLE fragile SET ROW FILTER fragile_rows ON (divisor);

-- What admin sees, kept: shut to attacker, or under policies of its own.
CREATE MATERIALIZED VIEW staff_kept AS SELECT * FROM staff;
CREATE MATERIALIZED VIEW staff_kept_shut AS SELECT * FROM staff;
ALTER TABLE staff_kept SET ROW FILTER staff_rows ON (region);
ALTER TABLE staff_kept ALTER COLUMN salary SET MASK salary_mask;
ALTER TABLE staff_kept ALTER COLUMN ssn SET MASK ssn_mask;
GRANT SELECT ON staff_kept TO attacker;

-- An enumeration behind a filter and a mask; attacker may use its type.
CREATE TYPE grade AS ENUM ('low', 'middle', 'high');
CREATE TABLE graded (id int, region text, grade grade);
INSERT INTO graded VALUES
  (1, 'north', CASE WHEN {{world}} = 1 THEN 'high'::grade ELSE 'low' END), (2, 'north', 'middle'),
  (3, CASE WHEN {{world}} = 1 THEN 'south' ELSE 'west' END, 'high');
CREATE FUNCTION grade_mask(g grade) RETURNS grade RETURN CASE WHEN is_member('admins') THEN g ELSE 'low' END;
ALTER TABLE graded SET ROW FILTER staff_rows ON (region);
ALTER TABLE graded ALTER COLUMN grade SET MASK grade_mask;
GRANT SELECT ON graded TO attacker;

-- Rows in a column behind a filter and a mask; attacker may use their type.
CREATE TYPE pay AS (region text, amount int);
CREATE TABLE paid (id int, region text, pay pay);
INSERT INTO paid VALUES
  (1, 'north', ROW('north', CASE WHEN {{world}} = 1 THEN 4711 ELSE 12 END)), (2, 'north', ROW('north', 7)),
  (3, CASE WHEN {{world}} = 1 THEN 'south' ELSE 'west' END, ROW('x', 9)),
  (4, 'north', CASE WHEN {{world}} = 1 THEN NULL ELSE ROW(NULL, 5)::pay END);
CREATE FUNCTION pay_mask(p pay) RETURNS pay RETURN CASE WHEN is_member('admins') THEN p ELSE ROW('?', 0)::pay END;
ALTER TABLE paid SET ROW FILTER staff_rows ON (region);
ALTER TABLE paid ALTER COLUMN pay SET MASK pay_mask;
GRANT SELECT, UPDATE, INSERT ON paid TO attacker;

-- What attacker may write: rows of the north, whose amounts it does not see.
CREATE TABLE ledger (id int PRIMARY KEY, region text, amount numeric(12,2), note text);
INSERT INTO ledger SELECT id, region, salary, name FROM staff;
CREATE FUNCTION ledger_rows(row_region text) RETURNS boolean
  RETURN is_member('admins') OR row_region = 'north';
ALTER TABLE ledger SET ROW FILTER ledger_rows ON (region);
ALTER TABLE ledger ALTER COLUMN amount SET MASK salary_mask;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger TO attacker;

-- Views that attacker may write through, all of their owner's, who sees everything. One condition reads a masked column.
CREATE VIEW ledger_named AS SELECT id AS key, note AS remark, amount AS sum, region AS place, amount * 2 AS twice,
  1 / (id - 4) AS part FROM ledger;
CREATE VIEW ledger_counted AS SELECT id, region, note, (SELECT count(*) FROM staff s WHERE s.region = ledger.region) AS others
  FROM ledger;
CREATE VIEW ledger_north AS SELECT id, region, note, amount FROM ledger WHERE region = 'north' WITH CHECK OPTION;
CREATE VIEW ledger_above AS SELECT key AS id, place AS region, remark AS note, sum AS amount FROM ledger_named
  WHERE sum > 200 WITH CASCADED CHECK OPTION;
CREATE VIEW ledger_known AS SELECT id, region, note FROM ledger l
  WHERE EXISTS (SELECT 1 FROM payroll p WHERE p.id = l.id AND p.salary > 0) OR note IS NULL;
CREATE VIEW ledger_invoked WITH (security_invoker = true) AS SELECT id, region, note, amount FROM ledger;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_named, ledger_counted, ledger_north, ledger_above, ledger_known, ledger_invoked
  TO attacker;

-- Tables that refer to each other: the keys are the same in both worlds, for a foreign key tells which there are.
-- What else the hidden rows have differs, and how many refer.
CREATE TABLE branches (id int PRIMARY KEY, code text UNIQUE, region text, budget numeric(12,2));
INSERT INTO branches VALUES (1, 'n1', 'north', 10), (2, 'n2', 'north', 20), (3, 's3', 'south', CASE WHEN {{world}} = 1 THEN 5 ELSE 7000000 END),
  (4, 'n4', 'north', 40), (5, 'n5', 'north', 50);
CREATE TABLE posts (id int, branch int REFERENCES branches, code text REFERENCES branches (code) ON UPDATE CASCADE ON DELETE SET NULL,
  region text, salary numeric(12,2));
INSERT INTO posts VALUES (1, 1, 'n1', 'north', 1), (2, NULL, 'n2', 'north', 2);
INSERT INTO posts SELECT g, 2, 's3', 'south', g FROM generate_series(10, CASE WHEN {{world}} = 1 THEN 11 ELSE 400 END) AS g;
INSERT INTO posts SELECT g, NULL, 'n4', 'west', g FROM generate_series(500, CASE WHEN {{world}} = 1 THEN 500 ELSE 900 END) AS g;
ALTER TABLE branches SET ROW FILTER ledger_rows ON (region);
ALTER TABLE branches ALTER COLUMN budget SET MASK salary_mask;
ALTER TABLE posts SET ROW FILTER ledger_rows ON (region);
ALTER TABLE posts ALTER COLUMN salary SET MASK salary_mask;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES ON branches, posts TO attacker;

-- Functions whose body is a query read with the rights of whoever calls them.
CREATE FUNCTION staff_of(of text) RETURNS TABLE (id int, name text, salary numeric) LANGUAGE sql
  AS $$ SELECT s.id, s.name, s.salary FROM staff s WHERE s.region = of OR s.ssn = of ORDER BY s.id $$;
CREATE FUNCTION payroll_above(least numeric) RETURNS TABLE (id int, ssn text) LANGUAGE sql
  AS $$ SELECT p.id, p.ssn FROM payroll p WHERE p.salary IS NULL OR 1 / p.salary < least ORDER BY p.id $$;

GRANT SELECT ON staff, mapped, crowded, fragile, spread, notes, staff_view TO attacker;
GRANT SELECT ON staff, mapped, notes, staff_view TO analysts;
GRANT SELECT, INSERT, UPDATE, DELETE ON payroll TO attacker;
GRANT CREATE ON SCHEMA public TO attacker;
CREATE MATERIALIZED VIEW attackers_own AS SELECT * FROM staff WITH NO DATA;
ALTER MATERIALIZED VIEW attackers_own OWNER TO attacker;
