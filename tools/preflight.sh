#!/bin/sh
# Says in one line what a bare machine lacks, before pip says it in a hundred.
python=${1:-python3}
missing=""
command -v "$python" >/dev/null 2>&1 || missing="$missing python3"
if [ -z "$missing" ]; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || missing="$missing python>=3.11"
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
  "$python" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' || missing="$missing python3-dev"
fi
command -v "${CXX:-g++}" >/dev/null 2>&1 || missing="$missing g++"
if [ -n "$missing" ]; then
  echo "onetape needs:$missing   (Debian/Ubuntu: apt install python3-dev python3-venv make g++)" >&2
  exit 1
fi
