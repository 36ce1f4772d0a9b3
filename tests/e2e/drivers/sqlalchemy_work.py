"""Ordinary work of SQLAlchemy (ORM over psycopg) through the gateway. Prints `ok NAME` per step;
fails on the first that differs. Arguments: host port user password database."""

import sys

from sqlalchemy import String, URL, create_engine, exc, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

host, port, user, password, database = sys.argv[1:6]
# Without native hstore: to find that type, SQLAlchemy would read the system catalogs.
engine = create_engine(
    URL.create("postgresql+psycopg", user, password, host, int(port), database),
    pool_size=2,
    pool_pre_ping=True,
    use_native_hstore=False,
)


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = {"schema": "billing"}
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String)
    plan: Mapped[str] = mapped_column(String)
    ssn: Mapped[str] = mapped_column(String)


class Note(Base):
    __tablename__ = "notes"
    __table_args__ = {"schema": "billing"}
    id: Mapped[int] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(String)
    body: Mapped[str | None] = mapped_column(String)
    amount: Mapped[int] = mapped_column(default=0)


def step(work):
    work()
    print("ok", work.__name__, flush=True)


@step
def loads_an_object_with_a_mask():
    with Session(engine) as session:
        customer = session.get(Customer, 7)
        assert customer.name == "Customer 7" and "900" not in customer.ssn, customer.ssn


@step
def filters_groups_and_orders():
    with Session(engine) as session:
        found = session.execute(
            select(Customer.plan, func.count()).where(Customer.id <= 30).group_by(Customer.plan).order_by(Customer.plan)
        ).all()
        assert [tuple(row) for row in found] == [("enterprise", 10), ("free", 10), ("pro", 10)], found


@step
def adds_changes_and_deletes_objects():
    with Session(engine) as session:
        note = Note(tag="sa-1", body="first", amount=1)
        session.add(note)
        session.commit()
        assert note.id > 0
        note.amount = 2
        session.commit()
        assert session.scalar(select(Note.amount).where(Note.tag == "sa-1")) == 2
        session.delete(note)
        session.commit()
        assert session.scalar(select(func.count()).select_from(Note).where(Note.tag == "sa-1")) == 0


@step
def adds_many_at_once():
    with Session(engine) as session:
        session.add_all(Note(tag=f"sa-many-{i}", amount=i) for i in range(50))
        session.commit()
        assert session.scalar(select(func.sum(Note.amount)).where(Note.tag.like("sa-many-%"))) == 1225


@step
def rolls_back_after_an_error_and_goes_on():
    with Session(engine) as session:
        session.add(Note(tag="sa-many-1"))
        try:
            session.commit()
            raise AssertionError("the tag is taken")
        except exc.IntegrityError:
            session.rollback()
        assert session.scalar(select(func.count()).select_from(Note).where(Note.tag == "sa-many-1")) == 1


engine.dispose()
