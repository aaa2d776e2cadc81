# fish completion for pcipass: the program itself knows what can come next.
function __pcipass_candidates
    set -l line (commandline -cp)
    pcipass "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
end
complete -c pcipass -f -a "(__pcipass_candidates)"
