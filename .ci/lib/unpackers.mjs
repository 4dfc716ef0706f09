/** Programs that unpack files, or with -c their stdin to stdout, by the end of the files' names. */
export const unpackers = {
  gz: ['gzip', '-dq'],
  xz: ['xz', '-dq'],
  zst: ['zstd', '-dq', '--rm'],
  lz4: ['lz4', '-dq'],
};
