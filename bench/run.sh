#!/bin/bash
# Measures, and writes docs/performance.md and docs/performance.svg: what is between the markers is made anew, the words around it stay.
# All commands of a table take turns in one run. usage: bench/run.sh [--quick]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bench/tools.sh
program=$PWD/artifacts/pcipass tools=$PWD/artifacts/bench
sizes=(100 1000 4000 16000)
declare -A rounds=([40]=101 [100]=41 [1000]=21 [4000]=11 [16000]=5)
if [[ ${1:-} == --quick ]]; then
    rounds=([40]=21 [100]=9 [1000]=5 [4000]=3 [16000]=3)
fi
results=$tools/results
: >"$results"

# Races commands on a tree and keeps a line for each: size, name, and what race.c prints.
measure() { # COUNT NAME=COMMAND...
    local count=$1 names=() commands=() entry line number=0
    shift
    for entry in "$@"; do
        names+=("${entry%%=*}")
        commands+=("${entry#*=}")
    done
    echo "bench: $count functions" >&2
    while read -r line; do
        echo "$count ${names[number]} $line" >>"$results"
        number=$((number + 1))
    done < <(bench/on-tree.sh "$count" "$tools/race" "${rounds[$count]}" "${commands[@]}")
    ((number == ${#names[@]})) || { echo "bench: the race on $count functions failed" >&2; exit 1; }
}

every=$(bench/on-tree.sh 1000 bash -c 'cd /sys/bus/pci/devices && echo *')
measure 40 true=true lspci="lspci -nn" version="$program --version" list="$program list"
for size in "${sizes[@]}"; do
    measure "$size" floor="$tools/floor" list="$program list" json="$program list --json" lspci="lspci -nn" lspci-k="lspci -nnk" libpci="$tools/libpci"
done
# Minutes for many functions, since it starts several programs for each.
measure 100 driverctl="driverctl list-devices" list-beside-driverctl="$program list"
measure 1000 show="$program show 0000:01:00.2" check="$program check 0000:01:00.2" check-all="$program check $every" show-all="$program show --all" lspci-v="lspci -vv" plan="$program hide --boot --dry-run 0000:01:00.2"

# System calls for each function: what 3,000 more of them add.
calls() { # COUNT
    bench/on-tree.sh "$1" strace -f -c -U calls,name -o "$tools/calls.$1" "$program" list >/dev/null
}
calls 1000
calls 4000

awk -v binary="$(stat -c %s "$program")" -v cpu="$(nproc)" -v how="${1:-}" -v load="$(cut -d' ' -f2 /proc/loadavg)" -f bench/report.awk "$results" "$tools/calls.1000" "$tools/calls.4000" >"$tools/report.md"
awk -f bench/picture.awk "$results" >docs/performance.svg
awk -v report="$tools/report.md" '
    /<!-- measured by/ { print; while ((getline line <report) > 0) print line; inside = 1 }
    /<!-- end of measured/ { inside = 0 }
    !inside' docs/performance.md >"$tools/page.md"
# The opening marker has been printed with the report; what was between is gone.
cp "$tools/page.md" docs/performance.md
cat "$tools/report.md"
