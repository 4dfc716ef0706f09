import { bold, entry, optionEntries, pageText, plain, sentence, term, verbatim } from './troff.js';
import { withAllBelow } from './tree.js';
import type { CommandNode } from './tree.js';

/** vhost-host(8), and a page for each command of the first level with its subcommands as sections. */

const pageName = ({ name }: CommandNode): string => name.replaceAll(' ', '-');

const ABOUT = [
  'A switch for virtual machines that runs in user space, on DPDK.',
  'Guests connect by vhost\\-user sockets or by devices',
  '.IR /dev/usvhost\\-N ;',
  'uplinks connect them to the network.',
  'Other commands prepare the host and put the domains of libvirt on the switch.',
  'Those show every change before they make it, and can undo it.',
];

const EXIT_STATUS = [
  ...entry('0', 'The command did what it was asked for. Of a check: nothing was found.'),
  ...entry('1', 'The command failed, or a part of the work was left to the user. Of a check: warnings.'),
  ...entry('2', 'The arguments were wrong. Of a check: errors.'),
];

const ENVIRONMENT = entry(
  bold('VHOST_HOST_RUN_DIR'),
  "Directory for the switch's sockets, lock and log, where --run-dir does not name one.",
);

const file = (path: string, text: string): string[] => entry(`\\fI${plain(path)}\\fR`, text);
const FILES = [
  ...file('/etc/vhost-host/switch.json', 'Configuration of a switch that root starts.'),
  ...file('/etc/vhost-host/qemu-wrap.json', 'Configuration of qemu-wrap.'),
  ...file('/run/vhost-host/', 'Sockets, lock and log of a switch that root starts.'),
  ...file('/var/lib/vhost-host/', 'What setup, libvirt setup and vm attach remember to undo their changes.'),
  ...file('/usr/share/vhost-host/', 'JSON Schema of both configurations, and the control API as OpenAPI.'),
];

function synopsis(node: CommandNode): string[] {
  // What only groups others cannot be called by itself.
  const callable = withAllBelow(node).filter(({ commands, operands, groups }) =>
    commands.length === 0 ? true : operands.length > 0 || groups.flatMap(({ options }) => options).length > 1,
  );
  return callable.flatMap(({ name, usage }, at) => [
    ...(at === 0 ? [] : ['.br']),
    `${bold(name)} ${plain(usage).replace(/([<[])([^<>[\].]+)(\.*[>\]])/g, '$1\\fI$2\\fR$3')}`,
  ]);
}

/** A paragraph of help, of which each line stays one. */
function noteLines(note: string): string[] {
  const [first = '', ...rest] = note.split('\n');
  const list = rest.flatMap((line, at) => [...(at === 0 ? [] : ['.br']), term(line)]);
  return ['.PP', plain(first), ...(list.length === 0 ? [] : ['.RS 4', ...list, '.RE'])];
}

function exampleLines({ examples }: CommandNode): string[] {
  return examples.flatMap(({ purpose, call }, at) => [
    ...(purpose === '' ? [] : [...(at === 0 ? [] : ['.PP']), plain(purpose)]),
    ...verbatim([bold(call)]),
  ]);
}

const subTitle = (text: string): string[] => ['.PP', `\\fI${plain(text)}\\fR`];

function subcommandLines(node: CommandNode): string[] {
  return [
    `.SS ${plain(node.name)}`,
    sentence(node.summary),
    ...node.operands.flatMap(({ term: name, text }) => entry(term(name), text)),
    ...optionEntries(node.groups, subTitle),
    ...node.notes.flatMap(noteLines),
    ...(node.examples.length === 0 ? [] : [...subTitle(node.examples.length === 1 ? 'Example' : 'Examples'), '.PP']),
    ...exampleLines(node),
  ];
}

function commandPage(node: CommandNode, siblings: readonly CommandNode[], version: string): string {
  return pageText({
    name: pageName(node),
    section: 8,
    version,
    purpose: node.summary,
    parts: [
      ['SYNOPSIS', synopsis(node)],
      ['DESCRIPTION', [sentence(node.summary)]],
      ['ARGUMENTS', node.operands.flatMap(({ term: name, text }) => entry(term(name), text))],
      ['OPTIONS', [...optionEntries(node.groups, (text) => [`.SS ${plain(text)}`]), ...node.notes.flatMap(noteLines)]],
      ['SUBCOMMANDS', node.commands.flatMap(withAllBelow).flatMap(subcommandLines)],
      ['EXIT STATUS', EXIT_STATUS],
      ['EXAMPLES', exampleLines(node)],
    ],
    seeAlso: ['vhost-host(8)', ...siblings.filter((other) => other !== node).map((other) => `${pageName(other)}(8)`)],
  });
}

function mainPage(tree: CommandNode, version: string): string {
  const headings = [...new Set(tree.commands.map(({ heading }) => heading))];
  const commands = headings.flatMap((heading) => [
    `.SS ${plain(heading)}`,
    ...tree.commands
      .filter((node) => node.heading === heading)
      .flatMap((node) => ['.TP', `.BR ${plain(pageName(node))} (8)`, sentence(node.summary)]),
  ]);
  return pageText({
    name: tree.name,
    section: 8,
    version,
    purpose: 'userspace vhost switch for QEMU guests, and its control',
    parts: [
      ['SYNOPSIS', [`${bold(tree.name)} \\fICOMMAND\\fR [\\fIOPTIONS\\fR]`]],
      ['DESCRIPTION', ABOUT],
      ['COMMANDS', commands],
      ['OPTIONS', optionEntries(tree.groups, subTitle)],
      ['EXIT STATUS', EXIT_STATUS],
      ['ENVIRONMENT', ENVIRONMENT],
      ['FILES', FILES],
      ['EXAMPLES', exampleLines(tree)],
    ],
    seeAlso: [...tree.commands.map((node) => `${pageName(node)}(8)`), 'qemu-wrap(1)', 'virsh(1)'],
  });
}

/** By the name of the file. */
export function manPages(tree: CommandNode, version: string): ReadonlyMap<string, string> {
  return new Map([
    [`${tree.name}.8`, mainPage(tree, version)],
    ...tree.commands.map((node) => [`${pageName(node)}.8`, commandPage(node, tree.commands, version)] as const),
  ]);
}
