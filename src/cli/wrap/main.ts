import { load } from './code-cache.js';

/** A hash of the planner's text, which the bundler puts in. */
declare const TEXT_OF_PLANNER: string;

/** What the launcher has Node run: the bundled planner, `wrap-plan.js` beside this file. */
load(`${__dirname}/wrap-plan`, TEXT_OF_PLANNER).run(require);
