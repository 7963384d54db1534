#!/bin/sh
# Before every start of the server: bring both its databases up to the schema of this image, and give the accounts
# `admin` and `sweep` the passwords that stand in the secret files, so that replacing a file replaces a password.
set -eu

mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"  # no password in it: that is in the passfile

exec python - <<'PYTHON'
import os
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # MLflow's server is built on what its own libraries have given up
from mlflow.server.auth.config import read_auth_config
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

store = SqlAlchemyStore()
store.init_db(read_auth_config().database_uri)  # brings its schema up to date
for user, is_admin in (("admin", True), ("sweep", False)):
    file = Path(os.environ[f"MLFLOW_{user.upper()}_PASSWORD_FILE"])
    password = file.read_text().strip()
    if len(password) < 16:  # MLflow's own old default, password1234, has 12
        sys.exit(f"error: {file} holds a password of {len(password)} characters; 16 is the least. Make a random one.")
    if not store.has_user(user):
        store.create_user(user, password, is_admin=is_admin)
        print(f"account {user} made")
    elif not store.authenticate_user(user, password):
        store.update_user(user, password=password)
        print(f"account {user} has a new password")
print("both databases are up to date")
PYTHON
