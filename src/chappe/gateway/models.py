"""Tables of the gateway."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from chappe.core.database import Base


class GatewayInstance(Base):
    """A process that serves requests; it holds an advisory lock on its id while it lives."""

    __tablename__ = "gateway_instance"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class RequestAccount(Base):
    """One request to a model: opened when it is admitted, settled once when it ends."""

    __tablename__ = "request_account"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(Text)
    key_id: Mapped[uuid.UUID | None]
    operation: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    streamed: Mapped[bool]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    outcome: Mapped[str] = mapped_column(Text, server_default="open")
    tokens_in: Mapped[int | None] = mapped_column(BigInteger)
    tokens_out: Mapped[int | None] = mapped_column(BigInteger)
    tokens_origin: Mapped[str] = mapped_column(Text, server_default="none")
    ttft_ms: Mapped[float | None]
    duration_ms: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(Text)
