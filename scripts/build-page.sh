#!/usr/bin/env bash
# Builds the page into web/dist.
set -u
fail() { echo "chappe: $*" >&2; exit 1; }

command -v node >/dev/null || fail "Node.js est introuvable : installez Node.js 20 ou plus récent."
command -v npm >/dev/null || fail "npm est introuvable : installez-le avec Node.js 20 ou plus récent."
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 20 ] || fail "Node.js 20 ou plus récent est nécessaire ; celui-ci est $(node --version)."
cd web || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Construction de la page…" >&2
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --ignore-scripts >"$log" 2>&1 ||
    fail "le téléchargement des paquets de la page a échoué ; vérifiez le réseau, puis recommencez. $(grep -m1 'npm error' "$log" | grep -v '://' | cut -c1-200)"
fi
npm run --silent build >"$log" 2>&1 || { cat "$log" >&2; fail "la page n'a pas pu être construite (voir ci-dessus)."; }
touch dist/index.html
