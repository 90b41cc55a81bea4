"""Endpoints' secrets, encrypted at rest: AES-256-GCM, bound to the endpoint that they belong to.

Form: key identifier (4 bytes), nonce (12 bytes), ciphertext and tag. The keys are the setting
`secret_key` (in base64, separated by commas), else a file in the data folder that only its owner
may read (one a line). The first encrypts; what another of them encrypted can be read, so that keys
can be changed while everything runs.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings, SettingsError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID_BYTES = 4


class Cipher:
    """Encrypts with the first of its keys, and decrypts with whichever was used.

    Args:
        keys: each 32 bytes.
        file: where they are from, if it is a file: read again when a key isn't known, since another
            process may have changed it.
    """

    def __init__(self, *keys: bytes, file: Path | None = None) -> None:
        self._file = file
        self._use(keys)

    def _use(self, keys: Sequence[bytes]) -> None:
        self._keys = {_identifier(key): AESGCM(key) for key in keys}
        self.key_id = _identifier(keys[0])

    @classmethod
    def from_settings(cls, settings: Settings) -> "Cipher":
        """The installation's cipher; its key file is made if it isn't there.

        Raises:
            SettingsError: a key isn't 32 bytes in base64.
        """
        if settings.secret_key is not None:
            return cls(*decode_keys(settings.secret_key.get_secret_value().split(",")))
        file = settings.data_dir / "secret.key"
        _make(file)
        return cls(*decode_keys(file.read_text().split()), file=file)

    def encrypt(self, secret: str, owner: str) -> bytes:
        """A secret of `owner`, for the database."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys[self.key_id].encrypt(nonce, secret.encode(), owner.encode())
        return self.key_id + nonce + sealed

    def decrypt(self, sealed: bytes, owner: str) -> str:
        """The secret of `owner`.

        Raises:
            ChappeError: `secret_unreadable`, it was made with another key or for another owner.
        """
        key_id = sealed[:_ID_BYTES]
        if key_id not in self._keys and self._file is not None:
            self._use(decode_keys(self._file.read_text().split()))
        nonce = sealed[_ID_BYTES : _ID_BYTES + _NONCE_BYTES]
        try:
            return (
                self._keys[key_id]
                .decrypt(nonce, sealed[_ID_BYTES + _NONCE_BYTES :], owner.encode())
                .decode()
            )
        except (KeyError, InvalidTag, ValueError):
            raise ChappeError("secret_unreadable", 500, name=owner) from None

    def begin_rotation(self) -> bool:
        """Put a new key before the others in the file; False where keys are from the setting."""
        if self._file is None:
            return False
        lines = [new_key(), *self._file.read_text().split()]
        _write(self._file, lines)
        self._use(decode_keys(lines))
        return True

    def end_rotation(self) -> None:
        """Keep the new key, and the one before it for what was saved a moment ago."""
        if self._file is not None:
            _write(self._file, self._file.read_text().split()[:2])


def new_key() -> str:
    """A fresh key, in base64."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def decode_keys(texts: Sequence[str]) -> list[bytes]:
    """Keys from their base64 form.

    Raises:
        SettingsError: one isn't 32 bytes, or there is none.
    """
    keys = []
    for text in texts:
        try:
            keys.append(base64.b64decode(text.strip(), validate=True))
        except (binascii.Error, ValueError):
            keys.append(b"")
    if not keys or any(len(key) != _KEY_BYTES for key in keys):
        raise SettingsError("secret_key: 32 bytes in base64 (openssl rand -base64 32)")
    return keys


def _identifier(key: bytes) -> bytes:
    return hashlib.sha256(b"chappe key " + key).digest()[:_ID_BYTES]


def _make(file: Path) -> None:
    """Make the key file, whole or not at all, unless there is one."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if file.exists():
        return
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    _write_new(temporary, [new_key()])
    try:
        os.link(temporary, file)  # unlike a rename, it leaves what another process made just now
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _write(file: Path, lines: Sequence[str]) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    _write_new(temporary, lines)
    temporary.replace(file)


def _write_new(file: Path, lines: Sequence[str]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write("".join(f"{line}\n" for line in lines))
        opened.flush()
        os.fsync(opened.fileno())
