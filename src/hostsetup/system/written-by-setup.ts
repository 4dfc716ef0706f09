/** What files of ours begin with, which take `#` for a comment. */
export const WRITTEN_BY_SETUP = '# Written by vhost-host setup; vhost-host setup --undo takes it away.\n';
