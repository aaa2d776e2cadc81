#!/bin/bash
# Makes what a machine of the lab needs to run guests of its own by QEMU: artifacts/lab/kvm.cpio, laid over dom0's image where a machine
# asks for it. A second call finds its stamp and ends at once.
#
# The QEMU is the one that the lab itself runs in, which this machine must have anyway, with the libraries that it names; the C library is
# that of dom0's image, of the same release of Debian. Expects that images.sh has run.
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(dirname "$lab")/artifacts/lab
payload=$out/payload
root=$payload/root
tree=$out/kvm

source "$lab/trees.sh"

main() {
    exec 9>"$out/kvm.lock"
    flock 9
    local program key modules library
    program=$(command -v qemu-system-x86_64) || { echo "kvm: this machine has no qemu-system-x86_64" >&2; exit 1; }
    key=$(cat "$lab/kvm.sh" "$lab"/rootfs/kvm/usr/sbin/* "$program" "$out/stamp" | sha256sum | cut -c1-64)
    [[ ! -f $out/kvm.stamp || $(<"$out/kvm.stamp") != "$key" ]] || return 0
    rm -rf "$tree" "$out/kvm.stamp"
    modules=/usr/lib/x86_64-linux-gnu/qemu
    mkdir -p "$tree/usr/bin" "$tree/lib/x86_64-linux-gnu" "$tree$modules" "$tree"/usr/share/{seabios,qemu}
    cp "$program" "$tree/usr/bin/"
    cp $modules/accel-tcg-x86_64.so "$tree$modules/"
    ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
        # What dom0's image has, its C library above all, stays.
        [[ -e $payload/dom0/lib/x86_64-linux-gnu/${library##*/} ]] || cp -L "$library" "$tree/lib/x86_64-linux-gnu/"
    done
    cp -L /usr/share/seabios/bios-256k.bin "$tree/usr/share/seabios/"
    cp -L /usr/share/qemu/{pvh.bin,linuxboot_dma.bin,kvmvapic.bin} "$tree/usr/share/qemu/"
    cp -a "$lab/rootfs/kvm/." "$tree/"
    tree_pack "$tree" "$out/kvm.cpio"
    rm -rf "$tree"
    printf '%s' "$key" >"$out/kvm.stamp"
}

main
