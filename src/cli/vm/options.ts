import { Option } from 'commander';
import type { Command } from 'commander';
import { VhostHostError } from '../../common/errors.js';
import type { ClientOptions } from '../shared/client-command.js';
import { withClientOptions } from '../shared/client-command.js';
import { COMMON_OPTIONS, OPTIONS } from '../shared/help-groups.js';

/** What the `vm` subcommands have in common. */
export interface VmOptions extends ClientOptions {
  readonly connect?: string;
  readonly file?: string;
}

/** Of those that change something. */
export interface EditOptions extends VmOptions {
  readonly output?: string;
  readonly yes?: boolean;
  readonly printXml?: boolean;
  readonly printDiff?: boolean;
}

export function withVmOptions(command: Command): Command {
  return withClientOptions(command).addOption(
    new Option('--connect <uri>', 'libvirt to talk to (default: qemu:///system)').helpGroup(COMMON_OPTIONS),
  );
}

export function withFileOption(command: Command): Command {
  return withVmOptions(command).option('--file <file>', 'domain XML in a file, instead of a domain that libvirt knows');
}

export function withEditOptions(command: Command): Command {
  return withFileOption(command)
    .option('--output <file>', 'with --file: where the result goes (default: back into the file)')
    .optionsGroup('Confirmation and preview:')
    .option('--yes', 'do it without asking')
    .addOption(new Option('--print-xml', 'print the new XML and change nothing').conflicts('printDiff'))
    .option('--print-diff', 'print what would change as a diff and change nothing')
    .optionsGroup(OPTIONS);
}

/** One thing is meant: a domain of libvirt's, or a file. */
export function checkNamed(domain: string | undefined, { file }: VmOptions): void {
  if ((domain === undefined) === (file === undefined)) {
    const reason = domain === undefined ? 'which domain?' : 'a domain and a file: which of the two?';
    throw new VhostHostError('USAGE', reason, { hint: 'vhost-host vm list, or --file dom.xml' });
  }
}
