using System.Xml.Linq;
using PciPass.Lab;

const string Usage = """
    usage: lab demo [--sim | --readme]     plays the main job on real Xen, or on the simulated host; --readme puts the transcript there
           lab boot [MACHINE]              a shell in dom0: each line of stdin runs there, by itself
           lab contract RESULTS            the rules of the simulated host and where they were confirmed, from test results (TRX)
           lab pages                       the manual pages and whatever else is made of the program itself
           lab run MACHINE [--] COMMAND    boots, runs one command, prints what it printed, ends with its exit code
    MACHINE is demo, rich, slow-disk, contract, linux, contract-linux, kvm, libvirt, libvirt-xen, hvm, noiommu or stacks. Logs: artifacts/lab/logs/
    """;

try
{
    return args switch
    {
        ["demo"] => PlayDemo(XenDemoHost.Boot, toReadme: false),
        ["demo", "--readme"] => PlayDemo(XenDemoHost.Boot, toReadme: true),
        ["demo", "--sim"] => PlayDemo(() => new SimDemoHost(), toReadme: false),
        ["contract", var results] => WriteContract(results),
        ["pages"] => WritePages(),
        ["boot"] => Shell("demo"),
        ["boot", var machine] => Shell(machine),
        ["run", var machine, "--", .. { Length: > 0 } command] => Run(machine, string.Join(' ', command)),
        ["run", var machine, .. { Length: > 0 } command] => Run(machine, string.Join(' ', command)),
        _ => Help(),
    };
}
catch (LabException failure)
{
    Console.Error.WriteLine($"error: {failure.Message}");
    return 3;
}

static int Help()
{
    Console.Error.WriteLine(Usage);
    return 2;
}

static int PlayDemo(Func<DemoHost> boot, bool toReadme)
{
    using var host = boot();
    using var transcript = new StringWriter();
    var failures = Demo.Play(host, toReadme ? transcript : Console.Out);
    foreach (var failure in failures)
    {
        Console.Error.WriteLine($"error: {failure}");
    }
    if (toReadme && failures.Count == 0)
    {
        var readme = Path.Combine(Images.FindCheckout(), "README.md");
        File.WriteAllText(readme, Transcript.Replace(File.ReadAllText(readme), transcript.ToString()));
    }
    return failures.Count == 0 ? 0 : 1;
}

static int WriteContract(string results)
{
    Console.Write(ContractList.Write(XDocument.Load(results)));
    return 0;
}

static int WritePages()
{
    Pages.Write(Images.FindCheckout());
    return 0;
}

static int Run(string name, string command)
{
    using var machine = Boot(name);
    return Print(machine.Run(command, TimeSpan.FromHours(1)));
}

static int Shell(string name)
{
    using var machine = Boot(name);
    var prompt = !Console.IsInputRedirected;
    if (prompt)
    {
        Console.Error.WriteLine(
            "Each line runs in dom0 by itself. Guests: xl create /etc/xen/web1.cfg; echo uname -n | lab-guest web1. End: Ctrl-D."
        );
    }
    var code = 0;
    while (true)
    {
        if (prompt)
        {
            Console.Error.Write("dom0# ");
        }
        if (Console.ReadLine() is not { } line)
        {
            return code;
        }
        if (line.Trim().Length > 0)
        {
            code = Print(machine.Run(line, TimeSpan.FromHours(1)));
        }
    }
}

static int Print(Result result)
{
    using (var stdout = Console.OpenStandardOutput())
    {
        stdout.Write(result.Output.Span);
    }
    using (var stderr = Console.OpenStandardError())
    {
        stderr.Write(result.Errors.Span);
    }
    return result.ExitCode;
}

static LabMachine Boot(string name)
{
    var machine = name switch
    {
        "demo" => Machine.Demo,
        "rich" => Machine.Rich,
        "slow-disk" => Machine.SlowDisk,
        "contract" => Machine.Contract,
        "contract-linux" => Machine.ContractLinux,
        "linux" => Machine.DemoLinux,
        "kvm" => Machine.Kvm,
        "libvirt" => Machine.Libvirt,
        "libvirt-xen" => Machine.LibvirtXen,
        "hvm" => Machine.Hvm,
        "noiommu" => Machine.DemoWithoutIommu,
        "stacks" => Machine.Stacks,
        "many" => Machine.Many,
        _ => throw new LabException($"there is no machine \"{name}\"; there are demo, rich, slow-disk, contract, linux, contract-linux, kvm, libvirt, libvirt-xen, hvm, noiommu, stacks and many"),
    };
    var images = Images.Ensure(Console.Error.WriteLine);
    // The program under test goes along when it has been built.
    if (File.Exists(Path.Combine(images.Checkout, "artifacts", "pcipass")))
    {
        machine = machine with { Files = [images.Program()] };
    }
    if (name == "stacks")
    {
        machine = machine with { Files = [.. machine.Files, .. KernelModules.Of(images, Machine.StackModules.AsSpan())] };
    }
    using var stages = Stages.OnConsole(LabMachine.BootStages(machine.Kind));
    return LabMachine.Boot(machine, name, stages.Begin);
}
