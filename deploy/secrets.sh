#!/usr/bin/env bash
# Make the passwords and keys of a deployment, once: deploy/secrets (files mode 600, ignored by git), and .env, which
# says who owns them. Refuses to replace any: what is in use would be locked out.
set -euo pipefail
umask 077
cd "$(dirname "$0")/.."
folder=${SECRETS_FOLDER:-deploy/secrets}
settings=${SETTINGS_FILE:-.env}
backups=${BACKUPS_FOLDER:-backups}

if [ -e "$folder" ]; then
  echo "error: $folder exists already, and what it holds may be in use. To start all over, with new and empty volumes:" \
    "docker compose down --volumes, and move it away. To replace one password: docs/deployment.md." >&2
  exit 1
fi

owner=$(id -u) group=$(id -g)
if [ "$owner" = 0 ]; then  # containers never run as root
  owner=10001 group=10001
fi

random() { od -An -v -N 32 -t x1 /dev/urandom | tr -d ' \n'; }

new=$(mktemp -d "$(dirname "$folder")/.secrets.XXXXXX")
trap 'rm -rf "$new"' EXIT
for name in postgres_password mlflow_secret_key mlflow_admin_password mlflow_sweep_password ray_token; do
  random > "$new/$name"
done
# libpq's passfile: host:port:database:user:password
printf '*:*:mlflow:mlflow:%s\n*:*:mlflow_auth:mlflow_auth:%s\n' "$(random)" "$(random)" > "$new/mlflow_pgpass"
printf '*:*:optuna:optuna:%s\n' "$(random)" > "$new/optuna_pgpass"

mkdir -p "$backups"
chmod 700 "$backups"
if [ "$(id -u)" = 0 ]; then
  chown -R "$owner:$group" "$new" "$backups"
fi
if [ ! -e "$settings" ]; then
  sed "s/^FER_SWEEP_UID=.*/FER_SWEEP_UID=$owner/; s/^FER_SWEEP_GID=.*/FER_SWEEP_GID=$group/" .env.example > "$settings"
else
  echo "$settings is kept as it is; see that it says FER_SWEEP_UID=$owner and FER_SWEEP_GID=$group."
fi
mv "$new" "$folder"
echo "Secrets are in $folder, settings in $settings. MLflow's administrator is admin; its password:" \
  "cat $folder/mlflow_admin_password"
