import { VhostHostError, printable } from '../errors.js';

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

export const KIB = 2 ** 10;
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

export function bytesOf(text: string | undefined, unit = 'KiB'): number {
  const factor = UNITS[unit.toLowerCase()];
  const value = Number(text?.trim() === '' ? Number.NaN : text);
  if (factor !== undefined && Number.isSafeInteger(value * factor) && value >= 0) return value * factor;
  throw new VhostHostError('XML_INVALID', `"${printable(`${text ?? ''} ${unit}`)}" is not a memory size`);
}

/** For people: `2 MiB`, `1 GiB`. */
export function sizeText(bytes: number): string {
  for (const [unit, factor] of [
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', KIB],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
  }
  return `${bytes} bytes`;
}
