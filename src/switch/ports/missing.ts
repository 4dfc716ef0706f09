import type { Missing } from '../model/schema.js';
import type { NativePort } from '../addon/native.js';

/** What fixes what a port lacks, by the engine's name of it (native/dpdk/vhost/port_lack.h). */
const HINTS: Readonly<Record<string, string>> = {
  shut_out: 'its front end did harm and is kept out for a while; it may come again after that',
  no_features: "it comes with the guest's driver; QEMU says in its own log why it would not go on",
  no_memory: "guest memory must be shared: share=on of QEMU's memory backend, <access mode='shared'/> of libvirt",
  legacy_byte_order: 'a guest with the byte order of another CPU needs virtio 1.0: disable-legacy=on',
  no_rings: 'it comes once the guest has booted; `ip link set DEV up` in the guest',
  not_enabled: '`ip link set DEV up` in the guest; a front end of your own says SET_VRING_ENABLE',
  no_receive_queue: 'a guest that shall receive enables a receive queue',
  no_transmit_queue: 'a guest that shall send enables a transmit queue',
  no_receive_buffers: 'either its interface is down, or its memory is not shared (share=on)',
};

export function missingOf({ lack, lackText }: NativePort): Missing | null {
  return lack === 'nothing' ? null : { reason: lack, text: lackText, hint: HINTS[lack] ?? null };
}
