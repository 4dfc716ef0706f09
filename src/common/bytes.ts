/** Sizes of memory, in bytes. */

export const KIB = 2 ** 10;
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

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

/** For programs: `2M`, `1G`, as options of mount and of the kernel take it. */
export function shortSize(bytes: number): string {
  if (bytes > 0 && bytes % GIB === 0) return `${bytes / GIB}G`;
  return bytes > 0 && bytes % MIB === 0 ? `${bytes / MIB}M` : `${bytes / KIB}K`;
}

/** `8G`, `1.5GiB`, `512M` as people write it, in bytes; undefined for anything else, a bare number as well. */
export function readSize(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgt])(?:i?b)?$/i.exec(text.trim()) ?? [];
  if (number === undefined) return text.trim() === '0' ? 0 : undefined;
  const bytes = Math.round(Number(number) * KIB ** ('kmgt'.indexOf(unit.toLowerCase()) + 1));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const KERNEL_UNITS = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/**
 * As the kernel's memparse() reads sizes (lib/cmdline.c): a decimal, hexadecimal or octal number and a unit; what stands
 * behind means nothing, so `1G`, `1GB`, `1024M`, `1073741824` and `0x40000000` are the same. undefined without a number.
 */
export function kernelSize(text: string): number | undefined {
  const [, digits, unit = ''] = /^(0x[0-9a-f]+|\d+)([kmgtpe]?)/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const number = /^0[0-7]+$/.test(digits) ? parseInt(digits, 8) : Number(digits);
  return number * KIB ** KERNEL_UNITS.indexOf(unit.toUpperCase());
}
