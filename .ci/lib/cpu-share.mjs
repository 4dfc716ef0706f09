// How much of this machine's processors we may use: a container or a slice may have a quota of CPU time.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

function read(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Processors that a control group's own files allow, or Infinity (Linux: admin-guide/cgroup-v2.rst, cpu.max; v1: cpu.cfs_quota_us). */
function allowedBy(directory) {
  const max = read(join(directory, 'cpu.max'));
  const [quota, period] =
    max === undefined
      ? [read(join(directory, 'cpu.cfs_quota_us')), read(join(directory, 'cpu.cfs_period_us'))]
      : max.split(' ');
  return Number(quota) > 0 && Number(period) > 0 ? Number(quota) / Number(period) : Infinity;
}

/** Where the control groups of this process are that may have a quota. */
function ownGroups() {
  return (read('/proc/self/cgroup') ?? '').split('\n').flatMap((line) => {
    const [, controllers = '', ...path] = line.split(':');
    if (controllers === '') return [['/sys/fs/cgroup', path.join(':')]];
    return controllers.split(',').includes('cpu') ? [[`/sys/fs/cgroup/${controllers}`, path.join(':')]] : [];
  });
}

/** Return: how many times longer work takes than on all processors without a quota; 1 without one. */
export function slowdown() {
  let allowed = availableParallelism();
  for (const [mount, path] of ownGroups()) {
    for (let group = path; ; group = dirname(group)) {
      allowed = Math.min(allowed, allowedBy(join(mount, group)));
      if (group === '/' || group === '.') break;
    }
  }
  return availableParallelism() / allowed;
}
