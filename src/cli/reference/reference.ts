import { packageVersion } from '../../common/package.js';
import { DROP_REASONS } from '../../switch/model/drop-reasons.js';
import { apiDocument, configSchema } from '../../switch/api/openapi.js';
import { bashCompletion } from './completion/bash.js';
import { fishCompletion } from './completion/fish.js';
import { zshCompletion } from './completion/zsh.js';
import { dropReasonPage } from './drop-reasons.js';
import { manPages } from './man.js';
import { commandReference } from './markdown.js';
import { commandTree } from './tree.js';
import { wrapPage } from './wrap.js';
import { wrapSchema } from './wrap-schema.js';

/** Directories in which nothing but these files (and what is kept of releases) may lie. */
export const REFERENCE_DIRS = ['man', 'contrib/completion', 'docs/reference'];

function json(document: unknown): string {
  return JSON.stringify(document);
}

/** Every page that is made of the program itself, by its path in the repository; JSON is not formatted yet. */
export async function referenceFiles(): Promise<ReadonlyMap<string, string>> {
  const version = packageVersion();
  const tree = commandTree();
  return new Map([
    ...[...manPages(tree, version)].map(([name, text]) => [`man/${name}`, text] as const),
    ['man/qemu-wrap.1', wrapPage(version)],
    ['contrib/completion/vhost-host.bash', bashCompletion(tree)],
    ['contrib/completion/_vhost-host', zshCompletion(tree)],
    ['contrib/completion/vhost-host.fish', fishCompletion(tree)],
    ['docs/reference/cli.md', commandReference(tree)],
    ['docs/reference/drop-reasons.md', dropReasonPage(DROP_REASONS)],
    ['docs/reference/openapi.json', json(await apiDocument(version))],
    ['docs/reference/switch.schema.json', json(configSchema())],
    ['docs/reference/qemu-wrap.schema.json', json(wrapSchema())],
  ]);
}
