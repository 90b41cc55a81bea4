#!/usr/bin/env bash
# Makes the environment from a hash lock: scripts/install.sh PYTHON VENV LOCK
set -u
python=$1 venv=$2 lock=$3

fail() { echo "chappe: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python est introuvable : installez Python 3.11 ou plus récent."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python 3.11 ou plus récent est nécessaire ; $python est en version $("$python" -V 2>&1). Indiquez-en un autre : make PYTHON=python3.12 …"
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv" 2>"${TMPDIR:-/tmp}/chappe-venv.$$" || {
    rm -rf "$venv"
    fail "l'environnement n'a pas pu être créé : $(tail -n 1 "${TMPDIR:-/tmp}/chappe-venv.$$") (sous Debian : apt install python3-venv)"
  }
  rm -f "${TMPDIR:-/tmp}/chappe-venv.$$"
fi
echo "Installation des dépendances ($lock)…" >&2
log="$venv/install.log"
# The lock is complete: no dependency is resolved, so that nothing outside it can come in.
"$venv/bin/pip" install --quiet --require-hashes --no-deps --only-binary :all: \
  --progress-bar off -r "$lock" >"$log" 2>&1 || {
  reason=$(grep -E 'ERROR|No space|rror:' "$log" | grep -v '://' | tail -n 1 | cut -c1-200)
  case $(cat "$log") in
    *"No space left"*) fail "le disque est plein : libérez de la place, puis recommencez." ;;
    *) fail "le téléchargement des dépendances a échoué ; vérifiez le réseau, puis recommencez. ${reason:-Voir $log}" ;;
  esac
}
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
echo "$PWD/src" >"$site/chappe.pth"
cat >"$venv/bin/chappe" <<SH
#!/bin/sh
exec "$(cd "$venv" && pwd)/bin/python" -m chappe "\$@"
SH
chmod +x "$venv/bin/chappe"
