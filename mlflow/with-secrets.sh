#!/bin/sh
# Run a command with the secrets that it reads from variables only: NAME_FILE=/run/secrets/x becomes NAME=<contents>.
# So they stand neither in the compose file nor in what `docker inspect` shows.
set -eu

for name in MLFLOW_FLASK_SERVER_SECRET_KEY MLFLOW_TRACKING_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  if ! value=$(cat "$file"); then
    echo "error: ${name}_FILE=$file cannot be read by user $(id -u). Run make secrets on the host, and start the" \
      "containers as the user that owns the files (FER_SWEEP_UID in .env)." >&2
    exit 2
  fi
  if [ "${#value}" -lt 16 ]; then
    echo "error: $file holds a secret of ${#value} characters; 16 is the least. Replace it by a random one." >&2
    exit 2
  fi
  export "$name=$value"
  unset "${name}_FILE"
done
exec "$@"
