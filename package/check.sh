#!/bin/bash
# Tries the .deb on a bare system of the same distribution, in a folder that is gone afterwards: install, use, upgrade over a command that
# is at work, remove, purge, and see that nothing is left. And packs twice, and compiles again in another folder, which has to come to the
# same. Needs root and the distribution's archive. usage: package/check.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=artifacts/package/check
say() { printf 'package: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
[[ $(id -u) -eq 0 ]] || die "a bare system is made by root alone: sudo package/check.sh"

# --- twice the same ---
deb=$(echo artifacts/pcipass_*_amd64.deb)
first=$(sha256sum artifacts/pcipass_*_amd64.deb artifacts/pcipass-*.rpm 2>/dev/null || :)
sleep 1
package/build.sh >/dev/null
[[ $(sha256sum artifacts/pcipass_*_amd64.deb artifacts/pcipass-*.rpm 2>/dev/null || :) == "$first" ]] || die "two packages of the same binary differ"
say "packed twice: identical"
rm -rf "$work/elsewhere" && mkdir -p "$work/elsewhere"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$work/elsewhere"
"$work/elsewhere/build" publish >"$work/elsewhere.log" 2>&1 || { tail -5 "$work/elsewhere.log" >&2; exit 1; }
cmp "$work/elsewhere/artifacts/pcipass" artifacts/pcipass || die "two binaries of the same sources differ"
say "compiled twice, in two folders: identical"

# --- a bare system ---
mkdir -p "$work"
if [[ ! -f $work/bare.tar ]]; then
    say "making a bare system"
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -1)
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    debootstrap --variant=minbase --include=init-system-helpers,man-db "$suite" "$work/bare" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log" >&2; exit 1; }
    tar -C "$work/bare" -cf "$work/bare.tar.new" .
    mv "$work/bare.tar.new" "$work/bare.tar"
    rm -rf "$work/bare"
fi
root=$(mktemp -d)
tidy() {
    umount -R "$root/proc" "$root/sys" "$root/dev" 2>/dev/null || :
    rm -rf --one-file-system "$root"
}
trap tidy EXIT
tar -C "$root" -xf "$work/bare.tar"
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
mount -o remount,ro,bind "$root/sys"
mount --bind /dev "$root/dev"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"; }
everything() { (cd "$root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache -o -path ./run -o -path ./tmp -o -path ./var/lib/systemd/deb-systemd-helper-enabled \) -prune -o -print | LC_ALL=C sort); }
everything >"$work/before"
cp "$deb" "$root/tmp/pcipass.deb"

inside dpkg -i /tmp/pcipass.deb >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; die "it cannot be installed"; }
[[ $(inside pcipass --version) == 0.* ]] || die "the installed program does not tell its version"
inside pcipass list >"$work/list" 2>"$work/list.err" || die "pcipass list failed: $(cat "$work/list.err")"
grep -q '^FUNCTION ' "$work/list" || die "pcipass list lists nothing"
inside setpriv --reuid 65534 --regid 65534 --clear-groups pcipass list >"$work/list.user" 2>"$work/list.user.err" || die "an ordinary user cannot list: $(cat "$work/list.user.err")"
[[ $(wc -l <"$work/list.user") -eq $(wc -l <"$work/list") ]] || die "an ordinary user sees other functions than root"
grep -q 'only root' "$work/list.user.err" || die "an ordinary user is not told what only root can see"
inside man -l --warnings=all -E UTF-8 -Tutf8 /usr/share/man/man8/pcipass.8.gz >"$work/man8" 2>"$work/man.err"
inside man -l --warnings=all -E UTF-8 -Tutf8 /usr/share/man/man5/pcipass-devices.5.gz >"$work/man5" 2>>"$work/man.err"
[[ ! -s $work/man.err ]] || die "man warns: $(head -3 "$work/man.err")"
[[ -L $root/etc/systemd/system/multi-user.target.wants/pcipass-boot.service ]] || die "the unit is not enabled"
say "installed and used, by root and by an ordinary user"

# --- completion, in the shell that a bare system has ---
completed=$(inside bash -c '. /usr/share/bash-completion/completions/pcipass; COMP_LINE="pcipass at"; COMP_POINT=${#COMP_LINE}; _pcipass; echo "${COMPREPLY[*]}"')
[[ $completed == attach ]] || die "bash completes \"pcipass at\" to \"$completed\""
say "bash completes"

# --- an upgrade while a command waits ---
mkdir -p -m 0700 "$root/run/pcipass"
flock "$root/run/pcipass/lock" sleep 8 &
holder=$!
sleep 1
inside pcipass recover >"$work/recover" 2>&1 &
waiting=$!
sleep 1
sed 's/^Version: .*/&+upgrade/' artifacts/package/deb/DEBIAN/control >"$work/control"
cp -a artifacts/package/deb "$work/next"
cp "$work/control" "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -Znone --build "$work/next" "$root/tmp/next.deb" >/dev/null
rm -rf "$work/next"
inside dpkg -i /tmp/next.deb >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log" >&2; die "it cannot be upgraded"; }
kill -0 "$waiting" 2>/dev/null || die "the command that was at work has not lived through the upgrade"
wait "$holder"
wait "$waiting" || die "the command that was at work failed after the upgrade: $(cat "$work/recover")"
say "upgraded over a command at work, which ended well"

# --- the guard before Xen's helper, over an upgrade of Xen, until the package goes ---
helper=/usr/lib/xen-9.9/bin/libxl-save-helper
xen() { # xen VERSION: a package that has the helper alone
    mkdir -p "$work/xen/DEBIAN" "$work/xen${helper%/*}"
    printf '#!/bin/sh\necho "helper %s: $*"\n' "$1" >"$work/xen$helper"
    chmod 0755 "$work/xen$helper"
    printf 'Package: xen-utils-9.9\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a helper\n' "$1" >"$work/xen/DEBIAN/control"
    dpkg-deb --root-owner-group -Znone --build "$work/xen" "$root/tmp/xen.deb" >/dev/null
    rm -rf "$work/xen"
    inside dpkg -i /tmp/xen.deb >"$work/xen.log" 2>&1 || { cat "$work/xen.log" >&2; die "Xen's package cannot be installed"; }
}
answers() { [[ $(inside "$helper" --save-domain 5 -1 7 1 0 136 0) == "helper $1: --save-domain 5 -1 7 1 0 136 0" ]] || die "behind the guard, the helper of version $1 does not answer"; }
xen 1
inside pcipass guard install >"$work/guard" || die "the guard cannot be installed"
inside pcipass guard show >>"$work/guard" || die "the guard does not stand"
answers 1
xen 2
inside pcipass guard show >>"$work/guard" || die "an upgrade of Xen has removed the guard"
answers 2
inside pcipass guard install >>"$work/guard" || die "the guard cannot be installed twice"
answers 2
say "the guard stands over an upgrade of Xen"

# --- a removal tells what stays hidden, and leaves nothing ---
mkdir -p "$root/etc/pcipass"
echo '0000:00:1e.0  0000:00/1e.0,8086:10d3:8086:0000,-  pciback' >"$root/etc/pcipass/devices"
inside dpkg -r pcipass >"$work/remove.log" 2>&1 || { cat "$work/remove.log" >&2; die "it cannot be removed"; }
grep -q '0000:00:1e.0' "$work/remove.log" || { cat "$work/remove.log" >&2; die "the removal does not tell what is hidden"; }
[[ $(inside "$helper" --save-domain) == "helper 2: --save-domain" ]] || die "the removal of pcipass has not put Xen's helper back"
[[ -z $(inside dpkg-divert --list "$helper") ]] || die "a diversion is left"
inside dpkg -P xen-utils-9.9 >/dev/null 2>&1 || die "Xen's package cannot be purged"
[[ -f $root/etc/pcipass/devices ]] || die "a removal takes the configuration along, which is for purge"
inside dpkg -P pcipass >"$work/purge.log" 2>&1 || { cat "$work/purge.log" >&2; die "it cannot be purged"; }
everything >"$work/after"
diff "$work/before" "$work/after" >"$work/left" || { cat "$work/left" >&2; die "this is left behind, or gone"; }
[[ ! -e $root/run/pcipass ]] || die "/run/pcipass is left"
say "removed and purged: what is hidden was told, and nothing is left"
