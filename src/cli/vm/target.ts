import { resolve } from 'node:path';
import { VhostHostError, errnoOf, messageOf, printable } from '../../common/errors.js';
import type { Commands } from '../../libvirt/attach/detach.js';
import { keyOfFile, savedDirectory } from '../../libvirt/attach/saved-state.js';
import { Virsh } from '../../libvirt/virsh.js';
import type { CliContext } from '../shared/context.js';
import { checkNamed } from './options.js';
import type { EditOptions, VmOptions } from './options.js';

/** What is shown or edited: a domain that libvirt knows, or a file of domain XML. */
export interface Target {
  /** As users speak of it. */
  readonly title: string;
  /** Under which attach remembers it. */
  readonly key: string;
  /** The same for what is read, where the result goes elsewhere. */
  readonly from: string;
  readonly origin: string;
  readonly commands: Commands;
  readonly text: string;
  readonly running: boolean;
  /** Why a change is not at work at once; undefined where it is. */
  readonly waits: string | undefined;
  /** Puts a new text in its place and gives back what is there then. */
  store(text: string): Promise<string>;
}

function commandsFor(named: string, edit: string): Commands {
  return { attach: `vhost-host vm attach ${named}`, detach: `vhost-host vm detach ${named}`, edit };
}

async function readFile(context: CliContext, path: string): Promise<string> {
  try {
    return await context.host.read(path);
  } catch (error) {
    const reason = errnoOf(error) === 'ENOENT' ? 'there is no such file' : printable(messageOf(error));
    throw new VhostHostError('USAGE', `cannot read ${path}: ${reason}`, { cause: error, hint: 'vhost-host vm list' });
  }
}

async function fileTarget(context: CliContext, file: string, output: string | undefined): Promise<Target> {
  const { host, cwd } = context;
  const path = resolve(cwd, file);
  const text = await readFile(context, path);
  const into = output === undefined ? path : resolve(cwd, output);
  // Through a link to the file itself: replacing the link would leave the file as it was.
  const real = (await host.realpath(into)) ?? into;
  return {
    title: file,
    key: keyOfFile(real),
    from: keyOfFile((await host.realpath(path)) ?? path),
    origin: real,
    commands: commandsFor(`--file ${file}`, `edit ${file}`),
    text,
    running: false,
    waits: undefined,
    async store(changed) {
      await host.write(real, changed);
      return await host.read(real);
    },
  };
}

async function domainTarget(context: CliContext, name: string, options: VmOptions): Promise<Target> {
  const { host } = context;
  const virsh = new Virsh(host, options.connect);
  const state = await virsh.state(name);
  if (!state.persistent) {
    throw new VhostHostError('DOMAIN_UNFIT', `${state.name} is transient: libvirt keeps no definition to change`, {
      hint: 'change the file it is created from: vhost-host vm attach --file dom.xml',
    });
  }
  const text = await virsh.dumpxml(state.uuid);
  const next = `virsh shutdown ${state.name}, then virsh start ${state.name}`;
  const saved = `its saved state has the old devices: virsh managedsave-remove ${state.name}`;
  return {
    title: state.name,
    key: state.uuid,
    from: state.uuid,
    origin: virsh.uri,
    commands: commandsFor(state.name, `virsh edit ${state.name}`),
    text,
    running: state.running,
    waits: state.running ? `it is ${state.state}: ${next}` : state.managedSave ? saved : undefined,
    async store(changed) {
      await virsh.define(savedDirectory(host), state.uuid, changed);
      return await virsh.dumpxml(state.uuid);
    },
  };
}

/** A name that begins with a dash is meant as a name. */
export function openTarget(context: CliContext, domain: string | undefined, options: EditOptions): Promise<Target> {
  checkNamed(domain, options);
  const { file, output } = options;
  if (file !== undefined) return fileTarget(context, file, output);
  if (output !== undefined) throw new VhostHostError('USAGE', '--output goes with --file', { hint: '--print-xml' });
  return domainTarget(context, domain ?? '', options);
}
