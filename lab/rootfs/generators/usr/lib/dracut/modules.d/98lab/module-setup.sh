#!/bin/bash
# root=lab: the root file system is the archive /lab/root.cpio, unpacked into memory. All else is dracut's own start.
check() { return 255; }
depends() { return 0; }
install() {
    inst_multiple cpio cp mkdir mount
    inst_hook cmdline 95 "$moddir/lab-root.sh"
    inst_hook mount 99 "$moddir/lab-mount.sh"
}
