import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { VhostHostError, printable } from '../../common/errors.js';
import type { HostFacts } from '../../hostsetup/facts/index.js';
import type { Told } from '../../hostsetup/setup/questions.js';
import { readSize } from '../../common/bytes.js';
import type { ChangeFlags } from './change-report.js';
import { OPTIONS } from '../shared/help-groups.js';
import { parseNumbers, parsePath } from '../shared/parse.js';

/** What `setup` can be told on the command line: a flag for each question, and for what it does not ask. */
export interface SetupOptions extends ChangeFlags {
  readonly guestMemory?: number;
  readonly pageSize?: number;
  readonly switchPages?: number;
  readonly nic?: string;
  readonly boot?: boolean;
  readonly install?: boolean;
  readonly nodes: readonly number[];
  readonly nicDriver: 'vfio-pci' | 'uio_pci_generic';
  readonly forceNic?: boolean;
  readonly shrink?: boolean;
  readonly cuse?: boolean;
  readonly ownUser?: boolean;
  readonly config?: string;
  readonly packageRoot?: string;
  readonly connect?: string;
  readonly root?: string;
  readonly undo?: boolean;
  readonly leave: readonly string[];
}

function parseBytes(text: string): number {
  const bytes = readSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('a size such as 8G or 512M.');
}

function parsePages(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a number of pages such as 256.');
}

const PCI = /^(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i;

/** The card's PCI address, by which it is known whoever drives it. In an image no card is there to be compared with. */
function nicAddress(facts: HostFacts, name: string): string | undefined {
  if (name === 'none') return undefined;
  const [, domain = '0000', rest] = PCI.exec(name) ?? [];
  const address = rest === undefined ? undefined : `${domain}:${rest}`.toLowerCase();
  const found = facts.nics.find((nic) => nic.address === address || nic.interfaces.includes(name));
  if (found !== undefined) return found.address;
  if (facts.system.kernel === undefined && address !== undefined) return address;
  const there = facts.nics.map((nic) => [nic.address, ...nic.interfaces].join(' ')).join(', ') || 'none at all';
  throw new VhostHostError('USAGE', `--nic ${printable(name)}: there is no such network card (${there})`, {
    hint: '--nic none, or a PCI address such as 0000:03:00.0',
  });
}

/** What the flags say; a question that no flag answers is not in it. */
export function toldOf(facts: HostFacts, options: SetupOptions): Told {
  const { guestMemory, pageSize, switchPages, nic, boot, install } = options;
  return {
    ...(guestMemory === undefined ? {} : { guestMemory }),
    ...(pageSize === undefined ? {} : { pageSize }),
    ...(switchPages === undefined ? {} : { switchPages }),
    ...(nic === undefined ? {} : { nic: nicAddress(facts, nic) }),
    ...(boot === undefined ? {} : { boot }),
    ...(install === undefined ? {} : { install }),
  };
}

export function withSetupOptions(command: Command): Command {
  return command
    .optionsGroup('Hugepages:')
    .option(
      '--guest-memory <size>',
      "memory for guests (default: that of libvirt's domains, in whole gigabytes)",
      parseBytes,
    )
    .option(
      '--page-size <size>',
      'pages that it is made of, 1G or 2M (default: 1G where it suits all domains)',
      parseBytes,
    )
    .option('--switch-pages <n>', 'pages of 2M for the switch (default: 256)', parsePages)
    .addOption(
      new Option('--nodes <list>', 'NUMA nodes to take the pages from, such as 0-1')
        .argParser((text: string) => parseNumbers(text, 'node numbers such as 0 or 0-1'))
        .default([], 'as the kernel spreads them'),
    )
    .option('--shrink', 'reserve no more pages at each start than asked for, also where more are reserved')
    .optionsGroup('Network card:')
    .option('--nic <card>', 'network card for the switch: its PCI address or interface, or none (default: none)')
    .addOption(
      new Option('--nic-driver <name>', 'driver that hands the card over')
        .choices(['vfio-pci', 'uio_pci_generic'])
        .default('vfio-pci'),
    )
    .option('--force-nic', 'take the card even where the host itself uses it')
    .optionsGroup('Start at boot:')
    .option('--boot', 'start the switch at every boot (default where systemd runs)')
    .option('--no-boot', 'do not')
    .option('--config <file>', "the switch's configuration, for the start at boot", parsePath)
    .optionsGroup('Packages:')
    .option('--install', 'install packages that are missing')
    .option('--no-install', 'only name them (default)')
    .optionsGroup(OPTIONS)
    .option('--cuse', 'also what /dev/usvhost-N needs')
    .optionsGroup('Start at boot:')
    .option('--own-user', 'the service as the user vhost-host: for a switch without cards and without /dev/usvhost-N')
    .option('--no-own-user', 'as root (default)')
    .optionsGroup(OPTIONS)
    .option('--connect <uri>', 'libvirt to ask for domains (default: qemu:///system)')
    .option('--package-root <dir>', 'where this package lies on the host that is set up (default: here)', parsePath)
    .option('--root <dir>', 'set up the system below this directory, such as a mounted image')
    .optionsGroup('Confirmation and undo:')
    .option('--undo', 'take back what this command has changed')
    .addOption(new Option('--leave <what...>', 'with --undo: files or steps to keep as they are').default([], 'none'))
    .option('--dry-run', 'show what would be done, and change nothing')
    .option('--yes', 'agree to what is shown, and take the proposals')
    .option('--json', 'print one JSON object, and ask nothing');
}
