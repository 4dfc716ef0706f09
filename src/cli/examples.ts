import type { Command } from 'commander';

/** One call, without shell: words are separated by blanks. */
export interface Example {
  /** What it is for, as a sentence that ends with a colon. */
  readonly purpose: string;
  readonly call: string;
}

function example(purpose: string, call: string): Example {
  return { purpose, call };
}

/** By the words that lead to the command. Every command that help shows has at least one, which its parser accepts. */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  '': [
    example('Start a switch, give it a port, and look at it:', 'vhost-host start'),
    example('', 'vhost-host ports add web'),
    example('', 'vhost-host status'),
  ],
  start: [
    example('Forward on CPUs 2 and 3:', 'vhost-host start --workers 2,3'),
    example('Reach the network by a card:', 'vhost-host start --uplink net0=0000:03:00.0'),
    example(
      "Start as DPDK's vhost example was started:",
      'vhost-host start -l 0-1 -- -p 0x1 --socket-file /tmp/vm.sock',
    ),
  ],
  status: [example('Show workers, memory and versions:', 'vhost-host status')],
  ports: [example('List the ports for a program:', 'vhost-host ports --json')],
  'ports list': [example('List the ports:', 'vhost-host ports list')],
  'ports add': [
    example('Add a port with two queue pairs:', 'vhost-host ports add db --queues 2'),
    example('Add a port whose guest is in VLAN 100:', 'vhost-host ports add web --vlan access:100'),
  ],
  'ports rm': [example('Remove a port, even with a guest on it:', 'vhost-host ports rm db --force')],
  uplinks: [example('List the uplinks for a program:', 'vhost-host uplinks --json')],
  'uplinks list': [example('List the uplinks:', 'vhost-host uplinks list')],
  'uplinks add': [
    example('Add a network card:', 'vhost-host uplinks add net0 0000:03:00.0'),
    example("Add an interface of the kernel's, with two queues:", 'vhost-host uplinks add net1 eth1 --queues 2'),
  ],
  'uplinks rm': [example('Remove an uplink:', 'vhost-host uplinks rm net0')],
  macs: [example('List the learned addresses:', 'vhost-host macs')],
  stats: [example('Show the counters for a program:', 'vhost-host stats --json')],
  drops: [example('See why frames were dropped:', 'vhost-host drops')],
  logs: [example('Show the last 20 lines, and what comes:', 'vhost-host logs --lines 20 --follow')],
  rebalance: [example('After guests have come and gone:', 'vhost-host rebalance')],
  stop: [example('Stop the switch of another run directory:', 'vhost-host stop --run-dir /tmp/switch')],
  vm: [example('See which domains are on the switch:', 'vhost-host vm list')],
  'vm list': [example('List the domains:', 'vhost-host vm list')],
  'vm show': [example('Show a domain:', 'vhost-host vm show db')],
  'vm check': [example('Check every domain:', 'vhost-host vm check --all')],
  'vm attach': [
    example('See what would change:', 'vhost-host vm attach db --print-diff'),
    example('Attach the second interface, and use pages of 1 GiB:', 'vhost-host vm attach db --nic 1 --hugepages 1G'),
  ],
  'vm detach': [example('Bring a domain back without being asked:', 'vhost-host vm detach db --yes')],
  'vm forget': [example('Clear the record of a domain that was undefined:', 'vhost-host vm forget db')],
  libvirt: [example('See what would be done:', 'vhost-host libvirt setup --dry-run')],
  'libvirt setup': [
    example('See what would be done:', 'vhost-host libvirt setup --dry-run'),
    example('Allow guests four devices as well:', 'vhost-host libvirt setup --devices 1-4'),
    example('Take it back:', 'vhost-host libvirt setup --undo'),
  ],
  setup: [
    example('See what would be done:', 'vhost-host setup --dry-run'),
    example('Reserve 8 GiB for guests and start at boot:', 'vhost-host setup --guest-memory 8G --boot --yes'),
    example('Take it back:', 'vhost-host setup --undo'),
  ],
  check: [example('Look at an image before it is booted:', 'vhost-host check --root /mnt/image')],
};

/** As help shows them. */
export function examplesText(examples: readonly Example[]): string {
  const lines = examples.flatMap(({ purpose, call }) => [...(purpose === '' ? [] : [`  ${purpose}`]), `    ${call}`]);
  return `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`;
}

/** Adds them to the help of this command and of all below it. */
export function addExamples(command: Command, words: readonly string[] = []): void {
  const examples = EXAMPLES[words.join(' ')] ?? [];
  if (examples.length > 0) command.addHelpText('after', examplesText(examples));
  for (const sub of command.commands) addExamples(sub, [...words, sub.name()]);
}
