"""Keys, accounts, jobs, documents, passages, postings and embeddings."""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None

TABLES = """
create extension if not exists vector;

create table api_key (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    prefix text not null,
    digest bytea not null unique,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

create table gateway_instance (
    id bigint primary key,
    started_at timestamptz not null default now()
);

create table request_account (
    id uuid primary key,
    instance_id bigint not null,
    actor text not null,
    key_id uuid references api_key(id),
    operation text not null,
    model text not null,
    streamed boolean not null,
    started_at timestamptz not null default now(),
    outcome text not null default 'open' check (outcome in
        ('open', 'completed', 'cancelled', 'refused', 'failed', 'timed_out', 'interrupted')),
    tokens_in bigint check (tokens_in >= 0),
    tokens_out bigint check (tokens_out >= 0),
    tokens_origin text not null default 'none' check (tokens_origin in
        ('none', 'engine', 'counted')),
    ttft_ms double precision,
    duration_ms double precision,
    error text
);
create index ix_request_account_started_at on request_account (started_at);
create index ix_request_account_open on request_account (instance_id) where outcome = 'open';

create table job_progress (
    job_id bigint primary key,
    step text not null default '',
    done integer not null default 0,
    total integer,
    error text,
    updated_at timestamptz not null default now()
);

create table collection (
    id integer generated always as identity primary key,
    slug text not null unique,
    title text not null,
    source text not null,
    public boolean not null,
    created_at timestamptz not null default now(),
    passages bigint not null default 0 check (passages >= 0),
    tokens bigint not null default 0 check (tokens >= 0)
);

create table document (
    id uuid primary key default gen_random_uuid(),
    collection_id integer not null references collection(id) on delete cascade,
    external_id text not null,
    kind text not null,
    title text not null,
    url text not null,
    date date,
    audience text,
    theme_path text[] not null,
    text text not null,
    blocks jsonb not null,
    metadata jsonb not null,
    content_hash text not null,
    updated_at timestamptz not null default now(),
    unique (collection_id, external_id)
);

create table passage (
    id bigint generated always as identity primary key,
    document_id uuid not null references document(id) on delete cascade,
    collection_id integer not null,
    ordinal integer not null,
    start_at integer not null check (start_at >= 0),
    end_at integer not null,
    heading_path text[] not null,
    length integer not null,
    unique (document_id, ordinal),
    check (end_at > start_at)
);
create index ix_passage_collection_id on passage (collection_id);

-- One row for each term of each passage. `length` repeats the passage's, so that BM25 is computed
-- from this index alone.
create table posting (
    collection_id integer not null,
    term text collate "C" not null,
    passage_id bigint not null references passage(id) on delete cascade,
    frequency smallint not null,
    length integer not null,
    primary key (collection_id, term, passage_id) include (frequency, length)
);
create index ix_posting_passage_id on posting (passage_id);

create table embedding (
    passage_id bigint not null references passage(id) on delete cascade,
    model text not null,
    collection_id integer not null,
    vector halfvec not null,
    primary key (passage_id, model)
);
alter table embedding alter column vector set storage plain;
"""


def upgrade() -> None:
    """Create everything."""
    # Straight to the driver: procrastinate's schema holds colons and percent signs.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(TABLES)
    connection.execute(SchemaManager.get_schema())


def downgrade() -> None:
    """Remove everything; the extension stays, since others may use it."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("""
        drop table embedding, posting, passage, document, collection, job_progress,
            request_account, gateway_instance, api_key cascade;
        do $$
        declare item record;
        begin
            for item in select relname, relkind from pg_class
                where relname like 'procrastinate_%'
                and relnamespace = current_schema()::regnamespace
                and relkind in ('r', 'v')
            loop
                execute format('drop %s if exists %I cascade',
                    case item.relkind when 'r' then 'table' else 'view' end, item.relname);
            end loop;
            for item in select oid::regprocedure as signature from pg_proc
                where proname like 'procrastinate_%'
                and pronamespace = current_schema()::regnamespace
            loop
                execute format('drop function if exists %s cascade', item.signature);
            end loop;
            for item in select typname from pg_type
                where typname like 'procrastinate_%' and typtype in ('e', 'c')
                and typnamespace = current_schema()::regnamespace
            loop
                execute format('drop type if exists %I cascade', item.typname);
            end loop;
        end $$;
    """)
