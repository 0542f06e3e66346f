# shellcheck shell=bash
_framering_sources() {
  framering ${1:+--socket "$1"} list 2>/dev/null | awk 'NR > 1 && !/^ / {print $1}'
}

_framering() {
  # Readline splits words at ':', '@' and '=' too; sources have them, so the words are made again here.
  local line=${COMP_LINE:0:COMP_POINT} words word before command='' socket='' candidates='' i
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  for ((i = 1; i < ${#words[@]} - 1; ++i)); do
    case ${words[i]} in
      --socket) socket=${words[++i]} ;;
      --socket=*) socket=${words[i]#*=} ;;
      list | grab | watch | mss | completion) command=${command:-${words[i]}} ;;
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
    *)
      case $before:$command:$word in
        --mode:*) candidates='latest every' ;;
        --timeout:* | --duration:*) ;;
        *::*) candidates='list grab watch mss completion --socket --help --version' ;;
        *:list:*) candidates='--json --socket --help' ;;
        *:grab:-*) candidates='--output --timeout --json --socket --help' ;;
        *:watch:-*) candidates='--mode --duration --json --socket --help' ;;
        *:grab:* | *:watch:*) candidates=$(_framering_sources "$socket") ;;
        *:mss:-*) candidates='--coordinates --level --monitor --output --with-cursor --quiet --backend --help' ;;
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
