/** CPU lists as the kernel writes them: `0,2-3`. */

const MAX_CPU = 4095;

export type CpuListResult = { readonly cpus: readonly number[] } | { readonly reason: string };

/** The CPUs of a list, in its order; each at most once. */
export function parseCpuList(text: string): CpuListResult {
  const cpus: number[] = [];
  for (const part of text.trim().split(',')) {
    const range = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim());
    if (range === null) return { reason: `"${text}" is not a CPU list such as 0,2-3` };
    const first = Number(range[1]);
    const last = Number(range[2] ?? range[1]);
    if (last < first) return { reason: `the range ${part.trim()} runs backwards` };
    if (last > MAX_CPU) return { reason: `there is no CPU ${last}` };
    for (let cpu = first; cpu <= last; cpu++) {
      if (cpus.includes(cpu)) return { reason: `CPU ${cpu} is named twice` };
      cpus.push(cpu);
    }
  }
  return { cpus };
}

/** The CPUs that this process may run on, from the text of /proc/self/status; undefined where it does not say. */
export function allowedCpus(procStatus: string): readonly number[] | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(procStatus)?.[1];
  if (list === undefined) return undefined;
  const result = parseCpuList(list);
  return 'cpus' in result ? result.cpus : undefined;
}
