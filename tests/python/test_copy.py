"""COPY in and out: text, CSV and binary."""

import datetime
import decimal

import pytest
from psycopg import errors

ROWS = [
    (1, "plain", decimal.Decimal("1.50"), datetime.date(2024, 1, 1), True),
    (2, "tab\tnewline\nback\\slash \"quote\" , comma", None, None, False),
    (3, "", decimal.Decimal("-0.01"), datetime.date(1969, 7, 20), None),
    (4, None, decimal.Decimal("99999.99"), datetime.date(9999, 12, 31), True),
]
TYPES = ["int4", "text", "numeric", "date", "bool"]


@pytest.fixture
def filled(connection):
    connection.execute("create table copied (id int, word text, amount numeric(7,2), day date, flag boolean)")
    return connection


def rows_of(connection, table="copied"):
    return connection.execute(f"select * from {table} order by id").fetchall()


@pytest.mark.parametrize("options", ["", "(format csv)", "(format csv, header true)", "(format binary)"])
def test_there_and_back(filled, options):
    with filled.cursor().copy(f"copy copied from stdin {options.replace(', header true', '')}") as copy:
        if "csv" in options:
            copy.write('1,plain,1.50,2024-01-01,t\n2,"tab\tnewline\nback\\slash ""quote"" , comma",,,f\n')
            copy.write('3,"",-0.01,1969-07-20,\n4,,99999.99,9999-12-31,t\n')
        else:
            if "binary" in options:
                copy.set_types(TYPES)
            for row in ROWS:
                copy.write_row(row)
    assert rows_of(filled) == ROWS
    with filled.cursor().copy(f"copy copied to stdout {options}") as copy:
        data = b"".join(bytes(block) for block in copy)
    if "header" in options:
        assert data.startswith(b"id,word,amount,day,flag\n")
    filled.execute("create table again (id int, word text, amount numeric(7,2), day date, flag boolean)")
    with filled.cursor().copy(f"copy again from stdin {options}") as copy:
        for start in range(0, len(data), 7):
            copy.write(data[start:start + 7])
    assert rows_of(filled, "again") == ROWS


def test_the_formats_bytes(filled):
    filled.execute("insert into copied values (1, E'a\\tb\\\\', 1.5, '2024-01-01', true), (2, null, null, null, false)")

    def copied(options):
        with filled.cursor().copy(f"copy (select * from copied order by id) to stdout {options}") as copy:
            return b"".join(bytes(block) for block in copy)

    assert copied("") == b"1\ta\\tb\\\\\t1.50\t2024-01-01\tt\n2\t\\N\t\\N\t\\N\tf\n"
    assert copied("(format csv)") == b"1,a\tb\\,1.50,2024-01-01,t\n2,,,,f\n"
    assert copied("(format csv, delimiter ';', null 'NIL')") == b"1;a\tb\\;1.50;2024-01-01;t\n2;NIL;NIL;NIL;f\n"
    binary = copied("(format binary)")
    assert binary.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8)) and binary.endswith(b"\xff\xff")


def test_some_columns(filled):
    with filled.cursor().copy("copy copied (word, id) from stdin") as copy:
        copy.write_row(("w", 7))
    assert rows_of(filled) == [(7, "w", None, None, None)]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("x\tw\t1\t2024-01-01\tt\n", errors.InvalidTextRepresentation),
        ("1\tw\n", errors.BadCopyFileFormat),
        ("1\tw\t1\t2024-01-01\tt\textra\n", errors.BadCopyFileFormat),
        ("1\tw\t1234567.00\t2024-01-01\tt\n", errors.NumericValueOutOfRange),
        ("1\tw\t1\t2024-02-30\tt\n", errors.DatetimeFieldOverflow),
    ],
)
def test_bad_lines_change_nothing(filled, line, error):
    with pytest.raises(error) as caught:
        with filled.cursor().copy("copy copied from stdin") as copy:
            copy.write("5\tgood\t1\t2024-01-01\tt\n" + line)
    assert "line 2" in f"{caught.value.diag.context} {caught.value.diag.message_detail}"
    assert rows_of(filled) == []


@pytest.mark.parametrize("options", ["on_error ignore", "format csv, delimiter e'\\t', null '\\N', on_error 'ignore'"])
def test_rows_with_faulty_values_are_left_out(filled, options):
    """As PostgreSQL 17 does; lines of other shapes are errors still."""
    notices = []
    filled.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    with filled.cursor().copy(f"copy copied from stdin ({options})") as copy:
        copy.write("1\tplain\t1.50\t2024-01-01\tt\nx\tplain\t1.50\t2024-01-01\tt\n")
        copy.write("2\tplain\t1.50\t2024-02-30\tt\n3\tplain\t1000000\t\\N\tt\n4\t\\N\t\\N\t\\N\tf\n")
    assert [row[0] for row in rows_of(filled)] == [1, 4]
    assert notices == ["3 rows were skipped due to data type incompatibility"]
    with pytest.raises(errors.BadCopyFileFormat), filled.cursor().copy(f"copy copied from stdin ({options})") as copy:
        copy.write("5\tplain\n")
    with pytest.raises(errors.SyntaxError), filled.cursor().copy("copy copied from stdin (format binary, on_error ignore)"):
        pass


def test_columns_that_number_the_rows(connection):
    connection.execute("create table numbered (id serial, word text, by_whom text default current_user)")
    with connection.cursor().copy("copy numbered (word) from stdin") as copy:
        copy.write("a\nb\n")
    assert connection.execute("select * from numbered order by id").fetchall() == [(1, "a", "admin"), (2, "b", "admin")]


def test_quotes_and_nulls_of_single_columns(connection):
    connection.execute("create table forced (a text, b text, c text)")
    with connection.cursor().copy("copy forced from stdin (format csv, force_not_null (b), force_null (c))") as copy:
        copy.write(',,""\n"",x,\n')
    assert connection.execute("select * from forced order by a").fetchall() == [("", "x", None), (None, "", None)]

    def copied(options):
        with connection.cursor().copy(f"copy forced to stdout {options}") as copy:
            return sorted(b"".join(bytes(chunk) for chunk in copy).decode().splitlines())

    assert copied("(format csv, force_quote (b))") == ['"","x",', ',"",']
    assert copied("csv force quote b, c") == ['"","x",', ',"",']
    assert copied("(format csv, header, force_quote *)") == ['"","x",', ',"",', "a,b,c"]
    for wrong, error in (("(force_quote (a))", errors.FeatureNotSupported),
                         ("csv force null a", errors.FeatureNotSupported),
                         ("(format csv, force_quote (nosuch))", errors.InvalidColumnReference)):
        with pytest.raises(error):
            copied(wrong)


def test_the_client_gives_up(filled):
    with pytest.raises(ValueError, match="changed my mind"):
        with filled.cursor().copy("copy copied from stdin") as copy:
            copy.write("1\tw\t1\t2024-01-01\tt\n")
            raise ValueError("changed my mind")
    assert rows_of(filled) == []


def test_a_large_copy(filled):
    filled.execute("create table large (n int, word text)")
    with filled.cursor().copy("copy large from stdin") as copy:
        for start in range(0, 300_000, 10_000):
            copy.write("".join(f"{n}\tword number {n}\n" for n in range(start, start + 10_000)))
    assert filled.execute("select count(*), sum(n), max(word) from large").fetchone() == (
        300_000, 299_999 * 150_000, "word number 99999"
    )


def test_copy_in_a_transaction(server, database):
    with server.connect(autocommit=False, dbname=database) as connection:
        connection.execute("create table copied_inside (n int)")
        with connection.cursor().copy("copy copied_inside from stdin") as copy:
            copy.write("1\n2\n")
        assert connection.execute("select count(*) from copied_inside").fetchone() == (2,)
        connection.rollback()
    with server.connect(dbname=database) as connection:
        with pytest.raises(errors.UndefinedTable):
            connection.execute("select * from copied_inside")


def test_missing_table(connection):
    with pytest.raises(errors.UndefinedTable):
        with connection.cursor().copy("copy missing from stdin") as copy:
            copy.write("1\n")


def test_rows_that_a_condition_takes(connection):
    connection.execute(
        "create table chosen (id int, word text default 'none', next int generated always as (id + 1) stored)"
    )

    def copied(statement, lines):
        cursor = connection.cursor()
        with cursor.copy(statement) as copy:
            copy.write(lines)
        return cursor.statusmessage

    taken = copied("copy chosen (id, word) from stdin where id > 1 and word like 'x%'", "1\tx\n2\tx\n3\ty\n4\txx\n")
    assert taken == "COPY 2"
    # Defaults are there to be asked for.
    assert copied("copy chosen (id) from stdin where word = 'none' and id % 2 = 0", "5\n6\n") == "COPY 1"
    assert copied("copy chosen (id) from stdin where null", "7\n") == "COPY 0"
    assert connection.execute("select id, word, next from chosen order by id").fetchall() == [
        (2, "x", 3),
        (4, "xx", 5),
        (6, "none", 7),
    ]
    connection.commit()
    for condition, error in [
        ("next > 1", errors.InvalidColumnReference),
        ("id", errors.DatatypeMismatch),
        ("id in (select 1)", errors.FeatureNotSupported),
        ("nosuch > 1", errors.UndefinedColumn),
    ]:
        with pytest.raises(error):
            copied(f"copy chosen (id) from stdin where {condition}", "5\n")
        connection.rollback()
