/* One holder per file, for as long as its process lives. */
#ifndef VH_BASE_FILE_LOCK_H
#define VH_BASE_FILE_LOCK_H

/*
 * Takes an exclusive flock(2) on `path`, which is made with mode 0600 where it is missing and never followed
 * through a symbolic link. The kernel drops the lock when the process ends, however it ends.
 * The file says which process that is.
 * Return: a descriptor (close it to let go), -EWOULDBLOCK when somebody else holds it, or another negative
 * errno.
 */
int vh_file_lock(const char *path);

/*
 * The same on the directory `path` itself, which has to be there: what happens to the files in it does not
 * let anybody else in. Nothing is written.
 */
int vh_dir_lock(const char *path);

#endif
