// Words that stood here once where the field has its own: not in identifiers, nor in what users read.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** `identifier`: a word of a name, split at capitals and underscores, in lower case; `text`: of a string. */
const replaced = [
  { identifier: /^(wish|wishes|wished)$/, text: /\bwish(es|ed)?\b/i, say: 'spec, or requested' },
  { identifier: /^strays?$/, text: /\bstrays?\b/i, say: 'unknown unicast' },
  { identifier: /^spread$/, text: /\bspread\b/i, say: 'rebalance (of workers), distribute (of anything else)' },
  { identifier: /^(mend|mends|mended|mending)$/, text: /\bmend(s|ed|ing)?\b/i, say: 'fix' },
  { identifier: /^talk$/, text: /^talk$/, say: 'console' },
  { identifier: /^uncopied$/, text: /\buncopied\b/i, say: 'zero copy: ZC TX, ZC RX' },
  { text: /\bas wanted\b/, say: 'unchanged, or up to date' },
  { text: /\btold\b/, say: 'reported, or what it was asked to do' },
  { text: /\brefused\b/, say: 'rejected, or not allowed' },
  { text: /\bold sample\b|\bthe original's\b/, say: "DPDK's vhost example" },
];

/** Names of the release before that are still taken, with a warning: where they stand. */
const aliases = {
  'src/switch/config/renamed-keys.ts': /\bstrays\b/g,
  'src/cli/switch/uplinks.ts': /(?:--)?\bstrays\b/g,
  'src/cli/switch/rebalance.ts': /\bspread\b/g,
};
const checked = /^(src\/.*\.ts|native\/(base|virtio|switch|dpdk|addon|cuse|launch)\/.*\.[ch])$/;

const wordsOf = (name) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z]+/);

/** Names and texts of TypeScript: [position, kind, text]. */
function tokensOfTypeScript(path, text) {
  const tokens = [];
  const visit = (node) => {
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) tokens.push([node.getStart(), 'identifier', node.text]);
    else if (ts.isLiteralExpression(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      if (node.kind !== ts.SyntaxKind.RegularExpressionLiteral) tokens.push([node.getStart(), 'text', node.text]);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return tokens;
}

/** Of C. */
function tokensOfC(text) {
  const pattern = /\/\*[^]*?\*\/|\/\/.*|^[ \t]*#[ \t]*include.*|"((?:\\.|[^"\\])*)"|'(?:\\.|[^'\\])+'|([A-Za-z_]\w*)/gm;
  return [...text.matchAll(pattern)].flatMap(({ index, 1: string, 2: name }) => {
    if (name !== undefined) return [[index, 'identifier', name]];
    return string === undefined ? [] : [[index, 'text', string]];
  });
}

/** files: paths below `root`. Return: lines for a person, each with the word to use instead. */
export function replacedWords(files, root) {
  return files
    .filter((file) => checked.test(file))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const tokens = file.endsWith('.ts') ? tokensOfTypeScript(file, text) : tokensOfC(text);
      return tokens.flatMap(([at, kind, found]) => {
        const own = aliases[file] === undefined ? found : found.replace(aliases[file], '');
        const rule = replaced.find(({ identifier, text: words }) =>
          kind === 'text'
            ? words.test(own)
            : identifier !== undefined && wordsOf(own).some((word) => identifier.test(word)),
        );
        const line = text.slice(0, at).split('\n').length;
        return rule === undefined ? [] : [`${file}:${line}: "${found.slice(0, 60)}": the field says ${rule.say}`];
      });
    });
}
