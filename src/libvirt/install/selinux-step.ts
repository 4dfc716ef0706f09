import { VhostHostError } from '../../common/errors.js';
import { followedBy, planWrites } from '../../changes/steps.js';
import type { Action, Step } from '../../changes/steps.js';
import type { PolicyPaths } from './apparmor-rules.js';
import { MODULE, fileContexts, policySource } from './selinux-policy.js';
import type { Host } from '../../host/host.js';

const DIR = '/var/lib/vhost-host/selinux';
const PATHS = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'];

async function isInstalled(host: Host): Promise<boolean> {
  const { stdout } = await host.run('semodule', ['--list-modules']);
  return stdout.split('\n').some((line) => line.split(/\s/)[0] === MODULE);
}

/** The policy module: compiled here, from text that anybody may read, and installed where SELinux is on. */
export async function selinuxStep(host: Host, paths: PolicyPaths): Promise<Step> {
  await refuseWithoutCompiler(host);
  const file = (ending: string): string => `${DIR}/${MODULE}.${ending}`;
  const { actions: writes, diff } = await planWrites(host, [
    { kind: 'write', path: file('te'), text: policySource() },
    { kind: 'write', path: file('fc'), text: fileContexts(paths) },
  ]);
  const installed = await isInstalled(host);
  const actions: Action[] = [
    ...writes,
    { kind: 'run', command: ['checkmodule', '-M', '-m', '-o', file('mod'), file('te')], makes: [file('mod')] },
    {
      kind: 'run',
      command: ['semodule_package', '-o', file('pp'), '-m', file('mod'), '-f', file('fc')],
      makes: [file('pp')],
    },
    // One that was there before is ours as well: the journal of the run that brought it takes it away.
    {
      kind: 'run',
      command: ['semodule', '-i', file('pp')],
      ...(installed ? {} : { undo: ['semodule', '-r', MODULE] }),
    },
  ];
  return {
    id: 'selinux',
    title: `SELinux: policy module ${MODULE}`,
    why: 'SELinux confines guests; the module allows qemu-wrap and the switch, so that it can stay enforcing',
    current: installed ? (writes.length === 0 ? 'installed' : 'installed, of another version') : 'not installed',
    wanted: 'installed',
    diff,
    actions:
      installed && writes.length === 0
        ? []
        : followedBy(actions, ['restorecon', '-R', '-i', paths.wrapper, paths.packageRoot, paths.runDir]),
    needsReboot: false,
    verify: async () =>
      (await isInstalled(host)) ? undefined : `semodule does not list ${MODULE} after installing it`,
  };
}

async function refuseWithoutCompiler(host: Host): Promise<void> {
  for (const program of ['checkmodule', 'semodule_package', 'semodule']) {
    const found = await Promise.all(PATHS.map((dir) => host.stat(`${dir}/${program}`)));
    if (found.some((stat) => stat !== undefined)) continue;
    throw new VhostHostError('SETUP_REFUSED', `SELinux is on, and ${program} is missing to give it a policy module`, {
      hint: 'dnf install checkpolicy policycoreutils policycoreutils-python-utils',
    });
  }
}
