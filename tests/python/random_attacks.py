"""Random statements over the tables of the two worlds: whatever a query is made of, it must not tell the worlds apart.
Every expression may fail on a hidden value (casts, divisions, conversions), so that evaluating one too early shows."""

import random

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
    if wrapped < 0.08:
        return f"explain {query}"
    if wrapped < 0.12:
        return f"copy ({query}) to stdout"
    if wrapped < 0.16:
        return f"with q as materialized ({query}) select count(*) from q"
    if wrapped < 0.20:
        return f"select count(*), count(distinct q) from ({query}) q"
    return query


def relation(source, alias, depth, outer=None):
    if depth > 0 and source.random() < 0.2:
        inner = Scope({f"{alias}x": TABLES[table]}) if (table := source.choice(list(TABLES))) else None
        kinds = {"c1": source.choice(["int", "text", "numeric"]), "c2": source.choice(["int", "text"])}
        items = ", ".join(f"{expression(source, kind, inner, 1)} as {name}" for name, kind in kinds.items())
        text = f"(select {items} from {table} {alias}x where {condition(source, inner, 1)}) {alias}"
        return text, kinds
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
