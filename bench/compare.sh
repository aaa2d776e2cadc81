#!/bin/bash
# One binary beside another, in turns. Exit code 1 when the new one is slower than a tenth, and by more than the spread.
# usage: bench/compare.sh OLD NEW
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bench/tools.sh
old=$PWD/${1#"$PWD/"} new=$PWD/${2#"$PWD/"} slower=0
printf '%-22s %10s %10s %7s\n' command old new ratio
for words in "40 51 --version" "40 51 list" "1000 21 list" "4000 9 list" "4000 9 list --json"; do
    read -r count rounds command <<<"$words"
    { read -r old_time _ old_high _; read -r new_time new_low _; } < <(bench/on-tree.sh "$count" artifacts/bench/race "$rounds" "$old $command" "$new $command")
    printf '%-22s %8d us %8d us %7s\n' "$command ($count)" $((old_time / 1000)) $((new_time / 1000)) "$(awk "BEGIN { printf \"%.2f\", $new_time / $old_time }")"
    if ((new_time * 10 > old_time * 11 && new_low > old_high)); then
        slower=1
    fi
done
[[ $slower -eq 0 ]] || echo "slower: a line is more than a tenth above, and its lower quartile is above the old one's upper" >&2
exit $slower
