# bash completion for pcipass: the program itself knows what can come next.
_pcipass() {
    local line=${COMP_LINE:0:COMP_POINT} word word_start candidates
    word=${line##*[[:space:]]}
    # With a colon in COMP_WORDBREAKS bash replaces only what is behind the last one: 0000:09:00.0 must lose what is before it.
    word_start=
    if [[ $word == *:* && ${COMP_WORDBREAKS-} == *:* ]]; then
        word_start=${word%"${word##*:}"}
    fi
    mapfile -t candidates < <(pcipass "[suggest:${#line}]" "$line" 2>/dev/null)
    local candidate
    COMPREPLY=()
    for candidate in "${candidates[@]}"; do
        [[ $candidate == "$word"* ]] && COMPREPLY+=("${candidate#"$word_start"}")
    done
    return 0
}
complete -F _pcipass pcipass
