import { load } from '../quick-start.js';

/** What the launcher has Node run: the bundled planner, `wrap-plan.js` beside this file. */
load(`${__dirname}/wrap-plan`).run(require);
