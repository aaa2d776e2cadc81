# Draws docs/performance.svg: where the time of each command goes on 4,000 functions, in the program itself and in the kernel.
$1 == 4000 { own[$2] = $6 / 1e6; kernel[$2] = $7 / 1e6; if (own[$2] + kernel[$2] > most) most = own[$2] + kernel[$2] }
END {
    count = split("floor list json libpci lspci lspci-k", order, " ")
    label["floor"] = "floor (open, read, close)"; label["list"] = "pcipass list"; label["json"] = "pcipass list --json"
    label["libpci"] = "libpci"; label["lspci"] = "lspci -nn"; label["lspci-k"] = "lspci -nnk"
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" font-family=\"sans-serif\" font-size=\"13\">\n", 60 + 30 * count
    print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    print "<text x=\"10\" y=\"22\">Processor time on 4,000 functions: dark in the kernel, light in the program</text>"
    for (at = 1; at <= count; at++) {
        name = order[at]; y = 20 + 30 * at
        k = 420 * kernel[name] / most; o = 420 * own[name] / most
        printf "<text x=\"10\" y=\"%d\">%s</text>\n", y + 15, label[name]
        printf "<rect x=\"190\" y=\"%d\" width=\"%.1f\" height=\"20\" fill=\"#1f4e79\"/>\n", y, k
        printf "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"20\" fill=\"#9dc3e6\"/>\n", 190 + k, y, o
        printf "<text x=\"%.1f\" y=\"%d\">%.0f + %.0f ms</text>\n", 196 + k + o, y + 15, kernel[name], own[name]
    }
    print "</svg>"
}
