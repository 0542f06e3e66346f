# shellcheck shell=bash
_framering_sources() {
  framering ${1:+--socket "$1"} list --sources 2>/dev/null | cut -f 1
}
# What --window and --monitor take: titles and classes, names.
_framering_windows() {
  framering ${1:+--socket "$1"} list --sources 2>/dev/null |
    awk -F '\t' '/^window:0x/ {print $2} /^window:class=/ {print substr($1, 14)}' | sort -u
}
_framering_monitors() {
  framering ${1:+--socket "$1"} list --sources 2>/dev/null | awk -F '\t' '/^monitor:/ {print substr($1, 9)}'
}

_framering() {
  # Readline splits words at ':', '@' and '=' too; sources have them, so the words are made again here.
  local line=${COMP_LINE:0:COMP_POINT} words word before command='' socket='' candidates='' candidate i
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  for ((i = 1; i < ${#words[@]} - 1; ++i)); do
    case ${words[i]} in
      --socket) socket=${words[++i]} ;;
      --socket=*) socket=${words[i]#*=} ;;
      list | grab | watch | mss | stats | top | doctor | policy | reload | completion) command=${command:-${words[i]}} ;;
    esac
  done
  word=${words[-1]} before=${words[-2]}
  local whole=$word
  if [[ $word == --*=* ]]; then before=${word%%=*} word=${word#*=}; fi

  case $before in
    --socket | -o | --output)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      ;;
    --window | --monitor)
      # Titles have spaces and quotes.
      while IFS= read -r candidate; do
        [[ $candidate == "${word//\\/}"* ]] && COMPREPLY+=("$(printf '%q' "$candidate")")
      done < <("_framering_${before#--}s" "$socket")
      ;;
    *)
      case $before:$command:$word in
        --mode:*) candidates='latest every' ;;
        --timeout:* | --duration:* | --interval:* | --count:*) ;;
        *::*) candidates='list grab watch mss stats top doctor policy reload completion --socket --help --version' ;;
        *:top:*) candidates='--interval --count --socket --help' ;;
        --region:*) ;;
        *:list:*) candidates='--watch --sources --json --socket --help' ;;
        *:stats:* | *:doctor:*) candidates='--json --socket --help' ;;
        *:grab:-*) candidates='--output --window --monitor --region --timeout --cursor --json --socket --help' ;;
        *:watch:-*) candidates='--window --monitor --region --mode --duration --json --socket --help' ;;
        *:grab:* | *:watch:*) candidates=$(_framering_sources "$socket") ;;
        --uid:*) ;;
        *:policy:-*) candidates='--uid --socket --help' ;;
        *:policy:*) if [[ $before == check ]]; then candidates=$(_framering_sources "$socket"); else candidates=check; fi ;;
        *:reload:*) candidates='--socket --help' ;;
        *:mss:-*) candidates='--coordinates --level --monitor --output --with-cursor --quiet --backend --version --help' ;;
        *:completion:*) candidates='bash zsh fish --help' ;;
      esac
      mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")
      ;;
  esac
  # What readline leaves alone must not come again; an '@' it takes for the beginning of a word.
  local kept=${whole%"${whole##*["$COMP_WORDBREAKS"]}"}
  kept=${kept%@}
  COMPREPLY=("${COMPREPLY[@]/#/"${whole%"$word"}"}")
  COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
complete -F _framering framering
