#!/bin/bash
# Compiles the small programs that measure and that are measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out=../artifacts/bench
mkdir -p $out
for program in tree floor race libpci; do
    [[ $out/$program -nt $program.c ]] && continue
    libraries=
    [[ $program != libpci ]] || libraries=-lpci
    gcc -O2 -Wall -Wextra -o $out/$program $program.c $libraries
done
