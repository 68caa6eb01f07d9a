# Completions of ireva-queue for fish: the program itself says what may stand at the cursor.

function __ireva_queue_complete
    set -l current (commandline -ct)
    set -l before (commandline -opc)
    for line in (command $before[1] __complete fish -- "$current" $before[2..-1] 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':dirs'
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end

complete -c ireva-queue -f -k -a '(__ireva_queue_complete)'
