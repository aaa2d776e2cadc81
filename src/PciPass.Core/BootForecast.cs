using System.Collections.Immutable;
using PciPass.Core.Formats;
using PciPass.Core.Rules;

namespace PciPass.Core;

/// <summary>What the next start does with one function, and why.</summary>
/// <param name="Address">Where it is now.</param>
/// <param name="Now">The driver that it has; null without one.</param>
/// <param name="Next">The driver that it will have; null when it will have none.</param>
/// <param name="IsCertain">False where two drivers race, or where something could not be read.</param>
/// <param name="Why">Why, with the file and line that decides.</param>
public sealed record FunctionForecast(PciAddress Address, string? Now, string? Next, bool IsCertain, string Why)
{
    public bool IsHidden => Next is "pciback" or "vfio-pci";
}

/// <summary>
/// The next start, thought through in the order in which it happens: what is built into the kernel; pcipass' part of the initramfs; the
/// modules that the initramfs loads; those of the root file system; the late unit. The first driver that takes a function has it. Pure.
/// </summary>
/// <remarks>
/// pciback takes what is in its list when it is loaded, and only what has no driver then (seen in the lab); so what counts is which of the
/// two is loaded first. modprobe gives a module the options of the configuration that is in the same file system, and those of the kernel's line.
/// </remarks>
public sealed class BootForecast
{
    const string Vfio = "vfio_pci";

    /// <summary>xen_pciback, or pciback in kernels of old.</summary>
    readonly string pciback;
    readonly HostSnapshot host;
    readonly BootSetup setup;
    readonly bool isXen;
    readonly ModprobeSetup root;
    readonly KernelWords line;
    readonly ImmutableArray<BootDecision> early, late;
    readonly List<Finding> findings = [];

    BootForecast(HostSnapshot host, BootSetup setup)
    {
        this.host = host;
        this.setup = setup;
        pciback = ModprobeFile.Normal(setup.Files.PcibackModule);
        isXen = setup.Entry?.IsXen ?? host.Hypervisor == Hypervisor.XenDom0;
        root = new ModprobeSetup(setup.Files.Modprobe);
        line = KernelWords.Parse(setup.Entry?.Line ?? setup.RunningLine ?? "");
        var then = isXen ? Hypervisor.XenDom0 : host.Hypervisor == Hypervisor.XenGuest ? Hypervisor.XenGuest : Hypervisor.None;
        early = setup.Image is { HasPart: true } image ? BootDecision.Of(image.Devices, host.Functions, then) : [];
        late = BootDecision.Of(host.Devices, host.Functions, then);
        Functions = [.. host.Functions.Values.Where(function => NotPassable.ReasonAgainst(function) is null).Select(Judge)];
        Findings = [.. findings.Concat(new BootContradictions(host, setup, root, line, isXen).All()).DistinctBy(finding => (finding.Code, finding.Subject, finding.Why))];
    }

    public static BootForecast Of(HostSnapshot host, BootSetup setup) => new(host, setup);

    /// <summary>Every function that could be passed, by address.</summary>
    public ImmutableArray<FunctionForecast> Functions { get; }

    /// <summary>What contradicts what was wished, each with its cure.</summary>
    public ImmutableArray<Finding> Findings { get; }

    /// <summary>Whether enough is known of the next start to tell more than the list of pcipass itself does.</summary>
    public bool IsKnown => setup.Image is not null || setup.Entry is { IsFound: true, Initrd: null };

    FunctionForecast Judge(PciFunction function)
    {
        var wanting = Natives(function).ToArray();
        // udev asks by the function's alias, which a blacklist keeps from the module.
        var native = wanting.FirstOrDefault(module => Absence(module, root) is null);
        var nativeName = native is null ? null : NameOf(function, native, wanting);
        var wish = WishFor(function);

        // Built into the kernel: before any file system.
        if (IsBuiltIn(pciback) && Takes(pciback, function, null) is string byLine)
            return Hidden("pciback", $"xen-pciback is built into the kernel and comes before other drivers, {byLine}");
        var builtIn = native is not null && IsBuiltIn(native);
        if (!builtIn && IsBuiltIn(Vfio) && Takes(Vfio, function, null) is string byIds)
            return Hidden("vfio-pci", $"vfio-pci is built into the kernel, {byIds}");

        // pcipass in the initramfs: before udev there.
        if (early.FirstOrDefault(decision => decision.Function?.Address == function.Address) is BootDecision first)
            return Hidden($"{first.Kept.Driver}", $"pcipass in the initramfs, by line {first.Kept.Line} of {DeviceList.Path}{(builtIn ? $", takes it from {nativeName}, which is built into the kernel" : "")}{(first.Why.Length > 0 ? $"; {first.Why}" : "")}");
        if (builtIn)
            return Late() ?? Lost($"{nativeName} is built into the kernel and has it before anything else is loaded", "built-in-driver", "pcipass boot install     lets pcipass take it from its driver in the initramfs");

        foreach (var holder in (string[])[pciback, Vfio])
        {
            if (setup.Image is { IsRead: true } image && InImage(image, holder, function, native) is { } found)
                return found;
        }
        if (native is not null && setup.Image is { IsRead: true } && setup.Image.Modules.Contains(native) && Absence(native, setup.Image.Modprobe) is null)
            return Late() ?? Lost($"{nativeName} is in the initramfs, and nothing there hides it", "native-in-image", wish.Remedy);

        if (setup.Overrides.FirstOrDefault(each => each.Address == function.Address) is { Driver: string set, Place: string place })
            return set is "pciback" or "vfio-pci" ? Hidden(set, $"driverctl sets its driver when udev comes ({place})") : Result(set, $"driverctl sets its driver ({place})", true);
        foreach (var holder in (string[])[pciback, Vfio])
        {
            if (InRoot(holder, function, native) is { } found)
                return found;
        }
        if (Late() is FunctionForecast lateOne)
            return lateOne;
        if (native is null)
        {
            return wanting.Length == 0 ? Result(null, "no driver of this kernel wants it", true)
                : Result(null, $"{string.Join(" and ", wanting.Select(module => Absence(module, root)).Distinct())}", true);
        }
        return Lost($"nothing hides it from {nativeName}", "not-hidden-at-start", wish.Remedy);

        string? NativeDisplay() => nativeName;

        FunctionForecast Hidden(string driver, string why) => Result(driver, why, IsKnown && setup.Image is null or { IsRead: true });

        FunctionForecast Result(string? next, string why, bool isCertain) => new(function.Address, function.Driver?.ToString(), next, isCertain, why);

        FunctionForecast? Late()
        {
            if (!setup.HasUnit || late.FirstOrDefault(decision => decision.Function?.Address == function.Address) is not BootDecision last)
                return null;
            findings.Add(new Finding("hidden-late", Severity.Warn, $"{function.Address}", $"{function.Address} is hidden late: {NativeDisplay() ?? "another driver"} has it first",
                setup.Image is { IsRead: true, HasPart: false } image ? $"{image.Path} does not hold pcipass" : "pcipass in the initramfs does not hide it", "pcipass boot install     hides it before the drivers"));
            return Result($"{last.Kept.Driver}", $"{BootPart.Unit} takes it from {NativeDisplay() ?? "its driver"} once the host is up, by line {last.Kept.Line} of {DeviceList.Path}", true);
        }

        // What is wished and will not be is a finding; what nobody wished is not.
        FunctionForecast Lost(string why, string code, string remedy)
        {
            if (wish.Place.Length > 0)
                findings.Add(new Finding(code, Severity.Refuse, $"{function.Address}", $"{function.Address} will not be hidden at the next start, though {wish.Place} says so", wish.Why.Length > 0 ? wish.Why : why, remedy));
            return Result(nativeName, wish.Place.Length > 0 && wish.Why.Length > 0 ? $"{why}; {wish.Place} does not help: {wish.Why}" : why, IsKnown && setup.Image is null or { IsRead: true });
        }

        FunctionForecast? InImage(BootImage image, string holder, PciFunction function, string? native)
        {
            if (Takes(holder, function, image.Modprobe) is not string by || !(image.Modules.Contains(holder) || IsBuiltIn(holder)))
                return null;
            var driver = DriverOf(holder);
            if (image.LoadedFirst.Contains(holder) || line.Find("rd.driver.pre").Any(word => (word.Value ?? "").Split(',').Select(ModprobeFile.Normal).Contains(holder)))
                return Hidden(driver, $"{DashedOf(holder)} is loaded before udev in the initramfs, {by}");
            var isThere = native is not null && image.Modules.Contains(native) && Absence(native, image.Modprobe) is null;
            if (isThere && Order(image.Modprobe, holder, native!) is string order)
                return Hidden(driver, $"{order} loads {DashedOf(holder)} before {native} in the initramfs, {by}");
            if (!isThere && (image.LoadedLate.Contains(holder) || host.Functions.Values.Any(other => Natives(other).Any(module => image.Modules.Contains(module) && Order(image.Modprobe, holder, module) is not null))))
                return Hidden(driver, $"{DashedOf(holder)} is loaded in the initramfs, {by}, and {(native is null ? "no other driver wants it" : $"{native} comes only afterwards")}");
            return null;
        }

        FunctionForecast? InRoot(string holder, PciFunction function, string? native)
        {
            if (Takes(holder, function, root) is not string by || setup.Kernel is { } kernel && !kernel.Has(holder))
                return null;
            var driver = DriverOf(holder);
            if (native is not null && Order(root, holder, native) is string order)
                return Hidden(driver, $"{order} loads {DashedOf(holder)} before {native}, {by}");
            var byName = setup.LoadedByName.FirstOrDefault(each => each.Module == holder);
            if (byName.Place is null)
                return null;
            if (native is null)
                return Hidden(driver, $"{byName.Place} loads {DashedOf(holder)}, {by}");
            findings.Add(new Finding("start-race", Severity.Refuse, $"{function.Address}", $"it is left to chance whether {function.Address} is hidden at the next start",
                $"{byName.Place} loads {DashedOf(holder)} while udev loads {native}: whichever comes first has the function", $"a line \"softdep {native} pre: {DashedOf(holder)}\" in {BootFiles.OwnModprobe}, then {ImageCommand}"));
            return Result(driver, $"if {DashedOf(holder)}, which {byName.Place} loads, comes before {native}: they race", false);
        }
    }

    string ImageCommand => setup.ImageCommand.Length > 0 ? setup.ImageCommand : "make the initramfs anew";

    string DriverOf(string holder) => holder == pciback ? "pciback" : "vfio-pci";

    string DashedOf(string holder) => holder == pciback ? setup.Files.PcibackModule : "vfio-pci";

    bool IsBuiltIn(string module) => setup.Kernel?.BuiltIn.Contains(module) == true;

    /// <summary>The modules that want a function; where the kernel's tables are not there, the driver that it has or had.</summary>
    IEnumerable<string> Natives(PciFunction function)
    {
        var known = setup.Kernel?.Wanting(function).Where(module => module != pciback && module is not (Vfio or "pci_stub")).ToArray() ?? [];
        if (known.Length > 0)
            return known;
        return DriverBefore(function) is string driver && setup.Kernel is null or { Aliases.IsEmpty: true } ? [ModprobeFile.Normal(driver)] : [];
    }

    string? DriverBefore(PciFunction function) => new[] { function.Driver, host.Taken.FirstOrDefault(taken => taken.Address == function.Address)?.Driver }
        .FirstOrDefault(driver => driver is not null && driver != DriverName.Pciback && driver != DriverName.VfioPci)?.ToString();

    /// <summary>A driver's own name where it is known, which its module's need not be.</summary>
    string NameOf(PciFunction function, string module, string[] wanting) => wanting.Length == 1 && DriverBefore(function) is string driver ? driver : module;

    /// <summary>Why a module is not loaded when udev asks for it; null when it is.</summary>
    string? Absence(string module, ModprobeSetup modprobe)
    {
        if (modprobe.FindBlacklist(module) is ModprobeFile.Command blacklist)
            return $"{module} is on the blacklist ({blacklist.Place})";
        if (modprobe.FindInstall(module) is ModprobeFile.Command install && InstallCommand.Parse(install.Rest).IsNothing)
            return $"{module} is never loaded ({install.Place}: \"{install}\")";
        foreach (var name in (ReadOnlySpan<string>)["modprobe.blacklist", "module_blacklist", "rd.driver.blacklist"])
        {
            if (line.Find(name).Any(word => (word.Value ?? "").Split(',').Select(ModprobeFile.Normal).Contains(module)) && (name != "rd.driver.blacklist" || modprobe != root))
                return $"{module} is on the blacklist (the kernel's line: {name}=)";
        }
        return null;
    }

    /// <summary>The place of the line that loads a holder before a native driver, or before what that needs; null when none does.</summary>
    string? Order(ModprobeSetup modprobe, string holder, string native)
    {
        if (modprobe.FindInstall(native) is ModprobeFile.Command install)
            return InstallCommand.Parse(install.Rest).LoadsBefore(holder, native) ? install.Place : null;
        foreach (var module in (setup.Kernel?.Needs.GetValueOrDefault(native) is { IsDefault: false } needs ? needs : []).Prepend(native))
        {
            if (modprobe.FindSoftdep(module) is ModprobeFile.Command softdep && ModprobeSetup.Before(softdep).Contains(holder))
                return softdep.Place;
        }
        return null;
    }

    /// <summary>By which list or ids a holder takes a function when it is loaded; null when it does not.</summary>
    /// <param name="holder">xen_pciback or vfio_pci.</param>
    /// <param name="function">The function.</param>
    /// <param name="modprobe">The configuration that gives it options; null where it is built in, and has the kernel's line alone.</param>
    string? Takes(string holder, PciFunction function, ModprobeSetup? modprobe)
    {
        if (holder == pciback && !isXen)
            return null;
        if (BootContradictions.OptionOf(holder, holder == pciback ? "hide" : "ids", modprobe, line) is not var (value, place))
            return null;
        if (holder == Vfio)
            return IdList.Parse(value).Entries.Any(entry => entry.Means(function)) ? $"by the ids of {place}" : null;
        var list = HideList.Parse(value);
        if (list.Error is not null)
            return null;
        // Naming a bridge hides everything behind it (pcistub_match).
        return list.Entries.Any(entry => entry.Means(function.Address)) ? $"by the list of {place}"
            : host.BridgesAbove(function).FirstOrDefault(bridge => list.Entries.Any(entry => entry.Means(bridge.Address))) is PciFunction above ? $"by the list of {place}, which names the bridge {above.Address} above it" : null;
    }

    /// <summary>What wishes a function hidden, and why that alone does not do it; no place when nothing wishes it.</summary>
    (string Place, string Why, string Remedy) WishFor(PciFunction function)
    {
        const string Install = "pcipass boot install";
        if (host.Devices.Functions.FirstOrDefault(kept => kept.Identity.DifferenceTo(function.Identity) is null) is KeptFunction kept)
        {
            var place = $"line {kept.Line} of {DeviceList.Path}";
            var decision = late.FirstOrDefault(each => each.Kept == kept);
            if (decision is { Function: null })
                return (place, decision.Why, kept.Driver == DriverName.Pciback && !isXen ? "let the boot loader start Xen's entry by default" : $"pcipass unhide --boot {kept.Address}; pcipass hide {function.Address}");
            if (setup.Image is not { } image)
                return (place, setup.Entry?.Initrd is string missing ? $"{missing} is not there" : "no initramfs was found that pcipass could be in", Install);
            if (image.IsRead && !image.HasPart)
                return (place, $"{image.Path} does not hold pcipass", Install);
            if (image.IsRead && early.All(each => each.Function?.Address != function.Address))
                return (place, $"the list in {image.Path} is another one than {DeviceList.Path}", ImageCommand);
        }
        foreach (var holder in (string[])[pciback, Vfio])
        {
            if (BootContradictions.OptionOf(holder, holder == pciback ? "hide" : "ids", root, line) is not var (value, place)
                || !(holder == pciback ? HideList.Parse(value).Entries.Any(entry => entry.Means(function.Address)) : IdList.Parse(value).Entries.Any(entry => entry.Means(function))))
                continue;
            var name = DashedOf(holder);
            if (holder == pciback && !isXen)
                return (place, $"{setup.Entry?.How ?? "the next start"} is Linux without Xen, where pciback holds nothing", "let the boot loader start Xen's entry by default");
            if (holder == pciback && HideList.Parse(value).Error is string error)
                return (place, $"{error}; the kernel drops the whole list for that", "mend that list");
            if (setup.Kernel is { } kernel && !kernel.Has(holder))
                return (place, $"Linux {kernel.Version} has no module {name}", Install);
            if (IsBuiltIn(holder))
                return (place, $"{name} is built into Linux {setup.Kernel?.Version}, and modprobe's options are for modules", $"put {name}.{(holder == pciback ? "hide" : "ids")}= on the kernel's line{(holder == pciback ? $": pcipass hide --boot --method cmdline {function.Address}" : "")}");
            if (Natives(function).FirstOrDefault() is string native && setup.Image is { IsRead: true } image && image.Modules.Contains(native))
            {
                if (!image.Modules.Contains(holder))
                    return (place, $"{native} is in {image.Path} and {name} is not", $"put {name} into the initramfs ({(image.Generator == BootPart.Dracut ? $"add_drivers+=\" {name} \" in /etc/dracut.conf.d" : $"a line {name} in /etc/initramfs-tools/modules")}), and let a softdep line load it first; then {ImageCommand}");
                return BootContradictions.OptionOf(holder, holder == pciback ? "hide" : "ids", image.Modprobe, line) is not var (inImage, _) || inImage != value
                    ? (place, $"{image.Path} holds other options of {name} than the root file system", ImageCommand)
                    : Order(image.Modprobe, holder, native) is null && Order(root, holder, native) is not null
                        ? (place, $"{image.Path} does not hold the line that loads {name} before {native}", ImageCommand)
                        : (place, $"nothing loads {name} before {native}", $"a line \"softdep {native} pre: {name}\" in {BootFiles.OwnModprobe}, then {ImageCommand}");
            }
            return (place, $"nothing loads {name}{(Natives(function).FirstOrDefault() is string its ? $" before {its}" : "")}", Natives(function).FirstOrDefault() is string theirs
                ? $"a line \"softdep {theirs} pre: {name}\" in {BootFiles.OwnModprobe}, then {ImageCommand}" : $"a line {name} in /etc/modules-load.d/pcipass.conf");
        }
        return ("", "", "");
    }
}
