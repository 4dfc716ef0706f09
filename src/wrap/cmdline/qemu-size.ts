import { VhostHostError } from '../../common/errors.js';

const POWERS = ['', 'k', 'm', 'g', 't', 'p', 'e'];

/** Bytes of a size as QEMU and the kernel write it: `4096`, `262144k`, `1.5G`. `unit` counts where none is written. */
export function parseSize(text: string, unit: number): number {
  if (/^0x[0-9a-f]+$/i.test(text)) return Number(text) * unit;
  const match = /^(\d+(?:\.\d+)?)(b|[kmgtpe])?$/i.exec(text);
  if (match === null) {
    throw new VhostHostError('ARGV_INVALID', `"${text}" is not a memory size`, { hint: 'write it like 4096M or 4G' });
  }
  const suffix = match[2]?.toLowerCase();
  const factor = suffix === undefined ? unit : suffix === 'b' ? 1 : 1024 ** POWERS.indexOf(suffix);
  return Math.round(Number(match[1]) * factor);
}

/** A size for people and for QEMU: whole units, as large as they come. */
export function printSize(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (power < 4 && value !== 0 && value % 1024 === 0) {
    value /= 1024;
    power++;
  }
  return `${value}${(POWERS[power] ?? '').toUpperCase()}`;
}
