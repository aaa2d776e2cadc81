namespace PciPass.Core;

/// <summary>
/// <c>pcipass guest</c> as a shell script, for guests in which the program does not run: POSIX sh and the tools of Red Hat Enterprise Linux 5.
/// It knows the same modules and the same ways to keep them as <see cref="GuestKernel"/>.
/// </summary>
public static class GuestScript
{
    /// <summary>The script. With a folder as its second argument it means the system that is mounted there, and loads nothing.</summary>
    public const string Text = """
        #!/bin/sh
        # Sees to it that PCI functions can be plugged into this guest, and taken out, while it runs.
        #   check   tells what it needs and has; ends with 1 when hot-plug does not work
        #   setup   loads it, now and at each start, in this system's own way
        #   undo    takes out of the system's files what setup has put there
        # A second argument is the root of another system: its files are meant, and nothing is loaded.
        # Written by "pcipass guest script".
        set -u
        umask 022
        mark="# for PCI hot-plug (pcipass guest setup)"
        action=${1:-check}
        root=${2:-}
        root=${root%/}
        PATH=$PATH:/sbin:/usr/sbin:/bin:/usr/bin

        fail() {
            echo "error: $1" >&2
            echo "why:   $2" >&2
            echo "do:    $3" >&2
            exit "$4"
        }

        first_line() { # FILE
            line=
            [ ! -f "$1" ] || IFS= read -r line <"$1" || :
            printf '%s' "$line"
        }

        # ---- what this guest needs -----------------------------------------------------------------------------------------

        release=$(first_line "$root/proc/sys/kernel/osrelease")
        [ -n "$release" ] || release=$(uname -r)
        if grep -q control_d "$root/proc/xen/capabilities" 2>/dev/null; then
            fail "this is a Xen host" "$root/proc/xen/capabilities says control_d" "run it inside the guest" 2
        fi
        if [ "$(first_line "$root/sys/hypervisor/type")" = xen ]; then
            case $(first_line "$root/sys/hypervisor/guest_type") in
            HVM) platform=hvm ;;
            PVH) platform=pvh ;;
            PV) platform=pv ;;
            *)
                platform=pv
                [ "$(first_line "$root/sys/class/dmi/id/product_name")" != "HVM domU" ] || platform=hvm
                ;;
            esac
        else
            platform=machine
        fi
        case $platform in
        pv) needed=xen-pcifront what="a Xen PV guest" ;;
        pvh) fail "this guest cannot be set up for hot-plug" "a PVH guest cannot have functions" "start it as PV or HVM guest" 1 ;;
        hvm) needed=acpiphp what="a Xen HVM guest" ;;
        *) needed=acpiphp what="a machine with ACPI" ;;
        esac

        under=$(printf '%s' "$needed" | tr - _)
        # Both spellings of a name are one to the kernel.
        either=$(printf '%s' "$needed" | sed 's/[-_]/[-_]/g')

        state() {
            if grep -q "^$under " "$root/proc/modules" 2>/dev/null; then
                echo loaded
            elif [ -d "$root/sys/module/$under" ] || grep -q "/$either\.ko" "$root/lib/modules/$release/modules.builtin" 2>/dev/null; then
                echo "built in"
            # Linux 2.6.18 lists no built-in modules. Its Xen frontend is built in, and shows as a driver.
            elif [ "$platform" = pv ] && [ -d "$root/sys/bus/xen/drivers/pcifront" ]; then
                echo "built in"
            elif grep -q "/$either\.ko[^:]*:" "$root/lib/modules/$release/modules.dep" 2>/dev/null; then
                echo loadable
            else
                echo missing
            fi
        }

        # ---- how this system loads modules at a start ----------------------------------------------------------------------

        if [ -d "$root/etc/modules-load.d" ]; then
            file=/etc/modules-load.d/pcipass.conf own=yes
        elif [ -d "$root/etc/sysconfig/modules" ]; then
            file=/etc/sysconfig/modules/$needed.modules own=yes
        elif [ -f "$root/etc/modules" ]; then
            file=/etc/modules own=no
        else
            file= own=no
        fi

        kept() {
            case $file in
            "") return 1 ;;
            /etc/sysconfig/*) cat "$root"/etc/sysconfig/modules/*.modules 2>/dev/null | grep -Eq "^[^#]*modprobe[[:space:]]([^#]*[[:space:]])?$either([[:space:]]|\$)" ;;
            /etc/modules) grep -Eq "^[[:space:]]*$either([[:space:]]|\$)" "$root/etc/modules" 2>/dev/null ;;
            *) cat "$root"/etc/modules-load.d/*.conf "$root/etc/modules" 2>/dev/null | grep -Eq "^[[:space:]]*$either([[:space:]]|\$)" ;;
            esac
        }

        # Replaces a file whole: a reader sees the old one or the new one. What stands on stdin is its content.
        replace() { # PATH MODE
            new=$root${1%/*}/.${1##*/}.pcipass-new
            [ ! -h "$root$1" ] || fail "$1 is a symbolic link" "it is not followed" "put a file in its place" 1
            rm -f "$new"
            (set -C && cat >"$new") || fail "$1 cannot be written" "its folder takes no file" "see that it is not read-only" 3
            if [ -e "$root$1" ]; then
                # The copy brings owner and mode along; the content comes after.
                cat "$new" >"$new.text" && cp -p "$root$1" "$new" && cat "$new.text" >"$new" || fail "$1 cannot be written" "its copy failed" "see that the disk is not full" 3
                rm -f "$new.text"
            else
                chmod "$2" "$new"
            fi
            sync
            mv -f "$new" "$root$1" || fail "$1 cannot be written" "the new file could not take its place" "see that its folder is not read-only" 3
            sync
        }

        # ---- the three actions ---------------------------------------------------------------------------------------------

        report() {
            now=$(state)
            echo "this is $what, kernel $release"
            if kept; then at="kept for each start"; else at="not kept for a start"; fi
            [ "$now" != "built in" ] || at="needs no file"
            echo "module $needed: $now, $at"
            case $now in
            loaded | "built in") echo "hot-plug: ready" ;;
            missing)
                echo "hot-plug: does not work: kernel $release has no module $needed"
                return 1
                ;;
            *)
                echo "hot-plug: does not work: $needed is not loaded; setup loads it"
                return 1
                ;;
            esac
        }

        case $action in
        check) report ;;
        setup)
            now=$(state)
            [ "$now" != missing ] || fail "this guest cannot be set up for hot-plug" "kernel $release has no module $needed" "install the package that has it, or another kernel" 1
            if [ "$now" != "built in" ]; then
                if kept; then
                    :
                elif [ -z "$file" ]; then
                    echo "note:  this system has no way to load modules at a start that is known here; $needed is loaded now only" >&2
                elif [ "$own" = yes ]; then
                    case $file in
                    *.modules) printf '#!/bin/sh\n%s\nmodprobe %s >/dev/null 2>&1\n' "$mark" "$needed" | replace "$file" 755 || exit $? ;;
                    *) { if [ -f "$root$file" ]; then cat "$root$file"; else echo "$mark"; fi && echo "$needed"; } | replace "$file" 644 || exit $? ;;
                    esac
                else
                    # A last line without its end gets one.
                    { awk 1 "$root$file" && printf '%s\n%s\n' "$mark" "$needed"; } | replace "$file" 644 || exit $?
                fi
                if [ "$now" = loadable ] && [ -z "$root" ]; then
                    modprobe "$needed" || fail "$needed could not be loaded" "modprobe ended with $?" "see dmesg" 3
                fi
            fi
            if [ -n "$root" ]; then report || :; else report; fi
            ;;
        undo)
            for path in "$root"/etc/modules-load.d/pcipass.conf "$root"/etc/sysconfig/modules/*.modules; do
                if [ -f "$path" ] && [ ! -h "$path" ] && grep -Fqx "$mark" "$path"; then
                    rm -f "$path"
                    echo "removed ${path#"$root"}"
                fi
            done
            if [ -f "$root/etc/modules" ] && grep -Fqx "$mark" "$root/etc/modules"; then
                awk -v mark="$mark" '$0 == mark { skip = 1; next } skip { skip = 0; next } { print }' "$root/etc/modules" | replace /etc/modules 644 || exit $?
                echo "changed /etc/modules"
            fi
            ;;
        *) fail "\"$action\" is no action" "there are check, setup and undo" "sh $0 check" 2 ;;
        esac

        """;
}
