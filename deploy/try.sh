#!/usr/bin/env bash
# The steps of the Dockerfile in an empty folder, without Docker: install, serve a run, ask it, stop it.
# deploy/try.sh runs/quickstart
set -euo pipefail
run=$(realpath "${1:?give the folder of a finished run}")
source=$(realpath "$(dirname "$0")/..")
place=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$place"' EXIT
mkdir "$place/src"
cp -r "$source"/{pyproject.toml,constraints.txt,README.md,LICENSE,src} "$place/src"
cd "$place/src"
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --constraint constraints.txt '.[embedded,serve]'
cd "$place"
port=$("$place/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$place/venv/bin/scorerec" serve "$run" --port "$port" &
server=$!
for _ in $(seq 120); do
  if curl --silent --fail "http://127.0.0.1:$port/readyz" >/dev/null; then break; fi
  kill -0 "$server"
  sleep 1
done
curl --silent --fail "http://127.0.0.1:$port/v1/items?q=star"
kill -TERM "$server"
wait "$server" || [ $? -eq 143 ]
echo
echo "Served, asked, and stopped."
