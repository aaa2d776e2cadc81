namespace PciPass.Lab;

/// <summary>The demonstration's machine with real Xen in QEMU, the native binary in dom0, and a running PV guest.</summary>
public sealed class XenDemoHost : DemoHost
{
    readonly LabMachine _machine;

    XenDemoHost(LabMachine machine) => _machine = machine;

    /// <summary>Boots it, with all its stages shown.</summary>
    /// <exception cref="LabException">It did not boot, or the binary is missing.</exception>
    public static XenDemoHost Boot()
    {
        var images = Images.Ensure(Console.Error.WriteLine);
        var machine = Machine.Demo with { Files = [images.Program()] };
        Stage[] guestStages = [new("web1 is created", 2), new("web1 starts", 5)];
        using var stages = Stages.OnConsole([.. LabMachine.BootStages(machine.Kind), .. guestStages]);
        var booted = LabMachine.Boot(machine, "demo", stages.Begin);
        stages.Begin(guestStages[0].Name);
        booted.Run("xl create /etc/xen/web1.cfg").Ok();
        stages.Begin(guestStages[1].Name);
        booted.RunIn("web1", "true").Ok();
        return new XenDemoHost(booted);
    }

    /// <inheritdoc/>
    public override (int Code, string Text) Run(string where, string command)
    {
        var result = where == Host ? _machine.Run($"{command} 2>&1") : _machine.RunIn(where, command);
        return (result.ExitCode, result.Stdout);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _machine.Dispose();
        base.Dispose(disposing);
    }
}
