"""Every type as a result and as a parameter, in text and in binary, through psycopg."""

import datetime
import decimal
import ipaddress
import math
import re
import uuid

import psycopg
import pytest
from psycopg.types.range import DateRange, Int4Range, Int8Range, NumericRange, TimestampRange, TimestamptzRange

UTC = datetime.timezone.utc
Decimal = decimal.Decimal

# (type, literal, what Python must see)
VALUES = [
    ("bool", "true", True),
    ("bool", "false", False),
    ("int2", "'-32768'", -32768),
    ("int4", "2147483647", 2147483647),
    ("int8", "'-9223372036854775808'", -9223372036854775808),
    ("float4", "1.5", 1.5),
    ("float8", "0.1", 0.1),
    ("float8", "'infinity'", math.inf),
    ("float8", "'1e300'", 1e300),
    ("numeric(12,2)", "1234567.80", Decimal("1234567.80")),
    ("numeric(38,10)", "-0.0000000001", Decimal("-0.0000000001")),
    ("numeric(20,0)", "12345678901234567890", Decimal("12345678901234567890")),
    ("text", "'héllo ''x'' \n'", "héllo 'x' \n"),
    ("text", "''", ""),
    ("varchar(10)", "'short'", "short"),
    ("char(5)", "'ab'", "ab   "),
    ("bytea", r"'\x00ff41'", b"\x00\xffA"),
    ("date", "'2024-02-29'", datetime.date(2024, 2, 29)),
    ("date", "'0001-01-01'", datetime.date(1, 1, 1)),
    ("time", "'23:59:59.999999'", datetime.time(23, 59, 59, 999999)),
    ("timestamp", "'1969-12-31 23:59:59.5'", datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)),
    ("timestamptz", "'2024-07-01 12:00:00+02'", datetime.datetime(2024, 7, 1, 10, tzinfo=UTC)),
    ("interval", "'3 days 04:05:06'", datetime.timedelta(days=3, hours=4, minutes=5, seconds=6)),
    ("uuid", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
    ("json", """'{"a": [1, null]}'""", {"a": [1, None]}),
    ("jsonb", """'{"a": [1, null]}'""", {"a": [1, None]}),
    ("int4[]", "'{1,NULL,3}'", [1, None, 3]),
    ("int8[]", "'{}'", []),
    ("text[]", """'{a,"b,c",NULL,"",null}'""", ["a", "b,c", None, "", None]),
    ("numeric(5,2)[]", "'{1.50,2.25}'", [Decimal("1.50"), Decimal("2.25")]),
    ("bool[]", "'{t,f}'", [True, False]),
    ("float8[]", "'{1.5,NULL}'", [1.5, None]),
    ("date[]", "'{2024-01-01}'", [datetime.date(2024, 1, 1)]),
    ("timestamp[]", "'{2024-01-01 01:02:03}'", [datetime.datetime(2024, 1, 1, 1, 2, 3)]),
    ("uuid[]", "'{6ba7b810-9dad-11d1-80b4-00c04fd430c8}'", [uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")]),
    ("int2[]", "'{7}'", [7]),
    ("varchar[]", "'{x,y}'", ["x", "y"]),
    ("int4", "null", None),
    ("int4range", "'[1,5]'", Int4Range(1, 6)),
    ("int4range", "'empty'", Int4Range(empty=True)),
    ("int8range", "'(,10)'", Int8Range(None, 10, "()")),
    ("numrange", "'(1.50,2.5]'", NumericRange(Decimal("1.50"), Decimal("2.5"), "(]")),
    ("daterange", "'[2024-02-28,2024-02-29]'", DateRange(datetime.date(2024, 2, 28), datetime.date(2024, 3, 1))),
    ("tsrange", "'[2024-01-01 01:02:03.5,)'", TimestampRange(datetime.datetime(2024, 1, 1, 1, 2, 3, 500000), None)),
    (
        "tstzrange",
        "'[2024-01-01 02:00+02,2024-01-02 00:00+00]'",
        TimestamptzRange(datetime.datetime(2024, 1, 1, tzinfo=UTC), datetime.datetime(2024, 1, 2, tzinfo=UTC), "[]"),
    ),
    ("int4range[]", """'{"[1,3)",NULL,empty}'""", [Int4Range(1, 3), None, Int4Range(empty=True)]),
    (
        "timetz",
        "'10:11:12.5+05:30'",
        datetime.time(10, 11, 12, 500000, datetime.timezone(datetime.timedelta(hours=5, minutes=30))),
    ),
    ("inet", "'192.168.1.5/24'", ipaddress.ip_interface("192.168.1.5/24")),
    ("inet", "'2001:db8::1'", ipaddress.ip_address("2001:db8::1")),
    ("cidr", "'10.1.0.0/16'", ipaddress.ip_network("10.1.0.0/16")),
]

OIDS = {
    "bool": 16, "bytea": 17, "int8": 20, "int2": 21, "int4": 23, "text": 25, "json": 114, "float4": 700,
    "float8": 701, "char": 1042, "varchar": 1043, "date": 1082, "time": 1083, "timestamp": 1114,
    "timestamptz": 1184, "interval": 1186, "numeric": 1700, "uuid": 2950, "jsonb": 3802, "int4[]": 1007,
    "int8[]": 1016, "text[]": 1009, "numeric[]": 1231, "bool[]": 1000, "float8[]": 1022, "date[]": 1182,
    "timestamp[]": 1115, "uuid[]": 2951, "int2[]": 1005, "varchar[]": 1015,
    "int4range": 3904, "int8range": 3926, "numrange": 3906, "tsrange": 3908, "tstzrange": 3910, "daterange": 3912,
    "int4range[]": 3905, "timetz": 1266, "inet": 869, "cidr": 650,
}

IDENTIFIERS = [f"{sql_type}-{index}" for index, (sql_type, _, _) in enumerate(VALUES)]


@pytest.fixture(scope="module")
def utc(server):
    with server.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize(("sql_type", "literal", "expected"), VALUES, ids=IDENTIFIERS)
def test_result(utc, sql_type, literal, expected, binary):
    cursor = utc.cursor(binary=binary)
    row = cursor.execute(f"select ({literal})::{sql_type}").fetchone()
    assert row == (expected,)
    assert cursor.description[0].type_code == OIDS[re.sub(r"\(.*\)", "", sql_type)]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize(("sql_type", "literal", "expected"), VALUES, ids=IDENTIFIERS)
def test_parameter(utc, sql_type, literal, expected, binary):
    """A value goes to the server and comes back unchanged."""
    if sql_type in ("json", "jsonb"):
        wrapper = psycopg.types.json.Jsonb if sql_type == "jsonb" else psycopg.types.json.Json
        sent = wrapper(expected)
    else:
        sent = expected
    placeholder = "%b" if binary else "%t"
    if binary and expected in ([], None):
        placeholder = "%s"
    cursor = utc.cursor(binary=binary)
    assert cursor.execute(f"select {placeholder}::{sql_type}", [sent]).fetchone() == (expected,)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_stored_and_read_back(connection, binary):
    """Every type that a table can hold survives storage."""
    storable = [value for value in VALUES if value[0] not in ("time", "interval")]
    columns = ", ".join(f"c{index} {sql_type}" for index, (sql_type, _, _) in enumerate(storable))
    literals = ", ".join(f"({literal})::{sql_type}" for sql_type, literal, _ in storable)
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"create table stored ({columns})")
    connection.execute(f"insert into stored values ({literals})")
    row = connection.cursor(binary=binary).execute("select * from stored").fetchone()
    assert list(row) == [expected for _, _, expected in storable]


def test_untyped_parameters_take_the_types_of_their_columns(connection):
    connection.execute("create table people (id int, name text, born date, weight numeric(5,1))")
    connection.execute(
        "insert into people values (%s, %s, %s, %s)", [1, "ann", datetime.date(1990, 5, 6), Decimal("61.5")]
    )
    rows = connection.execute("select name from people where id = %s and born < %s", [1, "2000-01-01"]).fetchall()
    assert rows == [("ann",)]
    assert connection.execute("select id from people where name like %s", ["a%"]).fetchall() == [(1,)]
    assert connection.execute("select id from people where id = any(%s)", [[1, 2]]).fetchall() == [(1,)]
    assert connection.execute("select id from people limit %s", [1]).fetchall() == [(1,)]


@pytest.mark.parametrize("prepare", [False, True])
def test_untyped_parameters_beside_padded_columns_are_padded_too(connection, prepare):
    connection.execute("create table codes (code char(5), n int)")
    connection.execute("insert into codes values ('ab', 1), ('cd', 2)")
    for condition, given in [
        ("code = %s", ["ab  "]),
        ("%s = code", ["ab     "]),
        ("code <= %s", ["ab  "]),
        ("(code, n) = (%s, %s)", ["ab ", 1]),
        ("code in (%s, %s)", ["ab ", "x"]),
        ("case when code = %s then true end", ["ab "]),
    ]:
        found = connection.execute(f"select n from codes where {condition}", given, prepare=prepare).fetchall()
        assert found == [(1,)], condition
    assert connection.execute("select n from codes where code = %s", ["abcdefg"], prepare=prepare).fetchall() == []
