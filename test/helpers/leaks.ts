import { readFile, readdir } from 'node:fs/promises';
import { linkPrefix, tempPrefix, testMark } from './paths.js';
import { until } from './until.js';

const END_DEADLINE_MS = 15_000;
const pagesBase = '/sys/kernel/mm/hugepages';

async function listOf(dir: string): Promise<string[]> {
  return readdir(dir).catch(() => []);
}

/** Processes that descend from this test run, however detached: they carry its mark in their environment. */
async function ourProcesses(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await listOf('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (!environ.split('\0').includes(`${testMark.name}=${testMark.value}`)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    // A process that has just ended has no command line any more.
    if (command !== '') found.push(`process ${pid}: ${command.replaceAll('\0', ' ')}`);
  }
  return found;
}

/** Temporary directories of ours, and sockets that are still bound in them. */
async function ourFiles(): Promise<string[]> {
  const dirs = (await listOf('/tmp')).map((name) => `/tmp/${name}`).filter((path) => path.startsWith(tempPrefix));
  const bound = (await readFile('/proc/net/unix', 'utf8')).match(/\/\S+$/gm) ?? [];
  return [...dirs, ...bound.filter((path) => path.startsWith(tempPrefix)).map((path) => `socket ${path}`)];
}

/** Network interfaces and namespaces of ours. */
async function ourLinks(): Promise<string[]> {
  const links = (await readFile('/proc/net/dev', 'utf8')).split('\n').map((line) => line.split(':')[0]?.trim() ?? '');
  const names = [
    ...links.map((name) => `interface ${name}`),
    ...(await listOf('/run/netns')).map((ns) => `netns ${ns}`),
  ];
  return names.filter((name) => name.includes(linkPrefix));
}

async function hugepages(): Promise<Record<string, string>> {
  const pages: Record<string, string> = {};
  for (const size of await listOf(pagesBase)) {
    for (const kind of ['nr_hugepages', 'free_hugepages']) {
      pages[`${size} ${kind}`] = (await readFile(`${pagesBase}/${size}/${kind}`, 'utf8')).trim();
    }
  }
  return pages;
}

/**
 * Takes the state of the host; the returned check fails when the test has left anything of it changed. `pages`: whether
 * that goes for hugepages too, which are counted, so that a test beside it may take none either.
 */
export async function watchForLeaks({ pages: watchPages = true } = {}): Promise<() => Promise<void>> {
  const pagesBefore = watchPages ? await hugepages() : {};
  const leaks = async (): Promise<string[]> => {
    const pagesNow = watchPages ? await hugepages() : {};
    const pages = Object.entries(pagesNow).filter(([key, value]) => pagesBefore[key] !== value);
    return [
      ...(await ourProcesses()),
      ...(await ourFiles()),
      ...(await ourLinks()),
      ...pages.map(([key, value]) => `${key}: ${value}, was ${pagesBefore[key] ?? 'none'}`),
    ];
  };
  return async () => {
    let left: string[] = [];
    try {
      // Waits, because the kernel takes a moment to tear down a guest that was killed.
      await until(async () => (left = await leaks()).length === 0, { deadline: END_DEADLINE_MS, what: 'a clean host' });
    } catch (error) {
      throw new Error(`left behind:\n${left.join('\n')}`, { cause: error });
    }
  };
}
