using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Two hosts: a guest, web1 where no other is named, runs on the first, with functions; the second has like ones, and no such guest.</summary>
sealed class MovePair
{
    readonly string guest;

    public SimHost Here { get; }
    public SimHost There { get; }

    /// <summary>The command that moves it.</summary>
    public string Migrate { get; }

    /// <summary>Whether ssh reaches the second from the first.</summary>
    public bool IsReachable { get; set; } = true;

    /// <summary>After how many of its changes the next command there dies; -1: it does not.</summary>
    public int DiesAfter { get; set; } = -1;

    /// <summary>Which command there that is about: copy, start, drop.</summary>
    public string Dying { get; set; } = "start";

    /// <summary>Which commands were run there.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>What ends the connection right before, or right after, one command there.</summary>
    public string? CutBefore { get; set; }
    public string? CutAfter { get; set; }

    public MovePair(params string[] first)
        : this("pinless", first)
    {
    }

    /// <summary>The same of another kind of host, or another guest: libvirt's guest of QEMU on "libvirt".</summary>
    public MovePair(string machine, string[] first, string guest = "web1", string options = "")
    {
        this.guest = guest;
        Migrate = $"migrate {guest} xen2{options}";
        Here = Machines.Make(machine).WithPeer("xen2", Command).WithToolstackPeer("xen2", () => IsReachable ? There : null);
        There = Machines.Make(machine);
        if (machine == "libvirt")
            There.EndQemu(guest);
        else
            There.DestroyGuest(guest);
        foreach (var command in first)
            Assert.Equal(0, Told.By(Here, command).ExitCode);
    }

    ProgramResult Command(IReadOnlyList<string> words, byte[] input)
    {
        Assert.Equal(["pcipass", "receive"], words.Take(2));
        var verb = words[2];
        if (verb == CutBefore)
            IsReachable = false;
        if (!IsReachable)
            return new ProgramResult(255, "", "ssh: connect to host xen2 port 22: No route to host\n");
        Asked.Add(verb);
        There.StartProcess();
        There.GiveInput(input);
        if (DiesAfter >= 0 && verb == Dying)
            There.CrashAfter(DiesAfter);
        ProgramResult result;
        try
        {
            var told = Told.Run(There, string.Join(' ', words.Skip(1)));
            result = new ProgramResult(told.ExitCode, told.Output, told.Errors);
            There.CrashAfter(-1);
        }
        catch (SimCrash)
        {
            DiesAfter = -1;
            result = new ProgramResult(137, "", "Killed\n");
        }
        if (verb != CutAfter)
            return result;
        IsReachable = false;
        return new ProgramResult(255, "", "Connection to xen2 closed by remote host.\n");
    }

    /// <summary>Both hosts, and what of moved images lies on them.</summary>
    public string ToText()
    {
        Here.Clock.Advance(TimeSpan.FromSeconds(5));
        There.Clock.Advance(TimeSpan.FromSeconds(5));
        return $"here\n{Here.ToText()}{Images(Here)}there\n{There.ToText()}{Images(There)}";
    }

    static string Images(SimHost host) => string.Concat(host.Files.List(MovedGuest.Folder).Select(name => $"moved {name[..4]}\n"));

    public int Running => (IsAwake(Here) ? 1 : 0) + (IsAwake(There) ? 1 : 0);

    bool IsAwake(SimHost host) => host.FindGuest(guest) is { IsPaused: false, IsSuspended: false } || host.Qemus.Any(qemu => qemu.Name == guest);

    public void AssertClosed() => Assert.All(new Journal(Here).ReadAll().Concat(new Journal(There).ReadAll()), operation => Assert.NotEqual(Ending.None, operation.Ending));
}
