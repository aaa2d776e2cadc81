using PciPass.Lab;
using Xunit;
using Xunit.Sdk;

namespace PciPass.Tests;

/// <summary>
/// A host in the lab with the native binary on it, shared by the tests that name it. It boots when the first of them asks for it. Every test must
/// leave it as it found it; when one does not, that test fails and the next one gets a host that has booted anew.
/// </summary>
public abstract class LabHost(Machine description, string name, params string[] guests) : IDisposable
{
    LabMachine? machine;

    /// <summary>Kernel modules that it needs beyond those of the image.</summary>
    protected virtual System.Collections.Immutable.ImmutableArray<string> Modules => [];

    /// <summary>A script that runs once it has booted, before anything else.</summary>
    protected virtual string Start => ":";

    string rest = "";

    /// <summary>Runs a shell script in dom0.</summary>
    public Result Run(string script, TimeSpan? deadline = null) => Told(booted => booted.Run(script, deadline));

    /// <summary>Runs pcipass in dom0.</summary>
    public Result Pcipass(string arguments, TimeSpan? deadline = null) => Run($"pcipass {arguments}", deadline);

    /// <summary>Runs a shell script in a guest.</summary>
    public Result RunIn(string guest, string script, TimeSpan? deadline = null) => Told(booted => booted.RunIn(guest, script, deadline));

    /// <summary>The driver that has a function; "-" for none.</summary>
    public string DriverOf(string function) => Word($"d=$(readlink /sys/bus/pci/devices/{function}/driver); d=${{d##*/}}; echo ${{d:--}}");

    /// <summary>What the function's driver_override holds; "(null)" for nothing.</summary>
    public string OverrideOf(string function) => Word($"cat /sys/bus/pci/devices/{function}/driver_override");

    /// <summary>Who has the function in Xen's IOMMU: "d0", "d3" or, under quarantine, "DomIO".</summary>
    public string OwnerOf(string function) => Word($"{Owners} | sed -n 's/^{function} owner //p'");

    /// <summary>The value at a path of xenstore.</summary>
    public string Store(string path) => Word($"xenstore-read '{path}'");

    /// <summary>The number of a running guest.</summary>
    public string DomainOf(string guest) => Word($"xl domid '{guest}'");

    /// <summary>Starts a guest that a test has for itself, and returns when it answers. The caller destroys it.</summary>
    /// <param name="guest">A name that no other guest has.</param>
    /// <param name="modules">The kernel modules that it loads; "none" leaves it without pcifront.</param>
    public void StartGuest(string guest, string modules = "xen-pcifront,e1000e")
    {
        Run($"sed -e 's/web1/{guest}/' -e 's/^extra = \"/&lab.modules={modules} /' /etc/xen/web1.cfg >/tmp/{guest}.cfg && xl create /tmp/{guest}.cfg").Exits(0);
        RunIn(guest, "true").Exits(0);
    }

    /// <summary>The same with the native program inside it, at /bin/pcipass: a second archive behind the guest's own image.</summary>
    public void StartGuestWithProgram(string guest, string modules)
    {
        Run($$"""
            mkdir -p /tmp/inside/bin && cp /usr/bin/pcipass /tmp/inside/bin/
            { cat /boot/guest.cpio; (cd /tmp/inside && echo bin/pcipass | cpio -o -H newc); } >/tmp/inside.cpio && rm -r /tmp/inside
            sed -e 's/web1/{{guest}}/' -e 's/^extra = "/&lab.modules={{modules}} /' -e 's|/boot/guest.cpio|/tmp/inside.cpio|' /etc/xen/web1.cfg >/tmp/{{guest}}.cfg && xl create /tmp/{{guest}}.cfg
            """).Exits(0);
        RunIn(guest, "true").Exits(0);
    }

    /// <summary>Everything that a test could leave behind, as text.</summary>
    public string Picture() => Run($$"""
        for f in /sys/bus/pci/devices/*; do
            d=$(readlink $f/driver); read -r o <$f/driver_override
            echo "${f##*/} driver=${d##*/} override=$o" $(ls $f/net $f/nvme 2>/dev/null)
        done
        sed 's/^/slot /' /sys/bus/pci/drivers/pciback/slots 2>/dev/null | sort
        if [ -e /proc/xen/capabilities ]; then
            {{Owners}}
            for id in $(xenstore-list /local/domain); do
                echo "guest $(xenstore-read /local/domain/$id/name) $(xenstore-list /local/domain/0/backend/pci/$id/0 2>/dev/null | grep dev-)"
            done
        fi
        grep -L '^end ' /var/lib/pcipass/journal/* 2>/dev/null | sed 's/^/open /'
        ip -o addr | sed 's/ *valid_lft.*//; s/^[0-9]*: //'; ip route; ls -1 /etc/xen /sys/class/net; cat /proc/swaps; grep ^/dev/ /proc/mounts
        # Its child dies with it, a moment later.
        n=0; while [ $n -lt 20 ] && grep -qlx pcipass /proc/[0-9]*/comm 2>/dev/null; do n=$((n + 1)); usleep 100000; done
        grep -lx pcipass /proc/[0-9]*/comm 2>/dev/null | sed 's/.*/a process pcipass/'
        :
        """).Exits(0).Stdout;

    /// <summary>Fails when the host is not as it was when it had booted.</summary>
    public void CheckAtRest()
    {
        if (machine is null)
            return;
        string now;
        try
        {
            now = Picture();
        }
        catch (LabException)
        {
            SwitchOff();
            throw;
        }
        if (now == rest)
            return;
        var (before, after) = (rest.Split('\n'), now.Split('\n'));
        var consoles = Consoles(machine);
        SwitchOff();
        Assert.Fail($"the host is not as it was:\n{Lines('-', before.Except(after))}{Lines('+', after.Except(before))}{consoles}");

        static string Lines(char sign, IEnumerable<string> lines) => string.Concat(lines.Select(line => $"{sign} {line}\n"));
    }

    public void Dispose()
    {
        SwitchOff();
        GC.SuppressFinalize(this);
    }

    // Xen writes the owners on its console; what stood there before goes away first, for it is a ring.
    const string Owners = @"{ xl dmesg -c >/dev/null; xl debug-keys Q; xl dmesg | sed -n 's/^(XEN) \([0-9a-f]*:[0-9a-f:.]*\) - \(d[0-9]*\|DomIO\).*/\1 owner \2/p' | sort; }";

    string Word(string script) => Run(script).Exits(0).Stdout.TrimEnd('\n');

    Result Told(Func<LabMachine, Result> run)
    {
        var booted = Booted;
        try
        {
            return run(booted);
        }
        catch (LabException failure)
        {
            // A guest that hangs says on its own console why.
            throw new LabException($"{failure.Message}\n{Consoles(booted)}");
        }
    }

    static string Consoles(LabMachine booted)
    {
        try
        {
            return booted.Run("tail -n 20 /var/log/xen/guest-*.log; dmesg | tail -n 20", TimeSpan.FromSeconds(20)).Stdout;
        }
        catch (LabException)
        {
            return "and the guests' consoles cannot be read any more";
        }
    }

    /// <summary>The machine, booted where it has not been, or no longer is.</summary>
    /// <summary>The host itself, for contracts.</summary>
    internal LabSystem System => new(Booted);

    protected LabMachine Booted => machine ?? Boot();

    /// <summary>
    /// Nothing of pcipass runs until the machine stands. Where it comes to grief before (xenstored died of a general protection fault once in many
    /// hundred boots, in emulation), that says nothing of what is tested: the reason is shown, and a second machine must do.
    /// </summary>
    LabMachine Boot()
    {
        try
        {
            return BootOnce();
        }
        catch (Exception failure) when (failure is LabException or XunitException)
        {
            Console.Error.WriteLine($"the lab's machine {name} did not come up, a second is tried: {failure.Message}");
            SwitchOff();
            return BootOnce();
        }
    }

    LabMachine BootOnce()
    {
        var program = Path.Combine(Images.Ensure().Checkout, "artifacts", "pcipass");
        Assert.True(File.Exists(program), $"{program} is missing: run ./build publish");
        machine = LabMachine.Boot(description with { Files = [MachineFile.FromHost(program, "/usr/bin/pcipass"), .. Modules.IsEmpty ? [] : KernelModules.Of(Images.Ensure(), Modules.AsSpan())] }, name);
        Run(Start).Exits(0);
        foreach (var guest in guests)
            Run($"xl create /etc/xen/{guest}.cfg").Exits(0);
        foreach (var guest in guests)
            RunIn(guest, "true").Exits(0);
        rest = Picture();
        return machine;
    }

    void SwitchOff()
    {
        machine?.Dispose();
        machine = null;
    }
}
