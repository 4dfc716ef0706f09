import { optionsOf, withAllBelow } from '../tree.js';
import type { CommandNode, OptionNode } from '../tree.js';
import { HEAD, valueOptions } from './words.js';

/** In fish a backslash before a quote is the only escape within quotes, besides itself. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function valueFlags({ value }: OptionNode): string[] {
  if (value === undefined) return [];
  switch (value.kind) {
    case 'choice':
      return ['-x', '-a', quoted(value.choices.join(' '))];
    case 'file':
      return ['-r', '-F'];
    case 'directory':
      return ['-x', '-a', quoted('(__fish_complete_directories)')];
    case 'text':
      return ['-x'];
  }
}

function commandLines(node: CommandNode): string[] {
  const at = `complete -c vhost-host -n ${quoted(`__vhost_host_at ${quoted(node.words.join(' '))}`)}`;
  return [
    ...node.commands.map(({ words, summary }) => `${at} -a ${quoted(words.at(-1) ?? '')} -d ${quoted(summary)}`),
    ...optionsOf(node).map((option) => {
      const short = option.short === undefined ? [] : ['-s', option.short.slice(1)];
      const flags = [...short, '-l', option.long.slice(2), ...valueFlags(option)];
      return `${at} ${flags.join(' ')} -d ${quoted(option.text)}`;
    }),
  ];
}

export function fishCompletion(tree: CommandNode): string {
  const nodes = withAllBelow(tree);
  const paths = nodes.flatMap(({ words }) => (words.length === 0 ? [] : [quoted(words.join(' '))]));
  return `# fish completion for vhost-host. ${HEAD}

# Whether the words before the cursor have chosen this command.
function __vhost_host_at
    set -l paths ${paths.join(' ')}
    set -l takes_value ${valueOptions(tree).join(' ')}
    set -l path ''
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if contains -- $word $takes_value
            set skip 1
        else if contains -- (string trim -- "$path $word") $paths
            set path (string trim -- "$path $word")
        end
    end
    test "$path" = "$argv[1]"
end

complete -c vhost-host -f
${nodes.flatMap(commandLines).join('\n')}
`;
}
