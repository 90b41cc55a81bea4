"""Sources that fill a collection on a schedule, and what is remembered of their items."""

from alembic import op

revision = "0008"
down_revision = "0007"

UP = """
create table source (
    id bigint generated always as identity primary key,
    collection_id integer not null references collection(id) on delete cascade,
    kind text not null check (kind in ('folder', 's3', 'web', 'webdav', 'official')),
    name text not null,
    spec jsonb not null,
    -- Sealed: see chappe.gateway.catalogue.secrets.
    secret bytea,
    -- Null: by hand only.
    every_seconds integer check (every_seconds >= 60),
    enabled boolean not null default true,
    created_by text not null,
    created_at timestamptz not null default now(),
    -- Due from then on. What was cut in the middle is still due.
    next_run_at timestamptz,
    -- Of the next run: asked for by whom (null: the schedule), and whether it may remove most.
    asked_by text,
    forced boolean not null default false,
    unique (collection_id, name)
);
create index ix_source_next_run_at on source (next_run_at) where enabled;

-- What a source's listing said the last time: what is said again isn't fetched again.
create table source_item (
    source_id bigint not null references source(id) on delete cascade,
    external_id text not null,
    tag text not null,
    state jsonb not null default '{}',
    primary key (source_id, external_id)
);

alter table load add foreign key (source_id) references source(id) on delete set null;
create index ix_load_source_id on load (source_id, id) where source_id is not null;
"""

DOWN = """
drop index ix_load_source_id;
alter table load drop constraint load_source_id_fkey;
drop table source_item;
drop table source;
"""


def upgrade() -> None:
    """Add them."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(UP)


def downgrade() -> None:
    """Take them away; the documents that they brought stay."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(DOWN)
