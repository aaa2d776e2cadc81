#!/bin/bash
# Measures in the lab, and writes the tables between their markers in docs/performance.md: on real Xen, attach and detach beside xl alone; on
# real VFIO, the same beside virsh, and 256 virtual functions in one command beside a shell that writes the two attributes of each and looks at
# nothing, with the journal in memory and on a disk. In turns, medians in seconds. usage: bench/lab.sh [ROUNDS [ROUNDS-OF-MANY]]      (./build bench --lab makes what it needs)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=artifacts/bench
mkdir -p $tools

# Runs a script of stdin in a machine, which prints "times START END START END ..." for each round. Prints the rounds, and the median of each span.
measure() { # MACHINE ROUNDS
    local inside
    inside=$(echo 'now() { cut -d" " -f1 /proc/uptime; }'; cat)
    inside=${inside/ROUNDS/$2}
    lab/bin/Release/net10.0/lab run "$1" -- "echo $(base64 -w0 <<<"$inside") | base64 -d | sh" | awk '
        $1 == "times" { n++; spans = (NF - 1) / 2; for (i = 1; i <= spans; i++) took[i, n] = $(2 * i + 1) - $(2 * i) }
        function median(i,    values, j, k, swap) {
            for (j = 1; j <= n; j++) values[j] = took[i, j]
            for (j = 1; j <= n; j++) for (k = j + 1; k <= n; k++) if (values[k] < values[j]) { swap = values[j]; values[j] = values[k]; values[k] = swap }
            return values[int((n + 1) / 2)]
        }
        END {
            if (n == 0) { print "lab.sh: nothing was measured" >"/dev/stderr"; exit 1 }
            printf "%d", n
            for (i = 1; i <= spans; i++) printf " %.2f", median(i)
            print ""
        }'
}

# The first round, in which everything is read from disk, is not counted.
beside_xl=$(measure demo "${1:-9}" <<'TEXT'
both() { until [ "$(xenstore-read /local/domain/0/backend/pci/$id/0/state)$(xenstore-read /local/domain/$id/device/pci/0/state)" = 44 ]; do usleep 20000; done; }
xl create /etc/xen/web1.cfg >/dev/null || exit 1
id=$(xl domid web1)
echo true | lab-guest web1 || exit 1
round=0
while [ $round -le ROUNDS ]; do
    a=$(now); xl pci-assignable-add 09:00.0 >/dev/null 2>&1; xl pci-attach web1 09:00.0 || exit 1; b=$(now); both; c=$(now)
    xl pci-detach web1 09:00.0 || exit 1; xl pci-assignable-remove -r 09:00.0 >/dev/null 2>&1; d=$(now)
    e=$(now); pcipass attach 09:00.0 web1 >/dev/null 2>&1 || exit 1; f=$(now); pcipass detach 09:00.0 web1 >/dev/null 2>&1 || exit 1; g=$(now)
    [ $round -eq 0 ] || echo "times $a $b $a $c $c $d $e $f $f $g"
    round=$((round + 1))
done
TEXT
)
# The guest is held before its first instruction: what it takes to answer is not libvirt's, nor pcipass'.
beside_virsh=$(measure libvirt "${1:-9}" <<'TEXT'
lab-libvirt web1 >/dev/null || exit 1
echo "<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0' bus='9' slot='0' function='0'/></source></hostdev>" >/tmp/card.xml
begin() { virsh -q start web1 --paused >/dev/null || exit 1; }
end() { virsh -q destroy web1 >/dev/null || exit 1; }
round=0
while [ $round -le ROUNDS ]; do
    begin
    a=$(now); virsh -q nodedev-detach pci_0000_09_00_0 >/dev/null && virsh -q attach-device web1 /tmp/card.xml --live >/dev/null || exit 1; b=$(now)
    end
    c=$(now); virsh -q nodedev-reattach pci_0000_09_00_0 >/dev/null || exit 1; d=$(now)
    begin
    e=$(now); pcipass attach 09:00.0 web1 --live >/dev/null 2>&1 || exit 1; f=$(now)
    end
    g=$(now); pcipass detach 09:00.0 web1 >/dev/null 2>&1 || exit 1; h=$(now)
    [ $round -eq 0 ] || echo "times $a $b $c $d $e $f $g $h"
    round=$((round + 1))
done
TEXT
)
many=$(measure many "${2:-3}" <<'TEXT'
is() { [ "$(ls /sys/bus/pci/drivers/vfio-pci | grep -c :)" -eq $1 ] || exit 1; }
cd /sys/bus/pci/devices
for disk in 0000:07:00.0 0000:08:00.0 0000:09:00.0; do echo 0 >$disk/sriov_drivers_autoprobe; echo 86 >$disk/sriov_numvfs || exit 1; done
all=$(ls -d */physfn | cut -d/ -f1 | head -256)
modprobe ext4; mke2fs /dev/nvme0n1 >/dev/null && mkdir -p /mnt && mount -t ext4 /dev/nvme0n1 /mnt && mkdir /mnt/pcipass || exit 1
round=0
while [ $round -lt ROUNDS ]; do
    a=$(now); for f in $all; do echo vfio-pci >$f/driver_override; echo $f >/sys/bus/pci/drivers_probe; done; b=$(now); is 256
    c=$(now); for f in $all; do echo $f >/sys/bus/pci/drivers/vfio-pci/unbind; echo >$f/driver_override; done; d=$(now); is 0
    e=$(now); pcipass hide --now $all >/dev/null 2>&1 || exit 1; f=$(now); is 256
    g=$(now); pcipass unhide --now $all >/dev/null 2>&1 || exit 1; h=$(now); is 0
    mkdir -p /var/lib/pcipass; mount --bind /mnt/pcipass /var/lib/pcipass || exit 1
    i=$(now); pcipass hide --now $all >/dev/null 2>&1 || exit 1; j=$(now); is 256
    k=$(now); pcipass unhide --now $all >/dev/null 2>&1 || exit 1; l=$(now); is 0
    umount /var/lib/pcipass
    echo "times $a $b $c $d $e $f $g $h $i $j $k $l"
    round=$((round + 1))
done
TEXT
)
awk '
    NR == 1 {
        printf "\n| %d rounds, seconds | xl alone | pcipass |\n|---|---|---|\n| hide and attach, until the command returns | %s | |\n", $1, $2
        printf "| hide and attach, until the guest has answered | %s | %s |\n| detach and give back | %s | %s |\n\n", $3, $5, $4, $6
    }
    NR == 2 {
        printf "| %d rounds, seconds | virsh | pcipass |\n|---|---|---|\n", $1
        printf "| hide and attach | %s | %s |\n| give back, the guest having ended | %s | %s |\n\n", $2, $4, $3, $5
    }
    NR == 3 {
        printf "| %d rounds, seconds | shell | pcipass, its journal in memory | on a disk | ms for each function |\n|---|---|---|---|---|\n", $1
        printf "| 256 virtual functions hidden | %s | %s | %s | %.1f, %.1f, %.1f |\n", $2, $4, $6, $2 / 0.256, $4 / 0.256, $6 / 0.256
        printf "| given back | %s | %s | %s | %.1f, %.1f, %.1f |\n\n", $3, $5, $7, $3 / 0.256, $5 / 0.256, $7 / 0.256
    }' <<<"$beside_xl"$'\n'"$beside_virsh"$'\n'"$many" | tee $tools/lab.md
awk -v report=$tools/lab.md '
    /<!-- measured in the lab/ { print; while ((getline line <report) > 0) print line; inside = 1 }
    /<!-- end of the lab/ { inside = 0 }
    !inside' docs/performance.md >$tools/page.md
cp $tools/page.md docs/performance.md
