"""Clients of other character sets than UTF-8, through psycopg: statements, parameters, rows, COPY and errors."""

import psycopg
import pytest

# (client_encoding, what Python calls it, a text that it has)
ENCODINGS = [
    ("LATIN1", "latin-1", "Grüße à côté"),
    ("LATIN9", "iso-8859-15", "5 € für Œuvre"),
    ("WIN1252", "cp1252", "5 € – „Œuvre“"),
    ("WIN1251", "cp1251", "Привет"),
    ("KOI8R", "koi8-r", "Привет"),
    ("LATIN2", "iso-8859-2", "Žluťoučký kůň"),
    ("WIN1250", "cp1250", "Žluťoučký kůň"),
    ("ISO_8859_7", "iso-8859-7", "Καλημέρα"),
    ("EUC_JP", "euc-jp", "日本語 テスト"),
    ("SJIS", "shift-jis", "日本語 テスト"),
    ("BIG5", "big5", "中文 測試"),
    ("GBK", "gbk", "中文 测试"),
    ("EUC_KR", "euc-kr", "한국어"),
    ("GB18030", "gb18030", "中文 测试"),
]


@pytest.fixture(params=ENCODINGS, ids=lambda one: one[0])
def client(request, server, database):
    name, codec, text = request.param
    with server.connect(dbname=database, client_encoding=name, autocommit=True) as connection:
        yield connection, codec, text


def test_statements_parameters_and_rows(client):
    connection, codec, text = client
    assert "x".encode(connection.info.encoding) == b"x"
    assert connection.execute(f"select '{text}' as \"{text[:5]}\"").fetchone() == (text,)
    cursor = connection.execute(f"select '{text}' as \"{text[:5]}\", length('{text}')")
    assert cursor.description[0].name == text[:5]
    assert cursor.fetchone()[1] == len(text)
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        for format in ("%s", "%t", "%b"):
            row = cursor.execute(f"select {format}::text, {format}::text || 'x', null::text", (text, text)).fetchone()
            assert row == (text, text + "x", None)
        array = cursor.execute("select array['a', %b, null]::text[], 7", (text,)).fetchone()
        assert array == (["a", text, None], 7)
        assert cursor.execute("select to_jsonb(%b::text) #>> '{}'", (text,)).fetchone() == (text,)
        assert cursor.execute("select %b::text[]", ([text, "x"],)).fetchone() == ([text, "x"],)
    # The same statement again, whose rows the result cache may keep.
    for _ in range(3):
        assert connection.execute(f"select x from (values ('{text}')) t(x)").fetchone() == (text,)


def test_bytes_on_the_wire_are_the_clients(client):
    connection, codec, text = client
    encoded = text.encode(codec)
    assert connection.pgconn.exec_(b"select '" + encoded + b"'").get_value(0, 0) == encoded
    convert = "select convert_to(%s, pg_client_encoding()::text), convert_from(%s, pg_client_encoding()::text)"
    assert connection.execute(convert, (text, encoded)).fetchone() == (encoded, text)


def test_tables_and_copy(client):
    connection, codec, text = client
    connection.execute(f'create table "{text}" (id integer, "{text[:4]}" text)')
    connection.execute(f'insert into "{text}" values (1, %s)', (text,))
    with connection.cursor() as cursor:
        with cursor.copy(f'copy "{text}" from stdin') as copy:
            for piece in f"2\t{text}\n3\tx{text}\n".encode(codec):
                copy.write(bytes([piece]))
        with cursor.copy(f'copy (select * from "{text}" order by id) to stdout (format csv, header)') as copy:
            read = b"".join(bytes(piece) for piece in copy)
        with cursor.copy(f"copy (select '{text}') to stdout (encoding 'UTF8')") as copy:
            assert b"".join(bytes(piece) for piece in copy) == text.encode() + b"\n"
        with cursor.copy(f"copy \"{text}\" from stdin (format csv, encoding 'utf-8')") as copy:
            copy.write(f"4,{text}\n".encode())
    header = f'id,{text[:4]}\n' if " " not in text[:4] else f'id,"{text[:4]}"\n'
    assert read.decode(codec).replace('"', "") == (header + f"1,{text}\n2,{text}\n3,x{text}\n").replace('"', "")
    counted = f'select count(*), count(*) filter (where "{text[:4]}" like %s) from "{text}"'
    assert connection.execute(counted, (f"%{text}",)).fetchone() == (4, 4)
    connection.execute(f'drop table "{text}"')


def test_errors_and_their_positions(client):
    connection, codec, text = client
    with pytest.raises(psycopg.errors.UndefinedTable) as caught:
        connection.execute(f"select '{text}' from \"{text}\"")
    assert caught.value.diag.message_primary == f'relation "{text}" does not exist'
    assert caught.value.diag.statement_position == str(len(f"select '{text}' from ") + 1)


def test_characters_without_an_equivalent(server, database):
    with server.connect(dbname=database, client_encoding="LATIN1", autocommit=True) as connection:
        with pytest.raises(psycopg.errors.UntranslatableCharacter) as caught:
            connection.execute("select U&'5 \\20AC'")
        assert caught.value.diag.message_primary == (
            'character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"'
        )
        with pytest.raises(psycopg.errors.UntranslatableCharacter):
            with connection.cursor().copy("copy (select U&'5 \\20AC') to stdout") as copy:
                list(copy)
        # An error tells what it can.
        with pytest.raises(psycopg.errors.UndefinedTable) as caught:
            connection.execute("select * from U&\"5 \\20AC\"")
        assert caught.value.diag.message_primary == 'relation "5 ?" does not exist'
        assert connection.execute("select 1").fetchone() == (1,)
        connection.execute("set client_encoding to 'WIN1252'")
        assert connection.execute("select U&'5 \\20AC'").fetchone() == ("5 €",)
        result = connection.pgconn.exec_(b"select '\x81'")
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"22P05"
        connection.execute("set client_encoding to 'SJIS'")
        result = connection.pgconn.exec_(b"select '\x81'")
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) in (b"22P05", b"22021")
        connection.execute("reset client_encoding")
        assert connection.info.encoding == "iso8859-1"


def test_settings(connection):
    connection.autocommit = True
    assert connection.execute("set names 'latin1'").statusmessage == "SET"
    assert connection.info.parameter_status("client_encoding") == "LATIN1"
    assert connection.execute("show client_encoding").fetchone() == ("LATIN1",)
    assert connection.execute("select pg_client_encoding()").fetchone() == ("LATIN1",)
    with connection.transaction(force_rollback=True):
        connection.execute("set local client_encoding to win1252")
        assert connection.execute("select '€'").fetchone() == ("€",)
    assert connection.info.parameter_status("client_encoding") == "LATIN1"
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        connection.execute("set client_encoding to 'nope'")
    connection.execute("set client_encoding to sql_ascii")
    assert connection.execute("select convert('\\xe4'::bytea, 'latin1', 'utf8')").fetchone() == (b"\xc3\xa4",)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        connection.execute("select convert_from('x', 'nope')")
