import { setBlock } from '../../changes/managed-block.js';
import { printable } from '../../common/errors.js';
import { planWrites, readSnapshot } from '../../changes/steps.js';
import type { Step } from '../../changes/steps.js';
import { apparmorRules } from './apparmor-rules.js';
import type { PolicyPaths } from './apparmor-rules.js';
import type { Host } from '../../host/host.js';

const ETC = '/etc/apparmor.d';
const ABSTRACTION = `${ETC}/abstractions/libvirt-qemu`;
const BLOCK = 'vhost-host';

/** What libvirt ships for its guests' profiles; undefined where it does not use AppArmor. */
export function readAbstraction(host: Pick<Host, 'readOptional'>): Promise<string | undefined> {
  return host.readOptional(ABSTRACTION);
}

/** Where the distribution leaves room for rules: a directory, a file, or else the end of what it ships. */
export function rulesFile(abstraction: string): { readonly path: string; readonly own: boolean } {
  const includes = (name: string): boolean =>
    new RegExp(`^\\s*#?include(?: if exists)? [<"]${name}[>"]`, 'm').test(abstraction);
  if (includes('abstractions/libvirt-qemu.d')) return { path: `${ABSTRACTION}.d/vhost-host`, own: true };
  if (includes('local/abstractions/libvirt-qemu'))
    return { path: `${ETC}/local/abstractions/libvirt-qemu`, own: false };
  return { path: ABSTRACTION, own: false };
}

/**
 * Rules for the guests' profiles. Nothing has to be reloaded: virt-aa-helper makes and loads a guest's
 * profile from these files when the guest starts. libvirtd's own profile needs nothing either, since it may
 * start whatever lies in /usr/bin.
 */
export async function apparmorStep(host: Host, abstraction: string, paths: PolicyPaths, live: boolean): Promise<Step> {
  const { path, own } = rulesFile(abstraction);
  const rules = apparmorRules(paths, abstraction);
  const before = (await readSnapshot(host, path))?.text ?? '';
  const text = own ? `# Written by vhost-host; changes in here are lost.\n${rules}` : setBlock(before, BLOCK, rules);
  const { actions, diff } = await planWrites(host, [{ kind: 'write', path, text }]);
  return {
    id: 'apparmor',
    title: `AppArmor: rules for guests in ${path}`,
    why: 'AppArmor lets a guest start and open only what its profile names; qemu-wrap and our sockets are not in it',
    current: before.includes(rules) ? 'rules present' : before.includes(paths.wrapper) ? 'other rules' : 'no rules',
    wanted: 'rules present',
    diff,
    actions,
    needsReboot: false,
    ...(live ? { verify: checkProfile } : {}),
  };
}

/** A rule that AppArmor cannot read would keep every guest from starting: asked before anybody tries. */
async function checkProfile(host: Host): Promise<string | undefined> {
  const profile = 'include <tunables/global>\nprofile vhost-host-check {\n  include <abstractions/libvirt-qemu>\n}\n';
  const result = await host.run('apparmor_parser', ['--skip-kernel-load', '--skip-cache'], { input: profile });
  return result.exitCode === 0 ? undefined : `AppArmor cannot read the rules: ${printable(result.stderr)}`;
}
