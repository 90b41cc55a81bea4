"""Keys are rotated; the audit log keeps its details to the letter and counts repeated refusals."""

from alembic import op

revision = "0003"
down_revision = "0002"

UP = """
-- While a key is being replaced, the secret that it had before works too.
alter table api_key add column previous_digest bytea unique;
alter table api_key add column previous_expires_at timestamptz;
alter table api_key add check ((previous_digest is null) = (previous_expires_at is null));
drop trigger api_key_changed on api_key;
create trigger api_key_changed
    after insert or delete or update of digest, previous_digest, previous_expires_at, scopes,
        revoked_at, expires_at, organisation_id, person_id, level on api_key
    for each statement execute function identity_changed();

-- jsonb rewrites numbers (1e16); what is hashed must come back as it went in.
alter table audit_entry alter column detail type json using detail::json;

-- Refusals of this minute that were like one before: they become one entry when it is over.
create table audit_refusal (
    actor text not null,
    action text not null,
    object text not null,
    minute timestamptz not null,
    organisation_id uuid,
    reason text not null,
    count bigint not null check (count > 0),
    primary key (actor, minute, action, object)
);

-- What was granted to a group goes with it.
create function person_group_grants_go() returns trigger language plpgsql as $$
begin
    delete from model_grant where subject_kind = 'group' and subject_id = old.id;
    return null;
end $$;
create trigger person_group_deleted after delete on person_group
    for each row execute function person_group_grants_go();
"""

DOWN = """
drop trigger person_group_deleted on person_group;
drop function person_group_grants_go;
drop table audit_refusal;
alter table audit_entry alter column detail type jsonb using detail::jsonb;
drop trigger api_key_changed on api_key;
alter table api_key drop column previous_digest, drop column previous_expires_at;
create trigger api_key_changed
    after insert or delete or update of scopes, revoked_at, expires_at, organisation_id, person_id,
        level on api_key
    for each statement execute function identity_changed();
"""


def upgrade() -> None:
    """Add them."""
    op.execute(UP)


def downgrade() -> None:
    """Take them away."""
    op.execute(DOWN)
