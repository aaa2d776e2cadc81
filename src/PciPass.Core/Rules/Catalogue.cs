using System.Collections.Immutable;

namespace PciPass.Core.Rules;

/// <summary>Every rule, in the order in which their findings are told.</summary>
public static class Catalogue
{
    public static ImmutableArray<Rule> All { get; } =
    [
        new NotFound(),
        new NotXen(),
        new NoPciback(),
        new NoVfio(),
        new Busy(),
        new NotPassable(),
        new HasVirtualFunctions(),
        new GuestUnknown(),
        new GuestAmbiguous(),
        new GuestMonitor(),
        new GuestType(),
        new GuestNotPrepared(),
        new GuestWithoutHostMap(),
        new GuestMemory(),
        new GuestFull(),
        new GuestMemoryHole(),
        new HotplugLimit(),
        new ImagePlace(),
        new ImageRoom(),
        new ImageUnreadable(),
        new NotThereToReturn(),
        new AlreadyRunning(),
        new SurvivalUnknown(),
        new HadInterruptPin(),
        new HistoryUnknown(),
        new CannotComeBack(),
        new SavedAtShutdown(),
        new NotLive(),
        new TargetRefuses(),
        new AttachedElsewhere(),
        new NotAttached(),
        new StillAttached(),
        new NotHidden(),
        new OtherIdentity(),
        new DamagedDeviceList(),
        new KeptForAnother(),
        new NotAtBoot(),
        new UnclearBootFiles(),
        new UnclearGuestFile(),
        new ClaimedByConfiguration(),
        new OtherBackend(),
        new RootFileSystem(),
        new OwnSession(),
        new InUseNetwork(),
        new OtherNetworkNamespace(),
        new InUseDisk(),
        new InUseConsole(),
        new BootFramebuffer(),
        new InUseWatchdog(),
        new OpenNode(),
        new HoldsData(),
        new NoAnswer(),
        new SharedRequester(),
        new GroupShared(),
        new BarSharesPage(),
        new BarNotAligned(),
        new ReservedByFirmware(),
        new OtherRequester(),
        new UnconfinedDma(),
        new NoInterruptRemapping(),
        new SharedInterrupt(),
        new NoReset(),
        new SwitchedOff(),
        new RomUnusable(),
        new FarNode(),
        new GuestSystem(),
        new GuestAgent(),
        new DriverGone(),
    ];

    /// <summary>
    /// Those that can hold against hiding a function something that lies in the function itself: what a list asks of each. (The others speak
    /// of guests, of images, of the next start and of the host; PlannerTests compares.)
    /// </summary>
    static readonly ImmutableArray<Rule> AgainstHiding =
    [
        .. All.Where(rule =>
            rule
                is Busy
                    or NotPassable
                    or HasVirtualFunctions
                    or AttachedElsewhere
                    or OtherBackend
                    or RootFileSystem
                    or OwnSession
                    or InUseNetwork
                    or OtherNetworkNamespace
                    or InUseDisk
                    or InUseConsole
                    or BootFramebuffer
                    or InUseWatchdog
                    or OpenNode
                    or NoAnswer
                    or SharedRequester
                    or GroupShared
                    or BarSharesPage
                    or ReservedByFirmware
                    or OtherRequester
        ),
    ];

    /// <summary>Those of them that have something to say of a function that the host uses for nothing.</summary>
    static readonly ImmutableArray<Rule> AgainstHidingUnused =
    [
        .. AgainstHiding.Where(rule =>
            rule
                is not (
                    RootFileSystem
                    or OwnSession
                    or InUseNetwork
                    or OtherNetworkNamespace
                    or InUseDisk
                    or InUseConsole
                    or InUseWatchdog
                    or OpenNode
                )
        ),
    ];

    /// <summary>All findings about a request; refusals first, otherwise in the order of <see cref="All"/>.</summary>
    public static ImmutableArray<Finding> Check(HostSnapshot host, Request request) =>
        [.. All.SelectMany(rule => rule.Check(host, request)).OrderByDescending(finding => finding.Severity >= Severity.Refuse)];

    /// <summary>The first reason why a function that is there must not be hidden now that lies in the function and not in the host; null where there is none. Those behind it are not looked for.</summary>
    public static Finding? FirstRefusalToHide(HostSnapshot host, PciAddress function)
    {
        var request = new Request(Verb.Hide, [function], null, []);
        foreach (var rule in host.UsesOf(function).Any() ? AgainstHiding : AgainstHidingUnused)
        {
            foreach (var finding in rule.Check(host, request))
            {
                if (finding.Severity >= Severity.Refuse && finding.Subject != "host")
                    return finding;
            }
        }
        return null;
    }
}
