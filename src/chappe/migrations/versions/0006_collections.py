"""Collections have owners, grants and rules; documents have states and versions; loads are told."""

from alembic import op

revision = "0006"
down_revision = "0005"

COLLECTIONS = """
alter table collection
    add column description text not null default '',
    add column owner_kind text not null default 'installation'
        check (owner_kind in ('installation', 'organisation', 'group', 'person')),
    add column owner_id uuid,
    -- The organisation of its owner, whose administrators may change who reads it.
    add column organisation_id uuid references organisation(id),
    add column level smallint not null default 0 check (level between 0 and 2),
    add column language text not null default 'fr',
    add column retention_days integer check (retention_days > 0),
    -- Unreadable from then on; a job takes it away.
    add column removed_at timestamptz,
    add check ((owner_kind = 'installation') = (owner_id is null)),
    alter column source set default '';
create index ix_collection_owner_id on collection (owner_id);

create table collection_grant (
    collection_id integer not null references collection(id) on delete cascade,
    subject_kind text not null check (subject_kind in ('person', 'group', 'organisation')),
    subject_id uuid not null,
    role text not null check (role in ('reader', 'editor')),
    granted_at timestamptz not null default now(),
    primary key (collection_id, subject_kind, subject_id)
);
create index ix_collection_grant_subject_id on collection_grant (subject_id);
create function collection_grants_go() returns trigger language plpgsql as $$
begin
    delete from collection_grant where subject_id = old.id;
    return null;
end $$;
create trigger person_collection_grants_go after delete on person
    for each row execute function collection_grants_go();
create trigger person_group_collection_grants_go after delete on person_group
    for each row execute function collection_grants_go();
create trigger organisation_collection_grants_go after delete on organisation
    for each row execute function collection_grants_go();

create table load (
    id bigint generated always as identity primary key,
    collection_id integer not null references collection(id) on delete cascade,
    origin text not null check (origin in
        ('upload', 'ingest', 'folder', 's3', 'web', 'webdav', 'official', 'retention')),
    source_id bigint,
    requested_by text not null,
    state text not null default 'running' check (state in
        ('running', 'done', 'failed', 'cancelled')),
    found integer not null default 0,
    added integer not null default 0,
    changed integer not null default 0,
    unchanged integer not null default 0,
    removed integer not null default 0,
    failed integer not null default 0,
    bytes bigint not null default 0,
    started_at timestamptz not null default now(),
    -- When all that it brings was received; it is done when all of it is settled.
    listed_at timestamptz,
    finished_at timestamptz,
    detail jsonb not null default '{}'
);
create index ix_load_running on load (id) where state = 'running';
create index ix_load_collection_id on load (collection_id, id);
"""

DOCUMENTS = """
create table document_version (
    id bigint generated always as identity primary key,
    document_id uuid not null references document(id) on delete cascade,
    number integer not null check (number > 0),
    -- Of a document whose versions were in force one after the other, which of them this is, as
    -- its source names it; null where the newest replaces the others.
    source_version text,
    title text not null,
    url text not null default '',
    date date,
    audience text,
    theme_path text[] not null default '{}',
    text text not null default '',
    blocks jsonb not null default '[]',
    metadata jsonb not null default '{}',
    media_type text not null default '',
    pages jsonb not null default '[]',
    boxes bytea,
    issues jsonb not null default '[]',
    hidden jsonb not null default '[]',
    original_key text,
    size bigint,
    content_hash text not null,
    -- Law: first day in force, and first day when it no longer is.
    valid_from date,
    valid_to date,
    created_at timestamptz not null default now(),
    -- Null: received, and not read yet.
    read_at timestamptz,
    superseded_at timestamptz,
    unique (document_id, number)
);
create unique index ix_document_version_served on document_version (document_id, source_version)
    nulls not distinct where superseded_at is null and read_at is not null;

insert into document_version (document_id, number, source_version, title, url, date, audience,
        theme_path, text, blocks, metadata, content_hash, valid_from, valid_to, created_at, read_at)
    select id, 1, case when kind = 'article' then metadata->>'article_id' end, title, url, date,
        audience, theme_path, text, blocks, metadata, content_hash,
        case when kind = 'article' then (metadata->>'version_start')::date end,
        case when kind = 'article' then (metadata->>'version_end')::date end,
        updated_at, updated_at
    from document;

alter table document
    add column number bigint generated always as identity unique,
    -- The archive or message that it came in.
    add column parent_id uuid references document(id) on delete cascade,
    -- What keeps it in line, so that it alone removes it; '' for what people gave.
    add column source text not null default '',
    add column name text not null default '',
    add column state text not null default 'ready' check (state in ('received', 'reading',
        'indexing', 'ready', 'partly_read', 'failed', 'to_be_deleted')),
    add column reason jsonb,
    add column load_id bigint references load(id) on delete set null,
    add column received_at timestamptz not null default now(),
    add column deletes_at timestamptz,
    -- What is still to be done with it, the most urgent first: 0 somebody waits for it, 1 part of a
    -- load, 2 it is to be deleted. Null: nothing. Whoever works on it holds an advisory lock on
    -- its number, which ends with its connection.
    add column awaits smallint check (awaits between 0 and 2),
    add column awaits_from timestamptz not null default now(),
    add column attempts smallint not null default 0;
update document set name = title, received_at = updated_at,
    source = (select source from collection where id = document.collection_id);
alter table document
    alter column state drop default, alter column name drop default,
    drop column title, drop column url, drop column date, drop column audience,
    drop column theme_path, drop column text, drop column blocks, drop column metadata,
    drop column content_hash;
create index ix_document_parent_id on document (parent_id) where parent_id is not null;
create index ix_document_load_id on document (load_id, state) where load_id is not null;
create index ix_document_collection_id_state on document (collection_id, state);
create index ix_document_awaits on document (awaits, number) where awaits is not null;
create index ix_document_deletes_at on document (deletes_at) where deletes_at is not null;

alter table passage
    add column version_id bigint references document_version(id) on delete cascade,
    add column valid_from date,
    add column valid_to date;
update passage p set version_id = v.id, valid_from = v.valid_from, valid_to = v.valid_to
    from document_version v where v.document_id = p.document_id;
alter table passage alter column version_id set not null,
    drop constraint passage_document_id_ordinal_key,
    drop constraint passage_document_id_fkey,
    add unique (version_id, ordinal);
"""

DOWN = """
-- What is served now is kept, in one version; what was not read or was replaced goes.
alter table document
    add column title text, add column url text, add column date date, add column audience text,
    add column theme_path text[], add column text text, add column blocks jsonb,
    add column metadata jsonb, add column content_hash text;
delete from passage p using document_version v where v.id = p.version_id and (
    v.superseded_at is not null or exists (select from document_version n
        where n.document_id = v.document_id and n.number > v.number
        and n.read_at is not null and n.superseded_at is null));
update document d set title = v.title, url = v.url, date = v.date, audience = v.audience,
        theme_path = v.theme_path, text = v.text, blocks = v.blocks, metadata = v.metadata,
        content_hash = v.content_hash
    from (select distinct on (document_id) * from document_version
          where read_at is not null and superseded_at is null
          order by document_id, number desc) v
    where v.document_id = d.id;
delete from passage p using document d where d.id = p.document_id and d.text is null;
delete from document where text is null;
alter table passage drop constraint passage_version_id_ordinal_key,
    drop column version_id, drop column valid_from, drop column valid_to,
    add unique (document_id, ordinal),
    add foreign key (document_id) references document(id) on delete cascade;
drop table document_version;
alter table document
    alter column title set not null, alter column url set not null,
    alter column theme_path set not null, alter column text set not null,
    alter column blocks set not null, alter column metadata set not null,
    alter column content_hash set not null,
    drop column number, drop column parent_id, drop column source, drop column name,
    drop column state, drop column reason, drop column load_id, drop column received_at,
    drop column deletes_at, drop column awaits, drop column awaits_from, drop column attempts;
drop table load;
drop trigger organisation_collection_grants_go on organisation;
drop trigger person_group_collection_grants_go on person_group;
drop trigger person_collection_grants_go on person;
drop function collection_grants_go;
drop table collection_grant;
delete from collection where removed_at is not null;
alter table collection alter column source drop default,
    drop column description, drop column owner_kind, drop column owner_id,
    drop column organisation_id, drop column level, drop column language,
    drop column retention_days, drop column removed_at;
update collection set passages = coalesce(s.passages, 0), tokens = coalesce(s.tokens, 0)
    from collection c left join (select collection_id, count(*) as passages, sum(length) as tokens
        from passage group by collection_id) s on s.collection_id = c.id
    where collection.id = c.id;
"""


def upgrade() -> None:
    """Each document there keeps its identity and gets its first version."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(COLLECTIONS)
    connection.execute(DOCUMENTS)


def downgrade() -> None:
    """Back to one text for each document."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(DOWN)
