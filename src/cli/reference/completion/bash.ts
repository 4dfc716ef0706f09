import { optionsOf, withAllBelow } from '../tree.js';
import type { CommandNode } from '../tree.js';
import { HEAD, places, quoted, spellings, valueOptions } from './words.js';

function wordLines(tree: CommandNode): string[] {
  return withAllBelow(tree).map((node) => {
    const words = [...node.commands.map(({ words }) => words.at(-1) ?? ''), ...optionsOf(node).map(({ long }) => long)];
    return `  ${quoted(node.words.join(' '))}) echo ${quoted(words.join(' '))} ;;`;
  });
}

function valueLines(tree: CommandNode): string[] {
  return places(tree).flatMap(({ command, option }) => {
    const { value } = option;
    if (value === undefined) return [];
    const patterns = spellings(option).map((name) => quoted(`${command} ${name}`.trim()));
    const words = value.kind === 'choice' ? ` ${value.choices.join(' ')}` : '';
    return [`  ${patterns.join(' | ')}) echo ${quoted(`${value.kind}${words}`)} ;;`];
  });
}

/** For bash 4 and later, with and without bash-completion. */
export function bashCompletion(tree: CommandNode): string {
  return `# bash completion for vhost-host. ${HEAD}

# Prints what may follow a command: its subcommands and options.
_vhost_host_words() {
  case $1 in
${wordLines(tree).join('\n')}
  esac
}

# Prints what an option of a command takes: file, directory, text, or choice and the words to choose from.
_vhost_host_value() {
  case $1 in
${valueLines(tree).join('\n')}
  esac
}

_vhost_host_takes_value() {
  case $1 in
  ${valueOptions(tree).join(' | ')}) return 0 ;;
  esac
  return 1
}

_vhost_host() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command='' kind choices i word
  COMPREPLY=()
  # --option=value is three words for bash.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  # What the words before this one have chosen: only subcommands are words of the one before them.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if _vhost_host_takes_value "$word"; then
      [[ \${COMP_WORDS[i + 1]} != = ]] || ((++i))
      ((++i))
      continue
    fi
    case " $(_vhost_host_words "\${command# }") " in
    *" $word "*) [[ $word == -* ]] || command+=" $word" ;;
    esac
  done
  command=\${command# }
  read -r kind choices <<<"$(_vhost_host_value "\${command:+$command }$prev")"
  case $kind in
  file)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    ;;
  directory)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    ;;
  choice) mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur") ;;
  text) ;;
  *) mapfile -t COMPREPLY < <(compgen -W "$(_vhost_host_words "$command")" -- "$cur") ;;
  esac
}

complete -F _vhost_host vhost-host
`;
}
