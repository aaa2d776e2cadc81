namespace PciPass.Core;

/// <summary>
/// Another host as ssh is told it: a name or an address, with a user before it where that is wanted (<c>root@xen2.example</c>). It becomes one
/// of ssh's arguments, so it begins with no dash and holds nothing that ssh or a shell would take for more than a name. Everything else
/// about the way there (port, key, jump host) is ssh's own configuration.
/// </summary>
public readonly record struct RemoteHost
{
    readonly string? value;

    RemoteHost(string value) => this.value = value;

    /// <exception cref="FormatException">The text cannot be a host's name; the message quotes it.</exception>
    public static RemoteHost Parse(string text) => TryParse(text, out var host)
        ? host
        : throw new FormatException($"\"{text}\" is no host: expected a name or an address as ssh takes it, such as xen2, root@xen2.example or 192.0.2.7");

    public static bool TryParse(string? text, out RemoteHost host)
    {
        host = default;
        if (string.IsNullOrEmpty(text) || text.Length > 255 || !char.IsAsciiLetterOrDigit(text[0]) || !char.IsAsciiLetterOrDigit(text[^1])
            || text.Count(letter => letter == '@') > 1 || !text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_' or ':' or '@'))
            return false;
        host = new RemoteHost(text);
        return true;
    }

    public override string ToString() => value ?? throw new InvalidOperationException("a host that was never given");
}
