/** What the checks read out of libvirt's qemu.conf; editing it is another file's business. */

export const QEMU_CONF = '/etc/libvirt/qemu.conf';

/** The value of `key = "value"`. */
export function confValue(text: string, key: string): string | undefined {
  return new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*["']?([^"'#\\n]*?)["']?[ \\t]*(?:#.*)?$`, 'm').exec(text)?.[1];
}
