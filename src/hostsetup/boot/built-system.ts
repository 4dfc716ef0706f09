import { shortSize } from '../../common/bytes.js';
import { poolDirectory } from '../../host/kernel/hugepages.js';
import type { SnippetStyle } from './method.js';
import { optionsOf } from '../mounts/options.js';
import { ruleText } from '../nic/bind.js';
import type { PoolSpec } from '../hugepages/spec.js';
import { unitText } from '../service/unit.js';
import type { MountSpec } from '../mounts/spec.js';

/**
 * What a system that is built from a configuration (NixOS, Guix, Talos, Bottlerocket) is told in the words of that
 * configuration, kernel arguments apart: its files are links into a store that nobody writes to, or come from an image.
 */
export interface Declared {
  /** Pages to be reserved at each start, without kernel arguments. */
  readonly pools: readonly PoolSpec[];
  readonly mounts: readonly MountSpec[];
  readonly modules: readonly string[];
  readonly nic: { readonly address: string; readonly driver: string } | undefined;
  readonly service: { readonly binary: string; readonly config: string | undefined } | undefined;
}

/** The lines to add; none where nothing is asked for. */
export function declare(style: SnippetStyle, declared: Declared): string[] {
  switch (style) {
    case 'nix':
      return nix(declared);
    case 'guix':
      return guix(declared);
    case 'talos':
      return talos(declared);
    case 'bottlerocket':
      return bottlerocket(declared);
    case 'bootc':
    case 'plain':
      return [];
  }
}

const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
const quoteNix = (text: string): string => quote(text).replaceAll('${', '\\${');
const indented = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line.replaceAll("''", "'''").replaceAll('${', "''${")}`);

/** systemd's own unit for /dev/hugepages goes before a line of fstab, so that one is overridden as a unit. */
const DEFAULT_MOUNT = '/dev/hugepages';

function nix({ pools, mounts, modules, nic, service }: Declared): string[] {
  const rules = pools.map(({ pageSize, node, count }) =>
    quoteNix(`w! ${poolDirectory(pageSize, node)}/nr_hugepages - - - - ${count}`),
  );
  const files = mounts.map((spec) => {
    const options = optionsOf(spec);
    if (spec.path === DEFAULT_MOUNT)
      return `systemd.mounts = [ { what = "hugetlbfs"; where = "${spec.path}"; type = "hugetlbfs"; options = "${options}"; wantedBy = [ "local-fs.target" ]; } ];`;
    const list = options.split(',').map(quoteNix).join(' ');
    return `fileSystems."${spec.path}" = { device = "hugetlbfs"; fsType = "hugetlbfs"; options = [ ${list} ]; };`;
  });
  return [
    ...(rules.length === 0 ? [] : [`systemd.tmpfiles.rules = [ ${rules.join(' ')} ];`]),
    ...files,
    ...(modules.length === 0 ? [] : [`boot.kernelModules = [ ${modules.map(quoteNix).join(' ')} ];`]),
    ...(nic === undefined
      ? []
      : ["services.udev.extraRules = ''", ...indented(ruleText(nic.address, nic.driver, undefined)), "'';"]),
    ...(service === undefined ? [] : nixService(unitText(service))),
  ];
}

/** Comments are for files that people read later; a snippet has its own. */
function nixService(unit: string): string[] {
  const lines = unit.split('\n').filter((line) => /^(\[|\w+=)/.test(line));
  const text = lines
    .flatMap((line) => (line.startsWith('[') ? ['', line] : [line]))
    .join('\n')
    .trimStart();
  const [body = ''] = text.split('\n\n[Install]');
  return [
    'systemd.units."vhost-host.service" = {',
    '  wantedBy = [ "multi-user.target" ];',
    "  text = ''",
    ...indented(body).map((line) => `  ${line}`),
    "  '';",
    '};',
  ];
}

function guix({ pools, mounts, modules, nic, service }: Declared): string[] {
  const files = mounts.map((spec) =>
    [
      `(file-system (device "hugetlbfs") (mount-point "${spec.path}") (type "hugetlbfs")`,
      `(options "${optionsOf(spec)}") (check? #f) (create-mount-point? #t))`,
    ].join(' '),
  );
  const small = pools.map(
    ({ pageSize, node, count }) => `echo ${count} > ${poolDirectory(pageSize, node)}/nr_hugepages`,
  );
  const rule = nic === undefined ? [] : ruleText(nic.address, nic.driver, undefined).trimEnd().split('\n');
  return [
    ...(files.length === 0 ? [] : [`(file-systems (append (list ${files.join('\n  ')}) %base-file-systems))`]),
    ...(small.length === 0
      ? []
      : ["(simple-service 'hugepages activation-service-type", `  #~(system ${quote(small.join('; '))}))`]),
    ...(modules.length === 0
      ? []
      : [`(simple-service 'vhost-host kernel-module-loader-service-type '(${modules.map(quote).join(' ')}))`]),
    ...(rule.length === 0
      ? []
      : [`(udev-rules-service 'vhost-host (udev-rule "60-vhost-host.rules" ${quote(`${rule.join('\n')}\n`)}))`]),
    ...(service === undefined ? [] : [`; a shepherd service that runs: ${startOf(service)}`]),
  ];
}

const startOf = ({ binary, config }: NonNullable<Declared['service']>): string =>
  [binary, 'start', ...(config === undefined ? [] : ['--config', config])].join(' ');

/** `vm.nr_hugepages` counts pages of the kernel's default size, and all nodes together. */
function talos({ pools, mounts, modules, nic }: Declared): string[] {
  const count = pools.reduce((sum, pool) => sum + pool.count, 0);
  const names = modules.map((name) => `      - name: ${name.replaceAll('-', '_')}`);
  const rule = nic === undefined ? [] : ruleText(nic.address, nic.driver, undefined).trimEnd().split('\n');
  const lines = [
    ...(count === 0 ? [] : ['  sysctls:', `    vm.nr_hugepages: "${count}"`]),
    ...(names.length === 0 ? [] : ['  kernel:', '    modules:', ...names]),
    ...(rule.length === 0
      ? []
      : [
          '  udev:',
          '    rules:',
          ...rule.filter((line) => !line.startsWith('#')).map((line) => `      - ${JSON.stringify(line)}`),
        ]),
  ];
  return [...(lines.length === 0 ? [] : ['machine:', ...lines]), ...inPods(mounts)];
}

function bottlerocket({ pools, mounts, modules, nic }: Declared): string[] {
  const sizes = [...new Set(pools.map(({ pageSize }) => pageSize))];
  const counts = sizes.map((size) => {
    const count = pools.reduce((sum, pool) => sum + (pool.pageSize === size ? pool.count : 0), 0);
    return `"${shortSize(size)}i" = { count = "${count}" }`;
  });
  return [
    ...(counts.length === 0 ? [] : ['[settings.kernel.hugepages.static]', ...counts]),
    ...modules.flatMap((name) => [`[settings.kernel.modules.${name}]`, 'allowed = true', 'autoload = true']),
    ...(nic === undefined ? [] : [`# ${nic.address} to ${nic.driver}: by driver_override from a bootstrap container`]),
    ...inPods(mounts),
  ];
}

/** Nothing is mounted on such a host itself. */
function inPods(mounts: readonly MountSpec[]): string[] {
  return mounts.map(
    ({ pageSize }) =>
      `# pages of ${shortSize(pageSize)} in a pod: a volume emptyDir of medium HugePages-${shortSize(pageSize)}i`,
  );
}
