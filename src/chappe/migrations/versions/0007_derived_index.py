"""Passages carry their terms; what changes them is told in order; vectors have generations.

The table of postings goes: the derived index replaces it (docs/decisions/0014). Terms of passages
that are there already are computed from their text at the next start.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

UP = """
alter table passage
    -- Packed for the index (chappe.knowledge.index.terms), with the lengths in terms of its two
    -- fields, and by which analysis they were made; 0: not analysed yet.
    add column terms bytea not null default '',
    add column body_length integer not null default 0,
    add column context_length integer not null default 0,
    add column analysis smallint not null default 0,
    drop column length;
create index ix_passage_analysis on passage (analysis);
create index ix_document_version_metadata on document_version
    using gin (metadata jsonb_path_ops);
drop table posting;
alter table collection drop column tokens;

create table embedding_generation (
    id smallint generated always as identity primary key,
    model text not null,
    dimensions integer not null check (dimensions between 1 and 16000),
    state text not null check (state in ('filling', 'serving', 'retired')),
    created_at timestamptz not null default now(),
    serving_at timestamptz
);
create unique index ix_embedding_generation_serving on embedding_generation (state)
    where state = 'serving';
create unique index ix_embedding_generation_filling on embedding_generation (state)
    where state = 'filling';
insert into embedding_generation (model, dimensions, state, serving_at)
    select model, max(vector_dims(vector)), 'retired', now()
    from embedding group by model order by count(*);
update embedding_generation set state = 'serving'
    where id = (select max(id) from embedding_generation);

alter table embedding add column generation_id smallint
    references embedding_generation(id) on delete cascade;
update embedding e set generation_id = g.id from embedding_generation g where g.model = e.model;
alter table embedding
    drop constraint embedding_pkey,
    drop column model,
    drop column collection_id,
    alter column generation_id set not null,
    add primary key (passage_id, generation_id);
create index ix_embedding_generation_id on embedding (generation_id, passage_id);
-- 4,096 dimensions don't fit in a page.
alter table embedding alter column vector set storage external;

-- One row: which database this is, and up to where events were swept.
create table index_state (
    one boolean primary key default true check (one),
    identity uuid not null default gen_random_uuid(),
    swept_to bigint not null default 0
);
insert into index_state default values;

-- What changed, for whoever keeps an index of it. `seq` follows the order of commits.
create sequence index_event_seq;
create table index_event (
    id bigint generated always as identity primary key,
    seq bigint unique,
    -- Distinguishes histories: a database brought back from a copy goes on otherwise.
    token uuid not null default gen_random_uuid(),
    -- Whose vectors changed; null: the passages themselves.
    generation_id smallint,
    passages bigint[] not null,
    at timestamptz not null default now()
);
create index ix_index_event_at on index_event (at);

-- At the end of the transaction, when it waits for nothing else any more: the lock is held until
-- the commit is seen, so that seq n is never seen before seq n - 1.
create function index_event_placed() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(7304201107);
    update index_event set seq = nextval('index_event_seq') where id = new.id;
    perform pg_notify('chappe_index', '');
    return null;
end $$;
create constraint trigger index_event_placed after insert on index_event
    deferrable initially deferred for each row execute function index_event_placed();

create function passage_indexed() returns trigger language plpgsql as $$
begin
    insert into index_event (passages)
        select array_agg(id) from changed having count(*) > 0;
    return null;
end $$;
create trigger passage_added after insert on passage
    referencing new table as changed for each statement execute function passage_indexed();
create trigger passage_removed after delete on passage
    referencing old table as changed for each statement execute function passage_indexed();
create function passage_updated() returns trigger language plpgsql as $$
begin
    insert into index_event (passages)
        select array_agg(n.id) from after n join before o on o.id = n.id
        where (n.terms, n.collection_id, n.valid_from, n.valid_to)
            is distinct from (o.terms, o.collection_id, o.valid_from, o.valid_to)
        having count(*) > 0;
    return null;
end $$;
create trigger passage_updated after update on passage
    referencing old table as before new table as after
    for each statement execute function passage_updated();

create function embedding_indexed() returns trigger language plpgsql as $$
begin
    insert into index_event (generation_id, passages)
        select generation_id, array_agg(passage_id) from changed group by generation_id;
    return null;
end $$;
create trigger embedding_added after insert on embedding
    referencing new table as changed for each statement execute function embedding_indexed();
create trigger embedding_updated after update on embedding
    referencing new table as changed for each statement execute function embedding_indexed();
"""

DOWN = """
drop trigger embedding_added on embedding;
drop trigger embedding_updated on embedding;
drop trigger passage_added on passage;
drop trigger passage_removed on passage;
drop trigger passage_updated on passage;
drop table index_event;
drop sequence index_event_seq;
drop table index_state;
drop function embedding_indexed;
drop function passage_updated;
drop function passage_indexed;
drop function index_event_placed;

alter table embedding add column model text, add column collection_id integer;
update embedding e set model = g.model, collection_id = p.collection_id
    from embedding_generation g, passage p
    where g.id = e.generation_id and p.id = e.passage_id;
delete from embedding e using embedding n
    where n.passage_id = e.passage_id and n.model = e.model and n.generation_id > e.generation_id;
drop index ix_embedding_generation_id;
alter table embedding
    drop constraint embedding_pkey,
    drop column generation_id,
    alter column model set not null,
    alter column collection_id set not null,
    add primary key (passage_id, model);
delete from embedding where vector_dims(vector) > 3900;
alter table embedding alter column vector set storage plain;
drop table embedding_generation;

alter table collection add column tokens bigint not null default 0 check (tokens >= 0);
-- Postings can't be made from packed terms: documents are read anew at the next load.
delete from passage;
update document_version set content_hash = '';
update collection set passages = 0;
drop index ix_passage_analysis;
drop index ix_document_version_metadata;
alter table passage
    add column length integer not null,
    drop column terms, drop column body_length, drop column context_length, drop column analysis;
create table posting (
    collection_id integer not null,
    term text collate "C" not null,
    passage_id bigint not null references passage(id) on delete cascade,
    frequency smallint not null,
    length integer not null,
    primary key (collection_id, term, passage_id) include (frequency, length)
);
create index ix_posting_passage_id on posting (passage_id);
"""


def upgrade() -> None:
    """Terms with passages, events, generations."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(UP)


def downgrade() -> None:
    """Back to postings, which the next load fills."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(DOWN)
