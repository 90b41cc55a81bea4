"""Organisations, catalogue, quotas, accounts by month, audit log, files and batches."""

from alembic import op

revision = "0002"
down_revision = "0001"

IDENTITY = """
create table organisation (
    id uuid primary key default gen_random_uuid(),
    slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text not null,
    siret text unique check (siret ~ '^[0-9]{14}$'),
    -- Share of a saturated model, relative to the others'.
    weight double precision not null default 1 check (weight > 0),
    created_at timestamptz not null default now()
);
insert into organisation (slug, name) values ('default', 'Organisation');

create table person (
    id uuid primary key default gen_random_uuid(),
    organisation_id uuid not null references organisation(id),
    name text not null,
    created_at timestamptz not null default now(),
    unique (organisation_id, name)
);

create table person_group (
    id uuid primary key default gen_random_uuid(),
    organisation_id uuid not null references organisation(id),
    slug text not null check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text not null,
    unique (organisation_id, slug)
);

create table person_group_member (
    group_id uuid not null references person_group(id) on delete cascade,
    person_id uuid not null references person(id) on delete cascade,
    primary key (group_id, person_id)
);
create index ix_person_group_member_person_id on person_group_member (person_id);

alter table api_key add column organisation_id uuid references organisation(id);
update api_key set organisation_id = (select id from organisation where slug = 'default');
alter table api_key alter column organisation_id set not null;
alter table api_key add column person_id uuid references person(id);
-- 0 open, 1 internal, 2 restricted: what is asked with this key is at least that sensitive.
alter table api_key add column level smallint not null default 0 check (level between 0 and 2);
create index ix_api_key_organisation_id on api_key (organisation_id);
create index ix_api_key_person_id on api_key (person_id);

-- Each entry holds the hash of the one before: a change or a gap shows.
create table audit_entry (
    sequence bigint primary key check (sequence > 0),
    at timestamptz not null,
    actor text not null,
    organisation_id uuid,
    action text not null,
    object text not null,
    outcome text not null check (outcome in ('done', 'refused')),
    detail jsonb not null,
    previous bytea not null,
    hash bytea not null
);
create index ix_audit_entry_at on audit_entry (at);
create function audit_entry_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end $$;
create trigger audit_entry_final before update or delete or truncate on audit_entry
    for each statement execute function audit_entry_is_final();
"""

CATALOGUE = """
create table model (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    aliases text[] not null default '{}',
    kind text not null check (kind in ('chat', 'embedding', 'rerank', 'transcription')),
    description text not null default '',
    context integer not null default 8192 check (context > 0),
    max_output_tokens integer not null default 4096 check (max_output_tokens > 0),
    modalities text[] not null default '{text}',
    licence text,
    -- Billions of parameters, and those at work for one token.
    parameters_total double precision check (parameters_total > 0),
    parameters_active double precision check (parameters_active > 0),
    default_sampling jsonb not null default '{}',
    status text not null default 'active' check (status in ('active', 'deprecated', 'retired')),
    replacement text,
    fallbacks text[] not null default '{}',
    public boolean not null default true,
    queue_limit integer not null default 256 check (queue_limit >= 0),
    ttft_objective_ms integer not null default 2000 check (ttft_objective_ms > 0),
    itl_objective_ms integer not null default 100 check (itl_objective_ms > 0),
    tokenizer text,
    -- Euros by million tokens and by hour of sound: prices, and what members settle.
    price_in double precision not null default 0 check (price_in >= 0),
    price_out double precision not null default 0 check (price_out >= 0),
    price_audio_hour double precision not null default 0 check (price_audio_hour >= 0),
    transfer_in double precision not null default 0 check (transfer_in >= 0),
    transfer_out double precision not null default 0 check (transfer_out >= 0),
    prompt_chars integer not null default 12000 check (prompt_chars > 0),
    answer_tokens integer not null default 700 check (answer_tokens > 0),
    weak boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table endpoint (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    url text not null check (url ~ '^https?://'),
    secret bytea,
    engine text not null default 'openai' check (engine in
        ('openai', 'vllm', 'sglang', 'llamacpp', 'tei', 'ollama')),
    site text not null default 'local',
    labels jsonb not null default '{}',
    clearance smallint not null default 0 check (clearance between 0 and 2),
    capacity integer check (capacity > 0),
    drained boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table deployment (
    endpoint_id uuid not null references endpoint(id) on delete cascade,
    model_id uuid not null references model(id) on delete cascade,
    upstream_name text not null,
    primary key (endpoint_id, model_id)
);
create index ix_deployment_model_id on deployment (model_id);

-- What endpoints announce and nobody has yet added or set aside.
create table model_proposal (
    endpoint_id uuid not null references endpoint(id) on delete cascade,
    upstream_name text not null,
    detail jsonb not null default '{}',
    state text not null default 'proposed' check (state in ('proposed', 'accepted', 'ignored')),
    first_seen timestamptz not null default now(),
    last_seen timestamptz not null default now(),
    primary key (endpoint_id, upstream_name)
);

create table model_grant (
    model_id uuid not null references model(id) on delete cascade,
    subject_kind text not null check (subject_kind in ('organisation', 'group', 'key')),
    subject_id uuid not null,
    primary key (model_id, subject_kind, subject_id)
);

create table catalogue_version (
    single boolean primary key default true check (single),
    version bigint not null default 1
);
insert into catalogue_version default values;
create function catalogue_changed() returns trigger language plpgsql as $$
begin
    update catalogue_version set version = version + 1;
    perform pg_notify('chappe_catalogue', '');
    return null;
end $$;
create function identity_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('chappe_identity', '');
    return null;
end $$;
create trigger model_changed after insert or update or delete on model
    for each statement execute function catalogue_changed();
create trigger endpoint_changed after insert or update or delete on endpoint
    for each statement execute function catalogue_changed();
create trigger deployment_changed after insert or update or delete on deployment
    for each statement execute function catalogue_changed();
create trigger model_grant_changed after insert or update or delete on model_grant
    for each statement execute function catalogue_changed();
create trigger organisation_changed after insert or update or delete on organisation
    for each statement execute function identity_changed();
create trigger person_group_member_changed after insert or update or delete on person_group_member
    for each statement execute function identity_changed();
create trigger api_key_changed
    after insert or delete or update of scopes, revoked_at, expires_at, organisation_id, person_id,
        level on api_key
    for each statement execute function identity_changed();
"""

QUOTAS = """
create table quota_limit (
    id uuid primary key default gen_random_uuid(),
    -- 'installation' has no id; 'model' limits what everybody together asks of a model.
    subject_kind text not null check (subject_kind in
        ('key', 'person', 'organisation', 'model', 'installation')),
    subject_id uuid,
    -- With a model, the limit counts only what is asked of it.
    model text,
    measure text not null check (measure in
        ('requests', 'tokens', 'concurrency', 'audio_seconds', 'energy_wh')),
    period text check (period in ('minute', 'day', 'month')),
    amount double precision not null check (amount >= 0),
    -- Tokens count: input_weight × read + output_weight × written.
    input_weight double precision not null default 1 check (input_weight >= 0),
    output_weight double precision not null default 1 check (output_weight >= 0),
    action text not null default 'refuse' check (action in ('warn', 'slow', 'refuse')),
    warn_at double precision not null default 0.8 check (warn_at between 0 and 1),
    created_at timestamptz not null default now(),
    check ((measure = 'concurrency') = (period is null)),
    check ((subject_kind in ('installation', 'model')) = (subject_id is null)),
    check (subject_kind <> 'model' or model is not null),
    unique nulls not distinct (subject_kind, subject_id, model, measure, period)
);
create trigger quota_limit_changed after insert or update or delete on quota_limit
    for each statement execute function catalogue_changed();

-- A process that serves requests. One that ended without saying so keeps what it held until its
-- journal is taken over or its grace is past.
create table gateway_replica (
    id uuid primary key,
    host text not null default '',
    started_at timestamptz not null default now(),
    heartbeat_at timestamptz not null default now(),
    -- Part of every limit that it may grant itself while the database is away; together 1 at most.
    share double precision not null default 0 check (share between 0 and 1),
    load jsonb not null default '{}'
);

create table quota_window (
    limit_id uuid not null references quota_limit(id) on delete cascade,
    -- '-infinity' for a concurrency.
    period_start timestamptz not null,
    leased double precision not null default 0,
    primary key (limit_id, period_start)
);

create table quota_lease (
    limit_id uuid not null,
    period_start timestamptz not null,
    replica_id uuid not null references gateway_replica(id) on delete cascade,
    granted double precision not null,
    -- Reserved or spent of it, when it last told.
    used double precision not null,
    primary key (limit_id, period_start, replica_id),
    foreign key (limit_id, period_start)
        references quota_window(limit_id, period_start) on delete cascade
);
create index ix_quota_lease_replica_id on quota_lease (replica_id);

-- The only clock of quotas; tests replace it.
create function quota_now() returns timestamptz language sql volatile
    return clock_timestamp();

create function quota_start(unit text, moment timestamptz) returns timestamptz language sql stable
    return coalesce(date_trunc(unit, moment at time zone 'UTC') at time zone 'UTC', '-infinity');

-- Part of a limit's window that silent replicas may be serving from on their own: those not heard
-- since 3 s before it began (chappe.gateway.quotas.lease says when they do).
create function quota_silent(start timestamptz, except_for uuid)
    returns double precision language sql stable
    return (select coalesce(sum(share), 0) from gateway_replica
        where id <> except_for and heartbeat_at < start - interval '3 seconds');

-- Sets what a replica holds of a limit's present window. It says which window it knows and what it
-- keeps and has used of that one; when another has begun, only `debt` is carried into it. It gets
-- what it has used and `want` more, as far as there is any; nothing more than it keeps if that
-- would be less than `need` more. What was used is counted whatever is left. No row: no limit.
create function quota_hold(
    the_limit uuid, replica uuid, known double precision, kept double precision,
    used double precision, debt double precision, need double precision, want double precision,
    out held double precision, out total double precision, out amount double precision,
    out start double precision, out moment double precision
) returns setof record language plpgsql as $$
declare
    began timestamptz;
    unit text;
    before double precision;
    base double precision;
begin
    -- The lock comes before the clock is read: who waited for it must not use an old window.
    perform pg_advisory_xact_lock(hashtextextended(the_limit::text, 20));
    select q.amount, q.period into amount, unit from quota_limit q where q.id = the_limit;
    if not found then
        return;
    end if;
    moment := extract(epoch from quota_now());
    began := quota_start(unit, to_timestamp(moment));
    start := extract(epoch from began);
    if start is not distinct from known then
        base := greatest(kept, used);
    else
        base := debt;
        used := debt;
    end if;
    insert into quota_window (limit_id, period_start) values (the_limit, began)
        on conflict do nothing;
    select w.leased into total from quota_window w
        where w.limit_id = the_limit and w.period_start = began for update;
    before := coalesce((select l.granted from quota_lease l where l.limit_id = the_limit
        and l.period_start = began and l.replica_id = replica), 0);
    held := least(used + want, amount * (1 - quota_silent(began, replica)) - (total - before));
    if held < used + need then
        held := base;
    end if;
    held := greatest(base, held);
    total := total - before + held;
    if held <> before then
        update quota_window w set leased = total
            where w.limit_id = the_limit and w.period_start = began;
    end if;
    insert into quota_lease values (the_limit, began, replica, held, used)
        on conflict (limit_id, period_start, replica_id)
            do update set granted = excluded.granted, used = excluded.used;
    return next;
end $$;

-- A replica's sign of life: it tells its load and gets its share of the limits, the number of
-- replicas heard in the last 10 s, and their load. `fresh`: it wasn't known (any more).
create function replica_beat(
    replica uuid, the_host text, the_load jsonb, tidy boolean,
    out moment double precision, out fresh boolean, out alive integer,
    out share double precision, out loads jsonb
) language plpgsql as $$
declare
    instant timestamptz;
begin
    -- Shares are settled one replica at a time; one that stops here must not stop the others.
    perform set_config('idle_in_transaction_session_timeout', '3000', true);
    perform pg_advisory_xact_lock(2020);
    instant := quota_now();
    moment := extract(epoch from instant);
    if tidy then
        delete from gateway_replica r
            where r.heartbeat_at < instant - interval '1 hour' and r.id <> replica;
    end if;
    select 1 + count(*) filter (where r.heartbeat_at > instant - interval '10 seconds'),
           1 - coalesce(sum(r.share), 0),
           coalesce(jsonb_agg(r.load) filter
               (where r.heartbeat_at > instant - interval '10 seconds'), '[]')
        into alive, share, loads from gateway_replica r where r.id <> replica;
    share := greatest(0, least(share, 1.0 / alive));
    insert into gateway_replica as r (id, host, heartbeat_at, share, load)
        values (replica, the_host, instant, share, the_load)
        on conflict (id) do update set heartbeat_at = instant, share = excluded.share,
            load = the_load
        returning r.xmax = 0 into fresh;
end $$;

-- What a replica held at once is free when it is gone. What it may have spent stays counted: its
-- leases of windows, and its share of the windows that began in its silence.
create function replica_gone() returns trigger language plpgsql as $$
begin
    update quota_window w set leased = greatest(0, w.leased - l.granted)
        from quota_lease l
        where l.replica_id = old.id and l.period_start = '-infinity'
            and w.limit_id = l.limit_id and w.period_start = l.period_start;
    insert into quota_window (limit_id, period_start, leased)
        select q.id, quota_start(q.period, quota_now()), q.amount * old.share from quota_limit q
            where q.period is not null and old.share > 0
                and old.heartbeat_at < quota_start(q.period, quota_now()) - interval '3 seconds'
            order by q.id
        on conflict (limit_id, period_start)
            do update set leased = quota_window.leased + excluded.leased;
    return old;
end $$;
create trigger gateway_replica_gone before delete on gateway_replica
    for each row execute function replica_gone();
"""

ACCOUNTS = """
drop table request_account, gateway_instance;

create table request_account (
    id uuid not null,
    started_at timestamptz not null,
    -- Who and for whom. Identities go when a person is erased; the figures stay.
    actor text not null,
    key_id uuid,
    person_id uuid,
    organisation_id uuid,
    operation text not null,
    model text not null,
    requested_model text not null,
    endpoint text,
    site text,
    streamed boolean not null,
    priority text not null,
    outcome text not null check (outcome in ('completed', 'cancelled', 'refused', 'failed',
        'timed_out', 'interrupted', 'continued')),
    status smallint,
    error text,
    attempts smallint not null default 1,
    tokens_in bigint check (tokens_in >= 0),
    tokens_cached bigint check (tokens_cached >= 0),
    tokens_out bigint check (tokens_out >= 0),
    -- engine: as reported; counted: content events that went by, a lower bound.
    tokens_origin text not null check (tokens_origin in ('none', 'engine', 'counted')),
    audio_seconds double precision check (audio_seconds >= 0),
    energy_wh double precision check (energy_wh >= 0),
    queue_ms double precision,
    ttft_ms double precision,
    duration_ms double precision,
    overhead_ms double precision,
    trace_id text,
    primary key (id, started_at)
) partition by range (started_at);
create index ix_request_account_started_at on request_account (started_at);
create index ix_request_account_organisation_id on request_account (organisation_id, started_at);
create table request_account_other partition of request_account default;

create table usage_hour (
    hour timestamptz not null,
    organisation_id uuid,
    person_id uuid,
    key_id uuid,
    model text not null,
    endpoint text,
    site text,
    operation text not null,
    outcome text not null,
    requests bigint not null,
    tokens_in bigint not null,
    tokens_cached bigint not null,
    tokens_out bigint not null,
    audio_seconds double precision not null,
    energy_wh double precision not null,
    queue_ms double precision not null,
    duration_ms double precision not null,
    unique nulls not distinct
        (hour, organisation_id, person_id, key_id, model, endpoint, site, operation, outcome)
);
create index ix_usage_hour_organisation_id on usage_hour (organisation_id, hour);
"""

BATCHES = """
create table stored_file (
    id text primary key,
    organisation_id uuid not null references organisation(id),
    key_id uuid references api_key(id),
    filename text not null default '',
    purpose text not null default '',
    bytes bigint not null default 0,
    blob text not null,
    -- False while its bytes are on their way; one that stays so is removed.
    ready boolean not null default false,
    created_at timestamptz not null default now(),
    expires_at timestamptz
);
create index ix_stored_file_organisation_id on stored_file (organisation_id, created_at);
create index ix_stored_file_expires_at on stored_file (expires_at);

-- Its files may be deleted before it.
create table batch (
    id text primary key,
    organisation_id uuid not null references organisation(id),
    key_id uuid not null references api_key(id),
    endpoint text not null,
    model text,
    level smallint not null default 0 check (level between 0 and 2),
    input_file_id text not null,
    output_file_id text,
    error_file_id text,
    completion_window text not null,
    -- How long its result files are kept.
    output_seconds integer not null,
    metadata jsonb,
    status text not null check (status in ('validating', 'failed', 'in_progress', 'finalizing',
        'completed', 'expired', 'cancelling', 'cancelled')),
    errors jsonb,
    usage jsonb,
    created_at timestamptz not null default now(),
    in_progress_at timestamptz,
    finalizing_at timestamptz,
    completed_at timestamptz,
    failed_at timestamptz,
    cancelling_at timestamptz,
    cancelled_at timestamptz,
    expired_at timestamptz,
    expires_at timestamptz not null,
    total integer not null default 0,
    completed integer not null default 0,
    failed integer not null default 0,
    -- Validated or finished by a replica, until its time is past.
    taken_by uuid,
    taken_until timestamptz
);
create index ix_batch_organisation_id on batch (organisation_id, created_at);
create index ix_batch_under_way on batch (created_at)
    where status in ('validating', 'in_progress', 'finalizing', 'cancelling');

create table batch_item (
    batch_id text not null references batch(id) on delete cascade,
    -- Its line in the input file.
    ordinal integer not null,
    custom_id text not null,
    -- As it was sent; JSON that PostgreSQL's types wouldn't keep byte for byte.
    body bytea not null,
    -- Taken by a replica until its time is past; then another takes it. Without `taken_by`: not
    -- to be begun before.
    taken_by uuid,
    taken_until timestamptz,
    -- How many times it was begun and not refused.
    attempts smallint not null default 0,
    status smallint,
    response bytea,
    request_id text,
    primary key (batch_id, ordinal)
);
create index ix_batch_item_waiting on batch_item (batch_id, ordinal) where status is null;
create index ix_batch_item_taken_by on batch_item (taken_by)
    where status is null and taken_by is not null;
"""


def upgrade() -> None:
    """Create everything."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    for part in (IDENTITY, CATALOGUE, QUOTAS, ACCOUNTS, BATCHES):
        connection.execute(part)


def downgrade() -> None:
    """Back to the spine's tables; accounts and catalogue are lost."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("""
        drop table batch_item, batch, stored_file, usage_hour, request_account, quota_lease,
            quota_window, gateway_replica, quota_limit, catalogue_version, model_grant,
            model_proposal, deployment, endpoint, model, audit_entry cascade;
        drop trigger api_key_changed on api_key;
        alter table api_key drop column level, drop column person_id, drop column organisation_id;
        drop table person_group_member, person_group, person, organisation cascade;
        drop function audit_entry_is_final, catalogue_changed, identity_changed, quota_hold,
            replica_beat, replica_gone, quota_start, quota_now;
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
            outcome text not null default 'open',
            tokens_in bigint,
            tokens_out bigint,
            tokens_origin text not null default 'none',
            ttft_ms double precision,
            duration_ms double precision,
            error text
        );
    """)
