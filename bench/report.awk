# Writes the tables of docs/performance.md: results of race.c first, then two counts of strace.
function ms(nanoseconds) { return sprintf(nanoseconds < 1e7 ? "%.2f" : nanoseconds < 1e8 ? "%.1f" : "%.0f", nanoseconds / 1e6) }
function cell(size, name) { return sprintf("%s (%s-%s)", ms(time[size, name]), ms(low[size, name]), ms(high[size, name])) }
function spent(size, name) { return own[size, name] + kernel[size, name] + 1 }
function ratio(size, over, under) { return sprintf("%.1f", time[size, over] / time[size, under]) }
FILENAME ~ /results$/ { time[$1, $2] = $3; low[$1, $2] = $4; high[$1, $2] = $5; own[$1, $2] = $6; kernel[$1, $2] = $7; memory[$1, $2] = $8; next }
FILENAME ~ /calls\.1000$/ && $1 ~ /^[0-9]+$/ { few[$2] = $1; next }
FILENAME ~ /calls\.4000$/ && $1 ~ /^[0-9]+$/ { many[$2] = $1; next }
END {
    print ""
    printf "On %d processors with a load average of %.0f at the end, by `./build bench%s`; milliseconds, the median with its quartiles; all of a row ran in turns.\n\n", cpu, load, how == "" ? "" : " " how
    print "| functions | `pcipass list` | `list --json` | `lspci -nn` | `lspci -nnk` | libpci | floor | `lspci -nn` / `list` | `list` / floor | peak memory of `list`, `--json` |"
    print "|---|---|---|---|---|---|---|---|---|---|"
    count = split("100 1000 4000 16000", sizes, " ")
    for (at = 1; at <= count; at++) {
        size = sizes[at]
        printf "| %d | %s | %s | %s | %s | %s | %s | %s | %s | %.1f MB, %.1f MB |\n", size, cell(size, "list"), cell(size, "json"), cell(size, "lspci"), cell(size, "lspci-k"), cell(size, "libpci"), cell(size, "floor"), ratio(size, "lspci", "list"), ratio(size, "list", "floor"), memory[size, "list"] / 1000, memory[size, "json"] / 1000
    }
    print "\nThe processors' time of the same runs, in the program and in the kernel together, which a busy machine changes less:\n"
    print "| functions | `list` | `list --json` | `lspci -nn` | `lspci -nnk` | libpci | floor | `lspci -nn` / `list` | `list` / floor |"
    print "|---|---|---|---|---|---|---|---|---|"
    for (at = 1; at <= count; at++) {
        size = sizes[at]
        printf "| %d | %s | %s | %s | %s | %s | %s | %.1f | %.1f |\n", size, ms(spent(size, "list")), ms(spent(size, "json")), ms(spent(size, "lspci")), ms(spent(size, "lspci-k")), ms(spent(size, "libpci")), ms(spent(size, "floor")), spent(size, "lspci") / spent(size, "list"), spent(size, "list") / spent(size, "floor")
    }
    printf "\nFrom 1,000 to 16,000 functions, 16 times as many, `list` takes %.1f times as long, and %.1f times the processors' time.\n\n", time[16000, "list"] / time[1000, "list"], spent(16000, "list") / spent(1000, "list")
    printf "| | ms |\n|---|---|\n"
    printf "| `/bin/true` | %s |\n| `lspci -nn`, 40 functions | %s |\n| `pcipass --version` | %s |\n| `pcipass list`, 40 functions | %s |\n", cell(40, "true"), cell(40, "lspci"), cell(40, "version"), cell(40, "list")
    printf "| `driverctl list-devices`, 100 functions | %s |\n| `pcipass list`, 100 functions, beside it | %s |\n", cell(100, "driverctl"), cell(100, "list-beside-driverctl")
    printf "| `pcipass show` of one of 1,000 functions | %s |\n| `pcipass check` of one of 1,000 | %s |\n| `pcipass check` of all 1,000 | %s |\n| `pcipass show --all`, 1,000 functions | %s |\n| `lspci -vv`, 1,000 functions | %s |\n| the plan of `hide --boot` of one of 1,000 | %s |\n\n", cell(1000, "show"), cell(1000, "check"), cell(1000, "check-all"), cell(1000, "show-all"), cell(1000, "lspci-v"), cell(1000, "plan")
    printf "The binary has %.2f MB.\n\n", binary / 1e6
    print "System calls of `list`, counted at 1,000 and at 4,000 functions:\n"
    print "| call | at 4,000 | for each function more |"
    print "|---|---|---|"
    for (name in many) {
        if (name == "total" || many[name] - few[name] < 30)
            continue
        line[++lines] = sprintf("%012.4f| `%s` | %d | %.2f |", (many[name] - few[name]) / 3000, name, many[name], (many[name] - few[name]) / 3000)
        sum += (many[name] - few[name]) / 3000
    }
    for (i = 1; i <= lines; i++)
        for (j = i + 1; j <= lines; j++)
            if (line[j] > line[i]) { swap = line[i]; line[i] = line[j]; line[j] = swap }
    for (i = 1; i <= lines; i++)
        print substr(line[i], index(line[i], "|"))
    printf "| together | | %.2f |\n\n", sum
    printf "![Where the time goes](performance.svg)\n\n"
}
