#!/bin/sh
if [ "$root" = lab ]; then
    mount -t tmpfs -o mode=755,size=90% lab "$NEWROOT"
    (cd "$NEWROOT" && cpio -i </lab/root.cpio 2>/dev/null)
    mkdir -p "$NEWROOT/etc"
    [ ! -d /etc/pcipass ] || cp -a /etc/pcipass "$NEWROOT/etc/"
    [ ! -x /usr/sbin/pcipass ] || cp /usr/sbin/pcipass "$NEWROOT/usr/bin/pcipass"
    cp -a /etc/modprobe.d "$NEWROOT/etc/" 2>/dev/null
fi
