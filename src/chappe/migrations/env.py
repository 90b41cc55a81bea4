"""Alembic's entry: migrations run on the address given in the configuration's attributes."""

from alembic import context
from sqlalchemy import create_engine, pool, text

url = context.config.attributes["url"]
# Two processes that start together must not both migrate.
LOCK = 0x63686170706500

engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.execute(text(f"select pg_advisory_lock({LOCK})"))
    connection.commit()
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text(f"select pg_advisory_unlock({LOCK})"))
    connection.commit()
engine.dispose()
