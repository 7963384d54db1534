#!/bin/bash
# Run once by the Postgres image, when its volume is new: three databases, each with a user of the same name who owns
# it, and nobody else may connect. MLflow and Optuna can never share one: both migrate a table called alembic_version.
set -euo pipefail

create() {
  local name=$1 passfile=$2
  local password
  password=$(awk -F: -v user="$name" '$4 == user { print $5 }' "$passfile")
  if [ "${#password}" -lt 16 ]; then
    echo "error: $passfile has no password of 16 characters or more for $name. Run make secrets." >&2
    exit 2
  fi
  NEW_PASSWORD=$password psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" \
    --dbname "$POSTGRES_DB" -v name="$name" <<'SQL'
\getenv password NEW_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

create mlflow "$MLFLOW_PGPASS"
create mlflow_auth "$MLFLOW_PGPASS"
create optuna "$OPTUNA_PGPASS"
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --command "REVOKE CONNECT ON DATABASE \"$POSTGRES_DB\" FROM PUBLIC"
