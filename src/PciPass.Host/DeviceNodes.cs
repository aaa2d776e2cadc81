using PciPass.Core;

namespace PciPass.Host;

/// <summary>The device nodes below /dev that hang on functions.</summary>
static class DeviceNodes
{
    public static Dictionary<string, IReadOnlyList<PciAddress>> Read(SysTree files)
    {
        Dictionary<string, IReadOnlyList<PciAddress>> nodes = new(StringComparer.Ordinal);
        foreach (var kind in (ReadOnlySpan<string>)["block", "char"])
        {
            foreach (var number in files.List($"/sys/dev/{kind}"))
            {
                if (KernelNames.FunctionsBehind(files, files.ReadLink($"/sys/dev/{kind}/{number}")) is not [_, ..] functions)
                    continue;
                foreach (var line in (files.ReadText($"/sys/dev/{kind}/{number}/uevent") ?? "").Split('\n'))
                {
                    if (line.StartsWith("DEVNAME=", StringComparison.Ordinal))
                        nodes[$"/dev/{line["DEVNAME=".Length..]}"] = functions;
                }
            }
        }
        return nodes;
    }
}
