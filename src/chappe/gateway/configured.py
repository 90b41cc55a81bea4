"""The models that need no catalogue: those of the settings, and the engines that run here."""

from dataclasses import dataclass
from pathlib import Path

from chappe.core.settings import ModelSettings, Settings
from chappe.gateway.catalogue import Endpoint, Model
from chappe.gateway.engines import embedded_chat_model, embedded_encoder

# An engine that runs here serves two answers at once; what else comes waits where it has a turn.
EMBEDDED_CAPACITY = 2
_RESTRICTED = 2


@dataclass(frozen=True, slots=True)
class Configured:
    """A model, and the file that an engine of ours runs for it (None for the encoder).

    Attributes:
        embedded: is an engine of ours to be started.
    """

    model: Model
    embedded: bool
    file: Path | None = None


def configured_models(settings: Settings) -> list[Configured]:
    """What the settings name; the small embedded models where they name none of a kind."""
    found = [_from_settings(given) for given in settings.models]
    kinds = {item.model.kind for item in found}
    if settings.embedded_chat and "chat" not in kinds and (chat := embedded_chat_model()):
        found.append(Configured(chat[0], True, chat[1]))
    if "embedding" not in kinds and settings.embedded_encoder and (encoder := embedded_encoder()):
        found.append(Configured(encoder, True))
    return found


def _from_settings(given: ModelSettings) -> Configured:
    here = given.path is not None
    endpoint = Endpoint(
        id=f"configured:{given.name}",
        name=given.name,
        base_url=given.url.rstrip("/") if given.url else None,
        api_key=given.api_key.get_secret_value() if given.api_key else None,
        engine="llamacpp" if here else given.engine,
        # What runs on this machine, or at an address that the operator wrote in its own settings
        # for everything, may see everything.
        clearance=_RESTRICTED,
        capacity=EMBEDDED_CAPACITY if here else given.capacity,
        upstream_names={given.name: given.upstream_name or given.name},
        embedded=here,
        state="starting" if here else "ready",
    )
    model = Model(
        given.name,
        given.kind,
        context=given.context,
        max_output_tokens=given.max_output_tokens or min(4096, given.context),
        prompt_chars=given.prompt_chars,
        answer_tokens=given.answer_tokens,
        weak=given.weak,
        endpoints=[endpoint],
    )
    return Configured(model, here, given.path)
