"""A person may be removed: their keys stay, revoked and nobody's, and their limits go."""

from alembic import op

revision = "0005"
down_revision = "0004"

UP = """
alter table api_key drop constraint api_key_person_id_fkey;
alter table api_key add constraint api_key_person_id_fkey
    foreign key (person_id) references person(id) on delete set null;

create function person_limits_go() returns trigger language plpgsql as $$
begin
    delete from quota_limit where subject_kind = 'person' and subject_id = old.id;
    return null;
end $$;
create trigger person_deleted after delete on person
    for each row execute function person_limits_go();
"""

DOWN = """
drop trigger person_deleted on person;
drop function person_limits_go;
alter table api_key drop constraint api_key_person_id_fkey;
alter table api_key add constraint api_key_person_id_fkey
    foreign key (person_id) references person(id);
"""


def upgrade() -> None:
    """Allow it."""
    op.execute(UP)


def downgrade() -> None:
    """Forbid it."""
    op.execute(DOWN)
