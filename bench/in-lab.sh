#!/bin/bash
# Measures in the lab beside xl and beside a shell, and writes the tables between their markers in docs/performance.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p artifacts/bench
{ echo; bench/lab.sh 9; echo; bench/many.sh 3; echo; } | tee artifacts/bench/lab.md
awk -v report=artifacts/bench/lab.md '
    /<!-- measured in the lab/ { print; while ((getline line <report) > 0) print line; inside = 1 }
    /<!-- end of the lab/ { inside = 0 }
    !inside' docs/performance.md >artifacts/bench/page.md
cp artifacts/bench/page.md docs/performance.md
