function __framering_sources
  set -l words (commandline -opc)
  set -l socket
  if set -l at (contains -i -- --socket $words)
    set socket --socket $words[(math $at + 1)]
  end
  framering $socket list --sources 2>/dev/null
end
# What --window and --monitor take: titles and classes, names.
function __framering_windows
  __framering_sources | awk -F '\t' '/^window:0x/ {print $2} /^window:class=/ {print substr($1, 14)}' | sort -u
end
function __framering_monitors
  __framering_sources | awk -F '\t' '/^monitor:/ {print substr($1, 9) "\t" $2}'
end
set -l commands list grab watch mss stats top doctor policy reload completion
complete -c framering -f
complete -c framering -l socket -r -F -d 'The socket of the daemon'
complete -c framering -s h -l help -d 'Help'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -l version -d 'Version'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a list -d 'Streams and their clients'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a grab -d 'Save the newest frame'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a watch -d 'Read a stream and tell of it'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a stats -d 'What the daemon has counted'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a top -d 'Streams and clients, live'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a doctor -d 'What works here and what does not'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a policy -d 'What the policy allows'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a reload -d 'Read the configuration again'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a mss -d 'The mss command'
complete -c framering -n "not __fish_seen_subcommand_from $commands" -a completion -d 'Print a completion script'
complete -c framering -n '__fish_seen_subcommand_from grab watch' -a '(__framering_sources)'
complete -c framering -n '__fish_seen_subcommand_from list grab watch stats doctor' -l json -d 'JSON'
complete -c framering -n '__fish_seen_subcommand_from list' -l watch -d 'Again at each change'
complete -c framering -n '__fish_seen_subcommand_from list' -l sources -d 'One source a line'
complete -c framering -n '__fish_seen_subcommand_from grab watch' -l window -x -a '(__framering_windows)' -d 'By title or class'
complete -c framering -n '__fish_seen_subcommand_from grab watch' -l monitor -x -a '(__framering_monitors)' -d 'By name or number'
complete -c framering -n '__fish_seen_subcommand_from grab watch' -l region -x -d 'X,Y,WxH'
complete -c framering -n '__fish_seen_subcommand_from grab' -s o -l output -r -F -d 'The file'
complete -c framering -n '__fish_seen_subcommand_from grab' -l timeout -x -d 'Seconds to wait'
complete -c framering -n '__fish_seen_subcommand_from grab' -l cursor -d 'With the pointer in it'
complete -c framering -n '__fish_seen_subcommand_from watch' -l mode -x -a 'latest every' -d 'Which frames'
complete -c framering -n '__fish_seen_subcommand_from watch' -l duration -x -d 'Seconds'
complete -c framering -n '__fish_seen_subcommand_from top' -l interval -x -d 'Seconds'
complete -c framering -n '__fish_seen_subcommand_from top' -l count -x -d 'How often'
complete -c framering -n '__fish_seen_subcommand_from policy; and not __fish_seen_subcommand_from check' -a check
complete -c framering -n '__fish_seen_subcommand_from policy' -l uid -x -d 'For whom'
complete -c framering -n '__fish_seen_subcommand_from check' -a '(__framering_sources)'
complete -c framering -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c framering -n '__fish_seen_subcommand_from mss' -s m -l monitor -x -d 'Number'
complete -c framering -n '__fish_seen_subcommand_from mss' -s o -l output -r -F -d 'The file'
complete -c framering -n '__fish_seen_subcommand_from mss' -s c -l coordinates -x -d 'The part'
complete -c framering -n '__fish_seen_subcommand_from mss' -s l -l level -x -d 'Of compression'
complete -c framering -n '__fish_seen_subcommand_from mss' -l with-cursor -d 'The pointer too'
complete -c framering -n '__fish_seen_subcommand_from mss' -s q -l quiet -d 'Say nothing'
complete -c framering -n '__fish_seen_subcommand_from mss' -s b -l backend -x -d 'Any'
complete -c framering -n '__fish_seen_subcommand_from mss' -s v -l version -d 'Version'
