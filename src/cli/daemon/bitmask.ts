/** Numbers of the bits that are set in a mask of 32, the lowest first. */
export function bitsOf(mask: number): readonly number[] {
  return Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (mask >>> bit) & 1);
}
