import type { PolicyPaths } from './apparmor-rules.js';

/** A policy module with the least that guests need, instead of SELinux switched to permissive. */

export const MODULE = 'vhost_host';
const VERSION = '1.0';
const READ = 'getattr open read map ioctl lock';
const RUN = 'getattr open read map ioctl execute execute_no_trans';

/** Domains that a switch may run in: as a service, or started by hand. A policy may know only one of them. */
const SWITCH_DOMAINS = ['unconfined_service_t', 'unconfined_t'];

/** The module's rules, for `checkmodule -M -m`. */
export function policySource(): string {
  return `module ${MODULE} ${VERSION};

require {
\tattribute virt_domain;
\tattribute file_type;
\ttype qemu_exec_t;
\ttype bin_t;
\ttype shell_exec_t;
\ttype usr_t;
\ttype tmpfs_t;
\tclass file { ${RUN} lock };
\tclass lnk_file { getattr read };
\tclass dir { getattr open read search };
\tclass filesystem associate;
\tclass sock_file { getattr write };
\tclass unix_stream_socket connectto;
}

# The switch's run directory, with the sockets that guests connect to.
type ${MODULE}_run_t;
typeattribute ${MODULE}_run_t file_type;
allow ${MODULE}_run_t tmpfs_t:filesystem associate;
allow virt_domain ${MODULE}_run_t:dir { getattr search };
allow virt_domain ${MODULE}_run_t:sock_file { getattr write };

# qemu-wrap (labelled as an emulator), its launcher and planner; then QEMU itself.
allow virt_domain { qemu_exec_t bin_t shell_exec_t }:file { ${RUN} };
allow virt_domain usr_t:dir { getattr open read search };
allow virt_domain usr_t:file { ${READ} };
allow virt_domain usr_t:lnk_file { getattr read };
${SWITCH_DOMAINS.map(switchRules).join('')}`;
}

function switchRules(domain: string): string {
  return `
optional {
\trequire {
\t\ttype ${domain};
\t\ttype var_run_t;
\t\tclass dir create;
\t}
\tallow virt_domain ${domain}:unix_stream_socket connectto;
\ttype_transition ${domain} var_run_t:dir ${MODULE}_run_t "vhost-host";
}
`;
}

function literal(path: string): string {
  return path.replace(/[.^$*+?()[\]{}|\\]/g, '\\$&');
}

/** Which files get which label, for `semodule_package -f`. */
export function fileContexts({ wrapper, launcher, packageRoot, runDir, deviceBase }: PolicyPaths): string {
  const label = (type: string): string => `system_u:object_r:${type}:s0`;
  return [
    `${literal(wrapper)} -- ${label('qemu_exec_t')}`,
    `${literal(packageRoot)}(/.*)? ${label('usr_t')}`,
    `${literal(launcher)} -- ${label('bin_t')}`,
    `${literal(runDir)}(/.*)? ${label(`${MODULE}_run_t`)}`,
    ...(deviceBase === undefined ? [] : [`/dev/${literal(deviceBase)}-[0-9]+ -c ${label('vhost_device_t')}`]),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
