#!/bin/sh
# Runs the trial intake until Ctrl-C: run.sh [FOLDER [OPTION...]], options as `diana-cli up` has them.
#
# FOLDER (./trial-intake) is made if it is not there: sites drop files into FOLDER/incoming/SITE/TRIAL, and FOLDER/state
# has everything else. The settings are copied to FOLDER/state/config once, to be changed there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-trial-intake}
[ $# -eq 0 ] || shift

mkdir -p "$folder/incoming"
[ -d "$folder/state" ] || mkdir -m 700 "$folder/state"
folder=$(cd "$folder" && pwd)
if [ ! -d "$folder/state/config" ]; then
  rm -rf "$folder/state/config.part"
  mkdir "$folder/state/config.part"
  path=$(printf '%s' "$folder" | sed 's/[&|\\]/\\&/g')
  for file in "$here"/config/*.yaml; do
    sed "s|@FOLDER@|$path|" "$file" > "$folder/state/config.part/$(basename "$file")"
  done
  mv "$folder/state/config.part" "$folder/state/config"
fi

PATH="$here/../../.venv/bin:$PATH"
command -v diana-cli > /dev/null || make -C "$here/../.." .venv/.run
exec diana-cli up --state "$folder/state" "$@"
