"""What policies cost: TPC-H with a row filter and a mask on lineitem and customer, against the same queries over
subqueries that a person would have written, on copies of the same rows. The two take turns. Caches of results are off."""

import statistics

from report import geometric_mean
from tpch import QUERIES, sample_server
from workload import WARM_UPS, Boathouse, Workload, same_answer

FILTERED = {"lineitem": "l_shipinstruct <> 'NONE'", "customer": "c_mktsegment <> 'MACHINERY'"}
MASKED = {"lineitem": ("l_comment", "'hidden'"), "customer": ("c_phone", "left(c_phone, 3) || 'xxx-xxx-xxxx'")}


def prepare(connection):
    """Schema `governed` has the policies, `handwritten` the views; both have tables of their own below."""
    if connection.execute("select 1 from pg_namespace where nspname = 'governed'").fetchone():
        return
    connection.execute("begin")
    connection.execute("create schema governed")
    connection.execute("create schema plain")
    connection.execute("create schema handwritten")
    for table, condition in FILTERED.items():
        column, mask = MASKED[table]
        filtered = condition.split()[0]
        for schema in ("governed", "plain"):
            connection.execute(f"create table {schema}.{table} as select * from sample.{table}")
        types = dict(connection.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = %s::regclass and attnum > 0 "
            "order by attnum", [f"sample.{table}"]).fetchall())
        mask = f"({mask})::{types[column]}"
        listed = ", ".join(f"{mask} as {name}" if name == column else name for name in types)
        connection.execute(
            f"create view handwritten.{table} as select {listed} from plain.{table} where {condition}"
        )
        connection.execute(
            f"create function governed.see_{table}({filtered} text) returns boolean return {condition}"
        )
        connection.execute(f"create function governed.mask_{table}({column} {types[column]}) returns {types[column]} return {mask}")
        connection.execute(f"alter table governed.{table} set row filter governed.see_{table} on ({filtered})")
        connection.execute(f"alter table governed.{table} alter column {column} set mask governed.mask_{table}")
    connection.execute("commit")


def measure(data, options, kinds, report):
    queries = {query.stem: query.read_text() for query in QUERIES if not options.query or query.stem in options.query}
    with sample_server(data, options.scale) as server:
        with server.connect() as connection:
            prepare(connection)
        systems = {
            "policies": Boathouse(server, Workload("", queries, {}, "governed, sample")),
            "written by hand": Boathouse(server, Workload("", queries, {}, "handwritten, sample")),
        }
        rows, times, differing = [], {name: [] for name in systems}, []
        for query, text in queries.items():
            runs = {name: [] for name in systems}
            for _ in range(WARM_UPS + max(options.runs, 7)):
                for name, system in systems.items():
                    runs[name].append(system.milliseconds(text))
            for name in systems:
                times[name].append(statistics.median(runs[name][WARM_UPS:]))
            if not same_answer(*(system.rows(text) for system in systems.values())):
                differing.append(query)
            governed, plain = (times[name][-1] for name in systems)
            rows.append([query, f"{governed:.1f}", f"{plain:.1f}", f"{governed / plain:.2f}"])
    report.section(
        f"Policies, TPC-H scale {options.scale}",
        "Milliseconds with a row filter and a column mask on lineitem and on customer, beside the same filter and expression "
        "written into views by hand.",
    )
    governed, plain = (geometric_mean(times[name]) for name in systems)
    rows.append(["geometric mean", f"{governed:.1f}", f"{plain:.1f}", f"{governed / plain:.2f}"])
    report.table(["query", *systems, "ratio"], rows)
    report.value("policies", "ratio of geometric means", "Boathouse", governed / plain, "")
    report.note("Every answer is the same both ways." if not differing else f"Answers differ: {', '.join(differing)}.")
