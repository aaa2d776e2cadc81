using System.Text;
using System.Xml.Linq;

namespace PciPass.Lab;

/// <summary>
/// The list of the simulator's rules and where each was confirmed, from the results of a test run: what a test proved, not what somebody
/// wrote down.
/// </summary>
public static class ContractList
{
    static readonly (string Class, string Column)[] Places =
    [
        ("XenContractOnSimulator", "simulated dom0"),
        ("XenContractInLab", "real dom0"),
        ("HvmContractOnSimulator", "simulated HVM"),
        ("HvmContractInLab", "real HVM"),
        ("VfioContractOnSimulator", "simulated Linux"),
        ("VfioContractInLab", "real Linux"),
        ("QemuContractOnSimulator", "simulated QEMU"),
        ("QemuContractInLab", "real QEMU"),
        ("LibvirtContractOnSimulator", "simulated libvirt"),
        ("LibvirtContractInLab", "real libvirt"),
        ("SshContractOnSimulator", "simulated ssh"),
        ("SshContractInLab", "real ssh"),
    ];

    /// <param name="results">A results file in the format of Visual Studio's test tools (TRX).</param>
    /// <returns>A page of Markdown; its lines depend on nothing but which rules were confirmed where.</returns>
    public static string Write(XDocument results)
    {
        var space = results.Root!.Name.Namespace;
        var rules = new SortedDictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var result in results.Descendants(space + "UnitTestResult"))
        {
            // PciPass.Tests.XenContractInLab.A_slot_for_rubbish_is_EINVAL(rubbish: "rubbish")
            var name = result.Attribute("testName")!.Value;
            var parts = name[..(name.IndexOf('(', StringComparison.Ordinal) is >= 0 and var at ? at : name.Length)].Split('.');
            if (parts.Length < 2 || !Places.Any(place => place.Class == parts[^2]))
            {
                continue;
            }
            var sentence = parts[^1].Replace('_', ' ');
            var confirmed = rules.TryGetValue(sentence, out var known) ? known : rules[sentence] = [];
            // One case that fails is enough: what is not confirmed for all is not confirmed.
            confirmed.Add(result.Attribute("outcome")!.Value == "Passed" ? parts[^2] : $"not {parts[^2]}");
        }
        var text = new StringBuilder();
        text.Append("# Rules of the simulated host, and where each was confirmed\n\n");
        text.Append("Made by `./build test` from its results: each line is a test that runs unchanged on the simulated host and on a real kernel\n");
        text.Append("in the lab: in Xen's dom0, on Linux with an IOMMU and no Xen, and with a QEMU, libvirt or ssh there. A dash: the rule is not about that host;\n");
        text.Append("under \"real libvirt\", that it is confirmed by `./build test --nightly LibvirtContract`, which the nightly run alone has.\n\n");
        text.Append($"| rule | {string.Join(" | ", Places.Select(place => place.Column))} |\n");
        text.Append($"|---|{string.Concat(Places.Select(_ => "---|"))}\n");
        foreach (var (rule, confirmed) in rules)
        {
            var cells = Places.Select(place => confirmed.Contains($"not {place.Class}") ? "NO" : confirmed.Contains(place.Class) ? "yes" : "-");
            text.Append($"| {rule} | {string.Join(" | ", cells)} |\n");
        }
        return text.ToString();
    }
}
