// Man page and completion of vhost-host, made of what the program says about itself: neither can name what is not there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './task.mjs';

/** Every command that help shows, with the words that lead to it: [{ words, command }], the program itself first. */
async function commandTree() {
  const ours = (name) => import(pathToFileURL(join(root, 'build/src/cli', name)));
  const { buildProgram } = await ours('program.js');
  const { ALL_COMMANDS } = await ours('commands.js');
  // Only actions use their context, and none is run.
  const program = buildProgram({ version: '' }, () => undefined, ALL_COMMANDS);
  const walk = (command, words) => [
    { words, command },
    ...command
      .createHelp()
      .visibleCommands(command)
      .filter((sub) => sub.name() !== 'help')
      .flatMap((sub) => walk(sub, [...words, sub.name()])),
  ];
  return walk(program, []);
}

/** Text for troff: nothing in it is a request or an escape. */
function plain(text) {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/\s+/g, ' ').trim();
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** `--run-dir <dir>`: bold, what is to be replaced in italics. */
function term(text) {
  return plain(text)
    .replace(/([<[])([^<>[\]]+)([>\]])/g, '$1\\fI$2\\fB$3')
    .replace(/^/, '\\fB')
    .concat('\\fR');
}

function section({ words, command }) {
  const help = command.createHelp();
  const entries = [
    ...help
      .visibleArguments(command)
      .map((argument) => [help.argumentTerm(argument), help.argumentDescription(argument)]),
    ...help.visibleOptions(command).map((option) => [help.optionTerm(option), help.optionDescription(option)]),
  ].filter(([name]) => name !== '-h, --help');
  return [
    `.SS ${plain(['vhost-host', ...words].join(' '))}`,
    plain(help.commandDescription(command)),
    ...entries.flatMap(([name, text]) => ['.TP', term(name), plain(text)]),
  ];
}

export async function manPage(version) {
  const tree = await commandTree();
  // What only groups others has nothing to say of its own.
  const shown = tree.filter(
    ({ command }, at) => at > 0 && (command.commands.length === 0 || command.options.length > 0),
  );
  const template = readFileSync(join(root, 'man/vhost-host.1.in'), 'utf8');
  return template.replace('@VERSION@', () => version).replace(/^@COMMANDS@$/m, () => shown.flatMap(section).join('\n'));
}

export async function completion() {
  const table = (await commandTree()).map(({ words, command }) => {
    const help = command.createHelp();
    const subcommands = help.visibleCommands(command).map((sub) => sub.name());
    const options = help.visibleOptions(command).map((option) => option.long);
    return `  '${words.join(' ')}') echo '${[...subcommands, ...options].join(' ')}' ;;`;
  });
  const template = readFileSync(join(root, 'contrib/completion/vhost-host.bash.in'), 'utf8');
  return template.replace(/^@WORDS@$/m, () => table.join('\n'));
}
