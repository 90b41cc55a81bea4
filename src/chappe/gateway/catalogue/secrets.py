"""Endpoints' secrets, encrypted at rest: AES-256-GCM, bound to the endpoint that they belong to.

Form: key identifier (4 bytes), nonce (12 bytes), ciphertext and tag. The key is the setting
`secret_key`, else a file in the data folder that only its owner may read.
"""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings, SettingsError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID_BYTES = 4


class Cipher:
    """Encrypts and decrypts with one key.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self.key_id = hashlib.sha256(b"chappe key " + key).digest()[:_ID_BYTES]

    @classmethod
    def from_settings(cls, settings: Settings) -> "Cipher":
        """The installation's cipher; its key file is made if it isn't there.

        Raises:
            SettingsError: the setting isn't 32 bytes in base64.
        """
        if settings.secret_key is not None:
            return cls(decode_key(settings.secret_key.get_secret_value()))
        return cls(_key_file(settings.data_dir / "secret.key"))

    def encrypt(self, secret: str, owner: str) -> bytes:
        """A secret of `owner`, for the database."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, secret.encode(), owner.encode())
        return self.key_id + nonce + sealed

    def decrypt(self, sealed: bytes, owner: str) -> str:
        """The secret of `owner`.

        Raises:
            ChappeError: `secret_unreadable`, it was made with another key or for another owner.
        """
        nonce = sealed[_ID_BYTES : _ID_BYTES + _NONCE_BYTES]
        try:
            if sealed[:_ID_BYTES] != self.key_id:
                raise InvalidTag
            return self._aead.decrypt(
                nonce, sealed[_ID_BYTES + _NONCE_BYTES :], owner.encode()
            ).decode()
        except InvalidTag:
            raise ChappeError("secret_unreadable", 500, name=owner) from None


def decode_key(text: str) -> bytes:
    """A key from its base64 form.

    Raises:
        SettingsError: it isn't 32 bytes.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsError("secret_key: 32 bytes in base64 (openssl rand -base64 32)")
    return key


def _key_file(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return decode_key(path.read_text().strip())
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
        file.flush()
        os.fsync(file.fileno())
    return decode_key(path.read_text().strip())
