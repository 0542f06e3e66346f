#compdef framering
_framering_sources() {
  local -a sources
  sources=(${(f)"$(framering ${socket:+--socket=$socket} list 2>/dev/null | awk 'NR > 1 && !/^ / {print $1}')"})
  compadd -a sources
}
_framering() {
  local context state line socket
  local -A opt_args
  local -a common=('--socket=[the socket of the daemon]:path:_files' '(-h --help)'{-h,--help}'[help]')
  _arguments -C $common '--version[version]' '1:command:(list grab watch mss completion)' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  socket=${(Q)opt_args[--socket]}
  case $line[1] in
    list) _arguments $common '--json[one JSON object]' ;;
    grab) _arguments $common '(-o --output)'{-o+,--output=}'[the file]:file:_files' \
        '--timeout=[seconds to wait]:seconds' '--json[tell of the frame as JSON]' '1:source:_framering_sources' ;;
    watch) _arguments $common '--mode=[which frames]:mode:(latest every)' '--duration=[seconds]:seconds' \
        '--json[a JSON object a line]' '1:source:_framering_sources' ;;
    mss) _arguments '(-m --monitor)'{-m+,--monitor=}'[number]:number' '(-o --output)'{-o+,--output=}'[the file]:file:_files' \
        '(-c --coordinates)'{-c+,--coordinates=}'[part]:region' '(-q --quiet)'{-q,--quiet}'[say nothing]' ;;
    completion) _arguments $common '1:shell:(bash zsh fish)' ;;
  esac
}
if [[ $funcstack[1] == _framering ]]; then _framering "$@"; else compdef _framering framering; fi
