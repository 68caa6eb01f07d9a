#compdef ireva-queue
# Completions of ireva-queue for zsh: the program itself says what may stand at the cursor.

_ireva-queue() {
    local line
    local -a lines values
    lines=("${(@f)$("${words[1]}" __complete zsh -- "${(Q)PREFIX}" "${(@Q)words[2,CURRENT-1]}" 2>/dev/null)}")
    for line in $lines; do
        case $line in
            :files) _files ;;
            :dirs) _files -/ ;;
            *) values+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( ${#values} )) && _describe -V 'value' values
}

if [ "$funcstack[1]" = "_ireva-queue" ]; then
    _ireva-queue "$@"
else
    compdef _ireva-queue ireva-queue
fi
