import { optionsOf, withAllBelow } from '../tree.js';
import type { CommandNode, OptionNode } from '../tree.js';
import { HEAD, quoted } from './words.js';

const functionOf = ({ words }: CommandNode): string => ['_vhost-host', ...words].join('_');

/** Within a specification of `_arguments` these have a meaning. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

function action({ value }: OptionNode): string {
  if (value === undefined) return '';
  switch (value.kind) {
    case 'choice':
      return `(${value.choices.join(' ')})`;
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'text':
      return ' ';
  }
}

/** One for each spelling, since those with a value take it after `=` only when long. */
function specifications(option: OptionNode): string[] {
  const { long, short, value, placeholder, repeatable, text } = option;
  const both = short === undefined ? [long] : [short, long];
  const exclusive = repeatable ? '*' : both.length > 1 ? `(${both.join(' ')})` : '';
  const after = value === undefined ? '' : `:${escaped(placeholder)}:${action(option)}`;
  return both.map((name) => {
    const equals = value !== undefined && name === long ? '=' : '';
    return quoted(`${exclusive}${name}${equals}[${escaped(text)}]${after}`);
  });
}

function commandFunction(node: CommandNode): string[] {
  const options = optionsOf(node).flatMap(specifications);
  const head = [`${functionOf(node)}() {`];
  if (node.commands.length === 0) {
    const operands = node.usage.replace('[options]', '').trim() === '' ? [] : [quoted('*: : ')];
    return [...head, `  _arguments \\`, ...lines([...options, ...operands]), '}', ''];
  }
  const commands = node.commands.map(
    ({ words, summary }) => `    ${quoted(`${words.at(-1) ?? ''}:${summary.replaceAll(':', '\\:')}`)}`,
  );
  const calls = node.commands.map((sub) => `      ${sub.words.at(-1) ?? ''}) ${functionOf(sub)} ;;`);
  return [
    ...head,
    '  local curcontext=$curcontext state line',
    '  local -a commands=(',
    ...commands,
    '  )',
    '  _arguments -C \\',
    ...lines([...options, quoted('1: :->command'), quoted('*:: :->rest')]),
    '  case $state in',
    "    command) _describe -t commands 'command' commands ;;",
    '    rest)',
    '      case $words[1] in',
    ...calls.map((call) => `  ${call}`),
    '      esac',
    '      ;;',
    '  esac',
    '}',
    '',
  ];
}

/** The lines of one call. */
function lines(words: readonly string[]): string[] {
  return words.map((word, at) => `    ${word}${at === words.length - 1 ? '' : ' \\'}`);
}

export function zshCompletion(tree: CommandNode): string {
  return [
    '#compdef vhost-host',
    `# zsh completion for vhost-host. ${HEAD}`,
    '',
    ...withAllBelow(tree).flatMap(commandFunction),
    '# Loaded by its name it completes at once; sourced it only tells zsh that it is there.',
    'if [[ $funcstack[1] == _vhost-host ]]; then',
    '  _vhost-host "$@"',
    'else',
    '  compdef _vhost-host vhost-host',
    'fi',
    '',
  ].join('\n');
}
