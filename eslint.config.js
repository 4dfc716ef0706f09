import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** One owner per package, and dependencies one way: bin -> cli -> {hostsetup, libvirt, wrap, switch} -> {log, host} -> errors. */
const owners = {
  execa: 'src/host/node-host.ts',
  'node:fs': 'src/host/node-host.ts and src/host/sync-host.ts',
  'node:fs/promises': 'src/host/node-host.ts',
  'fast-xml-parser': 'src/libvirt/',
  inquirer: 'src/hostsetup/setup/prompts.ts',
  chalk: 'src/common/output.ts',
  ora: 'src/common/output.ts',
  commander: 'src/cli/',
  fastify: 'src/switch/',
  diff: 'src/common/diff.ts',
};
const rooms = ['wrap', 'libvirt', 'hostsetup', 'switch'];

function restrict(files, allowedPackages, forbiddenPatterns) {
  const paths = Object.keys(owners)
    .filter((name) => !allowedPackages.includes(name))
    .map((name) => ({ name, message: `only ${owners[name]} imports it` }));
  return {
    files,
    rules: { 'no-restricted-imports': ['error', { paths, patterns: forbiddenPatterns }] },
  };
}

export default tseslint.config(
  { ignores: ['build/', 'native/build/', 'node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: { 'max-lines-per-function': 'off', '@typescript-eslint/no-floating-promises': 'error' },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  ...rooms.map((room) =>
    restrict(
      [`src/${room}/**/*.ts`],
      Object.keys(owners).filter((name) => owners[name].startsWith(`src/${room}/`)),
      [
        {
          group: rooms.filter((r) => r !== room).map((r) => `../${r}/*`),
          message: 'the four modules do not import each other; cli composes them',
        },
        { group: ['../cli/*'], message: 'cli stands above the modules' },
      ],
    ),
  ),
  restrict(['src/cli/**/*.ts'], ['commander'], []),
  restrict(['src/common/output.ts'], ['chalk', 'ora'], ['./cli/*', ...rooms.map((r) => `./${r}/*`)]),
  restrict(['src/host/node-host.ts'], ['execa', 'node:fs', 'node:fs/promises'], ['./cli/*', ...rooms.map((r) => `./${r}/*`)]),
  restrict(['src/host/sync-host.ts'], ['node:fs'], ['./cli/*', ...rooms.map((r) => `./${r}/*`)]),
  restrict(['src/common/diff.ts'], ['diff'], ['./cli/*', ...rooms.map((r) => `./${r}/*`)]),
  restrict(['src/common/errors.ts'], [], ['./*', '../*']),
);
