import { dirname } from 'node:path';
import { VhostHostError, messageOf } from '../common/errors.js';
import { bootId, raiseOrSet, readValue } from './kernel-value.js';
import { mount } from './mount.js';
import { runOrFail, runUntil } from '../host/run-checked.js';
import { readSnapshot, resultOf, rights } from './steps.js';
import type { Action, Snapshot } from './steps.js';
import { changeableAround } from '../host/trusted-place.js';
import type { Host } from '../host/host.js';
import type { Change, Origin } from './change.js';
import { hashOf } from './change.js';

/** One action as the journal knows it: enough to undo it without the code that planned it. */

/** The directory and those above it that do not exist yet, the outermost first. */
async function missing(host: Host, directory: string): Promise<string[]> {
  const found: string[] = [];
  for (let dir = directory; dir !== dirname(dir); dir = dirname(dir)) {
    if ((await host.stat(dir)) !== undefined) break;
    found.unshift(dir);
  }
  return found;
}

/** What is going to be different after the action: to be taken down before it is done. */
export async function changesOf(host: Host, action: Action, { step, title }: Origin): Promise<Change[]> {
  const origin = { step, title };
  switch (action.kind) {
    case 'touch':
    case 'check':
      return [];
    case 'directory':
      return (await missing(host, action.path)).map((path) => ({ ...origin, kind: 'directory', path }));
    case 'mount':
      return [{ ...origin, kind: 'mount', path: action.path, type: action.type, before: action.replaces ?? null }];
    case 'set': {
      const { path, value: wanted, raise } = action;
      const [before, boot] = [await readValue(host, path), await bootId(host)];
      const { unused = null, promised = null } = raise ?? {};
      return [{ ...origin, kind: 'value', path, before, wanted, after: null, boot, unused, promised }];
    }
    case 'run': {
      const { undo = null, makes = [], until } = action;
      // Nothing to take back, nothing to remember.
      if (undo === null && makes.length === 0) return [];
      const undone = until?.undone ?? null;
      return [{ ...origin, kind: 'run', undo: undo && [...undo], makes: [...makes], undone, begun: true }];
    }
    case 'write': {
      // A link stays a link: what changes is the file it leads to.
      const path = (await host.realpath(action.path)) ?? action.path;
      const before = (await readSnapshot(host, path)) ?? null;
      const { text, mode, uid, gid } = resultOf(action, before ?? undefined);
      const dirs = await missing(host, dirname(path));
      await refuseStore(host, path, dirname(dirs[0] ?? path));
      return [
        ...dirs.map((dir): Change => ({ ...origin, kind: 'directory', path: dir })),
        { ...origin, kind: 'file', path, before, after: { hash: hashOf(text), mode, uid, gid } },
      ];
    }
  }
}

/** What is built from a configuration is the same for everybody who has built it; nobody writes into it. */
async function refuseStore(host: Host, path: string, nearest: string): Promise<void> {
  const place = (await host.realpath(nearest)) ?? nearest;
  if (!/^\/(nix|gnu)\/store(\/|$)/.test(place)) return;
  throw new VhostHostError('SETUP_REFUSED', `${path} lies in ${place}, which the system's own configuration builds`, {
    hint: 'put it into that configuration: https://search.nixos.org/options, or guix system',
    details: { path },
  });
}

/** Root changes nothing by a name that somebody else can let mean another file. */
export async function refuseOthersPlace(host: Host, path: string): Promise<void> {
  const doubt = host.uid() === 0 ? await changeableAround(host, path) : undefined;
  if (doubt === undefined) return;
  const what = `${path} is left alone: ${doubt.path} ${doubt.reason}, who could lead this change to another file`;
  throw new VhostHostError('SETUP_REFUSED', what, {
    hint: `chown root: ${doubt.path} && chmod go-w ${doubt.path}`,
    details: { path, place: doubt.path },
  });
}

/** Does it, and reads files and values back; returns the value. */
export async function perform(host: Host, action: Action): Promise<string | undefined> {
  switch (action.kind) {
    case 'touch': {
      // A link stays a link: what changes is the file it leads to.
      const path = (await host.realpath(action.path)) ?? action.path;
      const stat = await host.stat(path);
      if (stat === undefined) return undefined;
      await refuseOthersPlace(host, path);
      // Setting the mode it has changes nothing but the time of the last change.
      await host.chmod(path, stat.mode);
      return undefined;
    }
    case 'check': {
      const wrong = await action.check(host);
      if (wrong !== undefined) throw new VhostHostError('CHANGE_FAILED', wrong);
      return undefined;
    }
    case 'directory':
      await refuseOthersPlace(host, action.path);
      await host.mkdir(action.path, 0o755);
      return undefined;
    case 'set':
      return raiseOrSet(host, action);
    case 'mount':
      await refuseOthersPlace(host, action.path);
      await mount(host, action);
      return undefined;
    case 'run':
      if (action.command !== undefined) {
        await runUntil(host, action.command, action.until?.done, action.until?.sayAgain);
      }
      return undefined;
    case 'write': {
      const path = (await host.realpath(action.path)) ?? action.path;
      const wanted = resultOf(action, await readSnapshot(host, path));
      await refuseOthersPlace(host, path);
      await host.mkdir(dirname(path), 0o755);
      await putFile(host, path, wanted);
      return undefined;
    }
  }
}

/** Writes a file with mode and owner, and compares what is there then with what was requested. */
export async function putFile(host: Host, path: string, wanted: Snapshot): Promise<void> {
  await refuseOthersPlace(host, path);
  await host.write(path, wanted.text, wanted.mode);
  const stat = await host.stat(path);
  if (stat !== undefined && (stat.uid !== wanted.uid || stat.gid !== wanted.gid)) {
    await host.chown(path, wanted.uid, wanted.gid);
    await host.chmod(path, wanted.mode);
  }
  await relabel(host, path);
  const got = await readSnapshot(host, path);
  const difference =
    got === undefined
      ? 'it is not there'
      : got.text !== wanted.text
        ? 'its text is another'
        : describeRights(got, wanted);
  if (difference !== undefined) throw new VhostHostError('CHANGE_FAILED', `${path} was written, but ${difference}`);
}

function describeRights(got: Snapshot, wanted: Snapshot): string | undefined {
  return rights(got) === rights(wanted) ? undefined : `it has ${rights(got)}, wanted was ${rights(wanted)}`;
}

/** A new file has the label of its directory; SELinux may want another for this name. */
async function relabel(host: Host, path: string): Promise<void> {
  if ((await host.stat('/sys/fs/selinux/enforce')) === undefined) return;
  try {
    await runOrFail(host, ['restorecon', path]);
  } catch (error) {
    throw new VhostHostError('CHANGE_FAILED', `${path} has no SELinux label: ${messageOf(error)}`, { cause: error });
  }
}
