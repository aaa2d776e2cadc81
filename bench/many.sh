#!/bin/bash
# In the lab, on real Linux with VFIO: 256 virtual functions hidden and given back by one command of pcipass, beside a shell that writes the
# two attributes of each and looks at nothing. In turns, medians in seconds. usage: bench/many.sh [ROUNDS]      (./build publish first; boots QEMU)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
read -r -d '' inside <<'TEXT' || :
now() { cut -d' ' -f1 /proc/uptime; }
is() { [ "$(ls /sys/bus/pci/drivers/vfio-pci | grep -c :)" -eq $1 ] || exit 1; }
cd /sys/bus/pci/devices
for disk in 0000:07:00.0 0000:08:00.0 0000:09:00.0; do echo 0 >$disk/sriov_drivers_autoprobe; echo 86 >$disk/sriov_numvfs || exit 1; done
all=$(ls -d */physfn | cut -d/ -f1 | head -256)
round=0
while [ $round -lt ROUNDS ]; do
    a=$(now); for f in $all; do echo vfio-pci >$f/driver_override; echo $f >/sys/bus/pci/drivers_probe; done; b=$(now); is 256
    c=$(now); for f in $all; do echo $f >/sys/bus/pci/drivers/vfio-pci/unbind; echo >$f/driver_override; done; d=$(now); is 0
    e=$(now); pcipass hide --now $all >/dev/null 2>&1 || exit 1; f=$(now); is 256
    g=$(now); pcipass unhide --now $all >/dev/null 2>&1 || exit 1; h=$(now); is 0
    echo "times $a $b $c $d $e $f $g $h"
    round=$((round + 1))
done
TEXT
inside=${inside/ROUNDS/${1:-3}}
packed=$(base64 -w0 <<<"$inside")
lab/bin/Release/net10.0/lab run many -- "echo $packed | base64 -d | sh" | awk '
    $1 == "times" { n++; for (i = 1; i <= 4; i++) took[i, n] = $(2 * i + 1) - $(2 * i) }
    function median(i,    values, j, k, swap) {
        for (j = 1; j <= n; j++) values[j] = took[i, j]
        for (j = 1; j <= n; j++) for (k = j + 1; k <= n; k++) if (values[k] < values[j]) { swap = values[j]; values[j] = values[k]; values[k] = swap }
        return values[int((n + 1) / 2)]
    }
    END {
        if (n == 0) { print "many.sh: nothing was measured" >"/dev/stderr"; exit 1 }
        printf "| %d rounds, seconds | shell | pcipass | ms for each function |\n|---|---|---|---|\n", n
        printf "| 256 virtual functions hidden | %.2f | %.2f | %.1f, %.1f |\n", median(1), median(3), median(1) / 0.256, median(3) / 0.256
        printf "| given back | %.2f | %.2f | %.1f, %.1f |\n", median(2), median(4), median(2) / 0.256, median(4) / 0.256
    }'
