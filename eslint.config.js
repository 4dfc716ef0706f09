import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Who may import a package: files, or whole rooms. What the rooms may import of each other is in .ci/lib/layers.mjs. */
const owners = {
  execa: ['src/host/node-host.ts'],
  'node:fs': ['src/host/node-host.ts', 'src/host/stat.ts', 'src/host/sync-host.ts', 'src/cli/wrap/code-cache.ts'],
  'node:fs/promises': ['src/host/node-host.ts'],
  'fast-xml-parser': ['src/libvirt/'],
  inquirer: ['src/hostsetup/setup/prompts.ts'],
  chalk: ['src/common/output.ts'],
  ora: ['src/common/output.ts'],
  commander: ['src/cli/'],
  fastify: ['src/switch/'],
  diff: ['src/common/diff.ts'],
};
const packages = Object.keys(owners);

function restrict(place) {
  const paths = packages
    .filter((name) => !owners[name].some((owner) => place.startsWith(owner)))
    .map((name) => ({ name, message: `only ${owners[name].join(', ')} imports it` }));
  return {
    files: [place.endsWith('/') ? `${place}**/*.ts` : place],
    rules: { 'no-restricted-imports': ['error', { paths }] },
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
  // The last that fits a file counts, so owners come after the rooms that they are in.
  ...['src/', ...new Set(Object.values(owners).flat().sort())].map(restrict),
);
