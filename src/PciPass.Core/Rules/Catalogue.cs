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
        new ImageUnreadable(),
        new NotThereToReturn(),
        new AlreadyRunning(),
        new SurvivalUnknown(),
        new HadInterruptPin(),
        new HistoryUnknown(),
        new CannotComeBack(),
        new LiveMigration(),
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

    /// <summary>All findings about a request; refusals first, otherwise in the order of <see cref="All"/>.</summary>
    public static ImmutableArray<Finding> Check(HostSnapshot host, Request request) =>
        [.. All.SelectMany(rule => rule.Check(host, request)).OrderByDescending(finding => finding.Severity >= Severity.Refuse)];

    /// <summary>The first refusal among the findings that lies in a function and not in the host; null where there is none. Those behind it are not looked for.</summary>
    public static Finding? FirstRefusal(HostSnapshot host, Request request)
    {
        foreach (var rule in All)
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
