"""What Superset does with a database, done by the installed Superset itself and printed as JSON: `session.py URL`.

Runs in an environment of its own (requirements.txt beside), with a metadata database in a temporary folder."""

import datetime
import json
import logging
import os
import pathlib
import sys
import tempfile
import threading

import psycopg2

URL = sys.argv[1]
CONFIGURATION = """
SECRET_KEY = "of a session that nobody logs in to"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = {{"CACHE_TYPE": "NullCache"}}
"""


def main(folder):
    logging.disable(logging.WARNING)
    (pathlib.Path(folder) / "superset_config.py").write_text(CONFIGURATION.format(folder=folder))
    os.environ["SUPERSET_HOME"] = folder
    sys.path.insert(0, folder)
    from superset.app import create_app

    with create_app().app_context():
        from flask_appbuilder import Model
        from superset import db
        from superset.models.core import Database

        Model.metadata.create_all(db.engine)
        database = Database(database_name="shop")
        database.set_sqlalchemy_uri(URL)
        db.session.add(database)
        db.session.commit()
        return {**browsed(database), "grains": grains(database), "chart": chart(database), **sql_lab(database)}


def browsed(database):
    """The pages that choose a dataset, and "create dataset"."""
    from superset.sql.parse import Table

    spec, purchase = database.db_engine_spec, Table("purchase", "shop")
    with database.get_inspector() as inspector:
        return {
            "spec": spec.__name__,
            "schema": "shop" in spec.get_schema_names(inspector),
            "tables": sorted(spec.get_table_names(database, inspector, "shop")),
            "views": sorted(spec.get_view_names(database, inspector, "shop")),
            "catalog": spec.get_default_catalog(database) in spec.get_catalog_names(database, inspector),
            "columns": [[column["column_name"], str(column["type"]), column["nullable"]]
                        for column in spec.get_columns(inspector, purchase)],
            "comment": spec.get_table_comment(inspector, Table("customer", "shop")),
            "indexes": sorted([index["name"], index["column_names"], index["unique"]]
                              for index in spec.get_indexes(database, inspector, purchase)),
            "select": database.select_star(purchase, limit=10, show_cols=True),
            "default_schema": database.get_default_schema(None),
        }


def grains(database):
    """Each time grain over a date and over a time with zone."""
    answers = {}
    with database.get_raw_connection() as connection:
        cursor = connection.cursor()
        for grain, expression in database.db_engine_spec.get_time_grain_expressions().items():
            for column in ("day", "bought"):
                try:
                    cursor.execute(f"select distinct {expression.format(col=column)} from shop.purchase order by 1")
                    answers[f"{grain} of {column}"] = [str(value) for value, in cursor.fetchall()]
                except psycopg2.Error as error:
                    answers[f"{grain} of {column}"] = error.pgcode
                    connection.rollback()
        cursor.execute("select " + database.db_engine_spec.epoch_to_dttm().format(col="86400"))
        answers["epoch"] = str(cursor.fetchone()[0])
    return answers


def chart(database):
    """A dataset's columns as Superset types them, and a time series over it."""
    from superset import db
    from superset.connectors.sqla.models import SqlaTable

    dataset = SqlaTable(table_name="purchase", schema="shop", database=database)
    db.session.add(dataset)
    dataset.fetch_metadata()
    db.session.commit()
    metric = {"expressionType": "SIMPLE", "column": {"column_name": "amount"}, "aggregate": "SUM", "label": "total"}
    result = dataset.query({
        "granularity": "day", "from_dttm": datetime.datetime(2024, 1, 1), "to_dttm": datetime.datetime(2024, 3, 1),
        "groupby": ["customer_id"], "columns": [], "metrics": [metric], "is_timeseries": True, "timeseries_limit": 3,
        "timeseries_limit_metric": metric, "filter": [{"col": "customer_id", "op": "IN", "val": [1, 2, 3, 4]}],
        "extras": {"time_grain_sqla": "P1M"}, "row_limit": 100, "orderby": [[metric, False]], "order_desc": True,
    })
    return {
        "columns": sorted([column.column_name, column.type, column.is_dttm, str(column.type_generic)]
                          for column in dataset.columns),
        "status": str(result.status), "message": result.error_message, "query": result.query,
        "rows": sorted(str(row) for row in result.df.to_dict("records")),
        "values": dataset.values_for_column("customer_id", limit=5) and sorted(
            map(int, dataset.values_for_column("customer_id", limit=100))),
    }


def sql_lab(database):
    """A query whose columns are described, and one that is stopped from another connection."""
    from superset.result_set import SupersetResultSet

    spec = database.db_engine_spec
    with database.get_raw_connection() as connection, database.get_raw_connection() as other:
        cursor = connection.cursor()
        spec.execute(cursor, "select * from shop.purchase p join shop.customer c on c.id = p.customer_id order by 1",
                     database)
        described = cursor.description
        results = SupersetResultSet(spec.fetch_data(cursor), described, spec)
        columns = [[column["column_name"], column["type"], column["is_dttm"]] for column in results.columns]
        backend = spec.get_cancel_query_id(cursor, None)
        stop = threading.Timer(0.5, lambda: spec.cancel_query(other.cursor(), None, backend))
        stop.start()
        try:
            cursor.execute("select pg_sleep(60)")
            stopped = None
        except Exception as error:  # noqa: BLE001  the driver's error, as Superset shows it
            stopped = type(error).__name__
        stop.join()
    with database.get_raw_connection() as connection:
        plan = spec.estimate_statement_cost(database, "select * from shop.customer", connection.cursor())
    return {"result": columns, "rows": results.size, "stopped": stopped, "has_plan": isinstance(plan, dict)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(main(temporary), default=str))
