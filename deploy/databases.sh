#!/usr/bin/env bash
# For backup.sh and restore.sh: how a program of Postgres reaches one of the three databases, each as its own user.
set -euo pipefail

passfile_of() { if [ "$1" = optuna ]; then echo "$OPTUNA_PGPASS"; else echo "$MLFLOW_PGPASS"; fi; }
database() { # program, database, arguments
  local program=$1 name=$2
  shift 2
  PGPASSFILE=$(passfile_of "$name") "$program" --no-password --host "$DATABASE_HOST" --port "$DATABASE_PORT" \
    --username "$name" --dbname "$name" "$@"
}
