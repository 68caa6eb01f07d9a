# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ireva_queue_global_optspecs
    string join \n o/output= q/quiet v/verbose color= no-input h/help V/version
end

function __fish_ireva_queue_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ireva_queue_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ireva_queue_using_subcommand
    set -l cmd (__fish_ireva_queue_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -s V -l version -d 'Print version'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "enqueue" -d 'Enqueue jobs'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "schema" -d 'Print the JSON Schema of a queue\'s payloads'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "work" -d 'Run the jobs of queues'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "stats" -d 'Show how the queues stand'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "clear" -d 'Remove the waiting jobs of a queue'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "dlq" -d 'Look into the dead letters, revive or delete them'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "jobs" -d 'Look at single jobs and act on them'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "queues" -d 'List queues, pause and resume them, change their settings'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "workers" -d 'Show the workers'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "serve" -d 'Serve the REST API'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "token" -d 'Create, list and revoke the tokens of the REST API'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "openapi" -d 'Print the OpenAPI document of the REST API'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "db" -d 'Bring the platform\'s database up to date, fill it, prove it'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "embedded" -d 'Look at the embedded Redis, or stop it'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "demo" -d 'See it work: jobs, retries, dead letters, on a Redis of its own'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c ireva-queue -n "__fish_ireva_queue_needs_command" -f -a "man" -d 'Print the manual page, or write all of them into a directory'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l delay -d 'Start no sooner than after this span' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l at -d 'Start no sooner than at this time, such as 2026-12-01T08:00:00Z' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l priority -d 'critical, high, normal or low' -r -f -a "critical\t''
high\t''
normal\t''
low\t''"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l attempts -d 'How often it may run in all' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l backoff -d 'The wait between attempts: 5s, fixed:10s, linear:5s, exponential:5s:1h' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l timeout -d 'How long one attempt may take' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l ttl -d 'How long it is worth starting' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l id -d 'Its id; the same id again adds nothing' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l unique -d 'A key that one live job of the queue may hold' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l unique-for -d 'Hold the key for this long, even when the job ends sooner' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l ndjson -d 'A job per line of this file, \'-\' for stdin' -r -F
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l from -d 'The same as --ndjson' -r -F
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l wait-timeout -d 'Wait no longer than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l bare -d 'Each line is a payload by itself'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l dry-run -d 'Check every payload, send nothing; what is there already is not looked up'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l no-check -d 'Do not check the payload against what the queue\'s processor wants'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l wait -d 'Wait until the job has ended; 0 only when it completed'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand enqueue" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand schema" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand schema" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand schema" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand schema" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand schema" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l concurrency -d 'Jobs at once over all queues, or by queue: 8, or email=20,reports=2 [default: QUEUE_WORKER_CONCURRENCY]' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l lease -d 'How long it may fall silent before others take its jobs; 4s and more [default: QUEUE_WORKER_LEASE]' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l grace -d 'How long running jobs get when it is told to stop' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l timeout -d 'How long an attempt may take where the job does not say' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l rate -d 'Start at most so many in this process: 100/s, 30/m, 100/s:20' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l max-jobs -d 'End after so many jobs' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l exec -d 'Run this command for each job; comes last and takes the rest of the line' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l http -d 'Post each job to this URL, signed with HTTP_SIGNING_KEY; one with a password in it is set as HTTP_URL instead, and holds where neither --exec nor --http is given and the queue has no processor of its own' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l batch-size -d 'Hand over up to so many jobs at once, one a line' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l batch-wait -d 'Wait this long for a batch to fill' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l pass-env -d 'Let the command see this variable of our environment (may be repeated)' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l exit-codes -d 'What exit codes mean where it differs from the usual: 3=permanent,9=done; the classes are permanent, transient, throttled and done' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l log-format -d 'How steps are logged: pretty or json' -r -f -a "pretty\t'For people'
json\t'For log collectors'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l until-empty -d 'End when nothing is in line, or due within a second; what waits longer for its time or its next attempt is left'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand work" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -l watch -d 'Show it again and again, every two seconds unless said, until Ctrl-C' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -l state -d 'The states to clear, separated by commas' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -l dry-run -d 'Only count'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -s y -l yes -d 'Do not ask'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -f -a "list" -d 'List dead letters, oldest first'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -f -a "show" -d 'Show dead letters with payload and history'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -f -a "retry" -d 'Revive dead letters: they run again with all their attempts'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -f -a "delete" -d 'Delete dead letters for good'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and not __fish_seen_subcommand_from list show retry delete purge" -f -a "purge" -d 'Delete every dead letter of a queue, or those selected'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l group-by -d 'Count them by what they share: code, class or error' -r -f -a "code\t'The code word'
class\t'The class'
error\t'The error, numbers and ids made alike'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l offset -d 'Leave out so many first' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l class -d 'Whose last error is transient, throttled or permanent' -r -f -a "transient\t''
throttled\t''
permanent\t''"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l code -d 'Whose last error has this code, such as smtp_4xx' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l error -d 'Whose last error matches this regular expression' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l older-than -d 'That died longer ago than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l newer-than -d 'That died more recently than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l id -d 'Only this one (may be repeated); a unique end of the id is enough' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l limit -d 'At most so many, oldest first' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l all -d 'List them all, not only the first 50'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from show" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from show" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l rate -d 'At most so many in a span of time, such as 10/s' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l delay -d 'They wait this long before they start' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l edit -d 'Replace the payload of one job: JSON, @FILE or - for stdin' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l class -d 'Whose last error is transient, throttled or permanent' -r -f -a "transient\t''
throttled\t''
permanent\t''"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l code -d 'Whose last error has this code, such as smtp_4xx' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l error -d 'Whose last error matches this regular expression' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l older-than -d 'That died longer ago than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l newer-than -d 'That died more recently than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l id -d 'Only this one (may be repeated); a unique end of the id is enough' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l limit -d 'At most so many, oldest first' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l all -d 'All of them'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l no-check -d 'Do not check the payload of --edit against what the processor wants'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l dry-run -d 'Only count'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -s y -l yes -d 'Do not ask'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l class -d 'Whose last error is transient, throttled or permanent' -r -f -a "transient\t''
throttled\t''
permanent\t''"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l code -d 'Whose last error has this code, such as smtp_4xx' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l error -d 'Whose last error matches this regular expression' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l older-than -d 'That died longer ago than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l newer-than -d 'That died more recently than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l id -d 'Only this one (may be repeated); a unique end of the id is enough' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l limit -d 'At most so many, oldest first' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l all -d 'All of them'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l dry-run -d 'Only count'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Do not ask'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l class -d 'Whose last error is transient, throttled or permanent' -r -f -a "transient\t''
throttled\t''
permanent\t''"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l code -d 'Whose last error has this code, such as smtp_4xx' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l error -d 'Whose last error matches this regular expression' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l older-than -d 'That died longer ago than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l newer-than -d 'That died more recently than this' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l id -d 'Only this one (may be repeated); a unique end of the id is enough' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l limit -d 'At most so many, oldest first' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l all -d 'All of them, which is what it does unless something is selected'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l dry-run -d 'Only count'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -s y -l yes -d 'Do not ask'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand dlq; and __fish_seen_subcommand_from purge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -f -a "list" -d 'List the jobs of a queue'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -f -a "show" -d 'Show everything about jobs'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -f -a "cancel" -d 'Cancel jobs: waiting ones at once, active ones within a second'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -f -a "retry" -d 'Run failed jobs again: retrying ones now, dead ones from the start'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -f -a "promote" -d 'Let scheduled or retrying jobs run now'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and not __fish_seen_subcommand_from list show cancel retry promote delete" -f -a "delete" -d 'Delete jobs for good, unless they are active'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -l state -d 'Only in these states, separated by commas' -r -f -a "pending\t''
scheduled\t''
active\t''
retrying\t''
completed\t''
cancelled\t''
dead\t''"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -l offset -d 'Leave out so many first' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -l all -d 'List them all'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -l queue -d 'Look only in this queue' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -l queue -d 'Look only in this queue' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -l queue -d 'Look only in this queue' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -l queue -d 'Look only in this queue' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -l queue -d 'Look only in this queue' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -s y -l yes -d 'Not needed: whoever names jobs is not asked'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand jobs; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -f -a "list" -d 'List the queues'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -f -a "pause" -d 'Let no more jobs of queues start; running ones go on'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -f -a "resume" -d 'Let jobs of paused queues start again'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -f -a "set" -d 'Change settings of a queue'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -f -a "delete" -d 'Delete queues that hold no jobs, with their settings, counters and the ids that they remember'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and not __fish_seen_subcommand_from list pause resume set delete get" -f -a "get" -d 'Show the settings of a queue'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from list" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from list" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from pause" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from pause" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from pause" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from pause" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from pause" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from resume" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from resume" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from resume" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from resume" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from resume" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l rate -d 'Starts in a span of time over all workers: 100/s, 30/m, 100/s:20, none' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l concurrency -d 'Jobs running at once over all workers: a number, or none' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l remove-on-complete -d 'What is kept of completed and cancelled jobs: 100, 24h, 0 or never (never removes any)' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l remove-on-fail -d 'What is kept of dead letters: 1000, 30d, 0 or never (never drops any)' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l priority-mode -d 'How the next job is chosen: strict, or aging:10m so that nothing starves' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l max-length -d 'How many jobs may wait before enqueue is refused: a number, or none' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l crash-limit -d 'How many crashes of its worker bury a job' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l durable -d 'Whether a replica must hold a job before its enqueue is a success: auto (where there are replicas), on or off' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l attempts -d 'How often a job runs before it is buried' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l backoff -d 'The wait after a transient error: 5s, fixed:10s, linear:5s, exponential:5s:1h' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l throttled-backoff -d 'The wait after a throttled error that did not say how long' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l permanent-attempts -d 'How often a job with a permanent error runs; 1 buries it at once' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from delete" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from delete" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from delete" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from get" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from get" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from get" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from get" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from get" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand queues; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and not __fish_seen_subcommand_from list" -f -a "list" -d 'List the workers, and those that fell silent with jobs in hand'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and __fish_seen_subcommand_from list" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and __fish_seen_subcommand_from list" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand workers; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -l bind -d 'Where it listens' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -l allow-origin -d 'Let pages of this origin ask, such as https://app.example.com (may be repeated)' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -l allow-host -d 'Answer callers without a token under this name too, not only under localhost (may be repeated)' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -l grace -d 'How long requests under way get when it is told to stop' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -f -a "create" -d 'Create a token, and print it this once'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -f -a "list" -d 'List the tokens'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and not __fish_seen_subcommand_from create list revoke" -f -a "revoke" -d 'Take the rights of tokens back'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -l scope -d 'What it may do: enqueue, read, admin (separated by commas)' -r
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from list" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from list" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from list" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from revoke" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from revoke" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from revoke" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from revoke" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from revoke" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand openapi" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand openapi" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand openapi" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand openapi" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand openapi" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand openapi" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -f -a "migrate" -d 'Bring the schema up to date'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -f -a "status" -d 'Show how far the schema is'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -f -a "seed" -d 'Add a small portfolio, the same every time, for demos and tests'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and not __fish_seen_subcommand_from migrate status seed check" -f -a "check" -d 'Prove that every distribution adds up to its lines and the ledger'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from migrate" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from migrate" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from migrate" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from migrate" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from migrate" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from migrate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from status" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from status" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from status" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from seed" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from seed" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from seed" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from seed" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from seed" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from seed" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from check" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from check" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from check" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand db; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -f -a "status" -d 'Show whether it runs, where, and how large it is'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and not __fish_seen_subcommand_from status stop" -f -a "stop" -d 'Stop it; what it holds is kept'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from status" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from status" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from status" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from stop" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from stop" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from stop" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from stop" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from stop" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand embedded; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -l clean -d 'Stop the server and remove the directory at the end'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand completions" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand completions" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand completions" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand completions" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand completions" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand man" -s o -l output -d 'How the answer is written [default: table on a terminal, else plain]' -r -f -a "table\t'Columns for people; the default on a terminal'
wide\t'The same with every column'
plain\t'Tab separated, exact, no header; the default when piped'
json\t'One JSON value'
jsonl\t'One JSON value a line'
csv\t'Comma separated with a header'
name\t'The id or name of each thing alone; of a report, the queue'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand man" -l color -d 'Colours: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand man" -s q -l quiet -d 'Say nothing but the answer and errors'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand man" -s v -l verbose -d 'Say on stderr which server is used and what was tried again; twice for the time of every call'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand man" -l no-input -d 'Never ask a question'
complete -c ireva-queue -n "__fish_ireva_queue_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
