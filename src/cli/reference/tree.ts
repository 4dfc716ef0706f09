import { Command } from 'commander';
import type { Argument, Help, Option } from 'commander';
import type { CliContext } from '../shared/context.js';
import { ALL_COMMANDS } from '../commands.js';
import { EXAMPLES, examplesText } from '../examples.js';
import type { Example } from '../examples.js';
import { PROGRAM, buildProgram } from '../program.js';

/** The commands as help tells them, as data: what every page and completion is made of. */

/** What may stand in the place of a value. */
export type ValueKind =
  { readonly kind: 'file' | 'directory' | 'text' } | { readonly kind: 'choice'; readonly choices: readonly string[] };

export interface OptionNode {
  /** Such as `-n, --lines <n>`. */
  readonly term: string;
  readonly text: string;
  readonly short: string | undefined;
  readonly long: string;
  /** Undefined: a switch. */
  readonly value: ValueKind | undefined;
  /** What the value is called, such as `n`. */
  readonly placeholder: string;
  readonly repeatable: boolean;
}

export interface OptionGroup {
  /** Without colon. */
  readonly title: string;
  readonly options: readonly OptionNode[];
}

export interface CommandNode {
  /** The words that lead to it; none for the program itself. */
  readonly words: readonly string[];
  /** With the program's name. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name, such as `[options] <name>`. */
  readonly usage: string;
  readonly operands: readonly { readonly term: string; readonly text: string }[];
  readonly groups: readonly OptionGroup[];
  /** What stands below the options, a paragraph each. */
  readonly notes: readonly string[];
  readonly examples: readonly Example[];
  readonly commands: readonly CommandNode[];
  /** The heading that it stands below in the help of the one above. */
  readonly heading: string;
}

/** Only actions use their context, and none is run. */
function program(): Command {
  return buildProgram({ version: '' } as CliContext, () => undefined, ALL_COMMANDS);
}

function valueOf({ flags, argChoices }: Option): Pick<OptionNode, 'value' | 'placeholder'> {
  const placeholder = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1]?.replace(/\.\.\.$/, '');
  if (placeholder === undefined) return { value: undefined, placeholder: '' };
  const choices = argChoices ?? (placeholder.includes('|') ? placeholder.split('|') : undefined);
  if (choices !== undefined) return { value: { kind: 'choice', choices }, placeholder };
  const kind = ({ file: 'file', path: 'file', dir: 'directory' } as const)[placeholder] ?? 'text';
  return { value: { kind }, placeholder };
}

function optionNode(help: Help, option: Option): OptionNode {
  const text = help.optionDescription(option);
  return {
    term: help.optionTerm(option),
    text,
    short: option.short,
    long: option.long ?? '',
    ...valueOf(option),
    repeatable: option.variadic || text.includes('(repeatable)'),
  };
}

/** What was added to the help of a command below its options, without the examples. */
function notesOf(command: Command, examples: readonly Example[]): string[] {
  const written: string[] = [];
  command.configureOutput({ writeOut: (text) => void written.push(text) }).outputHelp();
  // The help proper is written first.
  return written
    .slice(1)
    .map((text) => text.trim())
    .filter((text) => text !== examplesText(examples).trim());
}

function nodeOf(command: Command, words: readonly string[]): CommandNode {
  const help = command.createHelp();
  const examples = EXAMPLES[words.join(' ')] ?? [];
  const groups = help.groupItems(command.options as Option[], help.visibleOptions(command), headingOf);
  const name = [PROGRAM, ...words].join(' ');
  return {
    words,
    name,
    summary: help.commandDescription(command),
    usage: command.usage(),
    operands: help
      .visibleArguments(command)
      .map((argument: Argument) => ({ term: help.argumentTerm(argument), text: help.argumentDescription(argument) })),
    groups: [...groups].map(([title, options]) => ({
      title: title.replace(/:$/, ''),
      options: options.map((option) => optionNode(help, option)),
    })),
    notes: notesOf(command, examples),
    examples,
    commands: help
      .visibleCommands(command)
      .filter((sub) => sub.name() !== 'help')
      .map((sub) => nodeOf(sub, [...words, sub.name()])),
    heading: command.helpGroup().replace(/:$/, ''),
  };
}

function headingOf(option: Option): string {
  return option.helpGroupHeading ?? 'Options:';
}

export function commandTree(): CommandNode {
  return nodeOf(program(), []);
}

/** This command and all below it, in the order of help. */
export function withAllBelow(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(withAllBelow)];
}

/** All options, whatever group they stand in. */
export function optionsOf({ groups }: CommandNode): readonly OptionNode[] {
  return groups.flatMap(({ options }) => options);
}
