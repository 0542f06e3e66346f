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
  _arguments -C $common '--version[version]' '1:command:(list grab watch mss stats top doctor policy reload completion)' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  socket=${(Q)opt_args[--socket]}
  case $line[1] in
    list) _arguments $common '--json[one JSON object]' ;;
    grab) _arguments $common '(-o --output)'{-o+,--output=}'[the file]:file:_files' \
        '--timeout=[seconds to wait]:seconds' '--cursor[with the pointer in it]' \
        '--json[tell of the frame as JSON]' '1:source:_framering_sources' ;;
    watch) _arguments $common '--mode=[which frames]:mode:(latest every)' '--duration=[seconds]:seconds' \
        '--json[a JSON object a line]' '1:source:_framering_sources' ;;
    stats | doctor) _arguments $common '--json[one JSON object]' ;;
    top) _arguments $common '--interval=[seconds]:seconds' '--count=[how often]:number' ;;
    policy) _arguments $common '--uid=[for whom]:uid' '1:command:(check)' '2:source:_framering_sources' ;;
    reload) _arguments $common ;;
    mss) _arguments '(-m --monitor)'{-m+,--monitor=}'[number]:number' '(-o --output)'{-o+,--output=}'[the file]:file:_files' \
        '(-c --coordinates)'{-c+,--coordinates=}'[part]:region' '(-l --level)'{-l+,--level=}'[of compression]:level' \
        '--with-cursor[the pointer too]' '(-q --quiet)'{-q,--quiet}'[say nothing]' \
        '(-b --backend)'{-b+,--backend=}'[any]:name' '(-v --version)'{-v,--version}'[version]' '(-h --help)'{-h,--help}'[help]' ;;
    completion) _arguments $common '1:shell:(bash zsh fish)' ;;
  esac
}
if [[ $funcstack[1] == _framering ]]; then _framering "$@"; else compdef _framering framering; fi
