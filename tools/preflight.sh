#!/bin/sh
# Says in one line what a bare machine lacks, before pip says it in a hundred.
python=${1:-python3}
missing=""
if ! command -v "$python" >/dev/null 2>&1; then
  missing="$missing python3"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  missing="$missing python>=3.11"
else
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
  "$python" -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' || missing="$missing python3-dev"
fi
compiler=""
for each in "${CXX:-g++}" c++ clang++; do
  command -v "$each" >/dev/null 2>&1 && compiler=$each && break
done
if [ -z "$compiler" ]; then
  missing="$missing g++"
elif ! echo '#include <concepts>' | "$compiler" -std=c++20 -x c++ -fsyntax-only - >/dev/null 2>&1; then
  missing="$missing a-C++20-compiler"
fi
if [ -n "$missing" ]; then
  echo "onetape needs:$missing   (Debian/Ubuntu: apt install python3-dev python3-venv make g++)" >&2
  exit 1
fi
