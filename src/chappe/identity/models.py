"""Tables of identity."""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, DateTime, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chappe.core.database import Base


class ApiKey(Base):
    """A key; only its SHA-256 is kept (it is 256 random bits, so a slow hash would add nothing)."""

    __tablename__ = "api_key"

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=text("gen_random_uuid()")
    )
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
