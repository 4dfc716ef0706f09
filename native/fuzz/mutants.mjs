// Plants one mistake after the other in a copy of native/, and has the target that must find it run from its seeds.
// `node mutants.mjs [NAME...]`, by `make mutants`; ends with 1 where one is not found in time or no longer fits its source.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const native = dirname(dirname(fileURLToPath(import.meta.url)));
/** From the seeds; what the suite's short run would not find in several rounds is not found. */
const seconds = 40;

/** Target, file, what stands there once, what is put in its place. */
const mutants = [
  ['rings', 'virtio/memory/guest_mem.h', 'len <= r->size - offset', 'offset <= r->size'],
  ['rings', 'virtio/virtq_chain.c', '*entries = len / (uint32_t)sizeof(struct vh_desc);', '*entries = len / 8;'],
  ['rings', 'virtio/virtq_chain.c', 'if (i >= entries)', 'if (false)'],
  ['rings', 'virtio/virtq_chain.c', 'if (*n >= room)', 'if (false)'],
  ['cuse', 'cuse/rings.c', 'size <= parts[i].size - offset', 'true'],
  ['cuse', 'cuse/translate.c', 'if (!vh_cuse_ring_aligned(addr))', 'if (false)'],
  ['cuse', 'cuse/translate.c', 'if (base > UINT16_MAX)', 'if (false)'],
  ['cuse', 'cuse/rings.c', 'entries <= VH_CUSE_MAX_RING', 'true'],
  ['cuse', 'cuse/rings.c', '((features & F_EVENT_IDX) != 0 ? 2 : 0)', '0'],
  ['cuse', 'cuse/vu_frontend.c', 'm.state.num <= UINT16_MAX', 'true'],
  ['rules', 'switch/vlan_rules.c', 'may_stack(mode, v)', 'true', 'all'],
  ['rules', 'switch/vlan_rules.c', '(!o->needs_csum || o->csum_start >= v->end)', 'true'],
  ['rules', 'switch/vlan_rules.c', 'if (form == VH_AS_IT_CAME && s->from->uplink == NULL)', 'if (false)'],
  ['card', 'dpdk/uplink/uplink_offload.c', '(uint32_t)at.l2 + at.l3 + at.l4 + o->gso_size > u->longest', 'false'],
  ['card', 'dpdk/uplink/uplink_offload.c', 'at.l2 - (beside ? 4U : 0U)', 'at.l2'],
  ['card', 'dpdk/uplink/uplink_offload.c', 'cut ? at.l4 : 0', '0'],
  ['card', 'dpdk/uplink/uplink_offload.c', 'memmove(p + 4, p, 12)', 'memmove(p + 4, p, 11)'],
  ['filter', 'dpdk/proxy/msg_filter.c', 'return "a part of the ring lies outside the memory table"', 'return NULL'],
  ['filter', 'dpdk/proxy/msg_filter.c', 'return "it comes before SET_VRING_NUM"', 'return NULL'],
  ['filter', 'dpdk/proxy/proxy_conn.c', 'vh_mail_drop(&r->request);\n\tvh_mail_drop(&r->reply);', 'vh_mail_drop(&r->reply);'],
  ['filter', 'dpdk/vhost/session_rings.c', 'vh_vq_stop(vh_ring_queue(s, i));', ';'],
  ['config', 'launch/config.c', "if (*at == '\\\\' && *++at == '\\0')", "if (*at == '\\\\' && *++at == 'x')"],
  ['config', 'launch/config.c', '!is_quiet(key) || strcmp(key, "emulator") == 0', '!is_quiet(key)'],
  ['config', 'launch/config.c', "if (!end || memchr(at, '\\\\', (size_t)(end - at)))", 'if (!end)'],
  ['config', 'launch/config.c', 'free(config->emulator);\n\t\tconfig', 'config'],
  ['values', 'addon/values.c', 'number >= (double)min', 'number >= (double)min - 1'],
  ['values', 'addon/values.c', '*n == 0 || *n > room', '*n == 0'],
  ['values', 'addon/values.c', ' || strlen(out) != length', ''],
  ['values', 'addon/values.c', 'length >= room', 'false'],
  ['values', 'addon/values.c', ' && number == (double)(int64_t)number', ''],
  ['values', 'addon/module.c', 'o.mtu = (uint32_t)mtu', 'o.mtu = (uint16_t)buffers'],
];

function plant(dir, [, file, from, to, all]) {
  const path = join(dir, file);
  const parts = readFileSync(path, 'utf8').split(from);
  if (parts.length < 2 || (parts.length > 2 && all === undefined))
    throw new Error(`${file}: "${from}" stands there ${parts.length - 1} times`);
  writeFileSync(path, parts.join(to));
}

const quiet = { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' };

/** Return: seconds until it was found, or undefined. */
function find(dir, target) {
  const built = spawnSync('make', ['-s', '-C', join(dir, 'fuzz'), `../build/fuzz/${target}`, 'WARNINGS='], quiet);
  if (built.status !== 0) throw new Error(`${target} does not compile with it:\n${built.stderr.slice(0, 2000)}`);
  const limits = spawnSync('make', ['-s', '-C', join(dir, 'fuzz'), `limits-${target}`], quiet).stdout.trim().split(/\s+/);
  const begin = performance.now();
  const run = spawnSync(
    `../build/fuzz/${target}`,
    [...limits, `-max_total_time=${seconds}`, `-seed=1`, `seeds-${target}`],
    { ...quiet, cwd: join(dir, 'fuzz'), timeout: (seconds + 60) * 1000, maxBuffer: 1 << 28 },
  );
  return run.status === 0 ? undefined : (performance.now() - begin) / 1000;
}

let missed = 0;
const chosen = process.argv.slice(2);
for (const mutant of mutants) {
  const [target, file, from, to] = mutant;
  if (chosen.length > 0 && !chosen.includes(target)) continue;
  const dir = mkdtempSync(join(tmpdir(), 'vh-mutant-'));
  try {
    // With its times, so that only what the mistake touches is compiled.
    cpSync(native, dir, {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => !/\/(corpus|merged)-|\/build\/(?!fuzz)/.test(resolve(path).slice(native.length)),
    });
    plant(dir, mutant);
    const found = find(dir, target);
    if (found === undefined) missed++;
    const what = `${target}: ${file}: ${from.replace(/\s+/g, ' ')} -> ${to.replace(/\s+/g, ' ')}`;
    process.stdout.write(`${found === undefined ? 'MISSED' : `${found.toFixed(1)} s`}  ${what}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
process.exitCode = missed === 0 ? 0 : 1;
