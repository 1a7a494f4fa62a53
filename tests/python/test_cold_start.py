"""The first statement of a server: footers are not held yet, and partitions of a scan find them at different moments."""

ROWS = 150_000
STARTS = 8


def test_the_first_count_of_a_file_is_whole(own_server):
    with own_server.connect() as connection:
        connection.execute("create function visible(n int) returns boolean return current_user = 'admin' or n = 1")
        connection.execute("create function masked(a text) returns text return case current_user when 'admin' then a end")
        texts = ", ".join(f"md5((n * {factor})::text) as text{factor}" for factor in range(1, 6))
        connection.execute(f"create table wide as select n, {texts} from generate_series(1, {ROWS}) n")
        # With policies on it the table's own count does not answer.
        connection.execute("alter table wide set row filter visible on (n)")
        connection.execute("alter table wide alter column text1 set mask masked")
    for _ in range(STARTS):
        own_server.kill()
        own_server.start()
        with own_server.connect() as connection:
            assert connection.execute("select count(*) from wide").fetchone() == (ROWS,)
