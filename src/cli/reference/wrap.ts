import { DEFAULTS, KEYS, KEY_NAMES } from '../../wrap/config/keys.js';
import type { Key } from '../../wrap/config/keys.js';
import { bold, entry, pageText, plain } from './troff.js';

/** qemu-wrap(1). Its own options and its configuration; all else on its command line is QEMU's. */

/** What each key says, for its page and its schema. */
export const KEY_TEXTS: Readonly<Record<Key, string>> = {
  emulator:
    "The QEMU to run. Without it: the one of the call's machine type, in PATH, beside the wrapper or in /usr/bin.",
  runDir: 'Run directory of the switch to connect guests to.',
  autostart: 'Whether to start a switch where none runs; auto: by hand yes, below libvirt no.',
  transport: 'How guests reach their ports: user (vhost-user), cuse (a device), or auto, what the port has.',
  device: 'One device for all interfaces, such as /dev/usvhost-1.',
  reconnect: 'Seconds after which QEMU looks again for a switch that went away; 0: never.',
  hugepages:
    'Whether the memory of a guest with a vhost interface lies in hugepages; auto: where enough of them are free.',
  hugepagesForAll: 'Whether the same holds for guests without a vhost interface.',
  hugetlbfsDir: 'One or more directories on a hugetlbfs to take hugepages from; without one no mount is needed.',
  options: 'Arguments that are added to the call of every guest.',
  vhostOptions: 'Arguments that are added to the call of guests with a vhost interface.',
};

const DESCRIPTION = [
  bold('qemu-wrap'),
  'is called in place of QEMU, by hand or as',
  '.I <emulator>',
  'of a libvirt domain, and becomes QEMU: the same process with the same descriptors.',
  'A network interface with',
  '.B vhost=on',
  'goes to the switch that',
  '.BR vhost\\-host\\-start (8)',
  "starts; the guest's memory becomes shareable and lies in hugepages where enough are free.",
  'Everything else passes as it is.',
  '.PP',
  'Called by a link named',
  '.BI qemu\\-wrap\\- ARCHITECTURE',
  'it is for that architecture.',
];

function keyEntry(key: Key): string[] {
  const preset = DEFAULTS[key];
  const text = preset === undefined ? KEY_TEXTS[key] : `${KEY_TEXTS[key]} Default: ${JSON.stringify(preset)}.`;
  return entry(`${bold(key)} (\\fB${plain(KEYS[key].env)}\\fR)`, text);
}

export function wrapPage(version: string): string {
  return pageText({
    name: 'qemu-wrap',
    section: 1,
    version,
    purpose: 'start QEMU with its vhost interfaces on the switch of vhost-host',
    parts: [
      ['SYNOPSIS', ['.B qemu\\-wrap', '.RB [ \\-\\-explain | \\-\\-explain=json ]', '.IR QEMU\\-ARGUMENT ...']],
      ['DESCRIPTION', DESCRIPTION],
      [
        'OPTIONS',
        [
          'Apart from the following, which comes first, all options are those of QEMU.',
          ...entry(bold('--explain'), 'Show what would be run and why, and start nothing.'),
          ...entry(bold('--explain=json'), 'The same as one JSON object.'),
        ],
      ],
      [
        'CONFIGURATION',
        [
          '.I /etc/vhost\\-host/qemu\\-wrap.json',
          'holds one JSON object; every key is optional.',
          'A variable of the environment, here in parentheses, wins over the file.',
          ...KEY_NAMES.flatMap(keyEntry),
          ...entry(
            bold('domains'),
            "Sections with these keys, except emulator, by a libvirt domain's name or UUID; each wins over the above.",
          ),
        ],
      ],
      ['ENVIRONMENT', entry(bold('VHOST_HOST_WRAP_CONFIG'), 'Names another configuration file.')],
      ['FILES', entry('\\fI/usr/share/vhost\\-host/qemu\\-wrap.schema.json\\fR', 'JSON Schema of the configuration.')],
      ['EXIT STATUS', ['That of QEMU; 1 where QEMU could not be started.']],
      [
        'EXAMPLES',
        [
          'See what becomes of a call:',
          '.RS 4',
          '.nf',
          bold('qemu-wrap --explain -m 1G -netdev tap,id=n,vhost=on -device virtio-net-pci,netdev=n'),
          '.fi',
          '.RE',
        ],
      ],
    ],
    seeAlso: ['vhost-host(8)', 'vhost-host-libvirt(8)', 'qemu-system-x86_64(1)'],
  });
}
