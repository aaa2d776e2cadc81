namespace PciPass.Core;

/// <summary>Words in the scripts that are written: nothing is quoted there, so what would need quotes is refused.</summary>
public static class ShellWord
{
    /// <summary>Whether a path can stand in a script as it is.</summary>
    public static bool IsPlain(string path) => path.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '/' or '.' or '-' or '_' or '+');
}
