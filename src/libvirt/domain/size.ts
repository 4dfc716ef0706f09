import { VhostHostError, printable } from '../../common/errors.js';

/** Sizes as libvirt writes them: a number and a unit beside it; KiB where there is none. */
const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  kb: 1e3,
  k: 2 ** 10,
  kib: 2 ** 10,
  mb: 1e6,
  m: 2 ** 20,
  mib: 2 ** 20,
  gb: 1e9,
  g: 2 ** 30,
  gib: 2 ** 30,
  tb: 1e12,
  t: 2 ** 40,
  tib: 2 ** 40,
};

export function bytesOf(text: string | undefined, unit = 'KiB'): number {
  const factor = UNITS[unit.toLowerCase()];
  const value = Number(text?.trim() === '' ? Number.NaN : text);
  if (factor !== undefined && Number.isSafeInteger(value * factor) && value >= 0) return value * factor;
  throw new VhostHostError('XML_INVALID', `"${printable(`${text ?? ''} ${unit}`)}" is not a memory size`);
}
