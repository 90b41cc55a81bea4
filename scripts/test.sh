#!/usr/bin/env bash
# All the checks: scripts/test.sh VENV [--all]. Installs a browser where Debian's package manager can.
set -eu
export CHAPPE_LOG_LEVEL=warning
bin=$1/bin

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! browser >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installation de Chromium…"
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium) >/dev/null 2>&1 ||
      { echo "chappe: chromium n'a pas pu être installé ; installez-le (apt install chromium), puis recommencez." >&2; exit 1; }
  else
    echo "chappe: les tests de la page ont besoin de Chromium : apt install chromium" >&2
    exit 1
  fi
fi

# LibreOffice makes files for the slow tests of reading; without it these are skipped.
if [ "${2:-}" = "--all" ] && [ "$(id -u)" = 0 ] && ! command -v soffice >/dev/null && command -v apt-get >/dev/null; then
  echo "Installation de LibreOffice…"
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui) >/dev/null 2>&1 || true
fi

if ! command -v tesseract >/dev/null || ! tesseract --list-langs 2>/dev/null | grep -qx fra; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installation de Tesseract…"
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tesseract-ocr tesseract-ocr-fra) >/dev/null 2>&1 ||
      { echo "chappe: tesseract n'a pas pu être installé ; installez-le (apt install tesseract-ocr tesseract-ocr-fra), puis recommencez." >&2; exit 1; }
  else
    echo "chappe: les tests de la reconnaissance ont besoin de Tesseract : apt install tesseract-ocr tesseract-ocr-fra" >&2
    exit 1
  fi
fi

$bin/ruff check .
$bin/ruff format --check .
$bin/mypy
$bin/lint-imports
(cd web && npm test --silent)
(cd tests/npm && npm ci --no-audit --no-fund --ignore-scripts --silent)
marks='not slow'
[ "${2:-}" = "--all" ] && marks=''
# A folder of our own: whoever runs pytest beside closes /tmp/pytest-of-… to the embedded databases.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/chappe-test.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
$bin/python -m pytest -m "$marks" -n 3 --durations 20
