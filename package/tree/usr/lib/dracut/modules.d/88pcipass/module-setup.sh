#!/bin/bash
# Part of the package pcipass: puts pcipass, and the list of what stays hidden, into the initramfs.
check() {
    # With nothing to hide, nothing is put there.
    [[ -s ${dracutsysrootdir-}/etc/pcipass/devices ]]
}
depends() {
    return 0
}
installkernel() {
    ! grep -q '^[^#]*[[:space:]]pciback' "${dracutsysrootdir-}/etc/pcipass/devices" || hostonly='' instmods xen-pciback
    ! grep -q '^[^#]*[[:space:]]vfio-pci' "${dracutsysrootdir-}/etc/pcipass/devices" || hostonly='' instmods vfio-pci
}
install() {
    inst_simple /usr/sbin/pcipass /usr/sbin/pcipass
    inst_simple /etc/pcipass/devices
    inst_hook pre-udev 10 "$moddir/pcipass.sh"
}
