"""Random statements over the tables of the two worlds: whatever a query is made of, it must not tell the worlds apart.
Every expression may fail on a hidden value (casts, divisions, conversions), so that evaluating one too early shows."""

import random
import re

# Columns by kind; each table is under a policy, but for notes. Not here are a table whose order of magnitude differs, and one whose
# policy fails: which side of a join is read first tells of them (docs/governance.md).
TABLES = {
    "staff": {"id": "int", "name": "text", "region": "text", "salary": "numeric", "ssn": "text"},
    "payroll": {"id": "int", "name": "text", "region": "text", "salary": "numeric", "ssn": "text"},
    "staff_view": {"id": "int", "name": "text", "region": "text", "salary": "numeric", "ssn": "text"},
    "staff_kept": {"id": "int", "name": "text", "region": "text", "salary": "numeric", "ssn": "text"},
    "ledger": {"id": "int", "region": "text", "amount": "numeric", "note": "text"},
    "mapped": {"id": "int", "region": "text"},
    "spread": {"id": "int", "divisor": "int", "region": "text"},
    "notes": {"id": "int", "note": "text"},
}
# Functions whose body is a query, with the kind of their argument; they read with the rights of whoever calls them.
FUNCTIONS = {
    "staff_of": ("text", {"id": "int", "name": "text", "salary": "numeric"}),
    "payroll_above": ("numeric", {"id": "int", "ssn": "text"}),
}
CONSTANTS = {
    "int": ["0", "1", "2", "4", "5", "42", "null::int"],
    "text": ["'north'", "'south'", "'42'", "'0'", "'a%'", "''", "null::text"],
    "numeric": ["0", "300", "7000000", "0.5", "null::numeric"],
    "boolean": ["true", "false", "null::boolean"],
}
COMPARISONS = ["=", "<>", "<", ">=", "is distinct from", "is not distinct from"]


class Scope:
    """The relations that an expression sees: alias → columns by kind."""

    def __init__(self, relations, outer=None):
        self.relations = relations
        self.outer = outer

    def column(self, source, kind):
        relations = [*self.relations.items(), *(self.outer.relations.items() if self.outer else [])]
        found = [f"{alias}.{name}" for alias, columns in relations for name, of in columns.items() if of == kind]
        return source.choice(found) if found else None


def statement(source):
    query = select(source, depth=2)
    wrapped = source.random()
    for share, wrap in WRAPPERS:
        if wrapped < share:
            return wrap(source, query)
        wrapped -= share
    return query


def fetched(source, query):
    """Rows of a cursor, forwards and back."""
    moves = [
        f"{source.choice(['fetch', 'fetch', 'move'])} {source.choice(DIRECTIONS)} from c" for _ in range(source.choice([2, 4]))
    ]
    return "; ".join(["begin", f"declare c scroll cursor for {query}", *moves, "commit"])


def prepared(source, query):
    """A statement with parameters in the places of constants, executed with them and with others."""
    values = []

    def parameter(match):
        if source.random() < 0.5:
            return match.group(0)
        values.append(match.group(1))
        return f"= ${len(values)}"

    text = re.sub(r"= ('[a-z0-9%]*'|[0-9]+)\b", parameter, query)
    if not values:
        return f"deallocate all; prepare p as {query}; execute p; execute p"
    others = [source.choice(["'south'", "'0'"]) if value.startswith("'") else "4" for value in values]
    return f"deallocate all; prepare p as {text}; execute p({', '.join(values)}); execute p({', '.join(others)})"


def other_literals(source, query):
    """The same shape thrice, so that later texts find a plan that an earlier one left."""
    again = [re.sub(r"\b(42|[0-5])\b", lambda _: str(source.randrange(6)), query) for _ in range(2)]
    return f"{query}; {again[0]}; {again[1]}"


# What attacker may write, tables and views: the columns by kind, and which of them are the key, a text and the row filter's.
WRITTEN = {
    "ledger": (TABLES["ledger"], "id", "note", "region"),
    "payroll": (TABLES["payroll"], "id", "name", "region"),
    "ledger_north": (TABLES["ledger"], "id", "note", "region"),
    "ledger_above": (TABLES["ledger"], "id", "note", "region"),
    "ledger_invoked": (TABLES["ledger"], "id", "note", "region"),
    "ledger_known": ({"id": "int", "region": "text", "note": "text"}, "id", "note", "region"),
    "ledger_counted": ({"id": "int", "region": "text", "note": "text", "others": "int"}, "id", "note", "region"),
    "ledger_named": (
        {"key": "int", "remark": "text", "sum": "numeric", "place": "text", "twice": "numeric", "part": "int"},
        "key", "remark", "place",
    ),
}


def changed(source, _):
    """Rows of a table that may be written, through a view too; keys stay or are new to both worlds, since 23505 tells that a
    hidden row has one."""
    table = source.choice(["ledger", "payroll", *WRITTEN])
    columns, key, note, region = WRITTEN[table]
    scope = Scope({"a": columns})
    using, joined = source.choice(list(TABLES.items()))
    both, alone = Scope({"a": columns, "b": joined}), Scope({"b": joined})
    written = both if source.random() < 0.5 else scope
    write = source.choice([
        lambda: f"update {table} a set {note} = {expression(source, 'text', scope, 2)} where {condition(source, scope, 1)}",
        lambda: f"update {table} a set {region} = {expression(source, 'text', both, 1)} from {using} b where a.{key} = b.id "
                f"and {condition(source, both, 1)}",
        lambda: f"delete from {table} a where {condition(source, scope, 2)}",
        lambda: f"delete from {table} a using {using} b where a.{key} = b.id and {condition(source, both, 1)}",
        lambda: f"merge into {table} a using {using} b on a.{key} = b.id when matched and {condition(source, both, 1)} then "
                f"update set {note} = {expression(source, 'text', written, 1)} when matched then delete",
        lambda: f"merge into {table} a using {using} b on a.{key} = b.id and {condition(source, both, 0)} when matched then do nothing "
                f"when not matched and {condition(source, alone, 1)} then insert ({key}, {note}, {region}) "
                f"values (b.id + 1000, {expression(source, 'text', alone, 1)}, 'north')",
        lambda: f"insert into {table} as a ({key}, {note}, {region}) select b.id + 1000, {expression(source, 'text', alone, 1)}, "
                f"{expression(source, 'text', alone, 0)} from {using} b where {condition(source, alone, 1)}",
    ])()
    returning = "" if source.random() < 0.4 else f" returning {expression(source, source.choice(['int', 'text']), scope, 1)}"
    rows = f"select {key}, {region}, {note} from {table} order by 1, 2, 3"
    form = source.random()
    if form < 0.15 and returning:
        return f"begin; with w as ({write}{returning} as c) select count(*), min(c::text) from w; {rows}; rollback"
    if form < 0.3:
        return (f"begin; do $$ declare n int; begin {write}; get diagnostics n = row_count; raise notice '%', n; exception when "
                f"others then raise notice '% %', sqlstate, sqlerrm; end $$; {rows}; rollback")
    return f"begin; {write}{returning}; {rows}; rollback"


DIRECTIONS = ["next", "2", "all", "prior", "first", "last", "absolute 2", "backward 2", "backward all", "relative 0", "absolute -1"]
WRAPPERS = [
    (0.06, lambda _, query: f"explain {query}"),
    (0.05, lambda _, query: f"copy ({query}) to stdout"),
    (0.04, lambda _, query: f"with q as materialized ({query}) select count(*) from q"),
    (0.04, lambda _, query: f"select count(*), count(distinct q) from ({query}) q"),
    (0.05, fetched),
    (0.05, prepared),
    (0.05, other_literals),
    (0.12, changed),
    (0.03, lambda _, query: f"begin; set local role analysts; {query}; commit"),
    (0.03, lambda _, query: f"begin; create temp view v as select * from ({named(query)}) q; select * from v order by 1; rollback"),
    (0.03, lambda _, query: f"begin; create temp table v as select * from ({named(query)}) q; select * from v order by 1; rollback"),
    (0.03, lambda _, query: f"do $$ declare r record; begin for r in {query} loop raise notice '%', r; end loop; end $$"),
]


def named(query):
    """With a name for each column of a query that stands in a WITH."""
    return f"with q(c1) as ({query}) table q"


def relation(source, alias, depth, outer=None):
    if depth > 0 and source.random() < 0.2:
        inner = Scope({f"{alias}x": TABLES[table]}) if (table := source.choice(list(TABLES))) else None
        kinds = {"c1": source.choice(["int", "text", "numeric"]), "c2": source.choice(["int", "text"])}
        items = ", ".join(f"{expression(source, kind, inner, 1)} as {name}" for name, kind in kinds.items())
        text = f"(select {items} from {table} {alias}x where {condition(source, inner, 1)}) {alias}"
        return text, kinds
    if source.random() < 0.08:
        name, (kind, columns) = source.choice(list(FUNCTIONS.items()))
        call = f"{name}({expression(source, kind, Scope({}), 1)})"
        if source.random() < 0.5:
            return f"{call} with ordinality {alias}({', '.join(columns)}, o)", {**columns, "o": "int"}
        return f"{call} {alias}", columns
    table = source.choice(list(TABLES))
    return f"{table} {alias}", TABLES[table]


def select(source, depth, outer=None):
    text, columns = relation(source, "a", depth)
    scope = Scope({"a": columns}, outer)
    for alias in ["b", "c"][: source.choice([0, 0, 1, 1, 2])]:
        joined, columns = relation(source, alias, depth - 1)
        kind = source.choice(["join", "left join", "full join", "right join", "cross join"])
        scope = Scope({**scope.relations, alias: columns}, outer)
        # A full join needs a condition that can be merged or hashed.
        on = f"a.{source.choice(list(scope.relations['a']))}::text = {alias}.{source.choice(list(columns))}::text"
        if kind in ("join", "left join") and source.random() < 0.5:
            on = f"{on} and {condition(source, scope, 1)}"
        text += f" {kind} {joined}" + ("" if kind == "cross join" else f" on {on}")
    where = f" where {condition(source, scope, depth)}" if source.random() < 0.8 else ""
    shape = source.random()
    if shape < 0.25:
        keys = [expression(source, source.choice(["int", "text"]), scope, 1) for _ in range(source.choice([1, 2]))]
        sums = [aggregate(source, scope) for _ in range(2)]
        having = f" having {aggregate(source, scope)} is not null" if source.random() < 0.3 else ""
        grouping = ", ".join(str(number + 1) for number in range(len(keys)))
        return f"select {', '.join(keys + sums)} from {text}{where} group by {grouping}{having}"
    if shape < 0.4:
        return f"select {', '.join(aggregate(source, scope) for _ in range(3))} from {text}{where}"
    items = [expression(source, source.choice(list(CONSTANTS)), scope, depth) for _ in range(source.choice([1, 2, 3]))]
    if shape < 0.5:
        order = expression(source, source.choice(["int", "text", "numeric"]), scope, 1)
        items.append(f"{source.choice(['rank()', 'count(*)', 'dense_rank()'])} over (order by {order})")
    distinct = "distinct " if source.random() < 0.15 else ""
    order = f" order by {', '.join(str(number + 1) for number in range(len(items)))}"
    limit = f" limit {source.choice([0, 1, 3])}" if source.random() < 0.2 else ""
    if source.random() < 0.08:
        union = source.choice(["union all", "union", "except", "intersect"])
        return f"(select {', '.join(items)} from {text}{where}) {union} (select {', '.join(items)} from {text})"
    return f"select {distinct}{', '.join(items)} from {text}{where}{order}{limit}"


def aggregate(source, scope):
    kind = source.choice(["int", "numeric", "text"])
    argument = expression(source, kind, scope, 1)
    function = source.choice(["count", "min", "max", "count distinct"] + (["sum", "avg"] if kind != "text" else []))
    call = f"count(distinct {argument})" if function == "count distinct" else f"{function}({argument})"
    return f"{call} filter (where {condition(source, scope, 1)})" if source.random() < 0.3 else call


def condition(source, scope, depth):
    made = source.random()
    if depth > 0 and made < 0.25:
        joiner = source.choice(["and", "or"])
        return f"({condition(source, scope, depth - 1)} {joiner} {condition(source, scope, depth - 1)})"
    if depth > 0 and made < 0.3:
        return f"not {condition(source, scope, depth - 1)}"
    if depth > 1 and made < 0.42:
        table = source.choice(list(TABLES))
        inner = Scope({"s": TABLES[table]}, scope)
        if source.random() < 0.5:
            return f"exists (select 1 from {table} s where {condition(source, inner, 0)})"
        kind = source.choice(["int", "text"])
        negated = source.choice(["", "not "])
        return (f"{expression(source, kind, scope, 0)} {negated}in (select {expression(source, kind, Scope({'s': TABLES[table]}), 0)} "
                f"from {table} s)")
    kind = source.choice(["int", "text", "numeric"])
    left = expression(source, kind, scope, depth)
    if made < 0.5:
        return f"{left} is {source.choice(['', 'not '])}null"
    if kind == "text" and made < 0.6:
        return f"{left} {source.choice(['like', 'ilike', '~', 'not like'])} {source.choice(CONSTANTS['text'][:5])}"
    return f"{left} {source.choice(COMPARISONS)} {expression(source, kind, scope, depth - 1)}"


def expression(source, kind, scope, depth):
    column = scope.column(source, kind)
    if depth <= 0 or source.random() < 0.3:
        return column if column and source.random() < 0.8 else source.choice(CONSTANTS[kind])
    inner = lambda of: expression(source, of, scope, depth - 1)  # noqa: E731
    choices = {
        "int": [
            lambda: f"({inner('text')})::int", lambda: f"100 / ({inner('int')})", lambda: f"length({inner('text')})",
            lambda: f"({inner('int')} - {inner('int')})", lambda: f"({inner('numeric')})::int",
            lambda: f"coalesce({inner('int')}, {inner('int')})", lambda: f"ascii({inner('text')})",
        ],
        "text": [
            lambda: f"({inner('int')})::text", lambda: f"upper({inner('text')})", lambda: f"({inner('text')} || {inner('text')})",
            lambda: f"substr({inner('text')}, {inner('int')}, {inner('int')})", lambda: f"chr({inner('int')})",
            lambda: f"repeat({inner('text')}, 3)", lambda: f"({inner('numeric')})::text",
            lambda: f"split_part({inner('text')}, 'o', {inner('int')})",
        ],
        "numeric": [
            lambda: f"({inner('text')})::numeric", lambda: f"(1.0 / ({inner('numeric')}))", lambda: f"ln({inner('numeric')})",
            lambda: f"sqrt({inner('numeric')})", lambda: f"({inner('numeric')} * {inner('numeric')})",
            lambda: f"({inner('int')})::numeric",
        ],
        "boolean": [lambda: condition(source, scope, depth - 1), lambda: f"({inner('text')})::boolean"],
    }[kind]
    if source.random() < 0.15:
        return f"case when {condition(source, scope, depth - 1)} then {inner(kind)} else {inner(kind)} end"
    return source.choice(choices)()


def statements(seed, count):
    source = random.Random(seed)
    return [statement(source) for _ in range(count)]
