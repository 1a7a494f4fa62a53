"""SQLAlchemy: reflection, the ORM with generated keys and insertmanyvalues, savepoints, pandas on top."""

import datetime

import pandas
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Visitor(Base):
    __tablename__ = "visitor"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(30))
    seen: Mapped[datetime.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


@pytest.fixture(params=["psycopg", "psycopg2"])
def engine(request, url):
    made = sa.create_engine(url.replace("postgresql://", f"postgresql+{request.param}://"))
    yield made
    made.dispose()


def test_reflection(engine):
    inspector = sa.inspect(engine)
    assert {"sample", "public", "information_schema"} <= set(inspector.get_schema_names())
    assert "nation" in inspector.get_table_names(schema="sample")
    columns = {column["name"]: str(column["type"]) for column in inspector.get_columns("customer", schema="sample")}
    assert columns["c_acctbal"] == "NUMERIC(15, 2)"
    metadata = sa.MetaData()
    metadata.reflect(engine, schema="sample")
    nation = metadata.tables["sample.nation"]
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(nation)) == 25


def test_orm(engine):
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Visitor(name=f"visitor {number}") for number in range(50)])
        session.commit()
        first = session.scalars(sa.select(Visitor).where(Visitor.name == "visitor 7")).one()
        assert first.id > 0 and first.seen.tzinfo is not None
        first.name = "renamed"
        session.commit()
        session.delete(session.scalars(sa.select(Visitor).where(Visitor.name == "visitor 8")).one())
        session.commit()
        names = session.scalars(sa.select(Visitor.name).order_by(Visitor.id)).all()
        assert len(names) == 49 and "renamed" in names
    Base.metadata.drop_all(engine)


def test_savepoint(engine):
    with engine.begin() as connection:
        with pytest.raises(sa.exc.DBAPIError), connection.begin_nested():
            connection.execute(sa.text("select 1 / 0"))
        assert connection.scalar(sa.text("select 1")) == 1


def test_pandas_reads_and_writes(engine):
    nations = pandas.read_sql("select * from sample.nation", engine)
    nations.to_sql("nations_copied", engine, index=False, if_exists="replace")
    copied = pandas.read_sql_table("nations_copied", engine)
    assert len(copied) == 25 and list(copied.columns) == list(nations.columns)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table nations_copied"))
