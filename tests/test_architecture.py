"""The house's rules, held by tests."""

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "chappe").rglob("*.py"))


def test_rooms_import_only_from_below() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout


def test_no_god_file() -> None:
    long = {str(f): n for f in SOURCES if (n := len(f.read_text().splitlines())) > 650}
    assert not long


def test_every_public_thing_says_what_it_is() -> None:
    bare = []
    for file in SOURCES:
        tree = ast.parse(file.read_text())
        if not ast.get_docstring(tree):
            bare.append(str(file))
        for node in tree.body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                bare.append(f"{file}:{node.name}")
    assert not bare


def test_errors_speak_both_languages() -> None:
    locales = ROOT / "src" / "chappe" / "core" / "locales"
    french, english = (json.loads((locales / f"{name}.json").read_text()) for name in ("fr", "en"))
    assert french.keys() == english.keys()
    used = {
        node.args[0].value
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "ChappeError"
        and isinstance(node.args[0], ast.Constant)
    }
    assert {f"errors.{code}.title" for code in used} <= french.keys()


def test_no_address_of_a_registry_is_committed() -> None:
    files = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.split()
    words = ["py" + "pi.org", "pythonhosted" + ".org", "npmjs" + ".org", "/work" + "/"]
    found = [
        (name, word)
        for name in files
        if (ROOT / name).is_file() and (ROOT / name).suffix not in (".png",)
        for word in words
        if word in (ROOT / name).read_text(errors="ignore")
    ]
    assert not found
