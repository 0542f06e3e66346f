#compdef framering
_framering_list() { framering ${socket:+--socket=$socket} list --sources 2>/dev/null }
_framering_sources() {
  local -a lines sources
  lines=(${(f)"$(_framering_list)"})
  sources=(${lines%%$'\t'*})
  compadd -l -d lines -a sources
}
# What --window and --monitor take: titles and classes, names.
_framering_windows() {
  local -a windows
  windows=(${(fu)"$(_framering_list | awk -F '\t' '/^window:0x/ {print $2} /^window:class=/ {print substr($1, 14)}')"})
  compadd -a windows
}
_framering_monitors() {
  local -a monitors
  monitors=(${(f)"$(_framering_list | awk -F '\t' '/^monitor:/ {print substr($1, 9)}')"})
  compadd -a monitors
}
_framering() {
  local context state line socket
  local -A opt_args
  local -a which=('--window=[the window with this in its title or class]:window:_framering_windows' \
    '--monitor=[the monitor of this name or number]:monitor:_framering_monitors' '--region=[a part of the desktop]:region')
  local -a common=('--socket=[the socket of the daemon]:path:_files' '(-h --help)'{-h,--help}'[help]')
  _arguments -C $common '--version[version]' '1:command:(list grab watch mss stats top doctor policy reload completion)' '*::argument:->arguments'
  [[ $state == arguments ]] || return
  socket=${(Q)opt_args[--socket]}
  case $line[1] in
    list) _arguments $common '--watch[again at each change]' '--sources[one source a line]' '--json[one JSON object]' ;;
    grab) _arguments $common $which '(-o --output)'{-o+,--output=}'[the file]:file:_files' \
        '--timeout=[seconds to wait]:seconds' '--cursor[with the pointer in it]' \
        '--json[tell of the frame as JSON]' '1:source:_framering_sources' ;;
    watch) _arguments $common $which '--mode=[which frames]:mode:(latest every)' '--duration=[seconds]:seconds' \
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
