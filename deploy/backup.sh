#!/usr/bin/env bash
# One dated archive of what cannot be made again: the three databases, MLflow's files, the studies' files. With a list
# of checksums inside and beside it. `--before-upgrade NAME`: MLflow's databases alone, once per NAME.
#
# The databases come first: every file that they speak of was there by then, and files are only ever added.
set -euo pipefail
umask 077

once=''
if [ "${1:-}" = --before-upgrade ]; then
  once=$2
  if [ -e "$BACKUPS/.before-$once" ]; then
    echo "MLflow's databases were saved before the first start of $once."
    exit 0
  fi
elif [ $# -gt 0 ]; then
  echo "error: backup.sh $*: no arguments, or --before-upgrade NAME." >&2
  exit 2
fi

# shellcheck source=deploy/databases.sh
. "$(dirname "$0")/databases.sh"
tables_of() { database psql "$1" --no-psqlrc -qtAc "select count(*) from pg_tables where schemaname = 'public'"; }
pack() { # archive, folder, arguments; a file that grows meanwhile (tar's code 1) is newer than the databases
  local archive=$1 folder=$2
  shift 2
  tar --create --file "$archive" --directory "$folder" --warning=no-file-changed "$@" . || [ $? = 1 ]
}

if [ -n "$once" ] && [ "$(tables_of mlflow)" = 0 ]; then
  echo "MLflow's database is new: nothing to save before $once."
  touch "$BACKUPS/.before-$once"
  exit 0
fi

name=${once:+before-$once-}fer-sweep-$(date -u +%Y%m%dT%H%M%SZ)
if [ -e "$BACKUPS/$name.tar" ]; then
  echo "error: $BACKUPS/$name.tar exists already. Wait a second and try again." >&2
  exit 1
fi
work=$(mktemp -d "$BACKUPS/.making-$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/$name"
cd "$work/$name"
databases=(mlflow mlflow_auth)
[ -n "$once" ] || databases+=(optuna)
for dumped in "${databases[@]}"; do
  database pg_dump "$dumped" --format=custom --no-owner --no-privileges --file "$dumped.dump"
done
if [ -z "$once" ]; then
  pack artifacts.tar "$MLFLOW_ARTIFACTS"
  # what is computed or downloaded again when it is missing stays out
  pack home.tar "$SWEEP_HOME" --exclude=./cache --exclude=./compiled --exclude=./weights
fi
sha256sum -- * > SHA256SUMS
tar --create --file "$work/$name.tar" --directory "$work" "$name"
cd "$work"
sha256sum "$name.tar" > "$name.tar.sha256"
sync "$name.tar"
mv "$name.tar.sha256" "$name.tar" "$BACKUPS/"
[ -z "$once" ] || touch "$BACKUPS/.before-$once"
echo "$name.tar: $(du -h "$BACKUPS/$name.tar" | cut -f1). Keep a copy on another machine; it holds all results, and no" \
  "secret but the hashes of MLflow's passwords."
