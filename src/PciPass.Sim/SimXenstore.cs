using System.Globalization;
using System.Text;

namespace PciPass.Sim;

/// <summary>The tree that xenstored keeps, with watches (docs/misc/xenstore.txt). Children stay in the order they were made.</summary>
sealed class SimXenstore
{
    readonly Dictionary<string, Node> nodes = new(StringComparer.Ordinal);
    readonly List<Watch> watches = [];
    long generation;

    public SimXenstore() => Reset();

    sealed class Node
    {
        public byte[] Value = [];
        public List<string> Children = [];
        public string Permissions = "n0";
        public long Generation;
    }

    public sealed class Watch(string path, Action<string> fired)
    {
        public string Path => path;
        public Action<string> Fired => fired;
    }

    /// <summary>What every store holds when xenstored has started.</summary>
    public void Reset()
    {
        nodes.Clear();
        watches.Clear();
        nodes["/"] = new Node { Generation = ++generation };
    }

    public byte[]? Read(string path) => nodes.GetValueOrDefault(path)?.Value;

    public string? ReadText(string path) => Read(path) is byte[] value ? Encoding.UTF8.GetString(value) : null;

    public int ReadNumber(string path, int absent) =>
        int.TryParse(ReadText(path), NumberStyles.Integer, CultureInfo.InvariantCulture, out var number) ? number : absent;

    public IReadOnlyList<string>? List(string path) => nodes.GetValueOrDefault(path)?.Children;

    public bool Exists(string path) => nodes.ContainsKey(path);

    public string? Permissions(string path) => nodes.GetValueOrDefault(path)?.Permissions;

    /// <summary>Changes when the node is written, made again or gets or loses a child; -1 when there is none.</summary>
    public long GenerationOf(string path) => nodes.GetValueOrDefault(path)?.Generation ?? -1;

    public void Write(string path, string value) => Write(path, Encoding.UTF8.GetBytes(value));

    public void Write(string path, byte[] value)
    {
        var node = Make(path);
        node.Value = value;
        node.Generation = ++generation;
        Fire(path, exact: false);
    }

    public void MakeDirectory(string path)
    {
        if (nodes.ContainsKey(path))
            return;
        Make(path);
        Fire(path, exact: false);
    }

    public void SetPermissions(string path, string permissions)
    {
        nodes[path].Permissions = permissions;
        Fire(path, exact: false);
    }

    /// <returns>False when there is neither the node nor its parent.</returns>
    public bool Remove(string path)
    {
        if (!nodes.ContainsKey(path))
            return nodes.ContainsKey(ParentOf(path));
        Drop(path);
        var parent = nodes[ParentOf(path)];
        parent.Children.Remove(path[(path.LastIndexOf('/') + 1)..]);
        parent.Generation = ++generation;
        // Watches above hear of it once, those on nodes below each of their own.
        Fire(path, exact: false);
        return true;
    }

    /// <summary>As libxl removes a device: the node, and the empty nodes above it that this leaves.</summary>
    public void RemoveWithEmptyParents(string path)
    {
        if (!nodes.ContainsKey(path))
            return;
        Remove(path);
        for (path = ParentOf(path); path != "/" && nodes[path] is { Value.Length: 0, Children.Count: 0 }; path = ParentOf(path))
            Remove(path);
    }

    public Watch Add(string path, Action<string> fired)
    {
        var watch = new Watch(path, fired);
        watches.Add(watch);
        return watch;
    }

    public void Drop(Watch watch) => watches.Remove(watch);

    /// <summary>Fires the watches on a special path such as <c>@releaseDomain</c>.</summary>
    public void FireSpecial(string path) => Fire(path, exact: true);

    public SimXenstore Copy()
    {
        var copy = new SimXenstore();
        foreach (var (path, node) in nodes)
            copy.nodes[path] = new Node { Value = node.Value, Children = [.. node.Children], Permissions = node.Permissions, Generation = node.Generation };
        return copy;
    }

    public static string ParentOf(string path) => path.LastIndexOf('/') is > 0 and var at ? path[..at] : "/";

    Node Make(string path)
    {
        if (nodes.TryGetValue(path, out var node))
            return node;
        var parentPath = ParentOf(path);
        var parent = Make(parentPath);
        parent.Children.Add(path[(path.LastIndexOf('/') + 1)..]);
        parent.Generation = ++generation;
        return nodes[path] = new Node { Permissions = parent.Permissions, Generation = ++generation };
    }

    void Drop(string path)
    {
        var node = nodes[path];
        nodes.Remove(path);
        foreach (var child in node.Children)
        {
            Drop($"{path}/{child}");
            Fire($"{path}/{child}", exact: true);
        }
    }

    void Fire(string path, bool exact)
    {
        for (var n = 0; n < watches.Count; n++)
        {
            var watched = watches[n].Path;
            if (path == watched || (!exact && path.Length > watched.Length && path.StartsWith(watched, StringComparison.Ordinal)
                && (path[watched.Length] == '/' || watched == "/")))
                watches[n].Fired(path);
        }
    }
}
