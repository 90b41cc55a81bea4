"""Keys of secrets at rest: where they are, who may read them, how they are changed."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chappe.core.errors import ChappeError
from chappe.core.settings import Settings, SettingsError
from chappe.gateway.catalogue.secrets import Cipher, new_key


def at(folder: Path, secret_key: str | None = None) -> Cipher:
    return Cipher.from_settings(
        Settings.model_validate({"data_dir": folder, "secret_key": secret_key})
    )


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: at(tmp_path / "data").key_id, range(16)))
    assert len(set(made)) == 1
    assert stat.S_IMODE((tmp_path / "data" / "secret.key").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_a_running_process_reads_what_another_encrypted_with_a_new_key(tmp_path: Path) -> None:
    running, operator = at(tmp_path), at(tmp_path)
    old = running.encrypt("one", "e")
    assert operator.begin_rotation()
    new = operator.encrypt(operator.decrypt(old, "e"), "e")
    operator.end_rotation()
    assert new[:4] != old[:4]
    assert running.decrypt(new, "e") == "one"
    assert at(tmp_path).decrypt(old, "e") == "one"  # of a catalogue saved before
    for _ in range(2):
        operator.begin_rotation()
        operator.end_rotation()
    with pytest.raises(ChappeError):
        at(tmp_path).decrypt(old, "e")
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_a_rotation_that_ends_in_the_middle_loses_no_key(tmp_path: Path) -> None:
    old = at(tmp_path).encrypt("one", "e")
    for _ in range(3):
        at(tmp_path).begin_rotation()
    assert at(tmp_path).decrypt(old, "e") == "one"


def test_keys_of_the_setting(tmp_path: Path) -> None:
    first, second = new_key(), new_key()
    old = at(tmp_path, first).encrypt("one", "e")
    both = at(tmp_path, f"{second}, {first}")
    assert both.decrypt(old, "e") == "one"
    assert at(tmp_path, second).decrypt(both.encrypt("two", "e"), "e") == "two"
    assert not both.begin_rotation()
    with pytest.raises(ChappeError) as caught:
        at(tmp_path, second).decrypt(old, "e")
    assert caught.value.code == "secret_unreadable"
    assert not (tmp_path / "secret.key").exists()


WHOLE = base64.b64encode(b"x" * 32).decode()


@pytest.mark.parametrize(
    "text", ["", "short", base64.b64encode(b"x" * 31).decode(), "é" * 44, f"{WHOLE},short"]
)
def test_a_key_that_is_none_is_told_unshown(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        at(tmp_path, text)
    assert "32 bytes" in str(caught.value) and (not text or text not in str(caught.value))


@pytest.mark.parametrize("sealed", [b"", b"abc", b"x" * 16, b"x" * 200])
def test_what_is_no_secret_is_unreadable(tmp_path: Path, sealed: bytes) -> None:
    cipher = at(tmp_path)
    for damaged in (sealed, cipher.key_id + sealed):
        with pytest.raises(ChappeError):
            cipher.decrypt(damaged, "e")
