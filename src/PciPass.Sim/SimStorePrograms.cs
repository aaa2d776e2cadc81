using System.Text;

namespace PciPass.Sim;

/// <summary>xenstore's own small programs (tools/xenstore/xenstore_client.c).</summary>
static class SimStorePrograms
{
    public static SimProcess Start(SimHost host, string program, IReadOnlyList<string> arguments) =>
        new(process => Run(host.Store, program, [.. arguments], process), program is "xenstore-write" or "xenstore-rm");

    static IEnumerable<TimeSpan> Run(SimXenstore store, string program, List<string> arguments, SimProcess process)
    {
        yield return TimeSpan.FromMilliseconds(10);
        var whole = arguments.Remove("-f");
        foreach (var (n, path) in arguments.Index())
        {
            switch (program)
            {
                case "xenstore-read" when store.Read(path) is byte[] value:
                    process.Out(Encoding.UTF8.GetString(value));
                    break;
                case "xenstore-read":
                    Fail($"xenstore-read: couldn't read path {path}");
                    break;
                case "xenstore-exists":
                    process.ExitCode = store.Exists(path) ? process.ExitCode : 1;
                    break;
                case "xenstore-list" or "xenstore-ls" when store.List(path) is null:
                    Fail(program == "xenstore-ls" ? $"xenstore-ls: xs_directory ({path}): No such file or directory" : $"xenstore-list: could not list path {path}");
                    break;
                case "xenstore-list":
                    foreach (var name in store.List(path)!)
                        process.Out(name);
                    break;
                case "xenstore-ls":
                    List(path, 0);
                    break;
                case "xenstore-write" when n % 2 == 0 && n + 1 < arguments.Count:
                    store.Write(path, arguments[n + 1]);
                    break;
                case "xenstore-rm" when store.Exists(path):
                    store.Remove(path);
                    break;
                case "xenstore-rm":
                    Fail($"xenstore-rm: could not remove path {path}");
                    break;
            }
        }

        void Fail(string text)
        {
            process.Error(text);
            process.ExitCode = 1;
        }

        void List(string path, int depth)
        {
            foreach (var name in store.List(path) ?? [])
            {
                var at = path == "/" ? $"/{name}" : $"{path}/{name}";
                process.Out($"{(whole ? at : new string(' ', depth) + name)} = \"{store.ReadText(at)}\"");
                List(at, depth + 1);
            }
        }
    }
}
