"""The acts that the audit log tells, as noun.verb."""

from typing import Literal, get_args

from chappe.core.errors import ChappeError

Act = Literal[
    "account.read",
    "audit.read",
    "audit.verify",
    "catalogue.apply",
    "collection.change",
    "collection.create",
    "collection.grant",
    "collection.remove",
    "collection.revoke",
    "document.remove",
    "document.retry",
    "document.upload",
    "endpoint.drain",
    "endpoint.list",
    "endpoint.put",
    "endpoint.remove",
    "endpoint.resume",
    "endpoint.test",
    "group.add",
    "group.join",
    "group.leave",
    "group.list",
    "group.remove",
    "group.rename",
    "key.create",
    "key.list",
    "key.revoke",
    "key.rotate",
    "key.use",
    "limit.list",
    "limit.remove",
    "limit.set",
    "model.list",
    "model.put",
    "model.remove",
    "model.use",
    "organisation.list",
    "organisation.put",
    "person.add",
    "person.list",
    "person.remove",
    "proposal.accept",
    "proposal.decide",
    "proposal.ignore",
    "proposal.list",
    "secret.rotate",
    "source.put",
    "source.remove",
    "source.sync",
    "statement.read",
    "usage.read",
]
ACTS: tuple[Act, ...] = get_args(Act)


def act_of(text: str) -> Act:
    """The act of that name.

    Raises:
        ChappeError: `unknown_act` (422).
    """
    for act in ACTS:
        if act == text:
            return act
    raise ChappeError("unknown_act", 422, value=text[:60], acts=", ".join(ACTS))
