"""What holds in every state of the tables holds in every answer, whatever writers and upkeep do meanwhile: in plans of any
number of partitions, with what is kept and without."""

import random
import threading
import time

import psycopg
import pytest

SECONDS = 8
ACCOUNTS = 2000
BALANCE = 100 * ACCOUNTS
BRANCHES = 7

# What each query answers in every state.
ALWAYS = {
    "select count(*) from account": (ACCOUNTS,),
    "select sum(balance), count(*), count(distinct id) from account": (BALANCE, ACCOUNTS, ACCOUNTS),
    "select sum(s), sum(n) from (select branch, sum(balance) s, count(*) n from account group by branch) x":
        (BALANCE, ACCOUNTS),
    "select count(*), sum(a.balance - b.balance) from account a join account b on a.id = b.id": (ACCOUNTS, 0),
    "select sum(balance) from account join branch on account.branch = branch.id": (BALANCE,),
    "select sum(c) / count(*) from (select count(*) over () c from account) x": (ACCOUNTS,),
    "select (select sum(balance) from account where id < 900) + (select sum(balance) from account where id >= 900)":
        (BALANCE,),
    "with g as (select branch, sum(balance) s from account group by branch) select sum(s), (select sum(s) from g) from g":
        (BALANCE, BALANCE),
    "select coalesce(sum(amount), 0), count(*) % 2 from entry": (0, 0),
    "select coalesce(sum(amount), 0) from entry where day >= date '2024-03-01'": (0,),
    "select count(*) from (select k from entry group by k having sum(amount) <> 0) x": (0,),
    "select (select count(*) from entry) - 2 * (select count(*) from mirror)": (0,),
    "select count(*) from mirror m where not exists (select 1 from entry e where e.k = m.k)": (0,),
    "select count(*) from entry where k not in (select k from mirror)": (0,),
    "select count(*) from mirror m full join (select distinct k from entry) e on e.k = m.k where m.k is null or e.k is null":
        (0,),
    "select sum(s), sum(n) from totals": (BALANCE, ACCOUNTS),
    "select count(*) - count(distinct id) from numbered": (0,),
}


@pytest.fixture
def bank(own_server):
    with own_server.connect() as connection:
        for statement in (
            "create table account (id int, branch int, balance bigint)",
            *(f"insert into account select g, g % {BRANCHES}, 100 from generate_series({first}, {first + 499}) g"
              for first in range(0, ACCOUNTS, 500)),
            f"create table branch as select id from generate_series(0, {BRANCHES - 1}) id",
            "create table entry (k bigint, amount numeric(12, 2), day date)",
            "create table mirror (k bigint)",
            "create table numbered (id int primary key)",
            "create materialized view totals as select branch, sum(balance) s, count(*) n from account group by branch",
        ):
            connection.execute(statement)
    return own_server


def transfer(source):
    one, other = source.sample(range(ACCOUNTS), 2)
    amount = source.randint(1, 50)
    if source.random() < 0.5:
        change = f"case when id = {one} then -{amount} else {amount} end"
        return [f"update account set balance = balance + {change} where id in ({one}, {other})"]
    return [
        "begin",
        f"update account set balance = balance - {amount} where id = {one}",
        f"update account set balance = balance + {amount} where id = {other}",
        "commit",
    ]


def move(source):
    one, other = source.sample(range(BRANCHES), 2)
    return [f"update account set branch = {one} where branch = {other} and id % 40 = {source.randrange(40)}"]


def post(source):
    keys = f"generate_series(1, {source.choice([1, 100, 3000])}) g"
    first = source.randrange(10**9)
    day = "date '2024-01-01' + g % 300"
    return [
        "begin",
        f"insert into entry select {first} + g, s * 1.25 * (g % 11), {day} from {keys}, (values (1), (-1)) v(s)",
        f"insert into mirror select {first} + g from {keys}",
        "commit",
    ]


def withdraw(source):
    """Of one state: of two, rows that came between would go from one table only."""
    keys = f"k % 37 = {source.randrange(37)}"
    return [
        "begin isolation level repeatable read",
        f"delete from entry where {keys}",
        f"delete from mirror where {keys}",
        "commit",
    ]


def number(source):
    id = source.randrange(100)
    return [source.choice([f"insert into numbered values ({id})", f"delete from numbered where id = {id}"])]


def upkeep(source):
    table = source.choice(["account", "entry", "mirror", "numbered"])
    return [source.choice([f"optimize {table}", f"vacuum {table}", f"analyze {table}", "refresh materialized view totals"])]


def test_what_always_holds_is_always_answered(bank):
    stop = threading.Event()
    failures = []
    answers = []

    def until_stopped(work):
        def run(seed):
            source = random.Random(seed)
            try:
                with bank.connect() as connection:
                    while not stop.is_set() and not failures:
                        work(connection, source)
            except Exception as error:  # noqa: BLE001
                failures.append(repr(error))

        return run

    def write(*kinds):
        def work(connection, source):
            try:
                for statement in source.choice(kinds)(source):
                    connection.execute(statement)
            except (psycopg.errors.SerializationFailure, psycopg.errors.UniqueViolation):
                connection.rollback()
            time.sleep(source.random() / 20)

        return work

    def read(connection, source):
        for cache in ("result_cache", "plan_cache", "hot_columns", "partial_aggregates"):
            connection.execute(f"set boathouse.{cache} = {source.choice(['on', 'off'])}")
        connection.execute(f"set boathouse.target_partitions = {source.choice([1, 2, 4])}")
        for query in source.sample(list(ALWAYS), 5):
            answer = connection.execute(query, prepare=source.random() < 0.5).fetchone()
            answers.append(query)
            if answer != ALWAYS[query]:
                failures.append((query, answer))

    work = [
        write(transfer, move), write(post, post, withdraw), write(transfer, move, post, number, number), write(number, upkeep),
        read, read,
    ]
    threads = [threading.Thread(target=until_stopped(one), args=(seed,)) for seed, one in enumerate(work)]
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(answers)) > len(ALWAYS) // 2
