#!/usr/bin/env bash
# Installs the clients that the tests drive, and the PostgreSQL that they compare with, where they are
# missing. Each line below is a program or file, and the Debian package that brings it.
set -euo pipefail

missing=()
while read -r probe package; do
  case "$probe" in
    /*) compgen -G "$probe" >/dev/null || missing+=("$package") ;;
    *) command -v "$probe" >/dev/null || missing+=("$package") ;;
  esac
done <<'PROBES'
psql postgresql-client
/usr/lib/postgresql/*/bin/initdb postgresql
/usr/lib/python3*/ensurepip python3-venv
javac default-jdk-headless
/usr/share/java/postgresql.jar libpostgresql-jdbc-java
/usr/lib/*/odbc/psqlodbcw.so odbc-postgresql
/usr/lib/*/libodbc.so.2 libodbc2
Rscript r-base-core
/usr/lib/R/site-library/RPostgreSQL r-cran-rpostgresql
/usr/lib/R/site-library/dbplyr r-cran-dbplyr
pgbouncer pgbouncer
node nodejs
npm npm
PROBES

if [ "${#missing[@]}" -gt 0 ]; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
