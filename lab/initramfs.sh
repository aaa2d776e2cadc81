#!/bin/bash
# Makes the lab's images of a distribution's own making: Debian's initramfs-tools and dracut, each with pcipass' part, below artifacts/lab:
# initramfs-tools.img, dracut.img, and root.cpio, the file system that they start. A second call finds its stamp and ends at once.
#
# The generators run in a tree of Debian's packages (dpkg -x, no maintainer scripts), with it as their root: by chroot, which takes root
# or a user namespace. pcipass installs its part there by itself, as for any system that does not run: pcipass boot install --root.
#
# Expects that images.sh has run, and artifacts/pcipass.
set -euo pipefail

lab=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
artifacts=$(dirname "$lab")/artifacts
out=$artifacts/lab
payload=$out/generators
root=$payload/root

source "$lab/payload.sh"
source "$lab/trees.sh"

# The packages of dom0's image, and what the generators are and need.
payload_packages=(
    busybox-static kmod libkmod2 libc6 libc-bin libgcc-s1 libssl3 liblzma5 libzstd1 zlib1g libuuid1 libudev1
    initramfs-tools initramfs-tools-core klibc-utils libklibc dracut-core udev
    bash dash coreutils sed grep mawk findutils cpio gzip util-linux mount e2fsprogs logsave debianutils dpkg
    libacl1 libattr1 libselinux1 libpcre2-8-0 libcap2 libblkid1 libmount1 libgmp10 libtinfo6 libext2fs2 libcom-err2 libss2 libbz2-1.0 libmd0 libsmartcols1
)

run_in_tree() { # PROGRAM ARGUMENT...
    if [[ $(id -u) -eq 0 ]]; then chroot "$root" "$@"; else unshare -r chroot "$root" "$@"; fi
}

unpack() { # VERSIONS
    rm -rf "$root"
    mkdir -p "$root"/{dev,proc,sys,run,tmp,var/tmp,boot,etc/pcipass}
    local deb name
    while read -r deb; do
        [[ $deb == linux-image-* ]] || dpkg -x "$payload/debs/$deb" "$root"
    done < <(payload_debs "$1")
    # The kernel's modules are there already, unpacked by images.sh.
    mkdir -p "$root/lib/modules"
    cp -al "$out"/payload/root/lib/modules/. "$root/lib/modules/" 2>/dev/null || cp -a "$out"/payload/root/lib/modules/. "$root/lib/modules/"
    # Its configuration says which compressions it takes.
    cp "$out"/payload/root/boot/config-* "$root/boot/"
    ln -sf dash "$root/bin/sh"
    ln -sf mawk "$root/usr/bin/awk"
    for name in depmod insmod lsmod modinfo modprobe rmmod; do ln -sf /bin/kmod "$root/sbin/$name"; done
    cp -a "$lab/rootfs/generators/." "$root/"
}

# The root file system: dom0's without what guests are started from. The start copies it into memory.
pack_root() {
    local tree=$payload/dom0
    rm -rf "$tree"
    cp -al "$out/payload/dom0" "$tree" 2>/dev/null || cp -a "$out/payload/dom0" "$tree"
    rm -rf "$tree/boot"
    mkdir -p "$tree/boot"
    root=$out/payload/root tree_pack "$tree" "$out/root.cpio"
}

make_images() {
    local version
    version=$(kernel_version)
    "$artifacts/pcipass" boot install --root "$root" 2>"$payload/install.log"
    install -m 755 "$artifacts/pcipass" "$root/usr/sbin/pcipass"
    # Without anything to hide, nothing of pcipass is in an image.
    rm -f "$root/etc/pcipass/devices"
    run_in_tree /usr/sbin/mkinitramfs -o /boot/initrd.img-without "$version"
    # The kernel's own ways, as an administrator writes them; of pcipass nothing is in it either.
    mkdir -p "$root/etc/modprobe.d"
    cat >"$root/etc/modprobe.d/local.conf" <<'LINES'
# one card in the manner of old, the disk in today's
options xen-pciback hide=(0000:09:00.0)(0000:07:00.0)
install e1000e /sbin/modprobe xen-pciback ; /sbin/modprobe --first-time --ignore-install e1000e
softdep nvme pre: xen-pciback
LINES
    run_in_tree /usr/sbin/mkinitramfs -o /boot/initrd.img-modprobe "$version"
    rm "$root/etc/modprobe.d/local.conf"
    # One function for each driver, so that both modules go in. Each machine brings its own list along.
    cat >"$root/etc/pcipass/devices" <<'LIST'
0000:09:00.0  0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000  pciback
0000:08:00.0  0000:00/04.7/00.0,8086:10d3:8086:0000,525400ffff080000  vfio-pci
LIST
    run_in_tree /usr/sbin/mkinitramfs -o /boot/initrd.img-tools "$version"
    run_in_tree /usr/bin/dracut --quiet --force --no-hostonly --no-early-microcode --modules "base udev-rules kernel-modules pcipass lab" \
        --drivers "e1000e nvme" --gzip --kver "$version" /boot/initrd.img-dracut 2>"$payload/dracut.log" || { cat "$payload/dracut.log" >&2; return 1; }
    local name
    for name in without modprobe tools dracut; do cp "$root/boot/initrd.img-$name" "$out/initramfs-$name.img"; done
}

main() {
    mkdir -p "$payload"
    exec 9>"$out/initramfs.lock"
    flock 9
    local versions tree_key key
    key=$(cd "$lab" && find initramfs.sh payload.sh trees.sh rootfs -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | cat - "$artifacts/pcipass" "$out/stamp" | sha256sum | cut -c1-64)
    [[ ! -f $out/initramfs.stamp || $(<"$out/initramfs.stamp") != "$key" ]] || return 0
    rm -f "$out/initramfs.stamp"
    versions=$(payload_versions)
    tree_key=$(cat "$lab/initramfs.sh" <(find "$lab/rootfs/generators" -type f -print0 | LC_ALL=C sort -z | xargs -0 cat) - <<<"$versions" | sha256sum)
    if [[ ! -f $payload/key || $(<"$payload/key") != "$tree_key" ]]; then
        rm -f "$payload/key"
        mkdir -p "$payload/debs"
        cp -n "$out"/payload/debs/*.deb "$payload/debs/" 2>/dev/null || true
        payload_download "$versions"
        unpack "$versions"
        printf '%s' "$tree_key" >"$payload/key"
    fi
    pack_root
    make_images
    printf '%s' "$key" >"$out/initramfs.stamp"
}

main
