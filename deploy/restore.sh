#!/usr/bin/env bash
# restore.sh ARCHIVE [--force]: bring back what backup.sh has saved. Nothing is touched before the checksums hold, all
# targets are known to be unused, and either they are empty or --force was given. Each database comes back whole or not
# at all; run it again if it was interrupted (with --force).
set -euo pipefail
umask 077

archive='' force=''
for argument in "$@"; do
  case $argument in
    --force) force=yes ;;
    -*) echo "error: restore.sh $argument: ARCHIVE and perhaps --force." >&2; exit 2 ;;
    *) archive=$argument ;;
  esac
done
file=$BACKUPS/$(basename "${archive:-none}")
if [ -z "$archive" ] || [ ! -f "$file" ]; then
  echo "error: which archive? In $BACKUPS there are:" >&2
  find "$BACKUPS" -maxdepth 1 -name '*.tar' -exec basename {} \; | sort >&2
  exit 2
fi

# shellcheck source=deploy/databases.sh
. "$(dirname "$0")/databases.sh"
ask() { database psql "$1" --no-psqlrc -qtAc "$2"; }
folder_of() { if [ "$1" = home ]; then echo "$SWEEP_HOME"; else echo "$MLFLOW_ARTIFACTS"; fi; }

work=$(mktemp -d "$BACKUPS/.restoring.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ! tar --extract --file "$file" --directory "$work" --strip-components=1 --no-same-owner \
  || ! (cd "$work" && sha256sum --check --strict --quiet SHA256SUMS); then
  echo "error: $file is damaged: its contents are not what its checksums say. Nothing was changed. Take another." >&2
  exit 1
fi

others="select count(*) from pg_stat_activity
  where datname = current_database() and usename is not null and pid <> pg_backend_pid()"
databases=() folders=() full=()
for name in mlflow mlflow_auth optuna; do
  [ -e "$work/$name.dump" ] || continue
  databases+=("$name")
  if [ "$(ask "$name" "$others")" != 0 ]; then
    echo "error: database $name is in use. Stop what uses it: docker compose stop mlflow, and all sweeps." \
      "Nothing was changed." >&2
    exit 1
  fi
  [ "$(ask "$name" "select count(*) from pg_tables where schemaname = 'public'")" = 0 ] || full+=("database $name")
done
for name in artifacts home; do
  [ -e "$work/$name.tar" ] || continue
  folders+=("$name")
  [ -z "$(ls -A "$(folder_of "$name")")" ] || full+=("folder $(folder_of "$name")")
done
if [ "${#full[@]}" -gt 0 ] && [ -z "$force" ]; then
  printf 'error: not empty: %s\n' "${full[@]}" >&2
  echo "Nothing was changed. Make a backup of what is there, then add --force (make restore FILE=... FORCE=1): it is" \
    "replaced." >&2
  exit 1
fi

for name in "${databases[@]}"; do
  # the new schema is in everything the one that Postgres makes, so that the next backup is like the first
  { echo "set client_min_messages = warning; begin; drop schema public cascade;"
    echo "create schema public authorization pg_database_owner; grant usage on schema public to public;"
    echo "comment on schema public is 'standard public schema';"
    pg_restore --no-owner --no-privileges --file - "$work/$name.dump"
    echo "commit;"
  } | database psql "$name" --no-psqlrc -q -v ON_ERROR_STOP=1 --output /dev/null
  echo "database $name is restored"
done
for name in ${folders[@]+"${folders[@]}"}; do
  folder=$(folder_of "$name")
  find "$folder" -mindepth 1 -delete
  tar --extract --file "$work/$name.tar" --directory "$folder" --no-same-owner --no-overwrite-dir
  echo "folder $folder is restored"
done
echo "Restored $(basename "$file"). Start again: docker compose up -d"
