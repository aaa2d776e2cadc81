#!/bin/bash
# Packs artifacts/pcipass with its pages into artifacts/pcipass_VERSION_amd64.deb, and an .rpm where rpmbuild is at hand. Nothing in them
# depends on when, where or by whom they are made: the same binary gives the same packages, byte by byte. usage: package/build.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -nE 's|.*<Version>(.*)</Version>.*|\1|p' Directory.Build.props)
work=artifacts/package
# The one date in the packages: that of this version's entry in package/debian/changelog.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(date -d "$(sed -nE 's/^ -- .*>  (.*)/\1/p' package/debian/changelog | head -1)" +%s)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC

rm -rf "$work"
mkdir -p "$work"

# What both formats hold.
fill() { # ROOT ZSH_FOLDER
    local root=$1
    install -D -m 755 artifacts/pcipass "$root/usr/sbin/pcipass"
    (cd package/tree && find . -type f -print0) | while IFS= read -r -d '' file; do
        local mode=644
        [[ $(head -c 2 "package/tree/$file") != '#!' ]] || mode=755
        install -D -m $mode "package/tree/$file" "$root/$file"
    done
    local page
    for page in docs/man/*; do
        mkdir -p "$root/usr/share/man/man${page##*.}"
        gzip -9n <"$page" >"$root/usr/share/man/man${page##*.}/$(basename "$page").gz"
    done
    install -D -m 644 package/completion/pcipass.bash "$root/usr/share/bash-completion/completions/pcipass"
    install -D -m 644 package/completion/_pcipass "$root$2/_pcipass"
    install -D -m 644 package/completion/pcipass.fish "$root/usr/share/fish/vendor_completions.d/pcipass.fish"
}

settle() { # ROOT: owner-independent modes, and one time for all
    find "$1" -type d -exec chmod 755 {} +
    find "$1" -name '*.gz' -exec chmod 644 {} +
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

deb() {
    local root=$work/deb file=artifacts/pcipass_${version}_amd64.deb
    fill "$root" /usr/share/zsh/vendor-completions
    mkdir -p "$root/usr/share/doc/pcipass" "$root/DEBIAN"
    cp package/debian/copyright "$root/usr/share/doc/pcipass/copyright"
    gzip -9n <package/debian/changelog >"$root/usr/share/doc/pcipass/changelog.gz"
    install -D -m 644 package/debian/lintian-overrides "$root/usr/share/lintian/overrides/pcipass"
    chmod 644 "$root"/usr/share/doc/pcipass/*
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
    sed -e "s/@version@/$version/" -e "s/@size@/$(du -sk --apparent-size "$root/usr" | cut -f1)/" package/debian/control >"$root/DEBIAN/control"
    install -m 644 package/debian/triggers "$root/DEBIAN/triggers"
    install -m 755 package/debian/postinst package/debian/prerm package/debian/postrm "$root/DEBIAN/"
    chmod 644 "$root/DEBIAN/md5sums" "$root/DEBIAN/control"
    settle "$root"
    dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$root" "$file" >/dev/null
    echo "$file"
}

rpm_package() {
    local root=$PWD/$work/rpm
    mkdir -p "$root/tree"
    fill "$root/tree" /usr/share/zsh/site-functions
    rm -rf "$root/tree/usr/share/initramfs-tools"
    settle "$root/tree"
    rpmbuild -bb --quiet --define "_topdir $root/build" --define "_rpmdir $root" --define "version_of_pcipass $version" --define "tree $root/tree" \
        --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
        --target x86_64-linux package/rpm/pcipass.spec >"$root/log" 2>&1 || { tail -20 "$root/log" >&2; return 1; }
    cp "$root/x86_64/pcipass-$version-1.x86_64.rpm" artifacts/
    echo "artifacts/pcipass-$version-1.x86_64.rpm"
}

deb
! command -v rpmbuild >/dev/null || rpm_package
