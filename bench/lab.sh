#!/bin/bash
# In the lab, on real Xen: attach and detach with pcipass, which checks, journals and verifies, beside xl alone. In turns, medians in
# seconds. usage: bench/lab.sh [ROUNDS]      (./build publish first; boots QEMU)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
read -r -d '' inside <<'TEXT' || :
now() { cut -d' ' -f1 /proc/uptime; }
both() { until [ "$(xenstore-read /local/domain/0/backend/pci/$id/0/state)$(xenstore-read /local/domain/$id/device/pci/0/state)" = 44 ]; do usleep 20000; done; }
xl create /etc/xen/web1.cfg >/dev/null || exit 1
id=$(xl domid web1)
echo true | lab-guest web1 || exit 1
round=0
while [ $round -le ROUNDS ]; do
    a=$(now); xl pci-assignable-add 09:00.0 >/dev/null 2>&1; xl pci-attach web1 09:00.0 || exit 1; b=$(now); both; c=$(now)
    xl pci-detach web1 09:00.0 || exit 1; xl pci-assignable-remove -r 09:00.0 >/dev/null 2>&1; d=$(now)
    e=$(now); pcipass attach 09:00.0 web1 >/dev/null 2>&1 || exit 1; f=$(now); pcipass detach 09:00.0 web1 >/dev/null 2>&1 || exit 1; g=$(now)
    [ $round -eq 0 ] || echo "times $a $b $c $d $e $f $g"
    round=$((round + 1))
done
TEXT
inside=${inside/ROUNDS/${1:-5}}
packed=$(base64 -w0 <<<"$inside")
lab/bin/Release/net10.0/lab run demo -- "echo $packed | base64 -d | sh" | awk '
    $1 == "times" { n++; add[n] = $3 - $2; answered[n] = $4 - $2; back[n] = $5 - $4; attach[n] = $7 - $6; detach[n] = $8 - $7 }
    function median(values,    i, j, swap) {
        for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (values[j] < values[i]) { swap = values[i]; values[i] = values[j]; values[j] = swap }
        return values[int((n + 1) / 2)]
    }
    END {
        if (n == 0) { print "lab.sh: nothing was measured" >"/dev/stderr"; exit 1 }
        printf "| %d rounds, seconds | xl alone | pcipass |\n|---|---|---|\n", n
        printf "| hide and attach, until the command returns | %.2f | |\n", median(add)
        printf "| hide and attach, until the guest has answered | %.2f | %.2f |\n", median(answered), median(attach)
        printf "| detach and give back | %.2f | %.2f |\n", median(back), median(detach)
    }'
