using System.Text;
using PciPass.Core.Rules;

namespace PciPass.Lab;

/// <summary>docs/troubleshooting.md: what each code means, from the catalogue of rules.</summary>
static class TroublesPage
{
    const string Head = """
        # When pcipass refuses

        Written from the catalogue of rules by `./build pages`; `pcipass rules` prints the same.

        Every refusal has three lines: what cannot be done, why, with the value that was seen, and what to do. The word in brackets is its
        code, and this page is sorted by it. Where the third line ends with `--accept CODE`, the request goes on with that added: the risk then
        stays on record, in `pcipass list` and in `pcipass history`. A warning or a note refuses nothing.

        Start with these:

            pcipass check DEV --guest GUEST     every reason against it, at once; changes nothing
            pcipass status                      what is away from the host, and what has not ended
            pcipass recover                     ends what a crash or a slow guest left open

        ## What is no rule

        | code | what it means | what to do |
        |---|---|---|
        | `host-failure` | the kernel, xenstore or `xl` answered with an error, which the second line quotes | mend what it names; nothing was begun, or what was begun has been undone |
        | `not-root` | changing the host needs root | the same with sudo |
        | `pending` | the guest has been asked to let go, and has not yet | unbind the driver in the guest; `pcipass recover` |
        | `old-initramfs`, `old-menu` | the files are written, but what is made of them could not be made anew | run the command that the third line names |
        | `unit` | systemctl could not enable the unit that hides late | run the command that the third line names |
        | `program-path` | the program lies where a start cannot find it | install the package, or copy it to /usr/local/sbin |

        ## The rules


        """;

    public static string Write()
    {
        var page = new StringBuilder(Head);
        foreach (var rule in Catalogue.All.OrderBy(rule => rule.Code, StringComparer.Ordinal))
            page.Append($"### `{rule.Code}`\n\n{rule.Meaning}\n\nRests on: {rule.Source}\n\n");
        return page.ToString().TrimEnd('\n') + "\n";
    }
}
