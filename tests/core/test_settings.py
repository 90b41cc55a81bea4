"""Settings: every wrong value stops the start with one line."""

from pathlib import Path

import pytest

from chappe.core.settings import SettingsError, load_settings, parse_models


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("CHAPPE_") or name == "PORT":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAPPE_PORT", "abc"),
        ("CHAPPE_PORT", "70000"),
        ("PORT", "many"),
        ("CHAPPE_DATABASE_URL", "mysql://x"),
        ("CHAPPE_MODELS", "/no/such/file.gguf"),
        ("CHAPPE_MODELS", '[{"name": "x"}]'),
        ("CHAPPE_MODELS", "[not json"),
        ("CHAPPE_MODELS", "a=http://h/v1,a=http://h/v1"),
        ("CHAPPE_ENCODER", "unknown"),
        ("CHAPPE_CONFIG", "/no/such/file.toml"),
        ("CHAPPE_LOG_LEVEL", "loud"),
        ("CHAPPE_PROT", "8000"),
    ],
)
def test_a_wrong_value_gives_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "\n" not in str(caught.value).strip()
    assert str(caught.value)


def test_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "chappe.toml").write_text(
        'port = 9001\nstale_after_days = 30\n[[models]]\nname = "m"\nurl = "http://h/v1"\n'
    )
    monkeypatch.setenv("CHAPPE_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.stale_after_days) == (9002, 30)
    assert settings.models[0].url == "http://h/v1"


def test_port_is_honoured_as_platforms_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9003")
    assert load_settings().port == 9003


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chappe.toml").write_text("prot = 9001\n")
    with pytest.raises(SettingsError):
        load_settings()


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAPPE_DATABASE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv(
        "CHAPPE_MODELS", '[{"name": "m", "url": "http://h/v1", "api_key": "hunter2"}]'
    )
    assert "hunter2" not in repr(load_settings())


def test_short_form_of_models() -> None:
    assert parse_models("a=http://h/v1, /models/b.gguf") == [
        {"name": "a", "url": "http://h/v1"},
        {"name": "b", "path": "/models/b.gguf"},
    ]


def test_the_page_needs_a_key_beyond_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().anonymous_page
    monkeypatch.setenv("CHAPPE_HOST", "0.0.0.0")
    assert not load_settings().anonymous_page
