import { apparmorIsOn, selinuxMode } from '../../host/kernel/lsm.js';
import { findNode } from '../../host/daemon-path.js';
import { VhostHostError } from '../../common/errors.js';
import type { Step } from '../../changes/steps.js';
import type { PolicyPaths } from './apparmor-rules.js';
import { apparmorStep, readAbstraction } from './apparmor-step.js';
import { cgroupMountStep } from './cgroup-mount.js';
import { hookStep } from './hook.js';
import { emulatorCandidates, findFile, refuseUnreachable, wrapperStep } from './wrapper.js';
import { parseVersion, qemuConfStep, refuseLegacy } from '../qemu-conf/step.js';
import { selinuxStep } from './selinux-step.js';
import type { Host } from '../../host/host.js';

export type Choice = 'auto' | 'on' | 'off';

/** What the user asks for; `libvirt setup` has a flag for each. */
export interface HostSpec {
  /** Paths of cuse devices for guests, none for vhost-user alone. */
  readonly devices: readonly string[];
  readonly deviceBase: string;
  readonly runDir: string;
  readonly wrapper: string;
  readonly emulator: string | undefined;
  readonly apparmor: Choice;
  readonly selinux: Choice;
  readonly legacy: boolean;
  /** Where the package lies on the host that is set up. */
  readonly packageRoot: string;
  /** Whether that host is this running system, not an image of one. */
  readonly live: boolean;
}

async function findEmulator(host: Host, given: string | undefined): Promise<string> {
  const candidates = given === undefined ? emulatorCandidates() : [given];
  const found = await findFile(host, candidates);
  if (found !== undefined) return found;
  throw new VhostHostError('EMULATOR_NOT_FOUND', `no QEMU emulator was found; tried ${candidates.join(', ')}`, {
    hint: 'apt-get install qemu-system, or --emulator PATH',
  });
}

const BUILD = 'npm install && npm run build';

async function readPaths(host: Host, spec: HostSpec): Promise<PolicyPaths & { readonly emulatorLink: string }> {
  const packageRoot = (await host.realpath(spec.packageRoot)) ?? spec.packageRoot;
  const launcher = `${packageRoot}/native/build/Release/vh-launch`;
  const node = await findNode(host);
  const emulatorLink = await findEmulator(host, spec.emulator);
  await refuseUnreachable(host, launcher, 0o005, BUILD);
  await refuseUnreachable(host, `${packageRoot}/build/bundle/cli/wrap-plan.js`, 0o004, BUILD);
  await refuseUnreachable(host, node, 0o005, 'apt-get install nodejs');
  return {
    wrapper: spec.wrapper,
    launcher,
    node,
    emulator: (await host.realpath(emulatorLink)) ?? emulatorLink,
    emulatorLink,
    packageRoot,
    runDir: spec.runDir,
    deviceBase: spec.devices.length === 0 ? undefined : spec.deviceBase,
  };
}

async function libvirtVersion(host: Host): Promise<number[] | undefined> {
  for (const program of ['libvirtd', 'virtqemud']) {
    const said = await host.run(program, ['--version']).catch(() => undefined);
    if (said?.exitCode === 0) return parseVersion(said.stdout);
  }
  return undefined;
}

/** The steps, in the order in which they are done. Looks, and changes nothing. */
export async function planHost(host: Host, spec: HostSpec): Promise<Step[]> {
  const paths = await readPaths(host, spec);
  const steps = [await wrapperStep(host, { ...paths, emulator: paths.emulatorLink })];
  // An image's libvirt is not started to be asked.
  const version = spec.live || spec.legacy ? await libvirtVersion(host) : undefined;
  if (spec.legacy) refuseLegacy(version);
  if (spec.devices.length > 0 || spec.legacy) steps.push(await qemuConfStep(host, spec));
  if (spec.legacy && spec.live) steps.push(await cgroupMountStep(host));
  const hook = await hookStep(host, paths, version);
  return [...steps, ...(await policySteps(host, spec, paths)), ...(hook === undefined ? [] : [hook])];
}

async function policySteps(host: Host, { apparmor, selinux, live }: HostSpec, paths: PolicyPaths): Promise<Step[]> {
  const steps: Step[] = [];
  const abstraction = await readAbstraction(host);
  const useApparmor = apparmor === 'on' || (apparmor === 'auto' && (live ? await apparmorIsOn(host) : true));
  if (useApparmor && abstraction !== undefined) steps.push(await apparmorStep(host, abstraction, paths, live));
  else if (apparmor === 'on') {
    throw new VhostHostError('SETUP_REFUSED', 'libvirt has no AppArmor profiles here', { hint: '--apparmor off' });
  }
  const hasSelinux = live && (await selinuxMode(host)) !== 'off';
  if (selinux !== 'off' && hasSelinux) steps.push(await selinuxStep(host, paths));
  else if (selinux === 'on') {
    throw new VhostHostError('SETUP_REFUSED', 'SELinux is not on here', { hint: '--selinux off' });
  }
  return steps;
}
