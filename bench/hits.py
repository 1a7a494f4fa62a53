"""A web-analytics table and queries in the manner of ClickBench. The data is synthetic (skewed, seeded), so the numbers
compare with nothing but each other."""

from loading import loaded_server
from workload import Workload, measure as measure_workload

ROWS = 2_000_000

COLUMNS = [
    ("watch_id", "bigint"), ("event_time", "timestamp"), ("event_date", "date"), ("counter_id", "integer"),
    ("user_id", "bigint"), ("region_id", "integer"), ("url", "text"), ("referer", "text"), ("title", "text"),
    ("search_phrase", "text"), ("search_engine_id", "smallint"), ("adv_engine_id", "smallint"),
    ("resolution_width", "smallint"), ("resolution_height", "smallint"), ("mobile_phone", "smallint"),
    ("mobile_phone_model", "text"), ("os", "smallint"), ("client_ip", "bigint"), ("is_refresh", "boolean"),
    ("is_link", "boolean"), ("trafic_source_id", "smallint"), ("duration", "integer"), ("price", "numeric(10,2)"),
]

# `u(n)` is a number between 0 and 1 that depends on the row and on n alone; powers of it are skewed towards 0.
GENERATE = """
create macro u(i, n) as (hash(i * 31 + n) >> 11) / 9007199254740992.0;
copy (
  select hash(i) >> 2 as watch_id,
    timestamp '2013-07-01' + to_microseconds((i * (31 * 86400000000 // {rows}))::bigint) as event_time,
    event_time::date as event_date, (power(u(i, 1), 4) * 6000)::int as counter_id,
    hash((power(u(i, 2), 2) * {rows} / 6)::bigint) >> 2 as user_id, (power(u(i, 3), 3) * 5000)::int as region_id,
    'http://example' || (power(u(i, 1), 4) * 6000)::int || '.com/' ||
      case when u(i, 4) < 0.03 then 'google/' else '' end || 'page/' || (power(u(i, 5), 3) * 50000)::int as url,
    case when u(i, 6) < 0.4 then '' else 'https://www.site' || (power(u(i, 6), 5) * 20000)::int || '.org/ref' end as referer,
    'Title ' || (power(u(i, 5), 3) * 50000)::int || case when u(i, 4) < 0.01 then ' Google' else ' news' end as title,
    case when u(i, 7) < 0.87 then '' else 'phrase ' || (power(u(i, 8), 3) * 100000)::int end as search_phrase,
    case when u(i, 7) < 0.87 then 0 else (power(u(i, 9), 2) * 60)::int end as search_engine_id,
    case when u(i, 10) < 0.97 then 0 else (u(i, 11) * 20)::int end as adv_engine_id,
    (400 + u(i, 12) * 2000)::int as resolution_width, (300 + u(i, 13) * 1200)::int as resolution_height,
    case when u(i, 14) < 0.9 then 0 else 1 end as mobile_phone,
    case when u(i, 14) < 0.94 then '' else 'model ' || (power(u(i, 15), 2) * 160)::int end as mobile_phone_model,
    (power(u(i, 16), 2) * 90)::int as os, (power(u(i, 2), 2) * 4294967295)::bigint as client_ip,
    u(i, 17) < 0.1 as is_refresh, u(i, 18) < 0.2 as is_link, (u(i, 19) * 10)::int - 1 as trafic_source_id,
    (power(u(i, 20), 4) * 3600)::int as duration, (power(u(i, 21), 3) * 1000)::decimal(10, 2) as price
  from range({rows}) t(i)
) to '{file}' (format csv, header)
"""

QUERIES = [
    "select count(*) from hits",
    "select count(*) from hits where adv_engine_id <> 0",
    "select sum(adv_engine_id), count(*), avg(resolution_width) from hits",
    "select avg(duration), min(duration), max(duration) from hits",
    "select count(distinct user_id) from hits",
    "select count(distinct search_phrase) from hits",
    "select min(event_date), max(event_date) from hits",
    "select adv_engine_id, count(*) from hits where adv_engine_id <> 0 group by adv_engine_id order by 2 desc, 1",
    "select region_id, count(distinct user_id) as u from hits group by region_id order by u desc, 1 limit 10",
    "select region_id, sum(adv_engine_id), count(*) as c, avg(resolution_width), count(distinct user_id) from hits "
    "group by region_id order by c desc, 1 limit 10",
    "select mobile_phone_model, count(distinct user_id) as u from hits where mobile_phone_model <> '' "
    "group by mobile_phone_model order by u desc, 1 limit 10",
    "select mobile_phone, mobile_phone_model, count(distinct user_id) as u from hits where mobile_phone_model <> '' "
    "group by mobile_phone, mobile_phone_model order by u desc, 1, 2 limit 10",
    "select search_phrase, count(*) as c from hits where search_phrase <> '' group by search_phrase order by c desc, 1 limit 10",
    "select search_phrase, count(distinct user_id) as u from hits where search_phrase <> '' "
    "group by search_phrase order by u desc, 1 limit 10",
    "select search_engine_id, search_phrase, count(*) as c from hits where search_phrase <> '' "
    "group by search_engine_id, search_phrase order by c desc, 1, 2 limit 10",
    "select user_id, count(*) from hits group by user_id order by count(*) desc, user_id limit 10",
    "select user_id, search_phrase, count(*) from hits group by user_id, search_phrase order by count(*) desc, 1, 2 limit 10",
    "select user_id, extract(minute from event_time) as m, search_phrase, count(*) from hits "
    "group by user_id, m, search_phrase order by count(*) desc, 1, 2, 3 limit 10",
    "select user_id from hits where user_id = 435090932899640449",
    "select count(*) from hits where url like '%google%'",
    "select search_phrase, min(url), count(*) as c from hits where url like '%google%' and search_phrase <> '' "
    "group by search_phrase order by c desc, 1 limit 10",
    "select search_phrase, min(url), min(title), count(*) as c, count(distinct user_id) from hits "
    "where title like '%Google%' and url not like '%.google.%' and search_phrase <> '' "
    "group by search_phrase order by c desc, 1 limit 10",
    "select watch_id, url, event_time from hits where url like '%google%' order by event_time, watch_id limit 10",
    "select search_phrase from hits where search_phrase <> '' order by event_time, watch_id limit 10",
    "select search_phrase from hits where search_phrase <> '' order by search_phrase limit 10",
    "select counter_id, avg(length(url)) as l, count(*) as c from hits where url <> '' group by counter_id "
    "having count(*) > 1000 order by l desc, 1 limit 25",
    r"select regexp_replace(referer, '^https?://(?:www\.)?([^/]+)/.*$', '\1') as k, avg(length(referer)) as l, count(*) as c, "
    "min(referer) from hits where referer <> '' group by k having count(*) > 1000 order by l desc, k limit 25",
    "select sum(resolution_width), sum(resolution_width + 1), sum(resolution_width + 2), sum(resolution_width + 3), "
    "sum(resolution_width + 4), sum(resolution_width + 5), sum(resolution_width + 6), sum(resolution_width + 7) from hits",
    "select search_engine_id, client_ip, count(*) as c, sum(is_refresh::int), avg(resolution_width) from hits "
    "where search_phrase <> '' group by search_engine_id, client_ip order by c desc, 1, 2 limit 10",
    "select watch_id, client_ip, count(*) as c, sum(is_refresh::int), avg(resolution_width) from hits "
    "group by watch_id, client_ip order by c desc, 1, 2 limit 10",
    "select url, count(*) as c from hits group by url order by c desc, 1 limit 10",
    "select client_ip, client_ip - 1, client_ip - 2, client_ip - 3, count(*) as c from hits "
    "group by client_ip, client_ip - 1, client_ip - 2, client_ip - 3 order by c desc, 1 limit 10",
    "select url, count(*) as page_views from hits where counter_id = 62 and event_date >= date '2013-07-01' "
    "and event_date <= date '2013-07-31' and not is_refresh and url <> '' group by url order by page_views desc, 1 limit 10",
    "select title, count(*) as page_views from hits where counter_id = 62 and event_date between date '2013-07-01' "
    "and date '2013-07-31' and not is_refresh and title <> '' group by title order by page_views desc, 1 limit 10",
    "select trafic_source_id, search_engine_id, adv_engine_id, "
    "case when search_engine_id = 0 and adv_engine_id = 0 then referer else '' end as src, url as dst, count(*) as page_views "
    "from hits where counter_id = 62 group by trafic_source_id, search_engine_id, adv_engine_id, src, dst "
    "order by page_views desc, 1, 2, 3, 4, 5 limit 10",
    "select date_trunc('minute', event_time) as m, count(*) as page_views from hits where counter_id = 62 "
    "and event_date between date '2013-07-14' and date '2013-07-15' and not is_refresh group by m order by m limit 10",
    "select event_date, sum(price), sum(price) filter (where mobile_phone = 1) from hits group by event_date order by event_date",
    "select os, percentile_cont(0.5) within group (order by duration) from hits group by os order by os limit 20",
    "select event_date, count(*), sum(count(*)) over (order by event_date) from hits group by event_date order by event_date",
]


def generate(file, rows):
    import duckdb

    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        for statement in GENERATE.format(rows=rows, file=unfinished).strip().split(";\n"):
            duckdb.execute(statement)
        unfinished.rename(file)
    return file


def measure(data, options, kinds, report):
    rows = int(ROWS * float(options.scale))
    folder = data / f"hits-{rows}"
    folder.mkdir(exist_ok=True)
    file = generate(folder / "hits.csv", rows)
    server, files, seconds = loaded_server(folder, "web", {"hits": COLUMNS}, lambda name: file)
    queries = {f"h{number:02}": text for number, text in enumerate(QUERIES, 1)}
    if options.query:
        queries = {name: text for name, text in queries.items() if name in options.query}
    with server:
        workload = Workload(f"Web analytics, {rows:,} rows", queries, files, "web", seconds)
        measure_workload(workload, server, options.runs, options.threads, kinds, report)
