function __framering_sources
  set -l words (commandline -opc)
  set -l socket
  if set -l at (contains -i -- --socket $words)
    set socket --socket $words[(math $at + 1)]
  end
  framering $socket list 2>/dev/null | awk 'NR > 1 && !/^ / {print $1}'
end
set -l commands list grab watch mss completion
complete -c framering -f
complete -c framering -l socket -r -F -d 'The socket of the daemon'
complete -c framering -s h -l help -d 'Help'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -l version -d 'Version'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a list -d 'Streams and their clients'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a grab -d 'Save the newest frame'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a watch -d 'Read a stream and tell of it'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a mss -d 'The mss command'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a completion -d 'Print a completion script'
complete -c framering -n '__fish_seen_subcommand_from grab watch' -a '(__framering_sources)'
complete -c framering -n '__fish_seen_subcommand_from list grab watch' -l json -d 'JSON'
complete -c framering -n '__fish_seen_subcommand_from grab' -s o -l output -r -F -d 'The file'
complete -c framering -n '__fish_seen_subcommand_from grab' -l timeout -x -d 'Seconds to wait'
complete -c framering -n '__fish_seen_subcommand_from watch' -l mode -x -a 'latest every' -d 'Which frames'
complete -c framering -n '__fish_seen_subcommand_from watch' -l duration -x -d 'Seconds'
complete -c framering -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
